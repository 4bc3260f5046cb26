//! Owns `/api/me` and `/api/users/{username}`.

use axum::{
    Json,
    extract::{Path, State},
};
use skaas_api::{Links, Me, Profile};
use skaas_app::{
    App,
    users::{self, Myself},
};

use super::{
    Answer,
    caller::Caller,
    refusals::{Absent, Away, Limited, TooOften, Unfit, Unknown},
    tokens::info,
};

/// Shows who makes the request.
///
/// Any token may ask; the email address requires the scope `account`.
#[utoipa::path(
    get, path = "/api/me", tag = "account", operation_id = "getMe",
    security(("token" = []), ("oauth" = []), ("session" = [])),
    responses((status = 200, description = "Who it is", body = Me), Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn me(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Me>> {
    let Myself { user, email, email_verified } = users::myself(&app, &actor).await?;
    Ok(Json(Me {
        id: user.id.to_string(),
        username: user.username,
        email,
        email_verified,
        created_at: user.created_at,
        token: actor.token().map(|token| info(token, Some(token.id))),
        links: Links {
            marketplace: app.voice().marketplace_url(),
            account: format!("{}/account", app.voice().public_url),
        },
    }))
}

/// Shows the public profile of a user.
#[utoipa::path(
    get, path = "/api/users/{username}", tag = "users", operation_id = "getUser",
    params(("username" = String, Path, description = "Lower-case letters, digits and single hyphens", example = "ann")),
    security(),
    responses((status = 200, description = "What is known", body = Profile), Unfit, Absent, TooOften, Away)
)]
pub(crate) async fn profile(State(app): State<App>, Path(username): Path<String>) -> Answer<Json<Profile>> {
    let profile = users::profile(&app, &username).await?;
    Ok(Json(Profile {
        url: format!("{}/@{}", app.voice().public_url, profile.user.username),
        username: profile.user.username,
        created_at: profile.user.created_at,
        skills: profile.skills,
    }))
}
