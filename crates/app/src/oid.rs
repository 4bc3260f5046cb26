//! Owns the bridge between git's object ids and the store's: the two crates do not know each other.

use skaas_git::ObjectId;
use skaas_store::Oid;

/// As the store keeps it.
pub(crate) fn stored(id: ObjectId) -> Oid {
    Oid(id.as_slice().try_into().expect("SHA-1 ids have 20 bytes"))
}

/// As git knows it.
pub(crate) fn oid(id: Oid) -> ObjectId {
    ObjectId::from_bytes_or_panic(&id.0)
}
