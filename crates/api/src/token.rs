//! Owns what is said about api tokens.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::Secret;

/// An api token as lists show it: everything but the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// `tok_…`: what `DELETE /api/tokens/{id}` takes.
    pub id: String,
    /// What its owner calls it: a device, a job.
    pub name: String,
    /// Its first characters, up to and with the 8 that lists name it by: `sk_live_Xy12Ab9Q`.
    pub prefix: String,
    /// What it may do, space-separated as in OAuth; `full` for everything.
    pub scopes: String,
    /// Whether this is the token that asked.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub current: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The address it was last used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_from: Option<String>,
    /// When it stops working by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The id of the token that created it; absent if a person or the operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// `GET /api/tokens`: oldest first, revoked ones too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// All of the user's.
    pub tokens: Vec<TokenInfo>,
}

/// `POST /api/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// What to call it.
    pub name: String,
    /// What it may do, space-separated as in OAuth: never more than whoever asks, and as much when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
    /// In how many seconds it stops working; when left out, with the token that asks, else when it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_seconds")]
    pub expires_in: Option<u64>,
}

/// Reads a whole number of seconds. To JSON Schema `3477.0` is an integer as well, and some languages write it so.
fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let text = number.to_string();
    let whole = number.as_u64().or_else(|| text.strip_suffix(".0")?.parse().ok());
    whole.map(Some).ok_or_else(|| D::Error::custom(format!("{text} is not a whole number of seconds")))
}

/// The answer: the one moment at which the token is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token itself, to be shown once.
    pub token: Secret,
    /// What lists will say.
    #[serde(flatten)]
    pub info: TokenInfo,
}
