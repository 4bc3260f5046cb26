//! What the API says about authorized apps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/applications`: most recently authorized first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApplicationList {
    /// The apps that still have access.
    pub applications: Vec<ApplicationInfo>,
}

/// One row of `GET /api/applications`: an OAuth client that the user authorized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApplicationInfo {
    /// `ogr_…`: what `DELETE /api/applications/{id}` takes.
    pub id: String,
    /// Whether this app made the request.
    pub current: bool,
    /// The name the app gave itself.
    pub client_name: String,
    /// The client ID: the address of its metadata document, or an ID that it was given.
    pub client_id: String,
    /// Where the app runs, for people to read: a host, or `an app on this computer`.
    pub place: String,
    /// Its scopes, space-separated as in OAuth.
    pub scopes: String,
    /// The resource its tokens are for (RFC 8707).
    pub resource: String,
    /// When it was authorized.
    pub created_at: Timestamp,
    /// When the authorization ends: the app must ask again then.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}
