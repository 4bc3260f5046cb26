//! Owns the documents of the device login: RFC 8628 at `/oauth/device_authorization` and `/oauth/token`, and
//! its browser-opening form at `/auth/cli` and `/auth/cli/status`.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// The `client_id` of the `skaas` command line: a public client that every server knows.
pub const CLI_CLIENT_ID: &str = "skaas-cli";
/// The `grant_type` with which a device code is redeemed (RFC 8628 section 3.4).
pub const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The form posted to `/oauth/device_authorization` (RFC 8628 section 3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DeviceAuthorizationRequest {
    /// Who asks.
    pub client_id: String,
    /// The scopes asked for, space-separated; all of the user's rights when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What the page and the list of tokens call the asking device, such as `alice on laptop`; ours, not
    /// the RFC's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Where the token is to be used (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// What `/oauth/device_authorization` answers (RFC 8628 section 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DeviceAuthorizationResponse {
    /// What the device redeems; never shown.
    pub device_code: Secret,
    /// What the person types, such as `BCDF-GHJK`.
    pub user_code: String,
    /// The page on which to type it.
    pub verification_uri: String,
    /// The same page with the code filled in; it still asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// For how long both codes hold, in seconds.
    pub expires_in: u64,
    /// The least pause between two polls, in seconds; 5 where the server does not say.
    #[serde(default = "five")]
    pub interval: u64,
}

fn five() -> u64 {
    5
}

/// The form posted to `/oauth/token` while waiting (RFC 8628 section 3.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DeviceTokenRequest {
    /// [`DEVICE_CODE_GRANT`].
    pub grant_type: String,
    /// Of the answer to the device authorization.
    pub device_code: Secret,
    /// Who asks; the same as before.
    pub client_id: String,
}

/// What `/oauth/token` answers when there is a token (RFC 6749 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// The bearer secret.
    pub access_token: Secret,
    /// `Bearer`; readers ignore its case.
    pub token_type: String,
    /// For how long it holds, in seconds; until it is revoked when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// With which to get the next one, for OAuth clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// What the token may do, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// The form posted to `/oauth/revoke` (RFC 7009 section 2.1). The answer is 200 whether or not there was
/// such a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RevocationRequest {
    /// What is to stop working.
    pub token: Secret,
    /// `access_token` or `refresh_token`: where to look first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type_hint: Option<String>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// What `POST /auth/cli` answers: a login that a browser is to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CliStart {
    /// The handle, minted by the server; one made up by a client never yields a token.
    pub session: Secret,
    /// Collects the token: sent to `/auth/cli/status` as `Authorization: Bearer`. It belongs into no address.
    pub secret: Secret,
    /// The page to open.
    pub url: String,
    /// For how long the handle holds, in seconds.
    pub expires_in: u64,
    /// The least pause between two polls, in seconds.
    #[serde(default = "five")]
    pub interval: u64,
}

/// The state of a login by `/auth/cli`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum CliState {
    /// Nobody has answered yet.
    Pending,
    /// Approved; the token comes with this answer and with no other.
    Completed,
    /// Too late, denied, already handed out, or never minted here.
    Expired,
}

/// What `/auth/cli/status` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CliStatus {
    /// How it stands.
    pub status: CliState,
    /// The api token, exactly once, when completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Whose token it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Where mail reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}
