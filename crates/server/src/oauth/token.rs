//! Owns `/oauth/token` and `/oauth/revoke` on the wire. Refuses client secrets: nobody has one.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::{Value, json};
use skaas_app::{
    App, accounts,
    devices::{self, Handed},
    oauth::{self, Given, Refused},
};
use skaas_domain::oauth::{ErrorCode, GrantType};

use super::{
    answer::NotGiven,
    form::{Form, Posted},
};
use crate::web::json_once;

/// `POST /oauth/token` (RFC 6749, section 3.2).
pub(super) async fn give(State(app): State<App>, Posted { form, .. }: Posted) -> Result<Response, NotGiven> {
    let grant_type: GrantType = form
        .need("grant_type")?
        .parse()
        .map_err(|error| Refused::said(ErrorCode::UnsupportedGrantType, error))?;
    let client_id = form.need("client_id")?;
    let body = match grant_type {
        GrantType::DeviceCode => handed(&devices::redeem(&app, client_id, form.need("device_code")?).await?),
        GrantType::AuthorizationCode => by_code(&app, client_id, &form).await?,
        GrantType::RefreshToken => {
            let token = form.need("refresh_token")?;
            tokens(&oauth::refresh(&app, client_id, token, form.get("scope"), form.get("resource")).await?)
        }
    };
    Ok(json_once(StatusCode::OK, &body))
}

async fn by_code(app: &App, client_id: &str, form: &Form) -> Result<Value, Refused> {
    let (code, verifier) = (form.need("code")?, form.need("code_verifier")?);
    let (redirect_uri, resource) = (form.get("redirect_uri"), form.get("resource"));
    Ok(tokens(&oauth::exchange(app, client_id, code, verifier, redirect_uri, resource).await?))
}

fn tokens(given: &Given) -> Value {
    let mut body = json!({
        "access_token": given.access.reveal(),
        "token_type": "Bearer",
        "expires_in": given.expires_in,
        "scope": given.scopes.to_string(),
    });
    if let Some(refresh) = &given.refresh {
        body["refresh_token"] = refresh.reveal().into();
    }
    body
}

fn handed(handed: &Handed) -> Value {
    match handed {
        Handed::Tokens(given) => tokens(given),
        Handed::ApiToken { token, scopes, user } => json!({
            "access_token": token.reveal(),
            "token_type": "Bearer",
            "scope": scopes.to_string(),
            "username": user.username,
            "email": accounts::address(user),
        }),
    }
}

/// `POST /oauth/revoke` (RFC 7009): 200 whether or not there was such a token.
pub(super) async fn revoke(
    State(app): State<App>,
    Posted { form, .. }: Posted,
) -> Result<Response, NotGiven> {
    oauth::revoke(&app, form.need("client_id")?, form.need("token")?).await?;
    Ok(StatusCode::OK.into_response())
}
