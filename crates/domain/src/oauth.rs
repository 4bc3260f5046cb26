//! Owns the words and checks of our OAuth 2.1 authorization server: clients, grants, codes, tokens, errors,
//! PKCE, resources. Refuses every flow but the three in [`GrantType`]. Where a user may be sent is
//! [`crate::redirect`]'s to say.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::{
    id::{OauthClientId, OauthGrantId, OauthTokenId, UserId},
    money::UnknownWord,
    scope::Scopes,
};

/// How long an authorization code works.
pub const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(1);
/// How long an access token works.
pub const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long an authorization lasts where the operator does not say otherwise, however often it is used.
pub const GRANT_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long a refresh token works unless its grant ends sooner; each use returns one that works as long again.
pub const REFRESH_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long after its first use a refresh token still gives tokens: to another process of the same client, or to one
/// whose answer was lost. Kept short, since a thief who is quick enough goes unnoticed.
pub const REFRESH_OVERLAP: SignedDuration = SignedDuration::from_secs(30);
/// The longest `client_id`: it may be the URL of a metadata document.
pub const MAX_CLIENT_ID: usize = 2000;

/// What a request is refused with, in the words of the RFCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749: something is missing, doubled or malformed.
    InvalidRequest,
    /// RFC 6749: there is no such client, or it did not show that it is it.
    InvalidClient,
    /// RFC 6749: the code or refresh token does not work, or not for this client or address.
    InvalidGrant,
    /// RFC 6749: this client may not do that.
    UnauthorizedClient,
    /// RFC 6749: we know no such `grant_type`.
    UnsupportedGrantType,
    /// RFC 6749: we know no such `response_type`.
    UnsupportedResponseType,
    /// RFC 6749: a scope is unknown, or more than was granted.
    InvalidScope,
    /// RFC 6749 and 8628: the person refused.
    AccessDenied,
    /// RFC 6749: our fault.
    ServerError,
    /// RFC 6749: later.
    TemporarilyUnavailable,
    /// RFC 8628: nobody has answered yet.
    AuthorizationPending,
    /// RFC 8628: as before, but more slowly.
    SlowDown,
    /// RFC 8628: the device code is too old.
    ExpiredToken,
    /// RFC 8707: we are not that resource.
    InvalidTarget,
    /// RFC 7591: an address in a registration cannot be a redirect URI.
    InvalidRedirectUri,
    /// RFC 7591: something else in a registration.
    InvalidClientMetadata,
    /// RFC 6750: the bearer token does not work.
    InvalidToken,
    /// RFC 6750: the bearer token works, but not for this.
    InsufficientScope,
    /// RFC 7009: a kind of token that we do not revoke.
    UnsupportedTokenType,
}

impl ErrorCode {
    /// All there are.
    pub const ALL: [Self; 19] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
        Self::InvalidScope,
        Self::AccessDenied,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::AuthorizationPending,
        Self::SlowDown,
        Self::ExpiredToken,
        Self::InvalidTarget,
        Self::InvalidRedirectUri,
        Self::InvalidClientMetadata,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::UnsupportedTokenType,
    ];

    /// The RFC's string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnsupportedTokenType => "unsupported_token_type",
        }
    }
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantType {
    /// With the code that a person's browser brought (RFC 6749, section 4.1).
    AuthorizationCode,
    /// With a refresh token (RFC 6749, section 6).
    RefreshToken,
    /// With a device code (RFC 8628).
    DeviceCode,
}

impl GrantType {
    /// The RFC's string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }
}

impl FromStr for GrantType {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::AuthorizationCode, Self::RefreshToken, Self::DeviceCode]
            .into_iter()
            .find(|grant_type| grant_type.as_str() == text)
            .ok_or_else(|| UnknownWord {
                text: text.chars().take(64).collect(),
                expected: "authorization_code, refresh_token, urn:ietf:params:oauth:grant-type:device_code",
            })
    }
}

/// A program that signs users in through us. All are public clients: none has a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Names the row.
    pub id: OauthClientId,
    /// What the client sends: a name that we gave it, or the URL of its metadata document.
    pub client_id: String,
    /// Its name, for people; it chose that itself.
    pub name: String,
    /// Where its users may be sent: see [`crate::redirect::matches`].
    pub redirect_uris: Vec<String>,
    /// How it may ask for tokens.
    pub grant_types: Vec<GrantType>,
    /// The rest of what it said of itself (RFC 7591, section 2).
    pub metadata: serde_json::Value,
    /// When we first heard of it.
    pub created_at: Timestamp,
    /// When somebody last signed in with it, to within a day or so.
    pub last_used_at: Option<Timestamp>,
}

