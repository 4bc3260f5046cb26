//! Pages: what a person sees in a browser. Server-rendered; each works without a script and by keyboard.
//!
//! Invariants
//! - Every page goes out through [`around`], which sets the headers no page may lack, and turns what went
//!   wrong into a page in the same frame.
//! - Nothing is changed but by a [`Submitted`] form: one that a page of ours sent in this very browser.
//! - No page leads anywhere but to a path of ours, or to a configured identity provider.

mod account;
mod activity;
mod applications;
mod confirm;
mod home;
mod identities;
mod operator;
mod passkeys;
mod password;
mod profile;
mod providers;
mod reset;
mod second_factor;
mod security;
mod sessions;
mod sign_in;
mod sign_up;
mod skill;
mod theme;
mod tokens;
mod verify;

use axum::{
    Router,
    extract::Request,
    middleware,
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::{HeaderValue, StatusCode, header};
use skaas_app::{Code, Error, accounts::Rejected};

use crate::web::{Fault, PageError, WebState, around, assets, problem::problem, sentence_case};

/// Every address of these pages, with `{…}` where a name stands.
pub(crate) const ADDRESSES: &[&str] = &[
    "/",
    "/account",
    "/account/activity",
    "/account/applications",
    "/account/applications/disconnect",
    "/account/delete",
    "/account/email",
    "/account/identities",
    "/account/identities/unlink",
    "/account/password",
    "/account/security",
    "/account/security/app",
    "/account/security/app/confirm",
    "/account/security/app/remove",
    "/account/security/codes",
    "/account/security/passkeys",
    "/account/security/passkeys/options",
    "/account/security/passkeys/remove",
    "/account/security/passkeys/rename",
    "/account/sessions",
    "/account/sessions/others",
    "/account/sessions/revoke",
    "/account/tokens",
    "/account/tokens/revoke",
    "/assets/app.css",
    "/assets/app.js",
    "/assets/favicon.svg",
    "/assets/htmx.js",
    "/assets/icons.svg",
    "/assets/licenses.txt",
    "/assets/passkeys.js",
    "/buy/{name}",
    "/operator",
    "/operator/audit",
    "/operator/jobs",
    "/operator/jobs/cancel",
    "/operator/jobs/retry",
    "/operator/listings",
    "/operator/listings/{name}",
    "/operator/listings/{name}/quarantine",
    "/operator/listings/{name}/release",
    "/operator/settings",
    "/operator/users",
    "/operator/users/{name}",
    "/operator/users/{name}/sign-out",
    "/operator/users/{name}/suspend",
    "/operator/users/{name}/unsuspend",
    "/auth/{provider}/callback",
    "/auth/{provider}/link",
    "/auth/{provider}/start",
    "/reset",
    "/reset/new",
    "/robots.txt",
    "/signin",
    "/signin/passkey",
    "/signin/passkey/options",
    "/signin/second-factor",
    "/signin/second-factor/passkey",
    "/signout",
    "/signup",
    "/signup/identity",
    "/skills/{name}",
    "/skills/{name}/get",
    "/theme",
    "/verify",
    "/{at_username}",
];

/// The pages of this part, without the layer.
pub(crate) fn routes(state: &WebState) -> Router<WebState> {
    Router::new()
        .route("/", get(home::page))
        .route("/account", get(account::page))
        .route("/account/activity", get(activity::page))
        .route("/account/applications", get(applications::page))
        .route("/account/applications/disconnect", get(applications::ask).post(applications::disconnect))
        .route("/account/delete", post(account::delete))
        .route("/account/email", post(account::change_email))
        .route("/account/identities", get(identities::page))
        .route("/account/identities/unlink", get(identities::ask).post(identities::unlink))
        .route("/account/password", get(password::page).post(password::change))
        .route("/account/security", get(security::page))
        .route("/account/security/app", get(security::setup).post(security::begin_app))
        .route("/account/security/app/confirm", post(security::confirm_app))
        .route("/account/security/app/remove", get(security::ask_remove_app).post(security::remove_app))
        .route("/account/security/codes", get(security::ask_codes).post(security::new_codes))
        .route("/account/security/passkeys", post(security::add_passkey))
        .route("/account/security/passkeys/options", post(security::passkey_options))
        .route("/account/security/passkeys/remove", get(security::ask_remove).post(security::remove_passkey))
        .route("/account/security/passkeys/rename", get(security::rename_page).post(security::rename))
        .route("/account/sessions", get(sessions::page))
        .route("/account/sessions/others", get(sessions::ask_others).post(sessions::revoke_others))
        .route("/account/sessions/revoke", get(sessions::ask).post(sessions::revoke))
        .route("/account/tokens", get(tokens::page).post(tokens::create))
        .route("/account/tokens/revoke", get(tokens::ask).post(tokens::revoke))
        .route("/assets/app.css", assets::serve(&assets::STYLESHEET))
        .route("/assets/app.js", assets::serve(&assets::SCRIPT))
        .route("/assets/favicon.svg", assets::serve(&assets::FAVICON))
        .route("/assets/htmx.js", assets::serve(&assets::HTMX))
        .route("/assets/icons.svg", assets::serve(&assets::ICONS))
        .route("/assets/licenses.txt", assets::serve(&assets::LICENSES))
        .route("/assets/passkeys.js", assets::serve(&assets::PASSKEYS))
        .route("/buy/{name}", get(skill::page))
        .route("/auth/{provider}/callback", get(providers::callback))
        .route("/auth/{provider}/link", post(providers::link))
        .route("/auth/{provider}/start", post(providers::start))
        .route("/reset", get(reset::page).post(reset::ask))
        .route("/reset/new", get(reset::new_page).post(reset::set))
        .route("/robots.txt", assets::serve(&assets::ROBOTS))
        .route("/signin", get(sign_in::page).post(sign_in::sign_in))
        .route("/signin/passkey", post(second_factor::by_passkey))
        .route("/signin/passkey/options", post(second_factor::passkey_options))
        .route("/signin/second-factor", get(second_factor::page).post(second_factor::by_code))
        .route("/signin/second-factor/passkey", post(second_factor::by_passkey))
        .route("/signout", post(sign_in::sign_out))
        .route("/signup", get(sign_up::page).post(sign_up::sign_up))
        .route("/signup/identity", get(providers::newcomer).post(providers::join))
        .route("/skills/{name}", get(skill::page))
        .route("/skills/{name}/get", post(skill::get_free))
        .route("/theme", post(theme::switch))
        .route("/verify", get(verify::page).post(verify::confirm))
        // Every method: a list of those that work would tell this address from one where nothing is.
        .route("/{at_username}", any(profile::page))
        .method_not_allowed_fallback(not_in_this_way)
        .merge(operator::routes(state))
}

/// Puts the layer around pages. What a part adds to them goes in before: `wrap(routes().merge(mine), state)`.
pub(crate) fn wrap(pages: Router<WebState>, state: &WebState) -> Router {
    pages.layer(middleware::from_fn_with_state(state.clone(), around)).with_state(state.clone())
}

/// Where no address matches: a page for browsers, a problem for programs.
pub(crate) async fn nothing_here(request: Request) -> Response {
    absent(&request)
}

/// What is answered where nothing is.
fn absent(request: &Request) -> Response {
    let error = Error::refused(Code::NoSuchPage, "there is nothing at this address; check it for typos");
    if wants_html(request) { PageError::from(error).into_response() } else { problem(&error) }
}

async fn not_in_this_way(request: Request) -> Response {
    if wants_html(&request) {
        let sentence = "this address does not accept this kind of request";
        return PageError::new(StatusCode::METHOD_NOT_ALLOWED, sentence).into_response();
    }
    StatusCode::METHOD_NOT_ALLOWED.into_response()
}

fn wants_html(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// What a rejected form is answered with: shown again with this status and fault, or not at all.
pub(crate) fn taken_apart(rejected: Rejected) -> Result<(StatusCode, Fault), PageError> {
    let text = sentence_case(&rejected.to_string());
    match rejected {
        Rejected::Field { field, .. } => Ok((StatusCode::UNPROCESSABLE_ENTITY, Fault { field, text })),
        Rejected::NoMatch => Ok((StatusCode::UNPROCESSABLE_ENTITY, Fault { field: "", text })),
        Rejected::TooOften { .. } => Ok((StatusCode::TOO_MANY_REQUESTS, Fault { field: "", text })),
        Rejected::Stale => Ok((StatusCode::FORBIDDEN, Fault { field: "", text })),
        Rejected::Other(error) => Err(error.into()),
    }
}

/// `Retry-After` where the answer is 429.
pub(crate) fn with_patience(rejected_for: Option<std::time::Duration>, mut response: Response) -> Response {
    if let Some(wait) = rejected_for {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}
