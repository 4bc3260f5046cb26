//! Lines that are said once in a while, however often there is cause for them: an operator learns of a flood
//! without drowning in it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long a line is not repeated.
const PAUSE: Duration = Duration::from_mins(1);

/// One kind of line.
#[derive(Debug, Default)]
pub struct Quiet(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    kept_back: u64,
}

impl Quiet {
    /// Whether to say it now: then how often it was not said since the last time.
    pub fn say(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            said.kept_back += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_causes_are_one_line_now_and_one_later_with_the_count() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.say(start), Some(0));
        assert!((0..1000).all(|_| quiet.say(start).is_none()));
        assert_eq!(quiet.say(start + PAUSE), Some(1000));
        assert_eq!(quiet.say(start + PAUSE * 3), Some(0));
    }
}
