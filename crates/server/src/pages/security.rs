//! The settings of passkeys, the authenticator app and recovery codes. Codes are never shown twice.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::{
    Code, Error, Kind,
    accounts::Rejected,
    second_factor::{self as use_case, Added, Overview},
};
use skaas_domain::recovery_code::RecoveryCode;

use super::{
    confirm::Confirm,
    passkeys::{answer, challenge},
    sign_in::{patience, sign_in_again},
    taken_apart, with_patience,
};
use crate::web::{
    Fault, Frame, Member, Moment, PageError, Query, Submitted, Tone, WebState, go, sentence_case, show,
    show_as,
};

const HERE: &str = "/account/security";

/// One passkey.
struct Row {
    id: String,
    label: String,
    added: Moment,
    used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "security.html")]
struct Security {
    frame: Frame,
    passkeys: Vec<Row>,
    /// Why there can be no passkeys here, as a sentence.
    no_passkeys: Option<String>,
    app_since: Option<Moment>,
    has_vault: bool,
    recovery_codes: usize,
    is_set_up: bool,
    is_required: bool,
    /// What was typed as the name of a new passkey.
    typed: String,
    fault: Fault,
    passkey_fault: Fault,
}

#[derive(Template)]
#[template(path = "authenticator_app.html")]
struct AppPage {
    frame: Frame,
    /// The QR code, as the value of an image's `src`.
    qr: String,
    typed: String,
    fault: Fault,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    frame: Frame,
    /// What was done to get them.
    title: &'static str,
    codes: String,
    /// The file to download, as a link's `href`.
    file: String,
}

#[derive(Template)]
#[template(path = "passkey.html")]
struct PasskeyPage {
    frame: Frame,
    id: String,
    typed: String,
    fault: Fault,
}

async fn render(
    state: &WebState,
    member: &Member,
    frame: Frame,
    status: StatusCode,
    (label, fault): (&str, Fault),
) -> Result<Response, PageError> {
    let now = state.app.now();
    let overview = use_case::overview(&state.app, &member.actor).await?;
    let Overview { passkeys, app_since, recovery_codes, is_required, no_passkeys, has_vault } = overview;
    let row = |passkey: skaas_app::second_factor::PasskeyRecord| Row {
        id: passkey.id.to_string(),
        label: passkey.label,
        added: Moment::new(passkey.created_at, now),
        used: Moment::maybe(passkey.last_used_at, now),
    };
    let is_set_up = !passkeys.is_empty() || app_since.is_some();
    let of_passkey = ["passkey", "label"].contains(&fault.field);
    let (fault, passkey_fault) = if of_passkey {
        let field = if fault.field == "label" { "label" } else { "" };
        (Fault::default(), Fault { field, text: fault.text })
    } else {
        (fault, Fault::default())
    };
    let page = Security {
        frame,
        passkeys: passkeys.into_iter().map(row).collect(),
        no_passkeys: no_passkeys.map(|why| sentence_case(&why.to_string())),
        app_since: Moment::maybe(app_since, now),
        has_vault,
        recovery_codes,
        is_set_up,
        is_required,
        typed: label.to_owned(),
        fault,
        passkey_fault,
    };
    show_as(status, &page)
}

pub(super) async fn page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let frame = member.browser.frame("security");
    let frame = match query.get("done") {
        "passkey" => frame.noting(Tone::Ok, "Passkey added. You can now sign in with it."),
        "renamed" => frame.noting(Tone::Ok, "Passkey renamed."),
        "removed" => frame.noting(Tone::Ok, "Passkey removed. It no longer signs you in."),
        "app" => frame.noting(Tone::Ok, "Authenticator app added. Signing in now asks for its code."),
        "app-removed" => frame.noting(Tone::Ok, "Authenticator app removed. Its codes no longer work."),
        _ => frame,
    };
    render(&state, &member, frame, StatusCode::OK, ("", Fault::default())).await
}

/// The page again, with what was wrong; or the sign-in page, if that was too long ago.
async fn refused(
    state: &WebState,
    member: &Member,
    label: &str,
    rejected: Rejected,
) -> Result<Response, PageError> {
    let wait = patience(&rejected);
    let (status, fault) = match rejected {
        Rejected::Stale => return Ok(sign_in_again(HERE)),
        Rejected::Other(error) if error.kind() == Kind::Conflict => {
            (StatusCode::CONFLICT, Fault { field: "", text: sentence_case(&error.to_string()) })
        }
        other => taken_apart(other)?,
    };
    let frame = member.browser.frame("security");
    Ok(with_patience(wait, render(state, member, frame, status, (label, fault)).await?))
}

