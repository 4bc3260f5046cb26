//! The `WWW-Authenticate` header of an answer that asks for credentials.

use http::HeaderValue;

/// Asks git for a token as the password of Basic (RFC 7617).
pub(crate) const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"skaas\", charset=\"UTF-8\"");

/// What was wrong with the credentials of a request (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// There were none.
    Credentials,
    /// The token is unknown, revoked or expired.
    ValidToken,
    /// The token is valid, but not for this.
    Scope,
}

/// Says where a client gets an access token for a protected resource (RFC 6750, section 3; RFC 9728, section 5.1).
/// `base` is the public address of this installation, `resource` the last segment of the resource's metadata address.
pub(crate) fn bearer(base: &str, resource: &str, scope: &str, lacking: Lacking) -> Option<HeaderValue> {
    let error = match lacking {
        Lacking::Credentials => "",
        Lacking::ValidToken => ", error=\"invalid_token\"",
        Lacking::Scope => ", error=\"insufficient_scope\"",
    };
    let text = format!(
        "Bearer realm=\"skaas\", resource_metadata=\"{base}/.well-known/oauth-protected-resource/{resource}\", \
         scope=\"{scope}\"{error}"
    );
    HeaderValue::from_str(&text).ok()
}
