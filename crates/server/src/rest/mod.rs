//! `/api`: JSON for programs, described by the OpenAPI document that is generated from these handlers. Each handler
//! calls one use case and maps the result to wire types.
//!
//! Invariant: scripts of other sites can't read any answer. There is no CORS, so the cookie of a signed-in browser works
//! for our own pages only.

mod activity;
mod answer;
mod applications;
mod caller;
mod me;
mod openapi;
mod reference;
mod refusals;
mod sessions;
mod tokens;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequest, Request, State, rejection::JsonRejection},
    middleware::{self, Next},
    response::Response,
    routing::{any, delete, get},
};
use skaas_app::{App, Code, CountedAs, Error};

use answer::{Answer, Failed};
pub(crate) use openapi::document;
pub(crate) use reference::page_routes;

use crate::web::counted;

/// The largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Every address of the interface, and its page.
pub(crate) const ADDRESSES: &[&str] = &[
    "/api",
    "/api/me",
    "/api/me/activity",
    "/api/users/{username}",
    "/api/tokens",
    "/api/tokens/current",
    "/api/tokens/{id}",
    "/api/applications",
    "/api/applications/{id}",
    "/api/sessions",
    "/api/sessions/{id}",
    "/api/openapi.json",
    "/api/grants",
    "/api/grants/{id}",
];

/// The addresses that moved. The OpenAPI document leaves them out.
#[cfg(test)]
const MOVED: &[&str] = &["/api/grants", "/api/grants/{id}"];

/// All routes below `/api`.
pub(crate) fn routes(app: App) -> Router {
    let open = Router::new()
        .route("/api/users/{username}", get(me::profile))
        .route("/api/openapi.json", get(openapi::serve))
        .route("/api/grants", any(applications::moved))
        .route("/api/grants/{id}", any(applications::moved))
        .route_layer(middleware::from_fn_with_state(app.clone(), by_address));
    Router::new()
        .route("/api/me", get(me::me))
        .route("/api/me/activity", get(activity::list))
        .route("/api/tokens", get(tokens::list).post(tokens::create))
        .route("/api/tokens/current", delete(tokens::revoke_current))
        .route("/api/tokens/{id}", delete(tokens::revoke))
        .route("/api/applications", get(applications::list))
        .route("/api/applications/{id}", delete(applications::revoke))
        .route("/api/sessions", get(sessions::list))
        .route("/api/sessions/{id}", delete(sessions::revoke))
        .merge(open)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), answer::around))
        .with_state(app)
}

/// The layer around what nobody needs a token for; with all else [`caller::Caller`] counts.
async fn by_address(State(app): State<App>, request: Request, next: Next) -> Result<Response, Failed> {
    Ok(next.run(counted(&app, request, CountedAs::Request).await?).await)
}

/// A JSON body, or a sentence about what is wrong with it.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(_)) => Err(Error::refused(
                Code::TooLarge,
                format!("the body is larger than {} KiB", MAX_BODY / 1024),
            )
            .into()),
            Err(rejection) => Err(Error::refused(
                Code::Malformed,
                format!("{}; nothing was changed", rejection.body_text()),
            )
            .into()),
        }
    }
}
