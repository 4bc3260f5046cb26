//! The words and decisions of skaas: ids, money, names, tokens, listings, entitlement, and the texts that
//! agent clients load. Everything here is pure.
//!
//! Invariant: no `async`, no IO, no SQL, no HTTP, no reading of a clock or of random numbers.

mod links;

pub mod audit;
pub mod client_name;
pub mod clock;
pub mod device;
pub mod discovery;
pub mod entitlement;
pub mod envelope;
pub mod finding;
pub mod forwarded;
pub mod hex;
pub mod id;
pub mod identity;
pub mod layout;
pub mod listing;
pub mod manifest;
pub mod marketplace;
pub mod master_key;
pub mod money;
pub mod name;
pub mod network;
pub mod oauth;
pub mod password;
pub mod plain_text;
pub mod prices;
pub mod reason;
pub mod recovery_code;
pub mod redirect;
pub mod repo;
pub mod safe_path;
pub mod scope;
pub mod second_factor;
pub mod secret;
pub mod session;
pub mod source_tree;
pub mod stub;
pub mod token;
pub mod totp;
pub mod user;
pub mod version;
