//! The accounts at identity providers that a person signs in with. The last sign-in method can't be removed.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::{
    Code, Error, Kind,
    accounts::{self, Rejected},
    identities,
};

use super::{confirm::Confirm, sign_in::sign_in_again};
use crate::web::{
    Fault, Frame, Member, Moment, PageError, Query, Submitted, Tone, WebState, go, sentence_case, show_as,
};

/// One identity.
struct Row {
    id: String,
    provider: String,
    who: String,
    skillport_id: String,
    groups: usize,
    linked: Moment,
    used: Moment,
}

/// A provider to link.
struct Offer {
    word: String,
    label: String,
}

#[derive(Template)]
#[template(path = "identities.html")]
struct Identities {
    frame: Frame,
    rows: Vec<Row>,
    offers: Vec<Offer>,
    has_password: bool,
    fault: Fault,
}

async fn render(
    state: &WebState,
    member: &Member,
    frame: Frame,
    status: StatusCode,
    fault: Fault,
) -> Result<Response, PageError> {
    let now = state.app.now();
    let has_password = accounts::overview(&state.app, &member.actor).await?.password_changed_at.is_some();
    let rows = identities::list(&state.app, &member.actor).await?.into_iter().map(|identity| Row {
        id: identity.id.to_string(),
        provider: identity.provider.label().to_owned(),
        skillport_id: identity.skillport_id(),
        who: identity.email.or(identity.name).unwrap_or_default(),
        groups: identity.groups.len(),
        linked: Moment::new(identity.linked_at, now),
        used: Moment::new(identity.last_used_at, now),
    });
    let offers = identities::providers(&state.app)
        .map(|kind| Offer { word: kind.to_string(), label: kind.label().to_owned() })
        .collect();
    show_as(status, &Identities { frame, rows: rows.collect(), offers, has_password, fault })
}

pub(super) async fn page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let frame = member.browser.frame("identities");
    let frame = match query.get("done") {
        "linked" => frame.noting(Tone::Ok, "Account linked. You can now sign in with it."),
        "unlinked" => frame.noting(Tone::Ok, "Account unlinked. You can no longer sign in with it."),
        _ => frame,
    };
    render(&state, &member, frame, StatusCode::OK, Fault::default()).await
}

/// `GET /account/identities/unlink?identity=…`
pub(super) async fn ask(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let id = query.get("identity").to_owned();
    let all = identities::list(&state.app, &actor).await?;
    let identity = all.into_iter().find(|identity| identity.id.to_string() == id);
    let absent = || Error::refused(Code::NoSuchIdentity, "you have no linked account with this ID");
    let identity = identity.ok_or_else(absent)?;
    match actor.require_fresh(state.app.now()) {
        Err(Rejected::Stale) => return Ok(sign_in_again(&browser.path)),
        fresh => fresh.map_err(rejected)?,
    };
    let provider = identity.provider.label();
    let who = identity.email.or(identity.name).map_or_else(String::new, |who| format!(" account {who}"));
    Confirm {
        frame: browser.frame("identities"),
        question: format!("Unlink {provider}?"),
        consequences: vec![format!(
            "You can no longer sign in with the {provider}{who}, and you lose what its groups give you access to. You can link it again later."
        )],
        action: "/account/identities/unlink".into(),
        fields: vec![("identity", id)],
        reason: None,
        tick: None,
        verb: "Unlink",
        back: "/account/identities".into(),
    }
    .show()
}

pub(super) async fn unlink(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let id = fields.get("identity");
    match identities::unlink(&state.app, &member.actor, id).await {
        Ok(_) => Ok(go("/account/identities?done=unlinked", [])),
        Err(Rejected::Stale) => Ok(sign_in_again(&format!("/account/identities/unlink?identity={id}"))),
        Err(Rejected::Other(error)) if error.kind() == Kind::Conflict => {
            let frame = member.browser.frame("identities");
            let fault = Fault { field: "", text: sentence_case(&error.to_string()) };
            render(&state, &member, frame, StatusCode::CONFLICT, fault).await
        }
        Err(other) => Err(rejected(other)),
    }
}

fn rejected(rejected: Rejected) -> PageError {
    match rejected {
        Rejected::Other(error) => error.into(),
        other => Error::refused(Code::RecentSignInRequired, other.to_string()).into(),
    }
}
