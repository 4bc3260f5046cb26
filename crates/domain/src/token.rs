//! Owns api tokens: how one is made, read, checked and shown. Refuses to keep one: what is stored is a hash.
//!
//! `sk_live_{id}_{secret}{checksum}`: an 8-character id for lists, a 32-character secret (190 bits) and
//! a 6-character CRC-32 of all before it, in base 62. The checksum lets a mistyped or invented token be
//! refused without a look at the database, and lets secret scanners be sure of what they found.

use std::fmt;

use rand::{Rng, RngCore};
use sha2::{Digest, Sha256};

/// What every api token begins with.
pub const TOKEN_PREFIX: &str = "sk_live_";
const ID_LEN: usize = 8;
const SECRET_LEN: usize = 32;
pub(crate) const CHECKSUM_LEN: usize = 6;
/// The length of every api token, in bytes.
pub const TOKEN_LEN: usize = TOKEN_PREFIX.len() + ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A whole api token. It is shown to its owner once and never printed otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(String);

/// SHA-256 of a whole api token: what is stored and looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

/// A text that is not an api token at all: wrong prefix, length, letters or checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API token: it begins with sk_live_ and ends in a checksum that must fit")]
pub struct MalformedToken;

/// Six letters that a mistyped body does not fit.
pub(crate) fn checksum(body: &str) -> String {
    let mut crc = crc32fast::hash(body.as_bytes()) as usize;
    let mut letters = [b'0'; CHECKSUM_LEN];
    for letter in letters.iter_mut().rev() {
        *letter = BASE62[crc % 62];
        crc /= 62;
    }
    letters.iter().copied().map(char::from).collect()
}

pub(crate) fn letters(count: usize, rng: &mut dyn RngCore) -> String {
    (0..count).map(|_| char::from(BASE62[rng.random_range(0..BASE62.len())])).collect()
}

impl ApiToken {
    /// A new token from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut dyn RngCore) -> Self {
        let body = format!("{TOKEN_PREFIX}{}_{}", letters(ID_LEN, rng), letters(SECRET_LEN, rng));
        let sum = checksum(&body);
        Self(body + &sum)
    }

    /// Reads what a client sent. Costs a CRC-32 and touches nothing.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let well_formed = text.len() == TOKEN_LEN
            && text.starts_with(TOKEN_PREFIX)
            && text.as_bytes()[TOKEN_PREFIX.len() + ID_LEN] == b'_'
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && checksum(&text[..TOKEN_LEN - CHECKSUM_LEN]) == text[TOKEN_LEN - CHECKSUM_LEN..];
        if well_formed { Ok(Self(text.to_owned())) } else { Err(MalformedToken) }
    }

    /// What to store and look up.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The 8 characters by which lists name this token.
    pub fn id_part(&self) -> &str {
        &self.0[TOKEN_PREFIX.len()..TOKEN_PREFIX.len() + ID_LEN]
    }

    /// The token itself, to be shown to its owner once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken([redacted])")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_token_reads_back_and_prints_redacted() {
        let token = ApiToken::generate(&mut StdRng::seed_from_u64(7));
        assert_eq!(token.reveal().len(), TOKEN_LEN);
        assert_eq!(ApiToken::parse(token.reveal()), Ok(token.clone()));
        assert_eq!(format!("{token:?} {:?}", token.hash()), "ApiToken([redacted]) TokenHash([redacted])");
    }

    proptest! {
        #[test]
        fn one_changed_character_is_always_noticed(seed: u64, at in 0..TOKEN_LEN, with in 0..62_usize) {
            let token = ApiToken::generate(&mut StdRng::seed_from_u64(seed));
            let mut bytes = token.reveal().as_bytes().to_vec();
            prop_assume!(bytes[at] != BASE62[with]);
            bytes[at] = BASE62[with];
            prop_assert!(ApiToken::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }

        #[test]
        fn no_text_makes_parsing_panic(text: String) {
            let _ = ApiToken::parse(&text);
            let _ = ApiToken::parse(&format!("sk_live_{text}"));
        }
    }
}
