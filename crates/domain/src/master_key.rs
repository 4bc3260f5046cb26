//! The keys of the vault: 32 random bytes each, which an operator keeps outside the database. What they encrypt is in
//! [`crate::envelope`].

use std::{fmt, sync::Arc};

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use rand::RngCore;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A key that encrypts data keys. It is wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct MasterKey {
    id: MasterKeyId,
    key: Zeroizing<[u8; 32]>,
}

/// The public name of a master key: the beginning of a hash of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterKeyId(pub(crate) [u8; Self::LEN]);

/// The master keys that a node knows. The first one seals, all of them open.
#[derive(Clone, Default)]
pub struct Keyring(Arc<[MasterKey]>);

/// Why a text is not a master key, or a list not a keyring. Neither repeats a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMasterKey {
    /// Not a key at all.
    #[error("a key is not 32 bytes in base64 or hex; `openssl rand -base64 32` prints a new one")]
    Malformed,
    /// A placeholder.
    #[error("a key is one byte repeated; `openssl rand -base64 32` prints a random one")]
    Repetitive,
    /// Listed more than once.
    #[error("the key {0} is listed twice")]
    Twice(MasterKeyId),
}

/// The ID of a master key is 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ID of a master key has 16 lower-case hexadecimal digits")]
pub struct MalformedMasterKeyId;

impl MasterKeyId {
    /// In bytes.
    pub(crate) const LEN: usize = 8;
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeyId({self})")
    }
}

impl std::str::FromStr for MasterKeyId {
    type Err = MalformedMasterKeyId;

    fn from_str(text: &str) -> Result<Self, MalformedMasterKeyId> {
        let number = u64::from_str_radix(text, 16).map_err(|_| MalformedMasterKeyId)?;
        let id = Self(number.to_be_bytes());
        if id.to_string() == text { Ok(id) } else { Err(MalformedMasterKeyId) }
    }
}

impl MasterKey {
    /// A new key from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut dyn RngCore) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        Self::from_bytes(key)
    }

    /// Reads 32 bytes in base64 (either alphabet, with or without padding) or 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let bytes = if text.len() == 64 { from_hex(text) } else { from_base64(text) };
        let bytes = bytes.ok_or(InvalidMasterKey::Malformed)?;
        let key: Zeroizing<[u8; 32]> =
            Zeroizing::new(bytes.as_slice().try_into().map_err(|_| InvalidMasterKey::Malformed)?);
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(InvalidMasterKey::Repetitive);
        }
        Ok(Self::from_bytes(key))
    }

    fn from_bytes(key: Zeroizing<[u8; 32]>) -> Self {
        let digest = Sha256::new().chain_update("skaas master key\0").chain_update(key.as_ref()).finalize();
        let id = MasterKeyId(*digest.first_chunk().expect("a SHA-256 has 32 bytes"));
        Self { id, key }
    }

    /// What it is called.
    pub fn id(&self) -> MasterKeyId {
        self.id
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.key
    }

    /// The key in base64, for the file that it is kept in.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(general_purpose::STANDARD.encode(self.key.as_ref()))
    }
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // from_str_radix also takes a sign.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
        .map(Zeroizing::new)
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, [redacted])", self.id)
    }
}

impl Keyring {
    /// The keys, the current one first.
    pub fn new(keys: Vec<MasterKey>) -> Result<Self, InvalidMasterKey> {
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|earlier| earlier.id == key.id) {
                return Err(InvalidMasterKey::Twice(key.id));
            }
        }
        Ok(Self(keys.into()))
    }

    /// Reads keys separated by commas, spaces or lines. An empty text has none.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        Self::new(words.map(MasterKey::parse).collect::<Result<_, _>>()?)
    }

    /// The key that seals, if there is any key.
    pub fn current(&self) -> Option<&MasterKey> {
        self.0.first()
    }

    /// The key of this ID, if it is known.
    pub fn find(&self, id: MasterKeyId) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// What the keys are called, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = MasterKeyId> {
        self.0.iter().map(MasterKey::id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn a_key_reads_back_from_base64_and_hex() {
        for seed in 0..50 {
            let key = key(seed);
            let base64 = key.reveal();
            let url_safe = base64.replace('+', "-").replace('/', "_");
            let (high, low) = key.expose().split_at(16);
            let number = |half: &[u8]| u128::from_be_bytes(half.try_into().unwrap());
            let hex = format!("{:032x}{:032x}", number(high), number(low));
            for text in [&*base64, base64.trim_end_matches('='), &url_safe, &hex, &hex.to_uppercase()] {
                let read = MasterKey::parse(text).unwrap();
                assert_eq!((read.id(), read.expose()), (key.id(), key.expose()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_being_repeated() {
        let good = key(1).reveal();
        let repeated = general_purpose::STANDARD.encode([7; 32]);
        let short = general_purpose::STANDARD.encode([7; 31]);
        let sign = format!("+{}", "a".repeat(63));
        for bad in ["", "CANARY", &short, &repeated, &sign, &good[1..], &format!("{}ü", &good[..42])] {
            let said = MasterKey::parse(bad).unwrap_err().to_string();
            assert!(said.contains("openssl rand -base64 32") && !said.contains("CANARY"), "{said}");
        }
    }

    #[test]
    fn a_keyring_lists_the_current_key_first() {
        let text = format!("{},\n{}\n", *key(1).reveal(), *key(2).reveal());
        let ring = Keyring::parse(&text).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), [key(1).id(), key(2).id()]);
        assert_eq!(ring.current().unwrap().id(), key(1).id());
        assert!(ring.find(key(3).id()).is_none());
        assert!(Keyring::parse(" \n").unwrap().current().is_none());
        let twice = format!("{text} {}", *key(2).reveal());
        assert_eq!(Keyring::parse(&twice).unwrap_err(), InvalidMasterKey::Twice(key(2).id()));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = key(1).id();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "1", "+123456789abcdef", &id.to_string().to_uppercase(), &format!("{id}0")] {
            assert!(bad.parse::<MasterKeyId>().is_err() || *bad == id.to_string(), "{bad}");
        }
    }
}
