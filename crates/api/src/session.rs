//! Owns what is said about a browser login.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/sessions`: most recently used first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// Active sessions, 100 at most.
    pub sessions: Vec<SessionInfo>,
}

/// One row of `GET /api/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    /// `ses_…`: what `DELETE /api/sessions/{id}` takes.
    pub id: String,
    /// Whether this session made the request.
    pub current: bool,
    /// The browser's user agent, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The IP address it signed in from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}
