//! Reads the `Authorization` header: RFC 7617 Basic, RFC 6750 Bearer. Whether the credentials are valid is decided in
//! `skaas_app`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};

/// What a client sent to say who it is.
pub(crate) struct Credentials {
    /// The name part of Basic; `None` with Bearer.
    pub(crate) username: Option<String>,
    /// The password part of Basic, or the Bearer token.
    pub(crate) secret: String,
}

/// Reads the header; `None` when it is absent or unreadable, which is the same to the caller.
pub(crate) fn read(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(value.iter().position(|byte| *byte == b' ')?)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        let secret = str::from_utf8(rest).ok().filter(|secret| secret.is_ascii())?;
        return Some(Credentials { username: None, secret: secret.to_owned() });
    }
    if !scheme.eq_ignore_ascii_case(b"basic") || rest.len() > 1024 {
        return None;
    }
    let mut username = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let colon = username.find(':')?;
    let secret = username.split_off(colon + 1);
    username.truncate(colon);
    Some(Credentials { username: Some(username), secret })
}

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1), if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> Option<(Option<String>, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        read(&headers).map(|c| (c.username, c.secret))
    }

    #[test]
    fn both_schemes_are_read_in_any_case_and_nothing_else_is() {
        assert_eq!(header("Basic YWxpY2U6c2s6MQ==").unwrap(), (Some("alice".into()), "sk:1".into()));
        assert_eq!(header("bearer sk").unwrap(), (None, "sk".into()));
        for bad in ["", "Basic", "Basic !!!", "Basic YWxpY2U=", "Digest x", "Basic /w=="] {
            assert!(header(bad).is_none(), "{bad}");
        }
        assert!(read(&HeaderMap::new()).is_none());
    }
}
