//! The part of the Model Context Protocol that we speak: the handshake, `ping`, and a list of tools that is still
//! empty.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::web::json_once;

/// The versions of the protocol that the handshake agrees to; the last is the one offered to all others.
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// Answers one message of JSON-RPC 2.0.
pub(super) fn answer(body: &[u8]) -> Response {
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
