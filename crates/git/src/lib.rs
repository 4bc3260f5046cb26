//! Git as bytes: packet lines, deterministic objects and packs, what a fetch may carry, what a push brings.
//!
//! Invariants
//! - No users, no SQL, no HTTP framework. Everything that serves is pure; only [`source_repo`] touches files.
//! - What is permitted is said by the caller, anew for each request; nothing here remembers it.
//! - Equal inputs give equal bytes, on any machine.

pub mod bundle;
mod deflate;
pub mod delta;
pub mod object;
pub mod pack;
mod pack_entry;
pub mod pkt_line;
pub mod receive_pack;
pub mod rope;
pub mod sideband;
pub mod source_repo;
pub mod splice;
pub mod tree_build;
pub mod upload_pack;

pub use object::ObjectId;
