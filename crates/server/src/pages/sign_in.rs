//! Owns the doors in and out. Refuses to say which part of a name and a password is wrong.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::{accounts::Rejected, second_factor, sessions, sign_in as use_case};
use skaas_domain::identity::return_path;

use super::{
    providers::{Button, buttons},
    second_factor::onward,
    taken_apart, with_patience,
};
use crate::web::{Browser, Fault, Fields, Frame, PageError, Query, Submitted, Tone, WebState, go, show_as};

#[derive(Template)]
#[template(path = "signin.html")]
struct SignIn {
    frame: Frame,
    login: String,
    return_to: String,
    fault: Fault,
    buttons: Vec<Button>,
    /// Whether there can be passkeys on this server.
    has_passkeys: bool,
    /// Why somebody who is signed in is asked again.
    again: bool,
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let return_to = return_path(query.get("return_to"));
    let again = query.get("again") == "1" && browser.actor.is_some();
    if browser.actor.is_some() && !again {
        return Ok(go(after(return_to), []));
    }
    let mut frame = browser.frame("signin");
    match query.get("done") {
        "reset" => frame = frame.noting(Tone::Ok, "Password changed. Sign in with your new password."),
        "confirmed" => {
            frame = frame.noting(Tone::Ok, "Your email address is confirmed. Sign in to continue.");
        }
        _ => {}
    }
    let login = browser.username().unwrap_or_default().to_owned();
    let buttons = buttons(&state);
    let has_passkeys = second_factor::has_passkeys(&state.app);
    let (return_to, fault) = (return_to.to_owned(), Fault::default());
    show_as(StatusCode::OK, &SignIn { frame, login, return_to, fault, buttons, has_passkeys, again })
}

pub(super) async fn sign_in(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let return_to = return_path(fields.get("return_to"));
    let (login, password) = (fields.trimmed("login"), fields.get("password"));
    match use_case::by_password(&state.app, login, password, browser.visitor()).await {
        Ok(admitted) => Ok(onward(&state, admitted, return_to)),
        Err(rejected) => refused(&state, &browser, &fields, rejected),
    }
}

/// The page again, with why the sign-in was refused.
pub(super) fn refused(
    state: &WebState,
    browser: &Browser,
    fields: &Fields,
    rejected: Rejected,
) -> Result<Response, PageError> {
    let wait = patience(&rejected);
    let (status, mut fault) = taken_apart(rejected)?;
    if fault.field == "passkey" {
        fault.field = "";
    }
    let frame = browser.frame("signin");
    let login = fields.trimmed("login").to_owned();
    let return_to = return_path(fields.get("return_to")).to_owned();
    let (buttons, has_passkeys) = (buttons(state), second_factor::has_passkeys(&state.app));
    let again = fields.get("again") == "1" && browser.actor.is_some();
    let page = SignIn { frame, login, return_to, fault, buttons, has_passkeys, again };
    Ok(with_patience(wait, show_as(status, &page)?))
}

pub(super) async fn sign_out(
    State(state): State<WebState>,
    browser: Browser,
    _: Submitted,
) -> Result<Response, PageError> {
    if let Some(actor) = &browser.actor {
        sessions::sign_out(&state.app, actor).await?;
    }
    Ok(go("/?done=signed-out", [state.cookies.no_session()]))
}

/// Where to go once signed in: to the account, where nowhere else was asked for.
pub(super) fn after(return_to: &str) -> &str {
    if return_to == "/" { "/account" } else { return_to }
}

/// To the page that asks a person who is signed in to sign in again, and from there back to `path`.
pub(super) fn sign_in_again(path: &str) -> Response {
    go(&sign_in_again_at(path), [])
}

/// The address of that page.
pub(super) fn sign_in_again_at(path: &str) -> String {
    let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/signin?again=1&return_to={back}")
}

pub(super) fn patience(rejected: &Rejected) -> Option<std::time::Duration> {
    match rejected {
        Rejected::TooOften { retry_after } => Some(*retry_after),
        _ => None,
    }
}
