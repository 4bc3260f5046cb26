//! Owns how a person makes an account. Refuses to say whether an address is known here.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::accounts;
use skaas_domain::identity::return_path;

use super::{
    providers::{Button, buttons},
    sign_in::{after, patience},
    taken_apart, with_patience,
};
use crate::web::{Browser, Fault, Frame, PageError, Query, Submitted, WebState, go, show_as};

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUp {
    frame: Frame,
    username: String,
    email: String,
    return_to: String,
    fault: Fault,
    buttons: Vec<Button>,
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let return_to = return_path(query.get("return_to"));
    if browser.actor.is_some() {
        return Ok(go(after(return_to), []));
    }
    let buttons = buttons(&state);
    let (username, email, fault) = Default::default();
    let frame = browser.frame("signup");
    let return_to = return_to.to_owned();
    show_as(StatusCode::OK, &SignUp { frame, username, email, return_to, fault, buttons })
}

pub(super) async fn sign_up(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let return_to = return_path(fields.get("return_to"));
    let input = accounts::SignUp {
        username: fields.trimmed("username").to_owned(),
        email: fields.trimmed("email").to_owned(),
        password: fields.get("password").to_owned(),
    };
    match accounts::sign_up(&state.app, &input, browser.visitor()).await {
        Ok(accounts::SignedUp { opened, is_mailed }) => {
            let path = match (return_to, is_mailed) {
                ("/", true) => "/account?done=signed-up",
                ("/", false) => "/account?done=signed-up-unmailed",
                (elsewhere, _) => elsewhere,
            };
            Ok(go(path, [state.cookies.session(&opened)]))
        }
        Err(rejected) => {
            let wait = patience(&rejected);
            let (status, fault) = taken_apart(rejected)?;
            let buttons = buttons(&state);
            let accounts::SignUp { username, email, .. } = input;
            let frame = browser.frame("signup");
            let return_to = return_to.to_owned();
            let page = SignUp { frame, username, email, return_to, fault, buttons };
            Ok(with_patience(wait, show_as(status, &page)?))
        }
    }
}
