//! Owns what is said about a user: to themselves, and to everybody.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::TokenInfo;

/// Addresses of this user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Links {
    /// The marketplace to add to an agent, ending in `.git` and without any secret.
    pub marketplace: String,
    /// The settings page.
    pub account: String,
}

/// `GET /api/me`: the user this token or session belongs to. Any valid token may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Me {
    /// `usr_…`
    pub id: String,
    /// Lower-case letters, digits and single hyphens.
    pub username: String,
    /// The email address; left out if there is none, and for a token without the scope
    /// `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the email address is confirmed; left out for a token without the scope `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// When the user joined.
    pub created_at: Timestamp,
    /// The API token that made the request; absent for browser sessions and authorized apps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenInfo>,
    /// Addresses of this user.
    pub links: Links,
}

/// `GET /api/users/{username}`: the public profile of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Profile {
    /// Lower-case letters, digits and single hyphens.
    pub username: String,
    /// When the user joined.
    pub created_at: Timestamp,
    /// The skills they publish, by name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub skills: Vec<String>,
    /// The public profile page.
    pub url: String,
}
