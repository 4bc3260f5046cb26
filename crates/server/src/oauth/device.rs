//! Owns the device login on the wire: RFC 8628 and its browser-opening form. Refuses to approve anything:
//! that is a person's, on a page.

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use skaas_app::{
    App, accounts,
    devices::{self, Ask, CLI_CLIENT_ID, Handed, Status},
    oauth::Refused,
};
use skaas_domain::oauth::ErrorCode;

use super::{
    answer::NotGiven,
    form::{Form, Posted},
};
use crate::{
    client_address::place,
    web::{credentials::bearer, json_once},
};

/// `POST /oauth/device_authorization` (RFC 8628, section 3.1).
pub(super) async fn authorize(State(app): State<App>, posted: Posted) -> Result<Response, NotGiven> {
    let Posted { form, place } = posted;
    let ask = Ask {
        client_id: form.need("client_id")?,
        scope: form.get("scope"),
        device_name: form.get("device_name"),
        resource: form.get("resource"),
        place,
    };
    let started = devices::start(&app, ask).await?;
    let page = format!("{}/device", app.voice().public_url);
    let body = json!({
        "device_code": started.device_code.reveal(),
        "user_code": started.user_code.to_string(),
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", started.user_code),
        "expires_in": started.expires_in,
        "interval": started.interval,
    });
    Ok(json_once(StatusCode::OK, &body))
}

/// `POST /auth/cli`: a handle to open a browser with, and the secret that collects the token. A form may say `scope`
/// and `device_name`.
pub(super) async fn start_cli(
    State(app): State<App>,
    headers: HeaderMap,
    extensions: axum::http::Extensions,
    body: axum::body::Bytes,
) -> Result<Response, NotGiven> {
    let form = Form::parse(&body);
    let ask = Ask {
        client_id: CLI_CLIENT_ID,
        scope: form.get("scope"),
        device_name: form.get("device_name"),
        resource: None,
        place: place(&headers, &extensions),
    };
    let started = devices::start(&app, ask).await?;
    let (base, handle, code) = (&app.voice().public_url, started.handle.reveal(), &started.user_code);
    let body = json!({
        "session": handle,
        "secret": started.device_code.reveal(),
        "url": format!("{base}/auth/cli?session={handle}&code={code}"),
        "user_code": code.to_string(),
        "expires_in": started.expires_in,
        "interval": started.interval,
    });
    Ok(json_once(StatusCode::OK, &body))
}

/// `GET /auth/cli/status`: the state of a login, and once, its token. The handle is in addresses that a browser
/// keeps, so it alone gives nothing: the secret that only the program got goes beside it, as `Authorization: Bearer`.
pub(super) async fn cli_status(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, NotGiven> {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    if let Some(name) = form.doubled() {
        return Err(
            Refused::said(ErrorCode::InvalidRequest, format!("{name} is given more than once")).into()
        );
    }
    let missing = "send the secret that POST /auth/cli answered with as Authorization: Bearer";
    let secret = bearer(&headers).ok_or_else(|| Refused::said(ErrorCode::InvalidRequest, missing))?;
    let body = match devices::status(&app, form.get("session").unwrap_or_default(), secret).await? {
        Status::Pending => json!({ "status": "pending" }),
        Status::Expired => json!({ "status": "expired" }),
        Status::Completed(handed) => completed(&handed),
    };
    Ok(json_once(StatusCode::OK, &body))
}

/// `HEAD` of the same would take the token and throw it away.
pub(super) async fn only_get() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response()
}

fn completed(handed: &Handed) -> Value {
    match handed {
        Handed::ApiToken { token, user, .. } => json!({
            "status": "completed",
            "token": token.reveal(),
            "username": user.username,
            "email": accounts::address(user),
        }),
        // Handles are for our own command line; another client polls for its tokens.
        Handed::Tokens(_) => json!({ "status": "expired" }),
    }
}
