//! What the API says about API tokens.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::Secret;

/// An API token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// `tok_…`: what `DELETE /api/tokens/{id}` takes.
    pub id: String,
    /// Its name, such as the device or job that uses it.
    pub name: String,
    /// Its first characters, which identify it in lists: `sk_live_Xy12Ab9Q`.
    pub prefix: String,
    /// Its scopes, space-separated as in OAuth; `full` for full access.
    pub scopes: String,
    /// Whether this token made the request.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub current: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The IP address it was last used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_from: Option<String>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The id of the token that created it; absent if a person or the operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// `GET /api/tokens`: oldest first, including revoked ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// All tokens of the user.
    pub tokens: Vec<TokenInfo>,
}

/// `POST /api/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// A name, such as the device or job that uses it.
    pub name: String,
    /// Its scopes, space-separated as in OAuth: at most those of the caller, which are also the default.
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
    /// The token itself, shown once.
    pub token: Secret,
    /// The token as lists show it.
    #[serde(flatten)]
    pub info: TokenInfo,
}
