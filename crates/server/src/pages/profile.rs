//! Owns what everybody may see of a person, at `/@name`. Refuses anything else at one step below the root.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::Request,
    response::{IntoResponse as _, Response},
};
use skaas_app::users::{self, Profile};

use super::nothing_here;
use crate::web::{Browser, Frame, Moment, PageError, WebState, show};

#[derive(Template)]
#[template(path = "profile.html")]
struct Page {
    frame: Frame,
    profile: Profile,
    since: Moment,
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Path(at_username): Path<String>,
    request: Request<axum::body::Body>,
) -> Result<Response, PageError> {
    let Some(username) = at_username.strip_prefix('@') else {
        return Ok(nothing_here(request).await.into_response());
    };
    let profile = users::profile(&state.app, username).await?;
    let since = Moment::new(profile.user.created_at, state.app.now());
    let name = &profile.user.username;
    let frame = browser.frame("profile").described(
        name,
        &format!("Skills for AI agents by {name}."),
        format!("/@{name}"),
    );
    show(&Page { frame, profile, since })
}
