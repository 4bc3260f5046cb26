//! Owns the secrets that are handed out once and come back: cookies, links, codes, OAuth tokens. Refuses to
//! keep one: what is stored is a hash. Api tokens have their own, older form in [`crate::token`].
//!
//! `{prefix}{secret}{checksum}`: the prefix says what it is, so that one kind never passes for another (it
//! is part of what is hashed), 43 letters of base 62 (256 bits), and the api tokens' checksum, so that an
//! invented one is refused without a look at the database. Letters, digits and `_` only: it goes into
//! URLs, cookies and forms as it is.

use std::fmt;

use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::token::{CHECKSUM_LEN, checksum, letters};

const SECRET_LEN: usize = 43;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The cookie of a session.
    Session,
    /// The cookie that ties a sign-in to the browser in which it began.
    Browser,
    /// OAuth's `state` of a sign-in at an identity provider.
    SignInState,
    /// A link in a mail: verification, reset.
    Link,
    /// The device code of a device authorization (RFC 8628).
    DeviceCode,
    /// What the browser-opening form of a device authorization is named by.
    Handle,
    /// An authorization code (RFC 6749, section 4.1).
    OauthCode,
    /// An access token of an OAuth client.
    AccessToken,
    /// A refresh token of an OAuth client.
    RefreshToken,
    /// A sign-in that a second factor is to complete, or the challenge of a passkey.
    Ceremony,
}

impl SecretKind {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::Session,
        Self::Browser,
        Self::SignInState,
        Self::Link,
        Self::DeviceCode,
        Self::Handle,
        Self::OauthCode,
        Self::AccessToken,
        Self::RefreshToken,
        Self::Ceremony,
    ];

    /// What every secret of this kind begins with. None is the beginning of another.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "sk_session_",
            Self::Browser => "sk_browser_",
            Self::SignInState => "sk_state_",
            Self::Link => "sk_link_",
            Self::DeviceCode => "sk_device_",
            Self::Handle => "sk_handle_",
            Self::OauthCode => "sk_code_",
            Self::AccessToken => "sk_access_",
            Self::RefreshToken => "sk_refresh_",
            Self::Ceremony => "sk_ceremony_",
        }
    }

    /// The kind that `text` claims to be of; whether it is well-formed is [`Secret::parse`]'s to say.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))
    }
}

/// A whole secret. It is handed to whom it is for and never printed otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    kind: SecretKind,
    text: String,
}

/// SHA-256 of a whole secret: what is stored and looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash(pub [u8; 32]);

/// A text that is no secret of the expected kind at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret of the expected kind: wrong beginning, length, letters or checksum")]
pub struct MalformedSecret;

impl Secret {
    /// A new secret from `rng`, which must be fit for secrets.
    pub fn generate(kind: SecretKind, rng: &mut dyn RngCore) -> Self {
        let body = format!("{}{}", kind.prefix(), letters(SECRET_LEN, rng));
        let sum = checksum(&body);
        Self { kind, text: body + &sum }
    }

    /// Reads what came back. Costs a CRC-32 and touches nothing.
    pub fn parse(kind: SecretKind, text: &str) -> Result<Self, MalformedSecret> {
        let rest = text.strip_prefix(kind.prefix()).ok_or(MalformedSecret)?;
        let well_formed = rest.len() == SECRET_LEN + CHECKSUM_LEN
            && rest.bytes().all(|b| b.is_ascii_alphanumeric())
            && checksum(&text[..text.len() - CHECKSUM_LEN]) == text[text.len() - CHECKSUM_LEN..];
        if well_formed { Ok(Self { kind, text: text.to_owned() }) } else { Err(MalformedSecret) }
    }

    /// What it is for.
    pub const fn kind(&self) -> SecretKind {
        self.kind
    }

    /// What to store and look up.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.text)
    }

    /// The secret itself, for whom it is.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl SecretHash {
    /// Of any text that must not be stored readable.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?}, [redacted])", self.kind)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_secret_reads_back_as_its_own_kind_only_and_prints_redacted() {
        let mut rng = StdRng::seed_from_u64(3);
        for kind in SecretKind::ALL {
            let secret = Secret::generate(kind, &mut rng);
            assert_eq!(SecretKind::of(secret.reveal()), Some(kind));
            for other in SecretKind::ALL {
                assert_eq!(Secret::parse(other, secret.reveal()).is_ok(), other == kind, "{other:?}");
            }
            let printed = format!("{secret:?} {:?}", secret.hash());
            assert!(!printed.contains(&secret.reveal()[15..]), "{printed}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_character_is_always_noticed(seed: u64, at in 0..200_usize, with in "[0-9A-Za-z_]") {
            let secret = Secret::generate(SecretKind::Session, &mut StdRng::seed_from_u64(seed));
            let mut bytes = secret.reveal().as_bytes().to_vec();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != with.as_bytes()[0]);
            bytes[at] = with.as_bytes()[0];
            prop_assert!(Secret::parse(SecretKind::Session, std::str::from_utf8(&bytes).unwrap()).is_err());
        }

        #[test]
        fn no_text_makes_parsing_panic(text: String) {
            let _ = Secret::parse(SecretKind::Link, &text);
            let _ = Secret::parse(SecretKind::Link, &format!("sk_link_{text}"));
        }
    }
}
