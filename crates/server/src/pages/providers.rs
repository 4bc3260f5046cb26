//! Owns the way to an identity provider and back. Refuses to lead to any other place.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use skaas_app::{
    Counted, Error,
    accounts::Rejected,
    identities::{self, Newcomer, Outcome, Returned},
};
use skaas_domain::identity::return_path;

use super::{
    second_factor::onward,
    sign_in::{after, sign_in_again},
    taken_apart,
};
use crate::web::{Browser, Fault, Frame, Member, PageError, Query, Submitted, WebState, go, show, show_as};

/// A provider to sign in with.
pub(super) struct Button {
    /// What it says.
    pub(super) label: String,
    /// The address that its form is sent to.
    pub(super) action: String,
}

/// One for each configured provider.
pub(super) fn buttons(state: &WebState) -> Vec<Button> {
    identities::providers(&state.app)
        .map(|kind| Button { label: kind.label().to_owned(), action: format!("/auth/{kind}/start") })
        .collect()
}

/// Sends the browser on to a provider. A page does that, since our Content-Security-Policy forbids a form to end in a
/// redirect to another site.
#[derive(Template)]
#[template(path = "leave.html")]
struct Leave {
    frame: Frame,
    label: String,
    url: String,
}

#[derive(Template)]
#[template(path = "newcomer.html")]
struct Welcome {
    frame: Frame,
    pending: String,
    who: Newcomer,
    username: String,
    fault: Fault,
}

fn rejected(rejected: Rejected) -> PageError {
    match rejected {
        Rejected::Other(error) => error.into(),
        Rejected::TooOften { retry_after } => {
            Error::RateLimited { counted: Counted::Address, retry_after }.into()
        }
        other => PageError::new(StatusCode::FORBIDDEN, other.to_string()),
    }
}

fn leave(state: &WebState, frame: Frame, provider: &str, url: url::Url) -> Result<Response, PageError> {
    let kind = identities::providers(&state.app).find(|kind| kind.as_str() == provider);
    let label = kind.map_or_else(String::new, |kind| kind.label().to_owned());
    show(&Leave { frame, label, url: url.into() })
}

/// `POST /auth/{provider}/start`. By POST only: a link on another site must not start a sign-in (ASVS 5.0, 10.2.1).
pub(super) async fn start(
    State(state): State<WebState>,
    browser: Browser,
    Path(provider): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let return_to = return_path(fields.get("return_to"));
    let begun =
        identities::begin(&state.app, None, &provider, &browser.secret, return_to, &browser.place).await;
    leave(&state, browser.frame("signin"), &provider, begun.map_err(rejected)?)
}

pub(super) async fn link(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(provider): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let (back, who) = ("/account/identities?done=linked", Some(&actor));
    match identities::begin(&state.app, who, &provider, &browser.secret, back, &browser.place).await {
        Ok(url) => leave(&state, browser.frame("identities"), &provider, url),
        Err(Rejected::Stale) => Ok(sign_in_again("/account/identities")),
        Err(other) => Err(rejected(other)),
    }
}

pub(super) async fn callback(
    State(state): State<WebState>,
    browser: Browser,
    Path(provider): Path<String>,
    Query(query): Query,
) -> Result<Response, PageError> {
    let iss = query.get("iss");
    let returned = Returned {
        state: query.get("state"),
        code: query.get("code"),
        iss: (!iss.is_empty()).then_some(iss),
        error: query.get("error"),
    };
    let who = browser.actor.as_ref();
    match identities::finish(&state.app, who, &provider, returned, &browser.secret, &browser.place).await? {
        Outcome::Known { admitted, return_to } => Ok(onward(&state, admitted, &return_to)),
        Outcome::Linked { return_to } => Ok(go(&return_to, [])),
        Outcome::New(pending) => Ok(go(&format!("/signup/identity?pending={}", pending.reveal()), [])),
    }
}

pub(super) async fn newcomer(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let pending = query.get("pending").to_owned();
    let who = identities::newcomer(&state.app, &pending, &browser.secret).await.map_err(again)?;
    let (username, fault) = (who.proposal.clone(), Fault::default());
    show(&Welcome { frame: browser.frame("signup"), pending, who, username, fault })
}

pub(super) async fn join(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (pending, username) = (fields.get("pending").to_owned(), fields.trimmed("username").to_owned());
    let before = browser.actor.as_ref();
    let joined =
        identities::join(&state.app, before, &pending, &browser.secret, &username, &browser.place).await;
    match joined {
        Ok((opened, return_to)) => Ok(go(after(&return_to), [state.cookies.session(&opened)])),
        Err(rejected) => {
            let (status, fault) = taken_apart(rejected)?;
            let who = identities::newcomer(&state.app, &pending, &browser.secret).await.map_err(again)?;
            let frame = browser.frame("signup");
            show_as(status, &Welcome { frame, pending, who, username, fault })
        }
    }
}

fn again(error: Error) -> PageError {
    PageError::from(error).offering("Sign in again", "/signin")
}
