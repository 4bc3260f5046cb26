//! Owns device authorizations (RFC 8628): the codes, the states and what a poll is told. Refuses to make the
//! token: whoever redeems one does.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng as _, RngCore};

use crate::{
    id::{DeviceId, UserId},
    network::Network,
    oauth::ErrorCode,
    scope::Scopes,
    secret::SecretHash,
};

/// How long a person has from the code to their consent, and the device from there to its token.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// The seconds between two polls, to begin with.
pub const INTERVAL_S: i64 = 5;
/// How many seconds each poll that comes too early adds (RFC 8628, section 3.5).
pub const SLOW_DOWN_S: i64 = 5;
/// The longest interval: whoever polls without a pause is not told to wait past the code's own end.
pub const MAX_INTERVAL_S: i64 = 60;

/// Letters without vowels, so that no words come about, and without look-alikes (RFC 8628, section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LEN: usize = 8;

/// What a person types or compares: eight letters, shown as `BCDF-GHJK`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode([u8; CODE_LEN]);

/// A text that is no user code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has eight letters, like BCDF-GHJK; check it against your terminal or app")]
pub struct MalformedCode;

impl UserCode {
    /// A new code from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut dyn RngCore) -> Self {
        Self(std::array::from_fn(|_| LETTERS[rng.random_range(0..LETTERS.len())]))
    }

    /// Reads what a person typed, in any case, with spaces and hyphens anywhere.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        let letters = text
            .chars()
            .take(64)
            .filter(|c| !c.is_whitespace() && !"-\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}_.".contains(*c))
            .map(|c| u8::try_from(c.to_ascii_uppercase()).ok().filter(|b| LETTERS.contains(b)))
            .collect::<Option<Vec<u8>>>()
            .ok_or(MalformedCode)?;
        letters.try_into().map(Self).map_err(|_| MalformedCode)
    }

    /// What to store and look up.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&format!("user_code:{self}"))
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            if at == CODE_LEN / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode([redacted])")
    }
}

/// How far a device authorization has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceAuthorization {
    /// Nobody has answered.
    Pending,
    /// Somebody has agreed; the device has not come for its token.
    Approved {
        /// Who.
        by: UserId,
        /// What they agreed to: never more than was asked.
        scopes: Scopes,
        /// When.
        at: Timestamp,
    },
    /// Somebody has refused.
    Denied {
        /// Who.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// The device has its token.
    Redeemed {
        /// Whose it is.
        by: UserId,
        /// What it may be used for.
        scopes: Scopes,
        /// When it was handed out.
        at: Timestamp,
    },
}

/// A step that a device authorization cannot take from where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device authorization that is {from} cannot be {to}")]
pub struct InvalidTransition {
    /// Where it is.
    pub from: &'static str,
    /// Where it was to go.
    pub to: &'static str,
}

impl DeviceAuthorization {
    /// The word used in columns.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Redeemed { .. } => "redeemed",
        }
    }

    /// A person agrees.
    ///
    /// # Errors
    /// [`InvalidTransition`] when it was answered before.
    pub fn approve(self, by: UserId, scopes: Scopes, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self {
            Self::Pending => Ok(Self::Approved { by, scopes, at }),
            other => Err(InvalidTransition { from: other.as_str(), to: "approved" }),
        }
    }

    /// A person refuses.
    ///
    /// # Errors
    /// [`InvalidTransition`] when it was answered before.
    pub fn deny(self, by: UserId, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self {
            Self::Pending => Ok(Self::Denied { by, at }),
            other => Err(InvalidTransition { from: other.as_str(), to: "denied" }),
        }
    }

    /// The device takes its token.
    ///
    /// # Errors
    /// [`InvalidTransition`] when nobody agreed, or it has been taken.
    pub fn redeem(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self {
            Self::Approved { by, scopes, .. } => Ok(Self::Redeemed { by, scopes, at }),
            other => Err(InvalidTransition { from: other.as_str(), to: "redeemed" }),
        }
    }
}

/// Where a request came from, as the person who is to agree sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The network address.
    pub address: String,
    /// What the program calls itself.
    pub agent: String,
}

/// The longest [`Place::agent`] and client name that is kept, in characters.
pub const MAX_SHOWN: usize = 200;

impl Place {
    /// With both cut to what is kept, and without control characters.
    pub fn new(address: &str, agent: &str) -> Self {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        Self { address: clean(address), agent: clean(agent) }
    }

    /// What tries from here are counted under.
    pub fn network(&self) -> String {
        self.address.parse().map_or_else(|_| self.address.clone(), |address| Network::of(address).to_string())
    }
}

/// What is stored of a device authorization; its codes are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Names this one.
    pub id: DeviceId,
    /// The client that asks, as it names itself to us.
    pub client_id: String,
    /// The client's name, for people.
    pub client_name: String,
    /// What was asked for.
    pub scopes: Scopes,
    /// The resource that the token is for (RFC 8707).
    pub resource: Option<String>,
    /// Where it was asked from.
    pub place: Place,
    /// How far it has come.
    pub state: DeviceAuthorization,
    /// When it was asked.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works.
    pub expires_at: Timestamp,
    /// The seconds that must lie between two polls.
    pub interval_s: i64,
    /// When the device last polled.
    pub polled_at: Option<Timestamp>,
}

/// What a device that polls is to be told (RFC 8628, section 3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// Nobody has answered yet.
    Pending,
    /// It came too early; from now on it waits this long.
    SlowDown {
        /// The new interval, in seconds.
        interval_s: i64,
    },
    /// Time is up.
    Expired,
    /// A person refused.
    Denied,
    /// A person agreed: redeem it.
    Approved {
        /// Who.
        by: UserId,
        /// To what.
        scopes: Scopes,
    },
    /// It has been redeemed before.
    Redeemed,
}

