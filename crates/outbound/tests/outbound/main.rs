//! What goes out, against real parts where there are any (`scripts/test-identity-providers.sh`), and against
//! servers that misbehave as no real part does on demand.

#![expect(clippy::unwrap_used, reason = "all of it is tests, also what is not marked as one")]

mod breaches;
mod browser;
mod calls;
mod client_metadata;
mod github;
mod identity_providers;
mod issuer;
mod mail;
mod misbehaviour;
mod provider_groups;
mod requests;
mod tls;

use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use skaas_outbound::pkce::Attempt;

/// What an environment variable of `scripts/test-identity-providers.sh` says; with `SKAAS_TEST_ALL` set, a
/// missing one is a failure.
#[track_caller]
fn exported(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|text| !text.is_empty());
    if value.is_none() {
        let missing =
            format!("{variable} is not set: run eval \"$(scripts/test-identity-providers.sh start)\" first");
        assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
        eprintln!("{missing}");
    }
    value
}

/// The providers' own clock is the machine's.
#[expect(clippy::disallowed_methods, reason = "real providers stamp their tokens with the real time")]
fn real_now() -> Timestamp {
    Timestamp::now()
}

fn attempt(seed: u64) -> Attempt {
    Attempt::new(&mut StdRng::seed_from_u64(seed))
}
