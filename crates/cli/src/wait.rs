//! How long to wait between two polls and when to stop: the client's side of RFC 8628 sections 3.4 and 3.5. It neither
//! sends nor sleeps.

use std::time::Duration;

use skaas_api::{DeviceAuthorizationResponse, OAuthErrorCode};

/// The longest pause, no matter how often the server was unreachable.
const LONGEST: Duration = Duration::from_mins(1);
/// How much `slow_down` adds to the pause.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest time to wait, whatever the server says.
const LONGEST_CODE: Duration = Duration::from_hours(1);

/// The result of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An OAuth error.
    Error(OAuthErrorCode),
    /// 429 or 503, with the requested pause.
    Busy(Option<Duration>),
    /// No answer.
    Nothing,
}

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The user canceled.
    Denied,
    /// The code expired.
    Expired,
    /// The server refuses for another reason.
    Refused(OAuthErrorCode),
    /// The server was unreachable until the code expired.
    Unreachable,
}

/// A device authorization that is not approved yet.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    interval: Duration,
    /// How long the code is valid, from the start.
    valid: Duration,
    /// Consecutive polls without an answer.
    silent: u32,
}

impl Wait {
    pub(crate) fn new(authorization: &DeviceAuthorizationResponse) -> Self {
        Self {
            interval: Duration::from_secs(authorization.interval.clamp(1, LONGEST.as_secs())),
            valid: Duration::from_secs(authorization.expires_in).min(LONGEST_CODE),
            silent: 0,
        }
    }

    /// The pause before the first poll and between two.
    pub(crate) fn pause(&self) -> Duration {
        // Section 3.5: on a timeout, back off exponentially.
        self.interval.saturating_mul(1 << self.silent.min(6)).min(LONGEST.max(self.interval))
    }

    /// How long the code is still valid.
    pub(crate) fn left(&self, elapsed: Duration) -> Duration {
        self.valid.saturating_sub(elapsed)
    }

    /// Records the result of a poll, `elapsed` after the start, and returns the next pause or why to stop.
    pub(crate) fn hear(&mut self, heard: Heard, elapsed: Duration) -> Result<Duration, Stop> {
        let mut extra = Duration::ZERO;
        match heard {
            Heard::Error(OAuthErrorCode::AuthorizationPending) => self.silent = 0,
            Heard::Error(OAuthErrorCode::SlowDown) => {
                self.silent = 0;
                self.interval = self.interval.saturating_add(SLOWER);
            }
            Heard::Error(OAuthErrorCode::AccessDenied) => return Err(Stop::Denied),
            Heard::Error(OAuthErrorCode::ExpiredToken) => return Err(Stop::Expired),
            Heard::Busy(pause) => extra = pause.unwrap_or_default(),
            Heard::Error(OAuthErrorCode::TemporarilyUnavailable | OAuthErrorCode::ServerError)
            | Heard::Nothing => self.silent += 1,
            Heard::Error(other) => return Err(Stop::Refused(other)),
        }
        let pause = self.pause().max(extra.min(self.valid));
        if self.left(elapsed) > pause {
            return Ok(pause);
        }
        if self.left(elapsed) > Duration::ZERO && self.left(elapsed) > self.interval {
            // One last poll while the code is valid.
            return Ok(self.interval);
        }
        Err(if self.silent > 0 { Stop::Unreachable } else { Stop::Expired })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skaas_api::Secret;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn wait(interval: u64, expires_in: u64) -> Wait {
        Wait::new(&DeviceAuthorizationResponse {
            device_code: Secret::new("d"),
            user_code: "BCDF-GHJK".into(),
            verification_uri: "https://skills.example.com/device".into(),
            verification_uri_complete: None,
            expires_in,
            interval,
        })
    }

    const PENDING: Heard = Heard::Error(OAuthErrorCode::AuthorizationPending);
    const SLOW_DOWN: Heard = Heard::Error(OAuthErrorCode::SlowDown);

    #[test]
    fn every_slow_down_adds_five_seconds_for_good() {
        let mut wait = wait(5, 900);
        assert_eq!(wait.hear(PENDING, S * 5), Ok(S * 5));
        assert_eq!(wait.hear(SLOW_DOWN, S * 10), Ok(S * 10));
        assert_eq!(wait.hear(SLOW_DOWN, S * 20), Ok(S * 15));
        assert_eq!(wait.hear(PENDING, S * 35), Ok(S * 15));
    }

    #[test]
    fn a_silent_server_is_asked_less_and_less_and_forgiven_at_its_first_word() {
        let mut wait = wait(5, 900);
        let pauses: Vec<u64> =
            (0..5).map(|_| wait.hear(Heard::Nothing, S).map_or(0, |pause| pause.as_secs())).collect();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        assert_eq!(wait.hear(PENDING, S * 200), Ok(S * 5));
    }

    #[test]
    fn denial_expiry_and_refusal_end_the_wait() {
        for (code, stop) in [
            (OAuthErrorCode::AccessDenied, Stop::Denied),
            (OAuthErrorCode::ExpiredToken, Stop::Expired),
            (OAuthErrorCode::InvalidGrant, Stop::Refused(OAuthErrorCode::InvalidGrant)),
            (OAuthErrorCode::Unknown, Stop::Refused(OAuthErrorCode::Unknown)),
        ] {
            assert_eq!(wait(5, 900).hear(Heard::Error(code), S), Err(stop));
        }
        assert_eq!(wait(5, 900).hear(PENDING, S * 899), Err(Stop::Expired));
        assert_eq!(wait(5, 900).hear(Heard::Nothing, S * 899), Err(Stop::Unreachable));
    }

    #[test]
    fn a_busy_server_gets_the_pause_it_asks_for() {
        assert_eq!(wait(5, 900).hear(Heard::Busy(Some(S * 42)), S), Ok(S * 42));
        assert_eq!(wait(5, 900).hear(Heard::Busy(None), S), Ok(S * 5));
    }

    proptest! {
        #[test]
        fn no_two_polls_are_ever_closer_than_the_server_allows(
            interval in 0..1_000_u64,
            heard in prop::collection::vec(0..4_u8, 0..40),
        ) {
            let mut wait = wait(interval, 1 << 40);
            let mut allowed = Duration::from_secs(interval.clamp(1, 60));
            for word in heard {
                let heard = match word {
                    0 => PENDING,
                    1 => SLOW_DOWN,
                    2 => Heard::Nothing,
                    _ => Heard::Busy(None),
                };
                if word == 1 { allowed += SLOWER; }
                let pause = wait.hear(heard, Duration::ZERO).expect("the code is still valid");
                prop_assert!(pause >= allowed);
            }
        }
    }
}