impl Client {
    /// Whether its user may be sent to `requested`.
    pub fn may_redirect_to(&self, requested: &str) -> bool {
        self.redirect_uris.iter().any(|registered| crate::redirect::matches(registered, requested))
    }
}

/// What a user has allowed a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthGrant {
    /// Names this grant.
    pub id: OauthGrantId,
    /// Who allowed it.
    pub user: UserId,
    /// To whom.
    pub client_id: String,
    /// What.
    pub scopes: Scopes,
    /// The resource that its tokens are for (RFC 8707); with `None` they open nothing.
    pub resource: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// The first moment at which none of its tokens works, however often they were refreshed. `None`: made before
    /// grants had an end.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl OauthGrant {
    /// The first moment at which none of its tokens works.
    pub fn ends_at(&self) -> Timestamp {
        self.expires_at
            .unwrap_or_else(|| self.created_at.saturating_add(GRANT_LIFETIME).unwrap_or(Timestamp::MAX))
    }

    /// Whether its tokens may work at `now`.
    pub fn works(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.ends_at()
    }
}

/// What is stored of an authorization code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthCode {
    /// What it hands out.
    pub grant: OauthGrantId,
    /// Where it was sent: the redeemer must name the same.
    pub redirect_uri: String,
    /// What the redeemer's verifier must fit.
    pub challenge: Challenge,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub used_at: Option<Timestamp>,
}

/// What an OAuth token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OauthTokenKind {
    /// Opens things, for [`ACCESS_LIFETIME`].
    Access,
    /// Exchanged for the next two tokens.
    Refresh,
}

impl OauthTokenKind {
    /// The word used in columns and in `token_type_hint`s, without `_token`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

impl FromStr for OauthTokenKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Access, Self::Refresh]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownWord { text: text.chars().take(64).collect(), expected: "access, refresh" })
    }
}

/// What is stored of an OAuth token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthToken {
    /// Names this token.
    pub id: OauthTokenId,
    /// What it is.
    pub kind: OauthTokenKind,
    /// What it was given for.
    pub grant: OauthGrantId,
    /// The first refresh token of the chain that it belongs to, or itself.
    pub family: OauthTokenId,
    /// How many refreshes came before it.
    pub generation: i64,
    /// Access: fewer scopes than the grant's, if the client asked for fewer.
    pub scopes: Option<Scopes>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works.
    pub expires_at: Timestamp,
    /// Access: when it was last used, to within a minute. Refresh: when it was first exchanged.
    pub used_at: Option<Timestamp>,
    /// Since when it has been refused.
    pub revoked_at: Option<Timestamp>,
    /// Refresh: the refresh token that the first exchange returned.
    pub replaced_by: Option<OauthTokenId>,
}

impl OauthToken {
    /// Whether the token itself works at `now`. Its grant may still have been revoked.
    pub fn works(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none()
            && now < self.expires_at
            && (self.kind == OauthTokenKind::Access || self.used_at.is_none())
    }
}

/// A PKCE challenge of the method S256 (RFC 7636): the only one (OAuth 2.1, section 7.5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

/// Why a request has no usable PKCE challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChallenge {
    /// `plain`, none, or one that nobody knows.
    #[error("code_challenge_method must be S256")]
    Method,
    /// Not the 43 characters of a SHA-256 in base64url.
    #[error("code_challenge must be the base64url of a SHA-256: 43 characters without padding")]
    Form,
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(BASE64URL[((bits >> (18 - 6 * place)) & 63) as usize]));
        }
    }
    text
}

