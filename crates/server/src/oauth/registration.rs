//! Owns `/oauth/register` on the wire (RFC 7591). Refuses to give a secret.

use axum::{body::Bytes, extract::State, response::Response};
use http::{Extensions, HeaderMap, StatusCode};
use serde_json::json;
use skaas_app::{
    App,
    oauth::{self, Refused},
};
use skaas_domain::oauth::{Client, ErrorCode};

use super::answer::NotGiven;
use crate::{client_address::place, web::json_once};

/// The largest description of a client, in bytes.
const MAX_METADATA: usize = 64 * 1024;

/// `POST /oauth/register`.
pub(super) async fn register(
    State(app): State<App>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Result<Response, NotGiven> {
    let refuse = |why: &str| Refused::said(ErrorCode::InvalidClientMetadata, why);
    if body.len() > MAX_METADATA {
        return Err(refuse("this describes more than a client").into());
    }
    let said = serde_json::from_slice(&body).map_err(|_| refuse("the body is to be a JSON object"))?;
    let client = oauth::register(&app, &said, &place(&headers, &extensions)).await?;
    Ok(json_once(StatusCode::CREATED, &described(&client)))
}

/// Everything registered about it (RFC 7591, section 3.2.1).
fn described(client: &Client) -> serde_json::Value {
    let grant_types: Vec<&str> = client.grant_types.iter().map(|grant_type| grant_type.as_str()).collect();
    let mut body = json!({
        "client_id": client.client_id,
        "client_id_issued_at": client.created_at.as_second(),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": grant_types,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    if let (Some(body), Some(said)) = (body.as_object_mut(), client.metadata.as_object()) {
        body.extend(said.clone());
    }
    body
}
