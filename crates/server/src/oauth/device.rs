//! Owns the device login on the wire: RFC 8628 and its browser-opening form. Refuses to approve anything:
//! that is a person's, on a page.

use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use skaas_app::{
    App, accounts,
    devices::{self, Ask, CLI_CLIENT_ID, Handed, Status},
};

use super::{
    answer::{NotGiven, json_once},
    form::{Form, Posted},
};
use crate::client_address::place;

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

/// `POST /auth/cli`: a handle for a browser to be opened with. A form may say `scope` and `device_name`.
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
        "url": format!("{base}/auth/cli?session={handle}&code={code}"),
        "user_code": code.to_string(),
        "expires_in": started.expires_in,
        "interval": started.interval,
    });
    Ok(json_once(StatusCode::OK, &body))
}

/// Which login is asked about.
#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    session: String,
}

/// `GET /auth/cli/status`: the token comes with one answer only. A handle that was not made here is expired.
pub(super) async fn cli_status(
    State(app): State<App>,
    Query(Which { session }): Query<Which>,
) -> Result<Response, NotGiven> {
    let body = match devices::status(&app, &session).await? {
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
