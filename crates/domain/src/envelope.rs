//! Envelope encryption of secrets that have to be read again, such as the credentials of a connection. Each record is
//! encrypted with a data key of its own, and the data key with a master key that is never stored beside it. Changing
//! the master key therefore rewrites the small wrapped keys, not the records.
//!
//! Both layers are XChaCha20-Poly1305 with a random nonce. Both authenticate the name of the record (kind, id and
//! owner), so what is sealed for one record does not open as another.
//!
//! What is stored, with lengths in bytes:
//!
//! ```text
//! wrapped key:  version 1 | ID of the master key 8 | nonce 24 | encrypted data key 32 | tag 16
//! body:         version 1 | nonce 24 | encrypted record | tag 16
//! ```
//!
//! Secrets that only have to be recognized are stored as hashes instead: see [`crate::secret`].

use std::fmt;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use rand::RngCore;
use zeroize::Zeroizing;

use crate::master_key::{Keyring, MasterKey, MasterKeyId};

/// The only version of the format so far.
const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
const DATA_KEY: usize = 32;
const HEADER: usize = 1 + MasterKeyId::LEN;
const WRAPPED: usize = HEADER + NONCE + DATA_KEY + TAG;

const OF_DATA_KEY: &str = "skaas sealed record: data key";
const OF_BODY: &str = "skaas sealed record: body";

/// What names a record. All three parts are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordName<'a> {
    /// What it is: a word in snake case, declared by the module that seals it.
    pub kind: &'a str,
    /// Which one of its kind.
    pub id: &'a str,
    /// Whose it is, as an ID; empty if it belongs to the installation.
    pub owner: &'a str,
}

/// A data key, encrypted with a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey([u8; WRAPPED]);

/// A record as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What opens the body.
    pub wrapped_key: WrappedKey,
    body: Vec<u8>,
}

/// The content of a record. It is wiped from memory when dropped, and never printed.
pub struct Opened(Zeroizing<Vec<u8>>);

/// Bytes that are not a sealed record of a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sealed record: wrong length or version")]
pub struct MalformedRecord;

/// Why a record does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is sealed with a key that is not in the keyring.
    #[error("the record is sealed with the master key {0}, which is not configured")]
    UnknownKey(MasterKeyId),
    /// Something in it was changed, or it was sealed under another name.
    #[error("the record was changed, or belongs to another kind, ID or owner")]
    Tampered,
}

impl WrappedKey {
    /// Reads what [`WrappedKey::as_bytes`] gave.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedRecord> {
        let bytes: [u8; WRAPPED] = bytes.try_into().map_err(|_| MalformedRecord)?;
        if bytes[0] == VERSION { Ok(Self(bytes)) } else { Err(MalformedRecord) }
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The ID of the master key that it is encrypted with.
    pub fn master_key(&self) -> MasterKeyId {
        let (_, rest) = self.0.split_at(1);
        MasterKeyId(*rest.first_chunk().expect("the header has the length of an ID"))
    }

    fn wrap(with: &MasterKey, data_key: &[u8], name: &RecordName<'_>, rng: &mut dyn RngCore) -> Self {
        let mut bytes = [0; WRAPPED];
        bytes[0] = VERSION;
        bytes[1..HEADER].copy_from_slice(&with.id().0);
        let associated = associated(OF_DATA_KEY, &bytes[..HEADER], name);
        bytes[HEADER..].copy_from_slice(&encrypt(with.expose(), data_key, &associated, rng));
        Self(bytes)
    }

    fn unwrap(&self, keyring: &Keyring, name: &RecordName<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let id = self.master_key();
        let key = keyring.find(id).ok_or(OpenError::UnknownKey(id))?;
        let (header, rest) = self.0.split_at(HEADER);
        decrypt(key.expose(), rest, &associated(OF_DATA_KEY, header, name))
    }

