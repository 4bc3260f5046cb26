//! The store: the only crate that speaks SQL and to object storage.
//!
//! One SQL text serves SQLite and PostgreSQL; where the dialects part, both texts stand side by side.
//! Reads take a [`Conn`], writes a [`Tx`]; a [`Tx`] and a [`Snapshot`] lend themselves as a [`Conn`], so
//! every read works in all three. There is one module per aggregate, and rows decode into the domain's
//! types: a row that no use case could have written is [`StoreError::Corrupt`], never a guess.
//!
//! Invariants
//! - Nothing is reported as done before the database said that it was committed, and the commit is on the disk
//!   except where the transaction was begun with [`Store::begin_lazy`].
//! - A release or stub row never points at content that is not in object storage: object first, row second.
//! - Whatever a request may have cached is behind a revision ([`Store::revisions`]) or a [`Mark`]: a
//!   transaction that changes what a user may have bumps one of them before it ends.
//! - No reading of a clock or of random numbers: time is an argument.

mod column;
mod config;
mod connection;
mod counted;
mod database;
mod error;
mod freshness;
mod migration;
mod objects;
mod oid;
mod statement;
mod storage_fault;
mod storage_probe;

pub mod audit;
pub mod authenticator_apps;
pub mod budgets;
pub mod catalogue;
pub mod ceremonies;
pub mod codes;
pub mod contents;
pub mod devices;
pub mod grants;
pub mod identities;
pub mod inspection;
pub mod jobs;
pub mod journal;
pub mod known_browsers;
pub mod listings;
mod names;
pub mod oauth_clients;
pub mod oauth_codes;
pub mod oauth_grants;
pub mod oauth_tokens;
pub mod operators;
pub mod passkeys;
pub mod passwords;
pub mod prices;
pub mod rate;
pub mod recovery_codes;
pub mod releases;
pub mod sessions;
pub mod settings;
pub mod sign_ins;
pub mod sources;
pub mod steps;
pub mod stubs;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod users;
pub mod vault;

pub use config::{DatabaseConfig, ObjectsConfig, S3Config, StoreConfig};
pub use connection::{Conn, Snapshot, Tx};
pub use contents::NewContent;
pub use database::Store;
pub use error::{Conflict, Result, StoreError, causes};
pub use freshness::{Mark, Revisions};
pub use inspection::{Description, UserBytes};
pub use migration::Migrated;
pub use objects::{Leftovers, PackPart};
pub use oid::{MalformedOid, Oid};
pub use storage_fault::{StorageFault, StorageFaultKind};
pub use storage_probe::Stored;

#[cfg(feature = "testing")]
pub use statement::prepare_all;
