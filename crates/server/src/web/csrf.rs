//! Protection against cross-site request forgery: what the browser says about a request's origin, and the token that
//! only our own pages in that browser hold.

use http::HeaderMap;
use skaas_domain::secret::{Secret, SecretHash};

use super::{Browser, WebState};

/// 128 bits that follow from both cookies and from nothing that another site could know. A new session
/// makes a new one, so that a form shown before signing in is of no use after.
pub(super) fn csrf_of(browser: &Secret, session: &str) -> String {
    use std::fmt::Write as _;
    let hash = SecretHash::of(&format!("csrf {} {session}", browser.reveal()));
    hash.0[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Why a request that would change something is not taken from a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forged {
    /// The browser itself says that another site had it sent.
    Elsewhere,
    /// It does not carry what our pages in this browser carry.
    Unproved,
}

/// Whether a request that changes something comes from a page of ours in this browser: what the browser
/// itself says of where it comes from, and the token that only such a page holds.
///
/// # Errors
/// What speaks against it.
pub(crate) fn comes_from_us(
    headers: &HeaderMap,
    browser: &Browser,
    state: &WebState,
    token: &str,
) -> Result<(), Forged> {
    if !is_same_origin(headers, state.app.voice().public_url.as_str()) {
        return Err(Forged::Elsewhere);
    }
    if browser.knows_csrf(token) { Ok(()) } else { Err(Forged::Unproved) }
}

/// What the browser says: `Sec-Fetch-Site` (W3C Fetch Metadata) where it sends that, else `Origin`. A
/// client that sends neither is no browser that another site could lead.
fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("invalid"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    // Behind a proxy that rewrites Host it is the public address; without one it is the Host.
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let public = url::Url::parse(public_url).is_ok_and(|url| url.origin().ascii_serialization() == origin);
    public || (authority.is_some() && authority == text("host"))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};
    use skaas_domain::secret::SecretKind;

    use super::*;

    fn secret(seed: u64) -> Secret {
        Secret::generate(SecretKind::Browser, &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn the_token_of_a_form_changes_with_the_browser_and_with_the_session() {
        let token = csrf_of(&secret(1), "sk_session_a");
        assert_eq!(token, csrf_of(&secret(1), "sk_session_a"));
        assert_eq!(token.len(), 32);
        assert_ne!(token, csrf_of(&secret(2), "sk_session_a"));
        assert_ne!(token, csrf_of(&secret(1), "sk_session_b"));
        assert_ne!(token, csrf_of(&secret(1), ""));
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_our_own_pages_are_the_same_origin() {
        let ours = "https://skaas.example";
        for good in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://skaas.example")],
            &[("origin", "https://skaas.example")],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
        ] {
            assert!(is_same_origin(&headers(good), ours), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://skaas.example")],
            &[("origin", "https://evil.example"), ("host", "skaas.example")],
            &[("origin", "null"), ("host", "skaas.example")],
            &[("origin", "https://skaas.example.evil.example")],
            &[("origin", "http://skaas.example")],
        ] {
            assert!(!is_same_origin(&headers(bad), ours), "{bad:?}");
        }
    }
}
