//! Owns the page on which a person lets an OAuth client in (RFC 6749, section 3.1). Refuses to send anybody
//! on, to the client or to an identity provider, before they have seen who asks.

use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderValue, StatusCode, header};
use skaas_app::{
    App,
    oauth::{self, Asked, NotAsked, Request, Sent, applications},
};
use skaas_domain::redirect;

use super::super::form::Form;
use crate::web::{
    Browser, Frame, Moment, PageError, Submitted, WebState, policy_with_forms_to, sentence_case, show,
    show_as,
};

/// What the question is made of, as it stands in the query and in the form.
const PARAMETERS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
];

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent {
    frame: Frame,
    username: Option<String>,
    /// Where the sign-in page leads back to.
    here: String,
    client: String,
    client_id: String,
    /// The host that describes the client, where one does.
    described_by: Option<String>,
    destination: String,
    redirect_uri: String,
    scopes: Vec<String>,
    resource: String,
    expires: Moment,
    kept: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "consent_refused.html")]
struct Refusal {
    frame: Frame,
    why: String,
    destination: String,
    url: String,
}

fn asked(get: impl Fn(&str) -> Option<String>, doubled: Option<String>) -> Asked {
    Asked {
        response_type: get("response_type"),
        client_id: get("client_id"),
        redirect_uri: get("redirect_uri"),
        scope: get("scope"),
        state: get("state"),
        code_challenge: get("code_challenge"),
        code_challenge_method: get("code_challenge_method"),
        resource: get("resource"),
        doubled,
    }
}

fn go(Sent(url): &Sent) -> Response {
    let mut response = Redirect::to(url).into_response();
    // The code is in the address; where it leads need not learn from where.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn not_asked(browser: &Browser, why: NotAsked) -> Result<Response, PageError> {
    match why {
        NotAsked::Offered { why, destination, sent: Sent(url) } => {
            let (frame, why) = (browser.frame("consent"), sentence_case(&why));
            show_as(StatusCode::BAD_REQUEST, &Refusal { frame, why, destination, url })
        }
        NotAsked::Shown(sentence) => Err(PageError::new(StatusCode::BAD_REQUEST, sentence)),
        NotAsked::Sent(sent) => Ok(go(&sent)),
        NotAsked::Other(error) => Err(error.into()),
    }
}

/// `GET /oauth/authorize`: the question. Who is not signed in sees it as well, and signs in from there.
pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let get = |name: &str| form.get(name).map(str::to_owned);
    let asked = asked(get, form.doubled().map(str::to_owned));
    let request = match oauth::check(&state.app, &asked, &browser.place).await {
        Ok(request) => request,
        Err(why) => return not_asked(&browser, why),
    };
    let kept = PARAMETERS.into_iter().filter_map(|name| Some((name, get(name)?))).collect();
    let mut response = show(&consent(&state.app, &browser, &request, kept))?;
    // The answer to the form leads to the client; browsers hold that against the policy of this page.
    let scheme = request.redirect_uri.split(':').next().unwrap_or("https");
    if let Ok(policy) = HeaderValue::from_str(&policy_with_forms_to(scheme)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

fn consent(app: &App, browser: &Browser, request: &Request, kept: Vec<(&'static str, String)>) -> Consent {
    let here = url::form_urlencoded::byte_serialize(browser.path.as_bytes()).collect();
    Consent {
        frame: browser.frame("consent"),
        username: browser.username().map(str::to_owned),
        here,
        client: request.client.name.clone(),
        client_id: request.client.client_id.clone(),
        described_by: applications::described_by(&request.client.client_id),
        destination: redirect::shown(&request.redirect_uri),
        redirect_uri: request.redirect_uri.clone(),
        scopes: request.scopes.explain(),
        resource: request.resource.clone(),
        expires: Moment::new(oauth::authorized_until(app), app.now()),
        kept,
    }
}

/// `POST /oauth/authorize`: the person's answer. Everything is checked again.
pub(super) async fn answer(
    State(state): State<WebState>,
    browser: Browser,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let Some(actor) = &browser.actor else {
        let sentence = "you were signed out; sign in, then return to the app and start again";
        return Err(PageError::new(StatusCode::UNAUTHORIZED, sentence));
    };
    let get = |name: &str| Some(fields.get(name).to_owned()).filter(|value| !value.is_empty());
    let doubled = PARAMETERS.into_iter().find(|name| fields.all(name).count() > 1).map(str::to_owned);
    let request = match oauth::check(&state.app, &asked(get, doubled), &browser.place).await {
        Ok(request) => request,
        Err(why) => return not_asked(&browser, why),
    };
    let sent = match fields.get("answer") {
        "approve" => oauth::consent(&state.app, actor, &request).await?,
        "deny" => oauth::refuse(&state.app, &request)?,
        _ => {
            return Err(PageError::new(
                StatusCode::BAD_REQUEST,
                "choose Authorize or Cancel; nothing was changed",
            ));
        }
    };
    Ok(go(&sent))
}
