//! The way out: the only HTTP client of the server, and what is asked of others through it. Identity
//! providers, GitHub, client metadata documents, breached passwords, mail.
//!
//! Invariant: nothing here connects to an address that [`egress::Egress`] does not permit, whatever name,
//! redirect or document led there. Mail alone goes where the operator's own configuration says.
//!
//! Refuses: a database, users, deciding what an answer means for them, reading a clock.

pub mod breaches;
pub mod client_metadata;
pub mod egress;
pub mod error;
pub mod github;
pub mod http_client;
pub mod mail;
pub mod oidc;
pub mod pkce;
pub mod request;
mod resolver;
pub mod ways_out;

pub use egress::{Egress, Refusal};
pub use error::{Error, Result};
pub use http_client::{Http, HttpLimits};
pub use request::Request;
pub use secrecy::{ExposeSecret, SecretString};
