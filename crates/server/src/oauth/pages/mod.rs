//! Owns the two questions that a person is asked on behalf of a program: a device login, and an OAuth
//! client. Refuses to answer for them: each is one form, sent by themselves from a page that says who asks,
//! from where, and for what.

mod consent;
mod device;

use axum::{Router, routing::get};

use crate::web::WebState;

/// The pages of this part, without the layer.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/auth/cli", get(device::by_handle))
        .route("/device", get(device::page).post(device::answer))
        .route("/oauth/authorize", get(consent::page).post(consent::answer))
}
