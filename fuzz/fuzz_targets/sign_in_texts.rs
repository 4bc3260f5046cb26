//! What strangers send to sign in: scopes, codes that were typed, addresses to go back to. Each has one spelling, or
//! none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_domain::{device::UserCode, redirect, scope::Scopes};

fuzz_target!(|input: (&str, &str)| {
    let (text, other) = input;
    if let Ok(scopes) = text.parse::<Scopes>() {
        assert_eq!(scopes.to_string().parse::<Scopes>().as_ref(), Ok(&scopes));
    }
    if let Ok(code) = UserCode::parse(text) {
        assert_eq!(UserCode::parse(&code.to_string()).map(|again| again.hash()), Ok(code.hash()));
    }
    if redirect::check(text).is_ok() {
        assert!(redirect::matches(text, text));
        assert!(!text.contains(['\r', '\n', '#']));
        // Only a loopback address may differ, and only in its port.
        assert!(!redirect::matches(text, other) || text == other || redirect::is_loopback(text));
    }
});
