//! Owns the door of the MCP endpoint: who may speak there, and how whoever may not finds out where to ask
//! (RFC 9728, section 5.1). Behind it there is no tool yet: of the protocol it speaks the handshake, `ping`
//! and the empty list of tools.

use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use skaas_app::{App, Error, oauth};
use url::Url;

use super::{answer::json_once, bearer::bearer};
use crate::{
    client_address::ClientAddress,
    problem::{problem, problem_saying},
};

/// The versions of the protocol that the handshake agrees to; the last is the one offered to all others.
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// What is said to who is nobody: api tokens, which the usual words are about, open nothing here.
const NOBODY: &str = "sign in through your MCP client; the WWW-Authenticate header tells it where. This request had no access \
     token for this address, or the token is invalid or expired";

/// What a page of another site is told.
const FOREIGN: &str = "this request comes from a page of another site (its Origin is not this server's), and such \
                       pages may not use the MCP endpoint; call it from a program, which sends no Origin";

/// Any request to `/mcp`.
pub(super) async fn handle(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    if is_foreign(&headers, &app.voice().public_url) {
        return problem(&Error::Forbidden(FOREIGN.to_owned()));
    }
    let token = bearer(&headers);
    let outcome = match token {
        Some(token) => oauth::open_mcp(&app, token, ClientAddress::of(&extensions)).await,
        None => Err(Error::Unauthenticated),
    };
    match outcome {
        Ok(_) if method == Method::POST => speak(&body),
        Ok(_) => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response(),
        Err(error) => refuse(&app, &error, token.is_some()),
    }
}

/// Whether a browser says that a page of another site sent this. The MCP specification requires the check against
/// DNS rebinding ("Security Warning" of the Streamable HTTP transport), so `Host` proves nothing here: only the
/// configured address counts. Programs send no `Origin`.
fn is_foreign(headers: &HeaderMap, public_url: &str) -> bool {
    let ours = Url::parse(public_url).map(|url| url.origin().ascii_serialization());
    let is_ours = |origin: &HeaderValue| ours.as_ref().is_ok_and(|ours| origin == ours.as_str());
    !headers.get_all(header::ORIGIN).iter().all(is_ours)
}

/// Says where to ask for a token, beside the usual words.
fn refuse(app: &App, error: &Error, with_token: bool) -> Response {
    let mut response = match error {
        Error::Unauthenticated => problem_saying(error, NOBODY.to_owned()),
        other => problem(other),
    };
    let code = match error {
        Error::Unauthenticated if with_token => ", error=\"invalid_token\"",
        Error::Unauthenticated => "",
        Error::Forbidden(_) => ", error=\"insufficient_scope\"",
        _ => return response,
    };
    let base = &app.voice().public_url;
    let challenge = format!(
        "Bearer realm=\"skaas\", resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\", \
         scope=\"mcp\"{code}"
    );
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// One message of JSON-RPC 2.0.
fn speak(body: &[u8]) -> Response {
    let wrong = |code: i64, message: &str, id: &Value| {
        let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
        json_once(StatusCode::BAD_REQUEST, &body)
    };
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return wrong(-32700, "this is no JSON", &Value::Null);
    };
    let (Some(method), "2.0") = (message["method"].as_str(), message["jsonrpc"].as_str().unwrap_or_default())
    else {
        return wrong(-32600, "this is no request of JSON-RPC 2.0", &Value::Null);
    };
    let Some(id) = message.get("id").filter(|id| id.is_string() || id.is_number()) else {
        // A notification: there is nothing to answer.
        return StatusCode::ACCEPTED.into_response();
    };
    let result = match method {
        "initialize" => {
            let asked = message["params"]["protocolVersion"].as_str().unwrap_or_default();
            let newest = VERSIONS[VERSIONS.len() - 1];
            let version = VERSIONS.into_iter().find(|known| *known == asked).unwrap_or(newest);
            json!({
                "protocolVersion": version,
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "skaas", "version": env!("CARGO_PKG_VERSION") },
            })
        }
        "ping" => json!({}),
        "tools/list" => json!({ "tools": [] }),
        _ => {
            let error = json!({ "code": -32601, "message": "there is no such method here" });
            let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
            return json_once(StatusCode::OK, &body);
        }
    };
    json_once(StatusCode::OK, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}
