//! This machine's clock.

use jiff::Timestamp;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "the one place in this program that reads the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
