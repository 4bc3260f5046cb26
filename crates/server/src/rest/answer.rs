//! How this interface answers: problem+json, the headers of every answer, and where a refused client learns how to get a
//! token (RFC 6750, section 3; RFC 9728, section 5.1). There is no Basic challenge: a browser would open its password
//! prompt.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use skaas_app::{App, Code, Error};

use crate::web::{
    challenge::{self, Lacking},
    escapes,
    problem::{problem, problem_saying},
};

/// The message for a request without a working token.
const NOBODY: &str = "send an API token, or an access token issued for this address, as \
                      `Authorization: Bearer`; there was none, or it is invalid or expired";

/// An error on its way out as problem+json.
pub(crate) struct Failed(Error);

/// What a handler gives.
pub(super) type Answer<T> = Result<T, Failed>;

/// Says of a response that another token of the same user would get further.
#[derive(Debug, Clone, Copy)]
struct Limited;

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let mut response = match &error {
            // The usual words are for who asks with git.
            Error::Unauthenticated => problem_saying(&error, NOBODY.to_owned()),
            other => problem(other),
        };
        if error.code() == Code::OutOfScope {
            response.extensions_mut().insert(Limited);
        }
        response
    }
}

/// The layer around every address of this interface.
pub(super) async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let with_credentials = request.headers().contains_key(header::AUTHORIZATION);
    let mut response = match escapes::check(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(error) => problem(&error),
    };
    let is_limited = response.extensions_mut().remove::<Limited>().is_some();
    let lacking = match response.status() {
        StatusCode::UNAUTHORIZED if with_credentials => Some(Lacking::ValidToken),
        StatusCode::UNAUTHORIZED => Some(Lacking::Credentials),
        StatusCode::FORBIDDEN if is_limited => Some(Lacking::Scope),
        _ => None,
    };
    let headers = response.headers_mut();
    let base = &app.voice().public_url;
    if let Some(value) = lacking.and_then(|lacking| challenge::bearer(base, "api", "account", lacking)) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
