//! Users as operators see them: find one, suspend them, sign them out.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use skaas_app::{
    accounts, suspension,
    users::{self, Details},
};
use skaas_domain::user::User;

use super::{
    super::confirm::{Confirm, Reason},
    at_reason,
};
use crate::web::{
    About, Asked, Browser, Frame, Member, Moment, PageError, Query, Results, Submitted, Tone, View, WebState,
    go, show,
};

/// One user of a list.
struct Row {
    username: String,
    address: Option<String>,
    joined: Moment,
    is_suspended: bool,
}

/// The search itself is in the database.
static VIEWS: [View<Row>; 2] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "suspended", label: "Suspended", holds: |row| row.is_suspended },
];

#[derive(Template)]
#[template(path = "operator/users.html")]
struct Users {
    frame: Frame,
    users: Results<Row>,
}

#[derive(Template)]
#[template(path = "operator/user.html")]
struct One {
    frame: Frame,
    details: Details,
    joined: Moment,
    suspended: Option<Moment>,
}

/// `GET /operator/users`
pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let asked = Asked::of(&VIEWS, &query);
    let found =
        users::search(&state.app, &actor, &asked.search, asked.view == "suspended", asked.page).await?;
    let now = state.app.now();
    let found = found.map(|user: User| Row {
        address: accounts::address(&user).map(str::to_owned),
        joined: Moment::new(user.created_at, now),
        is_suspended: user.is_suspended(),
        username: user.username,
    });
    let about = About { path: "/operator/users".to_owned(), nouns: ("user", "users"), views: &VIEWS };
    let users = Results::found(about, asked, found);
    show(&Users { frame: browser.frame("operator-users"), users })
}

/// `GET /operator/users/{name}`
pub(super) async fn one(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
    Query(query): Query,
) -> Result<Response, PageError> {
    let details = users::details(&state.app, &actor, &name).await?;
    let now = state.app.now();
    let frame = browser.frame("operator-users");
    let frame = match query.get("done") {
        "suspended" => frame.noting(Tone::Ok, format!("{name} is suspended.")),
        "unsuspended" => frame.noting(Tone::Ok, format!("{name} is no longer suspended.")),
        "signed-out" => frame.noting(Tone::Ok, format!("{name} is signed out everywhere.")),
        _ => frame,
    };
    let joined = Moment::new(details.user.created_at, now);
    let suspended = Moment::maybe(details.user.suspended_at, now);
    show(&One { frame, details, joined, suspended })
}

/// The question before an act on a user.
fn question(browser: &Browser, name: &str, act: &str, question: String, verb: &'static str) -> Confirm {
    Confirm {
        frame: browser.frame("operator-users"),
        question,
        consequences: Vec::new(),
        action: format!("/operator/users/{name}/{act}").into(),
        fields: Vec::new(),
        reason: None,
        tick: None,
        verb,
        back: format!("/operator/users/{name}").into(),
    }
}

fn to_suspend(browser: &Browser, name: &str, reason: Reason) -> Confirm {
    Confirm {
        consequences: vec![
            "Nobody can sign in to the account. Its sessions, API tokens and authorized apps stop working on their \
             next request."
                .to_owned(),
            "Skills they published are no longer offered. People who have them keep them.".to_owned(),
            "Nothing is deleted. Everything works again when you unsuspend the account.".to_owned(),
        ],
        reason: Some(reason),
        ..question(browser, name, "suspend", format!("Suspend {name}?"), "Suspend")
    }
}

pub(super) async fn ask_suspend(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let user = users::details(&state.app, &actor, &name).await?.user;
    to_suspend(&browser, &user.username, Reason::default()).show()
}

pub(super) async fn suspend(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let reason = fields.get("reason");
    match suspension::suspend(&state.app, &actor, &name, reason).await {
        Ok(user) => Ok(go(&format!("/operator/users/{}?done=suspended", user.username), [])),
        Err(error) => to_suspend(&browser, &name, at_reason(error, reason)?).show_again(),
    }
}

pub(super) async fn ask_unsuspend(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let name = users::details(&state.app, &actor, &name).await?.user.username;
    Confirm {
        consequences: vec![
            "They can sign in again, and their sessions, API tokens and authorized apps work again."
                .to_owned(),
            "Skills they published are offered again.".to_owned(),
        ],
        ..question(&browser, &name, "unsuspend", format!("Unsuspend {name}?"), "Unsuspend")
    }
    .show()
}

pub(super) async fn unsuspend(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Path(name): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let user = suspension::unsuspend(&state.app, &actor, &name).await?;
    Ok(go(&format!("/operator/users/{}?done=unsuspended", user.username), []))
}

pub(super) async fn ask_sign_out(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let name = users::details(&state.app, &actor, &name).await?.user.username;
    Confirm {
        consequences: vec![
            "Every session and API token and every authorized app is revoked. This can't be undone."
                .to_owned(),
            "The password still works. They can sign in again immediately.".to_owned(),
        ],
        ..question(&browser, &name, "sign-out", format!("Sign out {name} everywhere?"), "Sign out everywhere")
    }
    .show()
}

pub(super) async fn sign_out(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Path(name): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let is_self = actor.user().is_some_and(|user| user.username == name);
    accounts::sign_out_everywhere(&state.app, &actor, &name).await?;
    if is_self {
        return Ok(go("/?done=signed-out", [state.cookies.no_session()]));
    }
    Ok(go(&format!("/operator/users/{name}?done=signed-out"), []))
}
