//! Stored content that was damaged or exchanged: refused, or read without panic, and then written back as
//! the same bytes. What begins each bundle and the sum at its end are added here, or nothing behind them
//! would ever be reached.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sha1::{Digest as _, Sha1};
use skaas_git::bundle::Bundle;

fuzz_target!(|data: &[u8]| {
    let mut stored = [b"skaasbdl\0\0\0\x01".as_slice(), data].concat();
    let sum = Sha1::digest(&stored);
    stored.extend_from_slice(&sum);
    let Ok(bundle) = Bundle::decode(Bytes::from(stored.clone())) else { return };
    assert_eq!(bundle.encode(), stored);
    let Ok(()) = bundle.verify() else { return };
    for object in bundle.objects() {
        let content =
            bundle.read(&object.id).expect("what was verified is read").expect("it is in the table");
        assert_eq!(content.len() as u64, object.size);
    }
    for file in bundle.files().expect("what was verified is listed") {
        bundle.file(&file.path).expect("what is listed is read");
    }
});
