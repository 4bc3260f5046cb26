//! laid out below
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
