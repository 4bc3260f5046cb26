//! Owns what is said about a user: to themselves, and to everybody.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::TokenInfo;

/// Where this user's things are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Links {
    /// The personal marketplace to add to an agent, with `.git` and without any secret.
    pub marketplace: String,
    /// The account page.
    pub account: String,
}

/// `GET /api/me`: who this token or session speaks for. Any valid token may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Me {
    /// `usr_…`
    pub id: String,
    /// Lower-case letters, digits and single hyphens.
    pub username: String,
    /// Where mail reaches them; left out where there is no such address, and for a token without the scope
    /// `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether an address of theirs was confirmed; left out for a token without the scope `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Since when they are here.
    pub created_at: Timestamp,
    /// The api token that asked; none for a browser session and a connected application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenInfo>,
    /// Where their things are.
    pub links: Links,
}

/// `GET /api/users/{username}`: what everybody may know of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Profile {
    /// Lower-case letters, digits and single hyphens.
    pub username: String,
    /// Since when they are here.
    pub created_at: Timestamp,
    /// The skills they publish, by name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub skills: Vec<String>,
    /// The public page.
    pub url: String,
}
