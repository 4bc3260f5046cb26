//! Owns what a client posts: a form in which each name stands once (RFC 6749, section 3.2), and where it
//! came from.

use std::collections::HashSet;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
};
use http::header;
use skaas_app::oauth::Refused;
use skaas_domain::{device::Place, oauth::ErrorCode};

use super::answer::NotGiven;
use crate::client_address::place;

/// The largest form, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// The parameters of a request.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form or a query. What has no value counts as left out (RFC 6749, section 3.1).
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(encoded).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The first name that stands there twice.
    pub(crate) fn doubled(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| !seen.insert(*name))
    }

    /// The value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a name that may not be left out.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refused> {
        let missing = || Refused::said(ErrorCode::InvalidRequest, format!("{name} is missing"));
        self.get(name).ok_or_else(missing)
    }
}

/// A form, and where it came from.
pub(super) struct Posted {
    pub(super) form: Form,
    pub(super) place: Place,
}

impl<S: Sync> FromRequest<S> for Posted {
    type Rejection = NotGiven;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, NotGiven> {
        let refuse = |why: String| NotGiven::from(Refused::said(ErrorCode::InvalidRequest, why));
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
            return Err(refuse("the body is to be a form: application/x-www-form-urlencoded".into()));
        }
        let body = to_bytes(body, MAX_FORM).await;
        let body =
            body.map_err(|_| refuse(format!("the form is larger than {MAX_FORM} bytes, or broke off")))?;
        let form = Form::parse(&body);
        match form.doubled() {
            Some("resource") => {
                let why = "one token is for one resource; ask once for each";
                Err(Refused::said(ErrorCode::InvalidTarget, why).into())
            }
            Some(name) => Err(refuse(format!("{name:?} stands there twice"))),
            None => Ok(Self { form, place: place(&parts.headers, &parts.extensions) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, time::Instant};

    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_found_among_however_many() {
        let mut form = (0..100_000).fold(String::new(), |mut form, number| {
            let _ = write!(form, "{number}=x&");
            form
        });
        let begun = Instant::now();
        assert_eq!(Form::parse(form.as_bytes()).doubled(), None);
        assert!(begun.elapsed().as_secs() < 10, "each name was held against each");
        form.push_str("7=&7=y");
        assert_eq!(Form::parse(form.as_bytes()).doubled(), Some("7"));
        assert_eq!(Form::parse(b"a=&a=1&b=2").doubled(), None, "what has no value is left out");
    }
}
