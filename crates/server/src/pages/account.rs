//! The profile page: username, email address, how to add the marketplace, and deleting the account.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::accounts::{self, ChangeOfAddress, Overview, Rejected};

use super::{
    sign_in::{patience, sign_in_again},
    taken_apart, with_patience,
};
use crate::web::{
    Fault, Frame, Member, Moment, PageError, Query, Submitted, Tone, WebState, go, show_as, sign_in_command,
};

/// The form of the page that was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    Email,
    Delete,
}

/// What was typed into a rejected form, and why it was rejected.
struct Refused {
    form: Form,
    fault: Fault,
    email: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    frame: Frame,
    overview: Overview,
    since: Moment,
    marketplace: String,
    sign_in_command: String,
    email: String,
    email_fault: Fault,
    delete_fault: Fault,
}

async fn render(
    state: &WebState,
    member: &Member,
    frame: Frame,
    status: StatusCode,
    refused: Refused,
) -> Result<Response, PageError> {
    let overview = accounts::overview(&state.app, &member.actor).await?;
    let now = state.app.now();
    let url = &state.app.voice().public_url;
    let Refused { form, fault, email } = refused;
    let of = |wanted| if form == wanted { fault.clone() } else { Fault::default() };
    let page = Account {
        frame,
        since: Moment::new(overview.user.created_at, now),
        overview,
        marketplace: state.app.voice().marketplace_url(),
        sign_in_command: sign_in_command(url),
        email,
        email_fault: of(Form::Email),
        delete_fault: of(Form::Delete),
    };
    show_as(status, &page)
}

pub(super) async fn page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let frame = member.browser.frame("account");
    let frame = match query.get("done") {
        "signed-up" => {
            frame.noting(Tone::Ok, "Welcome. Check your email: open the link we sent to confirm your address.")
        }
        "signed-up-unmailed" => frame.noting(
            Tone::Warn,
            "Welcome. We didn't email you a confirmation link, because that address already got several emails from \
             us in the past hour. Enter it below in an hour to get one.",
        ),
        "confirmed" => frame.noting(Tone::Ok, "Your email address is confirmed."),
        "email" => {
            frame.noting(Tone::Ok, "Check your email: open the link we sent to confirm the new address.")
        }
        "same-email" => frame.noting(Tone::Warn, "That is already your email address."),
        _ => frame,
    };
    let refused = Refused { form: Form::None, fault: Fault::default(), email: String::new() };
    render(&state, &member, frame, StatusCode::OK, refused).await
}

pub(super) async fn change_email(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let email = fields.trimmed("email");
    match accounts::change_address(&state.app, &member.actor, email, &member.browser.place).await {
        Ok(ChangeOfAddress::Asked) => Ok(go("/account?done=email", [])),
        Ok(ChangeOfAddress::Same) => Ok(go("/account?done=same-email", [])),
        Err(rejected) => refuse(&state, &member, Form::Email, rejected, email).await,
    }
}

pub(super) async fn delete(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (typed, current) = (fields.get("username"), fields.get("current"));
    match accounts::delete(&state.app, &member.actor, typed, current).await {
        Ok(()) => Ok(go("/?done=deleted", [state.cookies.no_session()])),
        Err(rejected) => refuse(&state, &member, Form::Delete, rejected, "").await,
    }
}

async fn refuse(
    state: &WebState,
    member: &Member,
    form: Form,
    rejected: Rejected,
    email: &str,
) -> Result<Response, PageError> {
    if matches!(rejected, Rejected::Stale) {
        return Ok(sign_in_again("/account"));
    }
    let wait = patience(&rejected);
    let (status, fault) = taken_apart(rejected)?;
    let frame = member.browser.frame("account");
    let refused = Refused { form, fault, email: email.to_owned() };
    Ok(with_patience(wait, render(state, member, frame, status, refused).await?))
}
