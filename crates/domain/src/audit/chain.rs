//! The hash chain of one subject: sealing the next entry, and verifying what is stored.

use sha2::{Digest, Sha256};

use super::{Address, Entry, Seal, Subject};

/// The version of the encoding. Every hash begins with it, so no other use of SHA-256 can yield one of ours.
const DOMAIN: &[u8] = b"skaas audit v1\0";
/// The length of a salt.
pub const SALT_BYTES: usize = 16;

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The position of the last entry; 0 for an empty chain.
    pub position: i64,
    /// The hash up to there.
    pub hash: [u8; 32],
}

/// Why a chain does not hold. Each names the first entry at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Positions go up by one; here one is skipped.
    #[error("the entry at position {0} is missing")]
    Missing(i64),
    /// The hash does not follow from what the entry and those before it say.
    #[error("the entry at position {0} was changed, replaced or moved")]
    Changed(i64),
    /// The address isn't the one that was sealed.
    #[error("the IP address of the entry at position {0} was changed")]
    Address(i64),
    /// The address was erased, but the account still exists.
    #[error("the IP address of the entry at position {0} was erased, but no account was deleted")]
    Erased(i64),
    /// The chain is shorter or longer than its head says.
    #[error("the chain should end at position {expected}, but it ends at {found}")]
    End {
        /// Where the head says that it ends.
        expected: i64,
        /// Where it ends.
        found: i64,
    },
    /// The last hash isn't the head's.
    #[error("the hash at position {0} is not the one that was noted as the end of the chain")]
    Head(i64),
}

/// One subject's chain, up to some entry.
#[derive(Debug, Clone)]
pub struct Chain {
    subject: Subject,
    head: Head,
}

/// Returns what stands for an address in hashes. Without the salt it tells nothing about the address.
pub fn address_digest(salt: &[u8], address: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(DOMAIN);
    put(&mut digest, b"address");
    put(&mut digest, salt);
    put(&mut digest, address.as_bytes());
    digest.finalize().into()
}

/// Adds a text so that no two sequences of texts give the same bytes.
fn put(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

impl Chain {
    /// The chain of a subject before its first entry.
    pub fn new(subject: Subject) -> Self {
        let mut digest = Sha256::new();
        digest.update(DOMAIN);
        put(&mut digest, b"genesis");
        put(&mut digest, subject.to_string().as_bytes());
        Self { subject, head: Head { position: 0, hash: digest.finalize().into() } }
    }

    /// The chain of a subject that ends at `head`.
    pub const fn at(subject: Subject, head: Head) -> Self {
        Self { subject, head }
    }

    /// Where the chain ends now.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Seals the next entry and moves the end there.
    pub fn seal(&mut self, entry: &Entry, salt: [u8; SALT_BYTES]) -> Seal {
        let (address, salt) = match &entry.address {
            Address::Known(address) => (address.as_str(), Some(salt)),
            Address::None => ("", Some(salt)),
            Address::Erased => ("", None),
        };
        // Erased before it was sealed: the digest stands for nothing.
        let address_digest = address_digest(salt.as_ref().map_or(&[], |salt| salt.as_slice()), address);
        let position = self.head.position + 1;
        let hash = self.next(entry, position, &address_digest);
        self.head = Head { position, hash };
        Seal { position, salt: salt.map(Vec::from), address_digest, hash }
    }

    /// Verifies the next sealed entry and moves the end there. `may_be_erased` says whether an account that the entry
    /// is about, or whose owner acted, was deleted.
    ///
    /// # Errors
    /// [`Broken`] if the entry isn't the one that was sealed there.
    pub fn verify(&mut self, entry: &Entry, may_be_erased: bool) -> Result<(), Broken> {
        let position = self.head.position + 1;
        let Some(seal) = &entry.seal else { return Err(Broken::Missing(position)) };
        if seal.position > position {
            return Err(Broken::Missing(position));
        }
        if seal.position != position || self.next(entry, position, &seal.address_digest) != seal.hash {
            return Err(Broken::Changed(position));
        }
        match (&entry.address, &seal.salt) {
            (Address::Erased, None) if may_be_erased => {}
            (Address::Erased, _) => return Err(Broken::Erased(position)),
            (_, None) => return Err(Broken::Address(position)),
            (address, Some(salt)) => {
                if address_digest(salt, address.known().unwrap_or_default()) != seal.address_digest {
                    return Err(Broken::Address(position));
                }
            }
        }
        self.head = Head { position, hash: seal.hash };
        Ok(())
    }

    /// Verifies that the chain ends here.
    ///
    /// # Errors
    /// [`Broken::End`] or [`Broken::Head`] if it ends elsewhere.
    pub fn verify_end(&self, expected: Head) -> Result<(), Broken> {
        if expected.position != self.head.position {
            return Err(Broken::End { expected: expected.position, found: self.head.position });
        }
        if expected.hash != self.head.hash {
            return Err(Broken::Head(expected.position));
        }
        Ok(())
    }

    /// The canonical encoding of an entry at a position, behind the hash of everything before it.
    fn next(&self, entry: &Entry, position: i64, address_digest: &[u8; 32]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(DOMAIN);
        put(&mut digest, b"entry");
        put(&mut digest, &self.head.hash);
        put(&mut digest, self.subject.to_string().as_bytes());
        put(&mut digest, entry.subject.to_string().as_bytes());
        put(&mut digest, &position.to_be_bytes());
        put(&mut digest, &entry.id.to_be_bytes());
        put(&mut digest, &entry.at.as_microsecond().to_be_bytes());
        put(&mut digest, entry.actor.kind.as_str().as_bytes());
        put(&mut digest, Subject(entry.actor.user).to_string().as_bytes());
        put(&mut digest, entry.actor.id.as_bytes());
        put(&mut digest, address_digest);
        put(&mut digest, entry.action.as_bytes());
        put(&mut digest, entry.thing.as_bytes());
        put(&mut digest, entry.outcome.as_str().as_bytes());
        digest.finalize().into()
    }
}
