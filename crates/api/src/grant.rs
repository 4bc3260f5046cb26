//! Owns what is said about connected applications.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/grants`: the one let in last comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GrantList {
    /// All that may still come in.
    pub grants: Vec<GrantInfo>,
}

/// One row of `GET /api/grants`: an OAuth client that the user let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GrantInfo {
    /// `ogr_…`: what `DELETE /api/grants/{id}` takes.
    pub id: String,
    /// Whether this is the application that asked.
    pub current: bool,
    /// What the application calls itself.
    pub client_name: String,
    /// What it is known as here: the address of its description, or an id that it was given.
    pub client_id: String,
    /// Where it is, for people to read: a host, or `an app on this computer`.
    pub place: String,
    /// What it may do, space-separated as in OAuth.
    pub scopes: String,
    /// Where it may do that (RFC 8707).
    pub resource: String,
    /// When it was let in.
    pub created_at: Timestamp,
    /// When it was last here, within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}
