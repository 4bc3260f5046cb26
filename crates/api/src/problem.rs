//! Owns the error document of everything that is not OAuth.

use serde::{Deserialize, Serialize};

/// RFC 9457, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The kind of problem: `unauthenticated`, `forbidden`, `not-found`, `invalid`,
    /// `conflict`, `too-large`, `rate-limited`, `busy`, `upstream`, `unavailable`, `fault`.
    #[serde(rename = "type", default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub kind: String,
    /// A short title, the same for every problem of this kind.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub status: u16,
    /// Why, for programs: `no-such-skill`, `out-of-scope` and so on. A code is never renamed; new ones may come.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub code: String,
    /// What happened, and what to do.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub detail: String,
    /// The page on which a person can do something about it, relative to this server; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<String>,
}
