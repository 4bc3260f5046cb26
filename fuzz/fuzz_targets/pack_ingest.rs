//! A pushed pack: refused or taken in whole, within its limits, and gone when refused. The sum at
//! its end is corrected first, or nothing behind it would ever be reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha1::{Digest as _, Sha1};
use skaas_git::source_repo::{IngestLimits, SourceRepo};

fuzz_target!(|data: &[u8]| {
    let limits = IngestLimits {
        blob_bytes: 1 << 16,
        structure_bytes: 1 << 16,
        inflated_bytes: 1 << 20,
        resident_bytes: 1 << 10,
        ..IngestLimits::default()
    };
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), data].concat();
    let sum = Sha1::digest(&pack);
    pack.extend_from_slice(&sum);
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let repo = SourceRepo::open(dir.path()).expect("an empty folder opens");
    if let Ok(ingested) = repo.ingest(pack.as_slice(), &limits, &mut |_| ()) {
        assert!(ingested.inflated_bytes() <= limits.inflated_bytes);
        repo.accept(ingested).expect("what was taken in can be accepted");
        return;
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("the folder is there").count(), 0);
});
