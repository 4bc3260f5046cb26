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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::{
        audit::{ActorKind, Outcome, Who},
        id::UserId,
    };

    fn user(seed: u64) -> UserId {
        UserId::new(Timestamp::UNIX_EPOCH, &mut StdRng::seed_from_u64(seed))
    }

    fn entry(subject: Subject, id: i64) -> Entry {
        Entry {
            id,
            at: Timestamp::from_microsecond(1_800_000_000_000_000 + id).unwrap(),
            subject,
            actor: Who { kind: ActorKind::Session, user: subject.0, id: format!("ses_{id}") },
            address: if id % 3 == 0 { Address::None } else { Address::Known("192.0.2.7".to_owned()) },
            action: "token.create".to_owned(),
            thing: format!("tok_{id}"),
            outcome: Outcome::Done,
            seal: None,
        }
    }

    /// A sealed chain of so many entries, and its end.
    fn sealed(subject: Subject, length: i64) -> (Vec<Entry>, Head) {
        let mut chain = Chain::new(subject);
        let mut entries: Vec<Entry> = (1..=length).map(|id| entry(subject, id * 10)).collect();
        for entry in &mut entries {
            let salt = [u8::try_from(entry.id % 251).unwrap(); SALT_BYTES];
            entry.seal = Some(chain.seal(entry, salt));
        }
        (entries, chain.head())
    }

    fn verify(subject: Subject, entries: &[Entry], head: Head) -> Result<(), Broken> {
        let mut chain = Chain::new(subject);
        for entry in entries {
            chain.verify(entry, false)?;
        }
        chain.verify_end(head)
    }

    /// Each way to change one entry, by number.
    fn change(entry: &mut Entry, how: usize) {
        let seal = entry.seal.as_mut().expect("it is sealed");
        match how {
            0 => entry.id += 1,
            1 => entry.at = Timestamp::from_microsecond(entry.at.as_microsecond() + 1).unwrap(),
            2 => entry.subject = Subject::from(user(9)),
            3 => entry.actor.kind = ActorKind::Operator,
            4 => entry.actor.user = Some(user(9)),
            5 => entry.actor.id.push('x'),
            6 => entry.address = Address::Known("198.51.100.1".to_owned()),
            7 => entry.address = Address::Erased,
            8 => "token.revoke".clone_into(&mut entry.action),
            9 => entry.thing.push('x'),
            10 => entry.outcome = Outcome::Refused,
            11 => seal.address_digest[0] ^= 1,
            12 => seal.hash[31] ^= 1,
            13 => seal.position += 1,
            14 => seal.salt = Some(vec![7; SALT_BYTES + 1]),
            15 => seal.salt = None,
            _ => (entry.thing, entry.action) = (entry.action.clone(), entry.thing.clone()),
        }
    }

    #[test]
    fn an_untouched_chain_holds_and_names_where_it_ends() {
        for length in 0..20 {
            let (entries, head) = sealed(Subject::from(user(1)), length);
            assert_eq!(head.position, length);
            assert_eq!(verify(Subject::from(user(1)), &entries, head), Ok(()));
        }
    }

    #[test]
    fn the_encoding_of_version_1_never_changes() {
        let (_, head) = sealed(Subject::SERVER, 3);
        // Computed by another program from the description in docs/operating.md.
        let known = "b8e7be3856db5710f1ab09c2774afe397b7694d23481721dfbc355c28635e243";
        assert_eq!(crate::hex::encode(&head.hash), known);
    }

    #[test]
    fn an_address_can_be_erased_only_with_its_account() {
        let subject = Subject::from(user(1));
        let (mut entries, head) = sealed(subject, 3);
        for entry in &mut entries {
            entry.address = Address::Erased;
            entry.seal.as_mut().unwrap().salt = None;
        }
        assert_eq!(verify(subject, &entries, head), Err(Broken::Erased(1)));
        let mut chain = Chain::new(subject);
        for entry in &entries {
            chain.verify(entry, true).unwrap();
        }
        assert_eq!(chain.verify_end(head), Ok(()));
    }

    proptest! {
        #[test]
        fn any_change_of_any_entry_is_found_there(length in 1_i64..30, at in any::<prop::sample::Index>(), how in 0_usize..17) {
            let subject = Subject::from(user(1));
            let (mut entries, head) = sealed(subject, length);
            let at = at.index(entries.len());
            change(&mut entries[at], how);
            let broken = verify(subject, &entries, head).unwrap_err();
            let position = i64::try_from(at).unwrap() + 1;
            let found = match broken {
                Broken::Missing(at) | Broken::Changed(at) | Broken::Address(at) | Broken::Erased(at) | Broken::Head(at) => at,
                Broken::End { found, .. } => found,
            };
            prop_assert_eq!(found, position, "{:?}", broken);
        }

        #[test]
        fn removing_any_entry_or_swapping_any_two_is_found(length in 2_i64..30, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let subject = Subject::from(user(1));
            let (entries, head) = sealed(subject, length);
            let (one, other) = (one.index(entries.len()), other.index(entries.len()));
            let mut removed = entries.clone();
            removed.remove(one);
            prop_assert!(verify(subject, &removed, head).is_err());
            // Also with the positions closed up, as an attacker would leave them.
            for (entry, position) in removed.iter_mut().zip(1_i64..) {
                entry.seal.as_mut().unwrap().position = position;
            }
            prop_assert!(verify(subject, &removed, head).is_err());
            if one != other {
                let mut swapped = entries;
                let positions = [one, other].map(|at| swapped[at].seal.clone().unwrap().position);
                swapped[one].seal.as_mut().unwrap().position = positions[1];
                swapped[other].seal.as_mut().unwrap().position = positions[0];
                swapped.swap(one, other);
                prop_assert!(verify(subject, &swapped, head).is_err());
            }
        }

        #[test]
        fn an_entry_of_another_chain_never_fits(length in 1_i64..10, at in any::<prop::sample::Index>()) {
            let (mine, yours) = (Subject::from(user(1)), Subject::from(user(2)));
            let (mut entries, head) = sealed(mine, length);
            let (others, _) = sealed(yours, length);
            let at = at.index(entries.len());
            entries[at] = others[at].clone();
            prop_assert!(verify(mine, &entries, head).is_err());
        }
    }
}
