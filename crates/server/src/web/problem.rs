//! The one mapping from what went wrong to HTTP: RFC 9457 problem+json for programs, plain sentences for git. What only
//! the operator should see is not shown.

use app::{Error, Kind};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use skaas_api::Problem;
use skaas_app as app;

use super::challenge::BASIC;

/// When it is worth asking again while something that we stand on is away.
const UNAVAILABLE_SECONDS: &str = "5";

/// Status, `type`, and `title` of a kind of failure.
const fn classify(kind: Kind) -> (StatusCode, &'static str, &'static str) {
    match kind {
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
        Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid", "Invalid request"),
        Kind::Conflict => (StatusCode::CONFLICT, "conflict", "Conflict"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
        Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
        Kind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy"),
        Kind::Upstream => (StatusCode::BAD_GATEWAY, "upstream", "Another service failed"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
        Kind::Fault => (StatusCode::INTERNAL_SERVER_ERROR, "fault", "Something went wrong on the server"),
    }
}

fn finish(error: &Error, status: StatusCode, mut response: Response) -> Response {
    let headers = response.headers_mut();
    match error {
        Error::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, BASIC);
        }
        Error::RateLimited { retry_after, .. } | Error::Busy { retry_after } => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(app::whole_seconds(*retry_after)));
        }
        Error::Store(fault) if fault.is_transient() => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(UNAVAILABLE_SECONDS));
        }
        _ => {}
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cause) = Cause::of(error) {
        response.extensions_mut().insert(cause);
    }
    *response.status_mut() = status;
    response
}

/// Why an answer is a fault of ours: an extension of the answer, which `watch` writes into the log together
/// with the route.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// Every cause, from the outside in.
    pub(crate) causes: String,
    /// Whether it passes.
    pub(crate) is_transient: bool,
}

impl Cause {
    /// The cause of a fault; nothing for errors that are the caller's.
    fn of(error: &Error) -> Option<Self> {
        let is_transient = matches!(error, Error::Store(fault) if fault.is_transient());
        let source = std::error::Error::source(error).filter(|_| error.is_fault())?;
        Some(Self { causes: app::causes(source), is_transient })
    }
}

/// An error as git shows it to a person: `remote: ` and the text.
pub(crate) fn sentence(error: &Error) -> Response {
    let (status, ..) = classify(error.kind());
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    finish(error, status, (text, format!("{error}\n")).into_response())
}

/// An error as a program reads it.
pub(crate) fn problem(error: &Error) -> Response {
    problem_saying(error, error.to_string())
}

/// The same in other words, where the usual ones would mislead who asks.
pub(crate) fn problem_saying(error: &Error, detail: String) -> Response {
    let (status, kind, title) = classify(error.kind());
    let body = Problem {
        kind: kind.to_owned(),
        title: title.to_owned(),
        status: status.as_u16(),
        code: error.code().as_str().to_owned(),
        detail,
        action_url: error.action().map(str::to_owned),
    };
    let json = [(header::CONTENT_TYPE, "application/problem+json")];
    finish(error, status, (json, Json(body)).into_response())
}
