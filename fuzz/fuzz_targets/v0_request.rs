//! Protocol v0: whatever is asked, the limits hold and nothing forbidden is planned.
#![no_main]

mod lapsed;

use lapsed::Lapsed;
use libfuzzer_sys::fuzz_target;
use skaas_git::upload_pack::{Limits, parse_v0};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { wants: 16, haves: 16, shallows: 16, names: 16, ..Limits::default() };
    let repo = Lapsed::new();
    let request = match parse_v0(data, &limits) {
        Ok(request) => request,
        Err(_) => return,
    };
    assert!(request.wants.len() + request.want_refs.len() <= limits.wants);
    assert!(request.haves.len() <= limits.haves && request.shallow.len() <= limits.shallows);
    repo.answer(&request);
});
