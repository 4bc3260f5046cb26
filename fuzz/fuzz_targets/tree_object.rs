//! Foreign objects: checked without panic, whatever their bytes. The first byte chooses the kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_git::object::Kind;
use skaas_git::source_repo::check_object;

fuzz_target!(|data: &[u8]| {
    let Some((first, content)) = data.split_first() else { return };
    let kind = match first % 4 {
        0 => Kind::Tree,
        1 => Kind::Commit,
        2 => Kind::Tag,
        _ => Kind::Blob,
    };
    let _ = check_object(kind, content);
});