/// After adding a factor: the recovery codes, if it was the first one.
fn added(member: &Member, title: &'static str, added: Added, done: &str) -> Result<Response, PageError> {
    match added.recovery_codes {
        Some(codes) => show_codes(member, title, &codes),
        None => Ok(go(&format!("{HERE}?done={done}"), [])),
    }
}

fn show_codes(member: &Member, title: &'static str, codes: &[RecoveryCode]) -> Result<Response, PageError> {
    let codes: Vec<String> = codes.iter().map(RecoveryCode::reveal).collect();
    let codes = codes.join("\n");
    let frame = member.browser.frame("security");
    let username = member.browser.username().unwrap_or_default();
    let text = format!(
        "Recovery codes of {username} at {}\nEach works once, in place of a passkey or an authenticator app.\n\n{codes}\n",
        frame.origin
    );
    let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
    let file = format!("data:text/plain;charset=utf-8,{encoded}");
    show(&CodesPage { frame, title, codes, file })
}

pub(super) async fn passkey_options(
    State(state): State<WebState>,
    member: Member,
    _: Submitted,
) -> Result<Response, PageError> {
    challenge(use_case::begin_passkey(&state.app, &member.actor, &member.browser.secret).await, HERE)
}

pub(super) async fn add_passkey(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (label, answer) = (fields.get("label"), answer(&fields));
    let browser = &member.browser.secret;
    match use_case::add_passkey(&state.app, &member.actor, browser, answer, label).await {
        Ok(it) => added(&member, "Passkey added", it, "passkey"),
        Err(rejected) => refused(&state, &member, label, rejected).await,
    }
}

/// The passkey that a query or form names.
async fn named(state: &WebState, member: &Member, id: &str) -> Result<(String, String), PageError> {
    let all = use_case::overview(&state.app, &member.actor).await?.passkeys;
    let found = all.into_iter().find(|passkey| passkey.id.to_string() == id);
    let found =
        found.ok_or_else(|| Error::refused(Code::NoSuchPasskey, "you have no passkey with this ID"))?;
    Ok((found.id.to_string(), found.label))
}

/// `GET /account/security/passkeys/rename?passkey=…`
pub(super) async fn rename_page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let (id, typed) = named(&state, &member, query.get("passkey")).await?;
    show(&PasskeyPage { frame: member.browser.frame("security"), id, typed, fault: Fault::default() })
}

pub(super) async fn rename(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (id, label) = (fields.get("passkey"), fields.get("label"));
    match use_case::rename_passkey(&state.app, &member.actor, id, label).await {
        Ok(()) => Ok(go(&format!("{HERE}?done=renamed"), [])),
        Err(rejected) => {
            let (status, fault) = taken_apart(rejected)?;
            let frame = member.browser.frame("security");
            let (id, typed) = (id.to_owned(), label.to_owned());
            show_as(status, &PasskeyPage { frame, id, typed, fault })
        }
    }
}

/// `GET /account/security/passkeys/remove?passkey=…`
pub(super) async fn ask_remove(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let (id, label) = named(&state, &member, query.get("passkey")).await?;
    if let Err(rejected) = member.actor.require_fresh(state.app.now()) {
        return refused(&state, &member, "", rejected).await;
    }
    let consequences = vec![
        "It no longer signs you in. Also delete it on your device, which would otherwise keep offering it."
            .into(),
    ];
    let question = format!("Remove {label}?");
    confirm(
        &member,
        question,
        consequences,
        ("/account/security/passkeys/remove", "Remove passkey"),
        Some(id),
    )
}

fn confirm(
    member: &Member,
    question: String,
    consequences: Vec<String>,
    (action, verb): (&'static str, &'static str),
    passkey: Option<String>,
) -> Result<Response, PageError> {
    Confirm {
        frame: member.browser.frame("security"),
        question,
        consequences,
        action: action.into(),
        fields: passkey.map(|id| ("passkey", id)).into_iter().collect(),
        reason: None,
        tick: None,
        verb,
        back: HERE.into(),
    }
    .show()
}

