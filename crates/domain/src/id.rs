//! Owns the typed ids. Refuses to know what they identify beyond their prefix.
//!
//! An id prints as `usr_` + 26 characters of Crockford base 32 over a `UUIDv7` (RFC 9562): ids of one
//! kind sort by the time they were made, and a pasted id says what it is.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use rand::RngCore;

/// Crockford's base 32, lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id of the form {prefix}_…")]
pub struct InvalidId {
    /// What was given, cut to 64 characters.
    pub text: String,
    /// The prefix that was expected, without the underscore.
    pub prefix: &'static str,
}

fn encode(bits: u128) -> String {
    (0..26).rev().map(|i| char::from(ALPHABET[((bits >> (i * 5)) & 31) as usize])).collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 {
        return None;
    }
    let mut bits: u128 = 0;
    for (i, byte) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|c| *c == byte)? as u128;
        if i == 0 && value > 7 {
            return None;
        }
        bits = (bits << 5) | value;
    }
    Some(bits)
}

/// 128 bits of which the first 48 are the millisecond of `at`, the rest random: RFC 9562, section 5.7.
fn time_ordered(at: Timestamp, rng: &mut dyn RngCore) -> u128 {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let mut random = [0_u8; 10];
    rng.fill_bytes(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, ordered after all that were made before `at`.
            pub fn new(at: Timestamp, rng: &mut dyn RngCore) -> Self {
                Self(time_ordered(at, rng))
            }

            /// The id's 128 bits.
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| InvalidId { text: text.chars().take(64).collect(), prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A person.
    UserId = "usr";
    /// An api token's row; not the token.
    TokenId = "tok";
    /// Where a creator's content comes from.
    SourceId = "src";
    /// What is supplied.
    SkillId = "skl";
    /// Immutable content of one skill under one version.
    ReleaseId = "rel";
    /// A stored reason for access.
    GrantId = "grt";
    /// An immutable price of a listing.
    PriceId = "prc";
    /// A record of a sale.
    OrderId = "ord";
    /// A browser's login.
    SessionId = "ses";
    /// A way in: who vouches for a user, and as whom.
    IdentityId = "idn";
    /// A sign-in that went to an identity provider and is to come back.
    SignInId = "sgn";
    /// A link in a mail that works once.
    CodeId = "cod";
    /// A device that asks to be let in (RFC 8628).
    DeviceId = "dev";
    /// A program that signs users in through us (RFC 6749).
    OauthClientId = "ocl";
    /// What a user has allowed a client.
    OauthGrantId = "ogr";
    /// An OAuth token's row; not the token.
    OauthTokenId = "oat";
    /// Queued work.
    JobId = "job";
    /// A passkey that a user signs in with.
    PasskeyId = "pky";
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_names_its_kind() {
        let mut rng = StdRng::seed_from_u64(1);
        let id = UserId::new(Timestamp::from_second(1_800_000_000).unwrap(), &mut rng);
        let text = id.to_string();
        assert!(text.starts_with("usr_"));
        assert_eq!(text.len(), 30);
        assert_eq!(text.parse::<UserId>().unwrap(), id);
        assert!(text.parse::<SkillId>().is_err());
        assert!(text.to_uppercase().parse::<UserId>().is_err());
    }

    #[test]
    fn ids_and_their_texts_sort_by_the_time_they_were_made() {
        let mut rng = StdRng::seed_from_u64(2);
        let ids: Vec<GrantId> = (0..100)
            .map(|i| GrantId::new(Timestamp::from_millisecond(1_800_000_000_000 + i).unwrap(), &mut rng))
            .collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().map(ToString::to_string).is_sorted());
    }
}