    /// The same data key, encrypted with `with`. The body that it opens stays as it is.
    pub fn rewrap(
        &self,
        keyring: &Keyring,
        with: &MasterKey,
        name: &RecordName<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Self, OpenError> {
        Ok(Self::wrap(with, &self.unwrap(keyring, name)?, name, rng))
    }
}

impl Sealed {
    /// Encrypts `content` under `name`. Each call makes a new data key.
    pub fn seal(with: &MasterKey, name: &RecordName<'_>, content: &[u8], rng: &mut dyn RngCore) -> Self {
        let mut data_key = Zeroizing::new([0; DATA_KEY]);
        rng.fill_bytes(data_key.as_mut());
        let mut body = vec![VERSION];
        body.extend(encrypt(&data_key, content, &associated(OF_BODY, &[VERSION], name), rng));
        Self { wrapped_key: WrappedKey::wrap(with, data_key.as_ref(), name, rng), body }
    }

    /// Reads what was stored.
    pub fn parse(wrapped_key: &[u8], body: Vec<u8>) -> Result<Self, MalformedRecord> {
        let wrapped_key = WrappedKey::parse(wrapped_key)?;
        let is_body = body.len() > NONCE + TAG && body.first() == Some(&VERSION);
        if is_body { Ok(Self { wrapped_key, body }) } else { Err(MalformedRecord) }
    }

    /// The bytes of the body to store, beside those of [`Sealed::wrapped_key`].
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Decrypts what was sealed under `name`.
    pub fn open(&self, keyring: &Keyring, name: &RecordName<'_>) -> Result<Opened, OpenError> {
        let data_key = self.wrapped_key.unwrap(keyring, name)?;
        let data_key = data_key.first_chunk().ok_or(OpenError::Tampered)?;
        let (version, rest) = self.body.split_at(1);
        decrypt(data_key, rest, &associated(OF_BODY, version, name)).map(Opened)
    }
}

impl Opened {
    /// The content.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// What is authenticated beside a message. Each part has its length before it, so that no two lists of parts look
/// alike.
fn associated(purpose: &str, header: &[u8], name: &RecordName<'_>) -> Vec<u8> {
    let parts = [purpose.as_bytes(), header, name.kind.as_bytes(), name.id.as_bytes(), name.owner.as_bytes()];
    parts
        .iter()
        .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
        .collect()
}

/// A new nonce, the encrypted message and its tag.
fn encrypt(key: &[u8; 32], message: &[u8], associated: &[u8], rng: &mut dyn RngCore) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: message, aad: associated };
    let encrypted = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), payload)
        .expect("only a message of 256 GiB is too long");
    [nonce.as_slice(), &encrypted].concat()
}

