//! Resetting a forgotten password by a mailed link. The pages never tell whether an address has an account.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::{
    Error,
    accounts::{self, Access, NewPassword, OtherAccess, Resettable},
};

use super::{sign_in::patience, taken_apart, with_patience};
use crate::web::{Browser, Fault, Fields, Frame, PageError, Query, Submitted, WebState, go, show_as};

#[derive(Template)]
#[template(path = "reset.html")]
struct Ask {
    frame: Frame,
    email: String,
    fault: Fault,
    asked: bool,
}

#[derive(Template)]
#[template(path = "reset_new.html")]
struct Choose {
    frame: Frame,
    code: String,
    username: String,
    access: Access,
    keeps_access: bool,
    fault: Fault,
}

impl Choose {
    fn new(browser: &Browser, code: String, of: Resettable, other: OtherAccess, fault: Fault) -> Self {
        let Resettable { user, access } = of;
        let keeps_access = other == OtherAccess::Keep;
        Self { frame: browser.frame(""), code, username: user.username, access, keeps_access, fault }
    }
}

pub(super) async fn page(browser: Browser) -> Result<Response, PageError> {
    let (email, fault) = Default::default();
    show_as(StatusCode::OK, &Ask { frame: browser.frame(""), email, fault, asked: false })
}

pub(super) async fn ask(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let email = fields.trimmed("email").to_owned();
    let frame = browser.frame("");
    match accounts::ask_reset(&state.app, &email, &browser.place).await {
        Ok(()) => show_as(StatusCode::OK, &Ask { frame, email, fault: Fault::default(), asked: true }),
        Err(rejected) => {
            let wait = patience(&rejected);
            let (status, fault) = taken_apart(rejected)?;
            Ok(with_patience(wait, show_as(status, &Ask { frame, email, fault, asked: false })?))
        }
    }
}

pub(super) async fn new_page(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let code = query.get("code").to_owned();
    let of = accounts::reset_works(&state.app, &code).await.map_err(expired)?;
    show_as(StatusCode::OK, &Choose::new(&browser, code, of, OtherAccess::Revoke, Fault::default()))
}

pub(super) async fn set(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let code = fields.get("code").to_owned();
    let new = NewPassword { password: fields.get("password"), other: other_access(&fields) };
    match accounts::reset_password(&state.app, &code, new, browser.visitor()).await {
        Ok(_) => Ok(go("/signin?done=reset", [state.cookies.no_session()])),
        Err(rejected) => {
            let (status, fault) = taken_apart(rejected).map_err(asking_again)?;
            let of = accounts::reset_works(&state.app, &code).await.map_err(expired)?;
            show_as(status, &Choose::new(&browser, code, of, new.other, fault))
        }
    }
}

/// What the form says of tokens and apps: they are revoked unless it asks to keep them.
pub(super) fn other_access(fields: &Fields) -> OtherAccess {
    if fields.get("access") == "keep" { OtherAccess::Keep } else { OtherAccess::Revoke }
}

fn expired(error: Error) -> PageError {
    asking_again(error.into())
}

/// A link works for an hour and once: whoever comes too late needs another one.
fn asking_again(error: PageError) -> PageError {
    error.if_absent("Link expired", "Request a new link", "/reset")
}
