//! Owns the one look at this machine's clock, to compare it with the server's.

use jiff::Timestamp;

/// What this machine believes the time to be.
#[expect(clippy::disallowed_methods, reason = "the command line is the edge: here the time comes in")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
