//! Owns `/api`: JSON for programs, described by the OpenAPI document that is made from these very handlers.
//! Refuses rules of its own: each handler is one use case and a mapping to wire types.

mod caller;
mod me;
mod openapi;
mod sessions;
mod tokens;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequest, Request, rejection::JsonRejection},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use skaas_app::{App, Error};

pub(crate) use openapi::document;

use crate::problem::problem;

/// The largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Every address below `/api`.
pub(crate) const ADDRESSES: &[&str] = &[
    "/api/me",
    "/api/users/{username}",
    "/api/tokens",
    "/api/tokens/current",
    "/api/tokens/{id}",
    "/api/sessions",
    "/api/sessions/{id}",
    "/api/openapi.json",
];

/// All routes below `/api`.
pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/api/me", get(me::me))
        .route("/api/users/{username}", get(me::profile))
        .route("/api/tokens", get(tokens::list).post(tokens::create))
        .route("/api/tokens/current", delete(tokens::revoke_current))
        .route("/api/tokens/{id}", delete(tokens::revoke))
        .route("/api/sessions", get(sessions::list))
        .route("/api/sessions/{id}", delete(sessions::revoke))
        .route("/api/openapi.json", get(openapi::serve))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

/// An error on its way out as problem+json.
pub(crate) struct Failed(Error);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        problem(&self.0)
    }
}

type Answer<T> = Result<T, Failed>;

/// A JSON body, or a sentence about what is wrong with it.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(_)) => {
                Err(Error::TooLarge(format!("the body is larger than {} KiB", MAX_BODY / 1024)).into())
            }
            Err(rejection) => {
                Err(Error::Invalid(format!("{}; nothing was changed", rejection.body_text())).into())
            }
        }
    }
}