fn decrypt(key: &[u8; 32], bytes: &[u8], associated: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, encrypted) = bytes.split_first_chunk::<NONCE>().ok_or(OpenError::Tampered)?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: encrypted, aad: associated })
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Tampered)
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(with {}, [redacted])", self.master_key())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?}, {} bytes)", self.wrapped_key, self.body.len())
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&mut StdRng::seed_from_u64(seed))
    }

    fn ring(keys: impl IntoIterator<Item = MasterKey>) -> Keyring {
        Keyring::new(keys.into_iter().collect()).unwrap()
    }

    const NAME: RecordName<'_> = RecordName { kind: "mail", id: "job_1", owner: "usr_1" };

    fn sealed(content: &[u8], seed: u64) -> Sealed {
        Sealed::seal(&key(1), &NAME, content, &mut StdRng::seed_from_u64(seed))
    }

    fn names() -> impl Strategy<Value = (String, String, String)> {
        ("[a-z_]{0,4}", "[a-z0-9_]{0,4}", "[a-z0-9_]{0,4}")
    }

    fn name(parts: &(String, String, String)) -> RecordName<'_> {
        RecordName { kind: &parts.0, id: &parts.1, owner: &parts.2 }
    }

    #[test]
    fn the_same_content_is_never_sealed_to_the_same_bytes() {
        let mut rng = StdRng::seed_from_u64(5);
        let one = Sealed::seal(&key(1), &NAME, b"secret", &mut rng);
        let two = Sealed::seal(&key(1), &NAME, b"secret", &mut rng);
        assert_ne!(one.body, two.body);
        assert_ne!(one.wrapped_key, two.wrapped_key);
    }

    #[test]
    fn without_its_master_key_a_record_does_not_open_and_the_key_is_named() {
        let record = sealed(b"secret", 2);
        let wanted = OpenError::UnknownKey(key(1).id());
        assert_eq!(record.open(&Keyring::default(), &NAME).unwrap_err(), wanted);
        assert_eq!(record.open(&ring([key(2)]), &NAME).unwrap_err(), wanted);
        assert!(record.open(&ring([key(2), key(1)]), &NAME).is_ok());
    }

    #[test]
    fn sealed_records_and_keys_print_redacted() {
        let record = sealed(b"CANARY", 3);
        let opened = record.open(&ring([key(1)]), &NAME).unwrap();
        let printed = format!("{record:?} {opened:?} {:?} {:?}", key(1), ring([key(1)]));
        assert!(!printed.contains("CANARY"), "{printed}");
        assert!(!printed.contains(key(1).reveal().as_str()), "{printed}");
        assert!(!printed.contains(&format!("{:?}", opened.expose())), "{printed}");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_under_its_own_name_and_no_other(
            own in names(), other in names(), content: Vec<u8>, seed: u64,
        ) {
            let record = Sealed::seal(&key(1), &name(&own), &content, &mut StdRng::seed_from_u64(seed));
            let stored = Sealed::parse(record.wrapped_key.as_bytes(), record.body().to_vec()).unwrap();
            prop_assert_eq!(&stored, &record);
            let opened = stored.open(&ring([key(1)]), &name(&own)).unwrap();
            prop_assert_eq!(opened.expose(), content.as_slice());
            if own != other {
                prop_assert_eq!(stored.open(&ring([key(1)]), &name(&other)).unwrap_err(), OpenError::Tampered);
            }
        }

        #[test]
        fn a_change_of_any_byte_is_always_noticed(content: Vec<u8>, at: prop::sample::Index, by in 1..=255_u8) {
            let record = sealed(&content, 7);
            let mut bytes = [record.wrapped_key.as_bytes(), record.body()].concat();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            let body = bytes.split_off(WRAPPED);
            let opens = Sealed::parse(&bytes, body).is_ok_and(|it| it.open(&ring([key(1)]), &NAME).is_ok());
            prop_assert!(!opens, "byte {at}");
        }

        #[test]
        fn a_record_cut_short_or_made_longer_never_opens(content: Vec<u8>, cut in 1..40_usize, more: u8) {
            let record = sealed(&content, 8);
            let shorter = record.body()[..record.body().len().saturating_sub(cut)].to_vec();
            let longer = [record.body(), &[more]].concat();
            for body in [shorter, longer] {
                let read = Sealed::parse(record.wrapped_key.as_bytes(), body);
                prop_assert!(!read.is_ok_and(|it| it.open(&ring([key(1)]), &NAME).is_ok()));
            }
        }

        #[test]
        fn a_wrapped_key_of_another_record_opens_nothing(content: Vec<u8>) {
            let (one, two) = (sealed(&content, 1), sealed(&content, 2));
            let mixed = Sealed { wrapped_key: two.wrapped_key, body: one.body };
            prop_assert_eq!(mixed.open(&ring([key(1)]), &NAME).unwrap_err(), OpenError::Tampered);
        }

        #[test]
        fn a_rewrapped_record_opens_with_the_new_key_alone(content: Vec<u8>, seed: u64) {
            let mut record = sealed(&content, seed);
            let both = ring([key(2), key(1)]);
            let mut rng = StdRng::seed_from_u64(seed);
            record.wrapped_key = record.wrapped_key.rewrap(&both, &key(2), &NAME, &mut rng).unwrap();
            let opened = record.open(&ring([key(2)]), &NAME).unwrap();
            prop_assert_eq!(opened.expose(), content.as_slice());
            prop_assert_eq!(record.open(&ring([key(1)]), &NAME).unwrap_err(), OpenError::UnknownKey(key(2).id()));
        }

        #[test]
        fn no_bytes_make_parsing_or_opening_panic(wrapped: Vec<u8>, body: Vec<u8>) {
            if let Ok(record) = Sealed::parse(&wrapped, body) {
                prop_assert!(record.open(&ring([key(1)]), &NAME).is_err());
            }
        }
    }
}
