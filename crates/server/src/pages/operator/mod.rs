//! The operator's desk, under `/operator`: users, listings, jobs, the audit log and settings.
//!
//! Invariant: to everybody but an operator who signed in within the last 15 minutes, no address below `/operator` exists,
//! whichever the method. [`guard`] sees to that before any handler runs, and each use case checks the role again in the
//! transaction of its act.

mod audit;
mod jobs;
mod listings;
mod overview;
mod settings;
mod users;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any_service, get, post},
};
use skaas_app::{
    Error,
    operators::{self, Door},
};
use tower::Layer as _;

use super::{absent, confirm::Reason, not_in_this_way, sign_in::sign_in_again};
use crate::web::{Browser, Fault, PageError, WebState, go, sentence_case};

/// The desk's routes, each behind the guard.
pub(super) fn routes(state: &WebState) -> Router<WebState> {
    pages().into_iter().fold(Router::new(), |router, (path, methods)| {
        // The guard answers every method, and what is behind it has its own answer to methods it does not have. Otherwise
        // the router would add an `Allow` header to what strangers get.
        let page = methods.fallback(not_in_this_way).with_state(state.clone());
        router.route(path, any_service(middleware::from_fn_with_state(state.clone(), guard).layer(page)))
    })
}

fn pages() -> [(&'static str, MethodRouter<WebState>); 15] {
    [
        ("/operator", get(overview::page)),
        ("/operator/audit", get(audit::page)),
        ("/operator/jobs", get(jobs::page)),
        ("/operator/jobs/cancel", get(jobs::ask).post(jobs::cancel)),
        ("/operator/jobs/retry", post(jobs::retry)),
        ("/operator/listings", get(listings::page)),
        ("/operator/listings/{name}", get(listings::one)),
        ("/operator/listings/{name}/quarantine", get(listings::ask_quarantine).post(listings::quarantine)),
        ("/operator/listings/{name}/release", get(listings::ask_release).post(listings::release)),
        ("/operator/settings", get(settings::page)),
        ("/operator/users", get(users::page)),
        ("/operator/users/{name}", get(users::one)),
        ("/operator/users/{name}/sign-out", get(users::ask_sign_out).post(users::sign_out)),
        ("/operator/users/{name}/suspend", get(users::ask_suspend).post(users::suspend)),
        ("/operator/users/{name}/unsuspend", get(users::ask_unsuspend).post(users::unsuspend)),
    ]
}

/// Lets operators through who signed in just now with a second factor. The others sign in again, or set one up first.
/// Everybody else gets what they get where nothing is.
async fn guard(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let Some(browser) = request.extensions().get::<Browser>().cloned() else {
        return PageError::fault("a page stands outside the layer that knows browsers").into_response();
    };
    match operators::door(&state.app, browser.actor.as_ref()).await {
        Ok(Door::Open) => next.run(request).await,
        // The forms of the list of jobs have no page of their own.
        Ok(Door::Stale) if browser.path.starts_with("/operator/jobs/") => sign_in_again("/operator/jobs"),
        Ok(Door::Stale) => sign_in_again(&browser.path),
        Ok(Door::Unprotected) => go("/account/security", []),
        Ok(Door::Absent) => absent(&request),
        Err(error) => PageError::from(error).into_response(),
    }
}

/// What a form with a reason is shown again with, if that was at fault.
fn at_reason(error: Error, typed: &str) -> Result<Reason, PageError> {
    match error {
        Error::Refused(refusal) if refusal.code == skaas_app::Code::InvalidValue => {
            let fault = Fault { field: "reason", text: sentence_case(&refusal.message) };
            Ok(Reason { value: typed.to_owned(), fault })
        }
        other => Err(other.into()),
    }
}
