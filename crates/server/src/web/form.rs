//! Owns what a browser sends: the fields of a form or a query. Refuses a form that our own page in this
//! very browser did not send.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
};
use http::{HeaderMap, StatusCode, header, request::Parts};

use super::{
    Browser, PageError, WebState,
    csrf::{Forged, comes_from_us},
};

/// The largest form, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// Names and values in the order sent.
#[derive(Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(encoded: &[u8]) -> Self {
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

impl FromRequest<WebState> for Submitted {
    type Rejection = PageError;

    async fn from_request(request: Request<Body>, state: &WebState) -> Result<Self, PageError> {
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

/// The same for a form.
///
/// # Errors
/// 403, in a sentence.
fn check_csrf(
    headers: &HeaderMap,
    browser: &Browser,
    state: &WebState,
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

/// Why a form was rejected; `form.html` shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    /// The field at fault; empty if it is the form as a whole.
    pub(crate) field: &'static str,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

impl Fault {
    /// The text beside `field`, if that field is at fault.
    pub(crate) fn at(&self, field: &str) -> Option<&str> {
        (self.field == field && !self.text.is_empty()).then_some(self.text.as_str())
    }

    /// The text above the form, if no single field is at fault.
    pub(crate) fn above(&self) -> Option<&str> {
        self.at("")
    }
}
