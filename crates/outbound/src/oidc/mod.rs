//! Owns signing in with an OIDC provider: where to send the browser, and what the code it brings
//! back proves. Refuses to know users and sessions: `state` is the caller's to check, before it calls here.
//!
//! Google, Okta and Entra are the standard with data beside it ([`Flavour`]); what differs is said there.

mod claims;
mod discovery;
mod groups;
mod provider;
mod verification;

pub use claims::{Claims, Groups, SignedIn};
pub use discovery::Metadata;
pub use provider::{Callback, Flavour, Provider, ProviderConfig};
