//! The page on which a signed-in person sets or changes their password.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::accounts::{self, Access, NewPassword, OtherAccess, Rejected};

use super::{
    reset::other_access,
    sign_in::{patience, sign_in_again},
    taken_apart, with_patience,
};
use crate::web::{Fault, Frame, Member, Moment, PageError, Query, Submitted, Tone, WebState, go, show_as};

#[derive(Template)]
#[template(path = "password.html")]
struct Password {
    frame: Frame,
    username: String,
    /// When the password was set; none without a password.
    changed: Option<Moment>,
    access: Access,
    keeps_access: bool,
    fault: Fault,
}

async fn render(
    state: &WebState,
    member: &Member,
    frame: Frame,
    status: StatusCode,
    other: OtherAccess,
    fault: Fault,
) -> Result<Response, PageError> {
    let overview = accounts::overview(&state.app, &member.actor).await?;
    let changed = Moment::maybe(overview.password_changed_at, state.app.now());
    let (username, access) = (overview.user.username, overview.access);
    let keeps_access = other == OtherAccess::Keep;
    show_as(status, &Password { frame, username, changed, access, keeps_access, fault })
}

pub(super) async fn page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let frame = member.browser.frame("password");
    let frame = match query.get("done") {
        "changed" => frame.noting(
            Tone::Ok,
            "Password changed. You're signed out of every other browser, and your API tokens and authorized apps are \
             revoked.",
        ),
        "changed-only" => frame.noting(
            Tone::Ok,
            "Password changed. You're signed out of every other browser; your API tokens and authorized apps keep \
             working.",
        ),
        _ => frame,
    };
    render(&state, &member, frame, StatusCode::OK, OtherAccess::Revoke, Fault::default()).await
}

pub(super) async fn change(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let new = NewPassword { password: fields.get("password"), other: other_access(&fields) };
    let current = fields.get("current");
    let done = match new.other {
        OtherAccess::Revoke => "/account/password?done=changed",
        OtherAccess::Keep => "/account/password?done=changed-only",
    };
    let visitor = member.browser.visitor();
    match accounts::change_password(&state.app, &member.actor, visitor, current, new).await {
        Ok(opened) => Ok(go(done, [state.cookies.session(&opened)])),
        Err(Rejected::Stale) => Ok(sign_in_again("/account/password")),
        Err(rejected) => {
            let wait = patience(&rejected);
            let (status, fault) = taken_apart(rejected)?;
            let frame = member.browser.frame("password");
            Ok(with_patience(wait, render(&state, &member, frame, status, new.other, fault).await?))
        }
    }
}
