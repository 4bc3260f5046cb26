//! The words and decisions of skaas: ids, money, names, tokens, listings, entitlement, and the texts that
//! agent clients load. Everything here is pure.
//!
//! Invariant: no `async`, no IO, no SQL, no HTTP, no reading of a clock or of random numbers.

mod links;

pub mod client_name;
pub mod clock;
pub mod discovery;
pub mod entitlement;
pub mod finding;
pub mod id;
pub mod layout;
pub mod listing;
pub mod manifest;
pub mod marketplace;
pub mod money;
pub mod name;
pub mod plain_text;
pub mod safe_path;
pub mod source_tree;
pub mod stub;
pub mod token;
pub mod user;
pub mod version;
