//! The second step of signing in, and signing in with a passkey alone.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use skaas_app::{
    Code, Error,
    accounts::Rejected,
    second_factor::{self as use_case, Admitted},
};
use skaas_domain::identity::return_path;

use super::{
    passkeys::{answer, challenge},
    sign_in::{self, after, patience},
    taken_apart, with_patience,
};
use crate::web::{Browser, Fault, Frame, PageError, Query, Submitted, WebState, go, show_as};

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactor {
    frame: Frame,
    /// Names the sign-in that waits.
    pending: String,
    return_to: String,
    has_passkeys: bool,
    has_app: bool,
    has_codes: bool,
    code_fault: Fault,
    passkey_fault: Fault,
}

/// Where somebody goes who proved their first factor.
pub(super) fn onward(state: &WebState, admitted: Admitted, return_to: &str) -> Response {
    match admitted {
        Admitted::SignedIn { opened, must_set_up } => {
            let to = if must_set_up { "/account/security" } else { after(return_to) };
            go(to, [state.cookies.session(&opened)])
        }
        Admitted::Challenged(pending) => {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("pending", pending.reveal())
                .append_pair("return_to", return_to)
                .finish();
            go(&format!("/signin/second-factor?{query}"), [])
        }
    }
}

async fn render(
    state: &WebState,
    browser: &Browser,
    (pending, return_to): (&str, &str),
    rejected: Option<Rejected>,
) -> Result<Response, PageError> {
    let has = use_case::challenged(&state.app, pending, &browser.secret).await.map_err(again)?;
    let wait = rejected.as_ref().and_then(patience);
    let (status, fault) = rejected.map_or(Ok((StatusCode::OK, Fault::default())), taken_apart)?;
    let is_passkey = fault.field == "passkey";
    let above = Fault { field: "", text: fault.text.clone() };
    let (code_fault, passkey_fault) =
        if is_passkey { (Fault::default(), above) } else { (fault, Fault::default()) };
    let page = SecondFactor {
        frame: browser.frame("signin"),
        pending: pending.to_owned(),
        return_to: return_to.to_owned(),
        has_passkeys: has.passkeys > 0,
        has_app: has.authenticator_app,
        has_codes: has.recovery_codes > 0,
        code_fault,
        passkey_fault,
    };
    Ok(with_patience(wait, show_as(status, &page)?))
}

pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Query(query): Query,
) -> Result<Response, PageError> {
    let waiting = (query.get("pending"), return_path(query.get("return_to")));
    render(&state, &browser, waiting, None).await
}

pub(super) async fn by_code(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (pending, return_to) = (fields.get("pending"), return_path(fields.get("return_to")));
    match use_case::by_code(&state.app, pending, fields.get("code"), browser.visitor()).await {
        Ok(opened) => Ok(go(after(return_to), [state.cookies.session(&opened)])),
        Err(Rejected::Other(error)) => Err(again(error)),
        Err(rejected) => render(&state, &browser, (pending, return_to), Some(rejected)).await,
    }
}

pub(super) async fn passkey_options(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let pending = fields.get("pending");
    let pending = (!pending.is_empty()).then_some(pending);
    challenge(use_case::begin_assertion(&state.app, pending, browser.visitor()).await, "/signin")
}

pub(super) async fn by_passkey(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (pending, return_to) = (fields.get("pending"), return_path(fields.get("return_to")));
    let waiting = (!pending.is_empty()).then_some(pending);
    match use_case::by_passkey(&state.app, waiting, answer(&fields), browser.visitor()).await {
        Ok(opened) => Ok(go(after(return_to), [state.cookies.session(&opened)])),
        Err(Rejected::Other(error)) => Err(again(error)),
        Err(rejected) if waiting.is_some() => {
            render(&state, &browser, (pending, return_to), Some(rejected)).await
        }
        Err(rejected) => sign_in::refused(&state, &browser, &fields, rejected),
    }
}

/// With the way to start again, where a sign-in no longer waits.
fn again(error: Error) -> PageError {
    let is_over = error.code() == Code::SignInExpired;
    let page = PageError::from(error);
    if is_over { page.offering("Sign in again", "/signin") } else { page }
}
