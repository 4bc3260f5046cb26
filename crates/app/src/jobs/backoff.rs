//! How long a failed job waits before its next attempt.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng as _, RngCore};

/// Waits that double from one failure to the next, up to a limit. Each is drawn from the upper half of that time, so
/// that jobs that failed together don't return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits of up to `first`, then twice as long each time, up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns how long to wait after the attempt of this number, from 1.
    pub fn after(self, attempt: i64, rng: &mut dyn RngCore) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 31)).unwrap_or(31);
        let most = self.first.saturating_mul(1 << doublings).min(self.longest);
        most.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Returns the moment of the next attempt.
    pub(super) fn next(self, attempt: i64, now: Timestamp, rng: &mut dyn RngCore) -> Timestamp {
        let wait = SignedDuration::try_from(self.after(attempt, rng)).unwrap_or(SignedDuration::MAX);
        now.saturating_add(wait).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ() {
        let backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(30));
        let mut rng = StdRng::seed_from_u64(1);
        for (attempt, most) in
            [(1, 10), (2, 20), (5, 160), (8, 1280), (9, 1800), (1000, 1800), (i64::MAX, 1800)]
        {
            let most = Duration::from_secs(most);
            let waits: Vec<Duration> = (0..100).map(|_| backoff.after(attempt, &mut rng)).collect();
            assert!(waits.iter().all(|wait| *wait >= most / 2 && *wait <= most), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{attempt}");
        }
        assert!(backoff.after(0, &mut rng) <= Duration::from_secs(10));
        assert!(backoff.after(i64::MIN, &mut rng) <= Duration::from_secs(10));
    }
}
