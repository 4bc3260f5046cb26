//! Owns the first page: what this is, and what to do next. Refuses to be a brochure.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    Browser, Frame, PageError, PagesState, Query,
    frame::{show, sign_in_command},
};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    marketplace: String,
    marketplace_name: String,
    sign_in_command: String,
}

pub(super) async fn page(
    State(state): State<PagesState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let frame = browser.frame("home");
    let frame = match query.get("done") {
        "deleted" => frame.noting("good", "The account is deleted. What others bought of it stays theirs."),
        "signed-out" => frame.noting("good", "You are signed out in this browser."),
        _ => frame,
    };
    let username = frame.user.as_deref().unwrap_or("YOU");
    let marketplace = state.app.voice().marketplace_url(username);
    let sign_in_command = sign_in_command(&state.app.voice().public_url);
    let marketplace_name = state.app.voice().marketplace_name.clone();
    show(&Home { frame, marketplace, marketplace_name, sign_in_command })
}
