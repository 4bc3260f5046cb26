//! The page behind a mailed link that confirms an email address. Opening it confirms nothing, since mail programs
//! open links on their own.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::{
    Error,
    accounts::{self, Confirmation},
};

use crate::web::{Browser, Frame, PageError, Query, Submitted, WebState, go, show};

#[derive(Template)]
#[template(path = "verify.html")]
struct Verify {
    frame: Frame,
    code: String,
    asked: Confirmation,
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let code = query.get("code").to_owned();
    let asked = accounts::unconfirmed_address(&state.app, &code).await.map_err(another)?;
    show(&Verify { frame: browser.frame(""), code, asked })
}

pub(super) async fn confirm(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let user =
        accounts::confirm_address(&state.app, fields.get("code"), &browser.place).await.map_err(another)?;
    let theirs = browser.username() == Some(user.username.as_str());
    Ok(go(if theirs { "/account?done=confirmed" } else { "/signin?done=confirmed" }, []))
}

/// The profile page sends new links.
fn another(error: Error) -> PageError {
    PageError::from(error).if_absent("Link expired", "Send a new link", "/account")
}
