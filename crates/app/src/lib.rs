//! Use cases: what a person or a program can ask of skaas, each an `async fn verb(app, actor, …) -> Result<_, Error>`.
//!
//! Invariants
//! - Every answer about access comes from [`skaas_domain::entitlement::decide`]; nothing here has a rule of
//!   its own, and nothing keeps an answer except under a key that holds every input of it.
//! - No HTTP types, no HTML, no SQL. Clock and randomness come from [`App`].

mod actor;
mod app;
mod authentication;
mod catalogue;
mod code;
mod contents;
mod error;
mod limits;
mod oid;
mod places;
mod render;
mod viewer;

pub mod accounts;
pub mod audit;
pub mod devices;
pub mod fetch;
pub mod grants;
pub mod health;
pub mod identities;
pub mod jobs;
pub mod lineage;
pub mod listings;
pub mod oauth;
pub mod operators;
pub mod publication;
pub mod push;
pub mod quiet;
pub mod restoration;
pub mod second_factor;
pub mod sessions;
pub mod sign_in;
pub mod stamps;
pub mod storage;
pub mod suspension;
pub mod third_parties;
pub mod tokens;
pub mod users;
pub mod vault;

pub use actor::{Actor, Via, Whose};
pub use app::{App, AppConfig, Parts};
pub use authentication::{Presented, authenticate, authenticate_to_revoke};
pub use code::{Code, Kind};
pub use error::{Counted, Error, Refusal, Result, causes, whole_seconds};
pub use limits::{CountedAs, Limits, PackSlot, admit};
pub use render::Voice;
pub use skaas_git::{
    rope::{Pieces, Rope, RopeBuilder},
    upload_pack::Version as ProtocolVersion,
};
/// What mail, identity providers and foreign documents are configured with.
pub use skaas_outbound as outbound;
pub use skaas_store::{
    DatabaseConfig, Description, Migrated, ObjectsConfig, S3Config, StorageFault, Store, StoreConfig,
    StoreError, rate::Rate,
};
pub use third_parties::ThirdParties;
pub use viewer::Viewer;