pub(super) async fn remove_passkey(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    match use_case::remove_passkey(&state.app, &member.actor, fields.get("passkey")).await {
        Ok(()) => Ok(go(&format!("{HERE}?done=removed"), [])),
        Err(rejected) => refused(&state, &member, "", rejected).await,
    }
}

async fn app_page(
    state: &WebState,
    member: &Member,
    status: StatusCode,
    fault: Fault,
) -> Result<Response, PageError> {
    match use_case::pending_app(&state.app, &member.actor).await {
        Ok(setup) => {
            let frame = member.browser.frame("security");
            show_as(status, &AppPage { frame, qr: qr(&setup.uri)?, typed: setup.typed, fault })
        }
        Err(rejected) => refused(state, member, "", rejected).await,
    }
}

/// A QR code as the address of an image: SVG, black on white whatever the theme is, since not every app reads others.
fn qr(text: &str) -> Result<String, PageError> {
    let code = qrcode::QrCode::new(text).map_err(|error| PageError::from(Error::internal(error)))?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(192, 192).build();
    let encoded = percent_encoding::utf8_percent_encode(&svg, percent_encoding::NON_ALPHANUMERIC);
    Ok(format!("data:image/svg+xml,{encoded}"))
}

/// `POST /account/security/app`
pub(super) async fn begin_app(
    State(state): State<WebState>,
    member: Member,
    _: Submitted,
) -> Result<Response, PageError> {
    match use_case::begin_app(&state.app, &member.actor).await {
        Ok(()) => Ok(go("/account/security/app", [])),
        Err(rejected) => refused(&state, &member, "", rejected).await,
    }
}

/// `GET /account/security/app`
pub(super) async fn setup(State(state): State<WebState>, member: Member) -> Result<Response, PageError> {
    app_page(&state, &member, StatusCode::OK, Fault::default()).await
}

pub(super) async fn confirm_app(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    match use_case::confirm_app(&state.app, &member.actor, fields.get("code")).await {
        Ok(it) => added(&member, "Authenticator app added", it, "app"),
        Err(rejected @ (Rejected::Field { .. } | Rejected::TooOften { .. })) => {
            let wait = patience(&rejected);
            let (status, fault) = taken_apart(rejected)?;
            Ok(with_patience(wait, app_page(&state, &member, status, fault).await?))
        }
        Err(rejected) => refused(&state, &member, "", rejected).await,
    }
}

/// `GET /account/security/app/remove`
pub(super) async fn ask_remove_app(
    State(state): State<WebState>,
    member: Member,
) -> Result<Response, PageError> {
    if let Err(rejected) = member.actor.require_fresh(state.app.now()) {
        return refused(&state, &member, "", rejected).await;
    }
    let consequences = vec!["Its codes no longer work. You can add it, or another one, again later.".into()];
    let question = "Remove the authenticator app?".to_owned();
    confirm(&member, question, consequences, ("/account/security/app/remove", "Remove app"), None)
}

pub(super) async fn remove_app(
    State(state): State<WebState>,
    member: Member,
    _: Submitted,
) -> Result<Response, PageError> {
    match use_case::remove_app(&state.app, &member.actor).await {
        Ok(()) => Ok(go(&format!("{HERE}?done=app-removed"), [])),
        Err(rejected) => refused(&state, &member, "", rejected).await,
    }
}

/// `GET /account/security/codes`
pub(super) async fn ask_codes(State(state): State<WebState>, member: Member) -> Result<Response, PageError> {
    if let Err(rejected) = member.actor.require_fresh(state.app.now()) {
        return refused(&state, &member, "", rejected).await;
    }
    let consequences = vec!["Your previous recovery codes stop working.".into()];
    let question = "Create new recovery codes?".to_owned();
    confirm(&member, question, consequences, ("/account/security/codes", "Create codes"), None)
}

pub(super) async fn new_codes(
    State(state): State<WebState>,
    member: Member,
    _: Submitted,
) -> Result<Response, PageError> {
    match use_case::new_recovery_codes(&state.app, &member.actor).await {
        Ok(codes) => show_codes(&member, "New recovery codes", &codes),
        Err(rejected) => refused(&state, &member, "", rejected).await,
    }
}
