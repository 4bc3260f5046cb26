//! Owns what clients find out by themselves: RFC 8414 for the authorization server, RFC 9728 for what it
//! protects.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use skaas_app::{
    App,
    oauth::{api_resource, mcp_resource},
};

/// What a client may ask for. Chosen skills and actions are scopes as well, under names of their own.
const SCOPES: [&str; 6] = ["account", "action:*", "creator", "marketplaces", "mcp", "read-only"];

/// `/.well-known/oauth-authorization-server`, and under the name that `OpenID`'s clients look for.
pub(super) async fn authorization_server(State(app): State<App>) -> Json<Value> {
    let base = &app.voice().public_url;
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/oauth/authorize"),
        "token_endpoint": format!("{base}/oauth/token"),
        "device_authorization_endpoint": format!("{base}/oauth/device_authorization"),
        "registration_endpoint": format!("{base}/oauth/register"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
        "protected_resources": [mcp_resource(&app), api_resource(&app)],
    }))
}

fn protected(app: &App, resource: &str, scopes: &[&str]) -> Json<Value> {
    Json(json!({
        "resource": resource,
        "authorization_servers": [app.voice().public_url],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": "skaas",
    }))
}

/// What the REST interface asks for.
const API_SCOPES: [&str; 2] = ["account", "read-only"];

/// `/.well-known/oauth-protected-resource`: who names the whole installation gets tokens for the REST interface.
pub(super) async fn whole_site(State(app): State<App>) -> Json<Value> {
    protected(&app, &app.voice().public_url, &API_SCOPES)
}

/// `/.well-known/oauth-protected-resource/api`.
pub(super) async fn api(State(app): State<App>) -> Json<Value> {
    protected(&app, &api_resource(&app), &API_SCOPES)
}

/// `/.well-known/oauth-protected-resource/mcp`.
pub(super) async fn mcp(State(app): State<App>) -> Json<Value> {
    protected(&app, &mcp_resource(&app), &["mcp"])
}