impl Challenge {
    /// Reads `code_challenge_method` and `code_challenge`.
    pub fn parse(method: Option<&str>, text: &str) -> Result<Self, InvalidChallenge> {
        if method != Some("S256") {
            return Err(InvalidChallenge::Method);
        }
        let well_formed = text.len() == 43 && text.bytes().all(|b| BASE64URL.contains(&b));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidChallenge::Form) }
    }

    /// The challenge that fits `verifier`.
    pub fn of(verifier: &str) -> Self {
        Self(base64url(&Sha256::digest(verifier.as_bytes())))
    }

    /// Whether `verifier` (43 to 128 unreserved characters) is the one it was made of; in constant time.
    pub fn verifies(&self, verifier: &str) -> bool {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && bool::from(Self::of(verifier).0.as_bytes().ct_eq(self.0.as_bytes()))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A resource that is none of ours (RFC 8707).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no resource of this server; leave it out or name one of its own addresses")]
pub struct InvalidTarget(pub String);

/// The one of `ours` that a request's `resource` names, exactly as we write it: an absolute URI without a
/// fragment, equal but for the case of scheme and host, a default port and a final `/`.
pub fn check_resource<'a>(requested: &str, ours: &[&'a str]) -> Result<&'a str, InvalidTarget> {
    let refuse = || InvalidTarget(requested.chars().take(200).collect());
    let canonical = |text: &str| {
        let url = Url::parse(text).ok().filter(|url| {
            url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
        })?;
        Some(url.as_str().trim_end_matches('/').to_owned())
    };
    if requested.len() > MAX_CLIENT_ID {
        return Err(refuse());
    }
    let wanted = canonical(requested).ok_or_else(refuse)?;
    ours.iter().copied().find(|mine| canonical(mine).is_some_and(|mine| mine == wanted)).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_rfc_7636_verifies() {
        let challenge = Challenge::parse(Some("S256"), CHALLENGE).unwrap();
        assert!(challenge.verifies(VERIFIER));
        assert!(!challenge.verifies(CHALLENGE) && !challenge.verifies(""));
        assert!(!challenge.verifies(&VERIFIER.to_lowercase()));
    }

    #[test]
    fn no_challenge_but_s256_is_taken() {
        for method in [None, Some("plain"), Some("s256"), Some("")] {
            assert_eq!(Challenge::parse(method, CHALLENGE), Err(InvalidChallenge::Method));
        }
        for text in ["", &CHALLENGE[1..], &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+")] {
            assert_eq!(Challenge::parse(Some("S256"), text), Err(InvalidChallenge::Form), "{text}");
        }
        // Shorter than RFC 7636 allows, though its hash fits.
        assert!(!Challenge::of("short").verifies("short"));
    }

    #[test]
    fn a_resource_is_ours_or_refused() {
        let ours = ["https://skaas.example/mcp", "https://skaas.example"];
        for (asked, named) in [
            ("https://skaas.example/mcp", ours[0]),
            ("https://skaas.example/mcp/", ours[0]),
            ("HTTPS://SKAAS.example:443/mcp", ours[0]),
            ("https://skaas.example/", ours[1]),
        ] {
            assert_eq!(check_resource(asked, &ours), Ok(named), "{asked}");
        }
        for bad in [
            "",
            "mcp",
            "https://skaas.example/mcp2",
            "https://skaas.example/MCP",
            "https://skaas.example/mcp#x",
            "https://a@skaas.example/mcp",
            "http://skaas.example/mcp",
            "https://skaas.example.evil/mcp",
            "https://skaas.example/mcp?x",
        ] {
            assert!(check_resource(bad, &ours).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_rfcs_and_each_means_one_thing() {
        let mut words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        insta::assert_snapshot!(words.join(" "), @"invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type unsupported_response_type invalid_scope access_denied server_error temporarily_unavailable authorization_pending slow_down expired_token invalid_target invalid_redirect_uri invalid_client_metadata invalid_token insufficient_scope unsupported_token_type");
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ErrorCode::ALL.len());
        for grant_type in [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode] {
            assert_eq!(grant_type.as_str().parse(), Ok(grant_type));
        }
        assert!("password".parse::<GrantType>().is_err() && "implicit".parse::<GrantType>().is_err());
    }

    proptest! {
        #[test]
        fn a_challenge_fits_its_verifier_and_no_other(one in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
            prop_assume!(one != other);
            let challenge = Challenge::of(&one);
            prop_assert_eq!(Challenge::parse(Some("S256"), challenge.as_str()), Ok(challenge.clone()));
            prop_assert!(challenge.verifies(&one) && !challenge.verifies(&other));
        }
    }
}