impl Polled {
    /// The error to answer with; `None` when it may be redeemed.
    pub const fn error(&self) -> Option<ErrorCode> {
        match self {
            Self::Pending => Some(ErrorCode::AuthorizationPending),
            Self::SlowDown { .. } => Some(ErrorCode::SlowDown),
            Self::Expired => Some(ErrorCode::ExpiredToken),
            Self::Denied => Some(ErrorCode::AccessDenied),
            Self::Redeemed => Some(ErrorCode::InvalidGrant),
            Self::Approved { .. } => None,
        }
    }
}

impl DeviceRecord {
    /// Whether time is up.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// What a device that polls at `now` is told. Only a pending one is told to slow down: an answer that is
    /// there is never held back.
    pub fn poll(&self, now: Timestamp) -> Polled {
        match &self.state {
            DeviceAuthorization::Redeemed { .. } => Polled::Redeemed,
            DeviceAuthorization::Denied { .. } => Polled::Denied,
            _ if self.is_expired(now) => Polled::Expired,
            DeviceAuthorization::Approved { by, scopes, .. } => {
                Polled::Approved { by: *by, scopes: scopes.clone() }
            }
            DeviceAuthorization::Pending => {
                // A network is not punctual: a poll may be a second early.
                let wait = SignedDuration::from_secs((self.interval_s - 1).max(0));
                let early = self.polled_at.is_some_and(|last| now.duration_since(last) < wait);
                if early {
                    Polled::SlowDown { interval_s: (self.interval_s + SLOW_DOWN_S).min(MAX_INTERVAL_S) }
                } else {
                    Polled::Pending
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn user() -> UserId {
        UserId::new(at(0), &mut StdRng::seed_from_u64(1))
    }

    fn record() -> DeviceRecord {
        DeviceRecord {
            id: DeviceId::new(at(0), &mut StdRng::seed_from_u64(2)),
            client_id: "skaas-cli".into(),
            client_name: "skaas".into(),
            scopes: Scopes::full(),
            resource: None,
            place: Place::new("192.0.2.1", "skaas/1.0\r\n (linux)"),
            state: DeviceAuthorization::Pending,
            created_at: at(0),
            expires_at: at(0) + LIFETIME,
            interval_s: INTERVAL_S,
            polled_at: None,
        }
    }

    #[test]
    fn a_code_is_read_however_a_person_types_it() {
        let code = UserCode::parse("BCDF-GHJK").unwrap();
        for typed in ["bcdfghjk", " bcdf ghjk ", "B-C-D-F-G-H-J-K", "bcdf\u{2013}ghjk"] {
            assert_eq!(UserCode::parse(typed), Ok(code.clone()), "{typed}");
        }
        assert_eq!(code.to_string(), "BCDF-GHJK");
        assert_eq!(format!("{code:?}"), "UserCode([redacted])");
        for bad in ["", "BCDF-GHJ", "BCDF-GHJKL", "ABCD-EFGH", "BCDF-GH1K", "BCDF/GHJK"] {
            assert_eq!(UserCode::parse(bad), Err(MalformedCode), "{bad}");
        }
    }

    #[test]
    fn an_answer_is_given_once_and_redeemed_once() {
        let approved = || DeviceAuthorization::Pending.approve(user(), Scopes::full(), at(1)).unwrap();
        let denied = || DeviceAuthorization::Pending.deny(user(), at(1)).unwrap();
        let redeemed = || approved().redeem(at(2)).unwrap();
        for state in [approved(), denied(), redeemed()] {
            assert!(state.clone().approve(user(), Scopes::full(), at(3)).is_err(), "{state:?}");
            assert!(state.clone().deny(user(), at(3)).is_err(), "{state:?}");
        }
        for state in [DeviceAuthorization::Pending, denied(), redeemed()] {
            assert!(state.clone().redeem(at(3)).is_err(), "{state:?}");
        }
    }

    #[test]
    fn a_poll_is_told_what_rfc_8628_says() {
        let mut record = record();
        assert_eq!(record.poll(at(0)), Polled::Pending);
        record.polled_at = Some(at(0));
        assert_eq!(record.poll(at(1)), Polled::SlowDown { interval_s: 10 });
        assert_eq!(record.poll(at(5)), Polled::Pending);
        assert_eq!(record.poll(at(900)).error(), Some(ErrorCode::ExpiredToken));

        // An answer is given at once, however soon the device asks.
        record.state = record.state.approve(user(), Scopes::full(), at(1)).unwrap();
        assert_eq!(record.poll(at(1)).error(), None);
        assert_eq!(record.poll(at(900)).error(), Some(ErrorCode::ExpiredToken));
        record.state = record.state.redeem(at(2)).unwrap();
        assert_eq!(record.poll(at(2)).error(), Some(ErrorCode::InvalidGrant));
        record.state = DeviceAuthorization::Denied { by: user(), at: at(1) };
        assert_eq!(record.poll(at(2)).error(), Some(ErrorCode::AccessDenied));
        assert_eq!(record.place.agent, "skaas/1.0 (linux)");
    }

    proptest! {
        #[test]
        fn a_made_code_reads_back(seed: u64) {
            let code = UserCode::generate(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(UserCode::parse(&code.to_string()), Ok(code.clone()));
            prop_assert_eq!(UserCode::parse(&code.to_string().to_lowercase()).unwrap().hash(), code.hash());
        }

        #[test]
        fn no_text_makes_parsing_panic(text: String) {
            let _ = UserCode::parse(&text);
        }
    }
}
