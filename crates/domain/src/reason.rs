//! Why an operator did something, in a sentence of theirs: stored beside the act, and shown to operators.

use crate::plain_text::one_line;

/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

/// A reason that says nothing, or too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// There is none.
    #[error("give a reason; operators see it")]
    Empty,
    /// Longer than [`MAX_REASON`].
    #[error("the reason is too long; use at most {MAX_REASON} characters")]
    TooLong,
}

/// Checks a reason; returns it on one line.
pub fn check_reason(text: &str) -> Result<String, InvalidReason> {
    let text = one_line(text);
    match text.chars().count() {
        0 => Err(InvalidReason::Empty),
        1..=MAX_REASON => Ok(text),
        _ => Err(InvalidReason::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(check_reason(" spam,\nagain ").as_deref(), Ok("spam, again"));
        assert_eq!(check_reason(" \n\u{200b}"), Err(InvalidReason::Empty));
        assert!(check_reason(&"é".repeat(MAX_REASON)).is_ok());
        assert_eq!(check_reason(&"é".repeat(MAX_REASON + 1)), Err(InvalidReason::TooLong));
    }
}
