//! The id of an object that came from outside, by a SHA-1 that notices collision attacks.
//!
//! Our own bytes are hashed in [`crate::object`], which is quicker and trusts its input.

use gix_hash::{Hasher, Kind as HashKind, ObjectId};

use crate::object::Kind;

/// The bytes were made to share their SHA-1 with others: refused, as git does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object was made to collide with another one (SHA-1 collision attack)")]
pub struct CollisionAttack;

/// A collision-detecting hasher.
pub(super) struct ForeignHasher(Hasher);

impl ForeignHasher {
    /// For bytes as they are, such as a pack's.
    pub(super) fn new() -> Self {
        Self(gix_hash::hasher(HashKind::Sha1))
    }

    /// For the content of an object.
    pub(super) fn object(kind: Kind, size: u64) -> Self {
        let mut hasher = Self::new();
        hasher.update(format!("{} {size}\0", kind.name()).as_bytes());
        hasher
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Result<ObjectId, CollisionAttack> {
        self.0.try_finalize().map_err(|_| CollisionAttack)
    }
}

/// The id of a foreign object.
pub fn hash_foreign(kind: Kind, data: &[u8]) -> Result<ObjectId, CollisionAttack> {
    let mut hasher = ForeignHasher::object(kind, data.len() as u64);
    hasher.update(data);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 320 bytes of `shattered-1.pdf` (shattered.io): the two blocks that collide.
    const SHATTERED: &str = "\
        255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f\
        4865696768742033203020522f547970652034203020522f537562747970652035203020522f4669\
        6c7465722036203020522f436f6c6f7253706163652037203020522f4c656e677468203820302052\
        2f42697473506572436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d31\
        20697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe017346dc9166b67e11\
        8f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3\
        dc38e96ac22fe7bd728f0e45bce046d23c570feb141398bb552ef5a0a82be331fea48037b8b5d71f\
        0e332edf93ac3500eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1";

    fn shattered() -> Vec<u8> {
        (0..SHATTERED.len() / 2)
            .map(|at| u8::from_str_radix(&SHATTERED[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn the_shattered_blocks_are_noticed() {
        let mut hasher = ForeignHasher::new();
        hasher.update(&shattered());
        assert_eq!(hasher.finish(), Err(CollisionAttack));
    }

    #[test]
    fn one_changed_bit_makes_them_harmless() {
        let mut bytes = shattered();
        bytes[200] ^= 1;
        let mut hasher = ForeignHasher::new();
        hasher.update(&bytes);
        assert!(hasher.finish().is_ok());
    }

    #[test]
    fn honest_objects_have_the_id_git_gives_them() {
        assert_eq!(
            hash_foreign(Kind::Blob, b"hello\n").unwrap().to_string(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
    }
}
