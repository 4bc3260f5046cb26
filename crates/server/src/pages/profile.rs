//! Owns what everybody may see of a person, at `/@name`. Refuses anything else at one step below the root.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{Method, Request},
    response::{IntoResponse as _, Response},
};
use skaas_app::users::{self, Profile};
use skaas_domain::user::User;

use super::nothing_here;
use crate::web::{About, Browser, Frame, Moment, PageError, Query, Results, WebState, show};

#[derive(Template)]
#[template(path = "profile.html")]
struct Page {
    frame: Frame,
    user: User,
    skills: Results<String>,
    since: Moment,
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Path(at_username): Path<String>,
    Query(query): Query,
    request: Request<axum::body::Body>,
) -> Result<Response, PageError> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(username) = at_username.strip_prefix('@').filter(|_| is_read) else {
        return Ok(nothing_here(request).await.into_response());
    };
    let Profile { user, skills } = users::profile(&state.app, username).await?;
    let since = Moment::new(user.created_at, state.app.now());
    let (name, path) = (&user.username, format!("/@{}", user.username));
    let about = About { path: path.clone(), nouns: ("skill", "skills"), views: &[] };
    let skills = Results::of(about, &query, skills, String::clone);
    let frame = browser.frame("profile").described(name, &format!("Skills for AI agents by {name}."), path);
    show(&Page { frame, user, skills, since })
}
