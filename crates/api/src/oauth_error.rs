//! Owns the error document of the OAuth endpoints and its stable words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of a refusal by an OAuth endpoint (RFC 6749 section 5.2, RFC 8628 section 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OAuthError {
    /// The word a program acts on.
    pub error: OAuthErrorCode,
    /// The sentence a person reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
    /// Where more is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_uri: Option<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why an OAuth endpoint refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[non_exhaustive]
        pub enum OAuthErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
            /// A word that this version does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl OAuthErrorCode {
            /// Every word that may be sent.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Unknown => "unknown" }
            }
        }
    };
}

codes! {
    /// The request is missing something, repeats something, or is malformed (RFC 6749).
    InvalidRequest = "invalid_request",
    /// No such client, or it failed to prove who it is (RFC 6749).
    InvalidClient = "invalid_client",
    /// The code or refresh token is wrong, used, or another client's (RFC 6749).
    InvalidGrant = "invalid_grant",
    /// This client may not use this grant type (RFC 6749).
    UnauthorizedClient = "unauthorized_client",
    /// The server does not know this grant type (RFC 6749).
    UnsupportedGrantType = "unsupported_grant_type",
    /// The server does not know this response type (RFC 6749).
    UnsupportedResponseType = "unsupported_response_type",
    /// The scope is unknown, malformed, or more than may be given (RFC 6749).
    InvalidScope = "invalid_scope",
    /// The resource is unknown or malformed (RFC 8707).
    InvalidTarget = "invalid_target",
    /// The person said no (RFC 6749, RFC 8628).
    AccessDenied = "access_denied",
    /// Nobody has answered yet: ask again after the interval (RFC 8628).
    AuthorizationPending = "authorization_pending",
    /// Asked too soon: the interval is 5 seconds longer from now on (RFC 8628).
    SlowDown = "slow_down",
    /// The device code is too old (RFC 8628).
    ExpiredToken = "expired_token",
    /// This kind of token cannot be revoked here (RFC 7009).
    UnsupportedTokenType = "unsupported_token_type",
    /// A redirect URI of a registration cannot be taken (RFC 7591).
    InvalidRedirectUri = "invalid_redirect_uri",
    /// Something else of a registration cannot be taken (RFC 7591).
    InvalidClientMetadata = "invalid_client_metadata",
    /// The bearer token is missing, wrong, expired or revoked (RFC 6750).
    InvalidToken = "invalid_token",
    /// The bearer token may not do this (RFC 6750).
    InsufficientScope = "insufficient_scope",
    /// Something went wrong on the server (RFC 6749).
    ServerError = "server_error",
    /// The server is too busy; ask again later (RFC 6749).
    TemporarilyUnavailable = "temporarily_unavailable",
}

impl OAuthError {
    /// A refusal with its sentence.
    pub fn new(error: OAuthErrorCode, description: impl Into<String>) -> Self {
        Self { error, error_description: Some(description.into()), error_uri: None }
    }
}

impl fmt::Display for OAuthErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_an_unknown_one_is_kept_apart() {
        for code in OAuthErrorCode::ALL {
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(text, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<OAuthErrorCode>(&text).unwrap(), *code);
        }
        assert_eq!(serde_json::from_str::<OAuthErrorCode>("\"tomorrow\"").unwrap(), OAuthErrorCode::Unknown);
    }
}
