//! Owns what is said about the audit log of one person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/me/activity`: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ActivityList {
    /// Entries of the audit log about the user.
    pub activity: Vec<ActivityInfo>,
}

/// One row of `GET /api/me/activity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ActivityInfo {
    /// When it happened.
    pub at: Timestamp,
    /// What was done: `session.create`, `token.revoke` and so on. There may be new words at any time.
    pub action: String,
    /// The same for people.
    pub summary: String,
    /// What it was done with: the name of a token, skill or app, or an ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing: Option<String>,
    /// `done` or `refused`.
    pub outcome: String,
    /// Who acted: `browser`, `token`, `app`, `visitor` (not signed in), `operator` or `server`.
    pub by: String,
    /// The IP address that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The entry's number in the user's hash chain, once it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// The chain's hash up to this entry, in hexadecimal. Whoever notes it can tell later if an entry was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}
