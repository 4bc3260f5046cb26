//! Refusals in the words of the RFCs (RFC 6749, section 5.2).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use skaas_app::{Error, oauth::Refused};
use skaas_domain::oauth::ErrorCode;

use crate::web::{json_once, problem::problem};

/// A refusal on its way out.
pub(super) struct NotGiven(Refused);

impl From<Refused> for NotGiven {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl From<Error> for NotGiven {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

fn body(code: ErrorCode, why: &impl ToString) -> Value {
    json!({ "error": code.as_str(), "error_description": why.to_string() })
}

impl IntoResponse for NotGiven {
    fn into_response(self) -> Response {
        match self.0 {
            Refused::Said { code, why } => json_once(StatusCode::BAD_REQUEST, &body(code, &why)),
            Refused::TooOften { retry_after } => {
                let said = body(ErrorCode::TemporarilyUnavailable, &self.0);
                let mut response = json_once(StatusCode::TOO_MANY_REQUESTS, &said);
                let wait = HeaderValue::from(retry_after.as_secs().max(1));
                response.headers_mut().insert(header::RETRY_AFTER, wait);
                response
            }
            Refused::Other(error) => {
                // Status, Retry-After and log as everywhere; the words as OAuth's clients read them.
                let (parts, _) = problem(&error).into_parts();
                let code = match parts.status.as_u16() {
                    503 | 429 => ErrorCode::TemporarilyUnavailable,
                    500.. => ErrorCode::ServerError,
                    _ => ErrorCode::InvalidRequest,
                };
                let mut response = json_once(parts.status, &body(code, &error));
                if let Some(wait) = parts.headers.get(header::RETRY_AFTER) {
                    response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
                }
                response
            }
        }
    }
}
