//! Whatever is presented as an api token: a token in its one spelling, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_domain::token::ApiToken;

fuzz_target!(|text: &str| {
    if let Ok(token) = ApiToken::parse(text) {
        assert_eq!(token.reveal(), text);
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
});
