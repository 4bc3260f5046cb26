//! The home page: what skaas is, and the first three steps.

use askama::Template;
use axum::{extract::State, response::Response};

use crate::web::{Browser, Frame, PageError, Query, Tone, WebState, show, sign_in_command};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    marketplace: String,
    marketplace_name: String,
    sign_in_command: String,
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let about =
        "One git marketplace for every skill you own, in Claude Code, Codex, Cursor and other agents.";
    let frame = browser.frame("home").described("Skills for your agents", about, "/".to_owned());
    let frame = match query.get("done") {
        "deleted" => {
            frame.noting(Tone::Ok, "Your account is deleted. People who bought your skills keep them.")
        }
        "signed-out" => frame.noting(Tone::Ok, "You're signed out of this browser."),
        _ => frame,
    };
    let marketplace = state.app.voice().marketplace_url();
    let sign_in_command = sign_in_command(&state.app.voice().public_url);
    let marketplace_name = state.app.voice().marketplace_name.clone();
    show(&Home { frame, marketplace, marketplace_name, sign_in_command })
}
