//! Owns what a browser sends: the fields of a form or a query. Refuses a form that our own page in this
//! very browser did not send.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
};
use http::{HeaderMap, StatusCode, header, request::Parts};

use super::{Browser, PageError, PagesState};

/// The largest form, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// Names and values in the order sent.
#[derive(Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The first value of that name, or nothing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// The same without space around it.
    pub(crate) fn trimmed(&self, name: &str) -> &str {
        self.get(name).trim()
    }

    /// Every value of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The fields of a query; none where there is none.
pub(crate) struct Query(pub(crate) Fields);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// A form that was sent from a page of ours in this browser: [`check_csrf`] has passed.
pub(crate) struct Submitted(pub(crate) Fields);

impl FromRequest<PagesState> for Submitted {
    type Rejection = PageError;

    async fn from_request(request: Request<Body>, state: &PagesState) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let browser = Browser::from_request_parts(&mut parts, state).await?;
        let form = "application/x-www-form-urlencoded";
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if kind != Some(form) {
            let sentence = "this address accepts only forms; go back to the page and submit it there";
            return Err(PageError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
        }
        let body = to_bytes(body, MAX_FORM).await.map_err(|_| {
            PageError::new(StatusCode::PAYLOAD_TOO_LARGE, "this form is too large; nothing was changed")
        })?;
        let fields = Fields::parse(&body);
        check_csrf(&parts.headers, &browser, state, fields.get("csrf"))?;
        Ok(Self(fields))
    }
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
    state: &PagesState,
    token: &str,
) -> Result<(), Forged> {
    if !is_same_origin(headers, state.app.voice().public_url.as_str()) {
        return Err(Forged::Elsewhere);
    }
    if browser.knows_csrf(token) { Ok(()) } else { Err(Forged::Unproved) }
}

/// The same for a form.
///
/// # Errors
/// 403, in a sentence.
fn check_csrf(
    headers: &HeaderMap,
    browser: &Browser,
    state: &PagesState,
    token: &str,
) -> Result<(), PageError> {
    comes_from_us(headers, browser, state, token).map_err(|forged| {
        let sentence = match forged {
            Forged::Elsewhere => "this form came from another site; nothing was changed",
            Forged::Unproved => {
                "this form has expired, or cookies are turned off; nothing was changed. \
                 Go back, reload the page and submit it again"
            }
        };
        PageError::new(StatusCode::FORBIDDEN, sentence)
    })
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
    use super::*;

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
