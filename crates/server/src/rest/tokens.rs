//! `/api/tokens`: the owner's API tokens.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use http::StatusCode;
use jiff::SignedDuration;
use skaas_api::{CreatedToken, NewToken, Secret, TokenInfo, TokenList};
use skaas_app::{Actor, App, Code, Error, Whose::Own, tokens};
use skaas_domain::{id::TokenId, scope::InvalidScope, user::TokenRecord};

use super::{
    Answer, Body,
    caller::Caller,
    refusals::{Absent, Away, Limited, TooLarge, TooOften, Unfit, Unknown},
};

fn asking(actor: &Actor) -> Option<TokenId> {
    actor.token().map(|token| token.id)
}

/// A token as lists show it, to whoever asks with `current`.
pub(super) fn info(token: &TokenRecord, current: Option<TokenId>) -> TokenInfo {
    TokenInfo {
        id: token.id.to_string(),
        name: token.name.clone(),
        prefix: format!("sk_live_{}", token.id_part),
        scopes: token.scopes.to_string(),
        current: current == Some(token.id),
        created_at: token.created_at,
        last_used_at: token.last_used_at,
        last_used_from: token.last_used_from.clone(),
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
        parent: token.parent.map(|parent| parent.to_string()),
    }
}

/// Lists all API tokens of the user, oldest first, including revoked ones.
#[utoipa::path(
    get, path = "/api/tokens", tag = "tokens", operation_id = "listTokens",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [])),
    responses((status = 200, description = "Everything but the tokens themselves", body = TokenList), Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn list(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<TokenList>> {
    let all = tokens::list(&app, &actor, Own).await?;
    Ok(Json(TokenList { tokens: all.iter().map(|token| info(token, asking(&actor))).collect() }))
}

/// Creates an API token.
///
/// The response is the only place where it is shown. It can't have more scopes than the calling token, nor a
/// later expiry date. Authorized apps can't create tokens.
#[utoipa::path(
    post, path = "/api/tokens", tag = "tokens", operation_id = "createToken",
    security(("token" = ["account"]), ("session" = [], "csrf" = [])),
    request_body(content = NewToken, example = json!({
        "name": "ci", "scopes": "marketplaces", "expires_in": 2_592_000
    })),
    responses(
        (status = 201, description = "The token, this once", body = CreatedToken),
        Unfit, Unknown, Limited, TooLarge, TooOften, Away
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(actor): Caller,
    Body(new): Body<NewToken>,
) -> Answer<(StatusCode, Json<CreatedToken>)> {
    let refused =
        |error: InvalidScope| Error::refused(Code::InvalidValue, format!("{error}; nothing was changed"));
    let scopes = new.scopes.as_deref().map(|text| text.parse().map_err(refused)).transpose()?;
    let expires_at = new.expires_in.map(|seconds| end(&app, seconds)).transpose()?;
    let wanted = tokens::NewToken { name: &new.name, scopes, expires_at };
    let created = tokens::create(&app, &actor, Own, wanted).await?;
    let answer = CreatedToken {
        token: Secret::new(created.token.reveal()),
        info: info(&created.record, asking(&actor)),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn end(app: &App, seconds: u64) -> Result<jiff::Timestamp, Error> {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| app.now().checked_add(SignedDuration::from_secs(seconds)).ok())
        .ok_or_else(|| {
            Error::refused(Code::InvalidValue, "expires_in is beyond any calendar; nothing was changed")
        })
}

/// What is revoked with a token.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Revocation {
    /// Whether the tokens that were created with it are revoked too, directly or by way of another
    #[serde(default)]
    #[param(required = false, example = true)]
    descendants: bool,
}

/// Revokes one token: its next request is refused, on every node.
///
/// Tokens that were created with it keep working unless `descendants` is true.
#[utoipa::path(
    delete, path = "/api/tokens/{id}", tag = "tokens", operation_id = "revokeToken",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [], "csrf" = [])),
    params((
        "id" = String, Path, description = "`tok_…`, or the 8 characters behind `sk_live_`",
        example = "tok_01jc0000000000000000000000"
    ), Revocation),
    responses(
        (status = 200, description = "As it is now", body = TokenInfo), Unfit, Unknown, Limited, Absent, TooOften, Away
    )
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    query: Result<Query<Revocation>, QueryRejection>,
) -> Answer<Json<TokenInfo>> {
    let Query(Revocation { descendants }) = query.map_err(|rejection| {
        Error::refused(Code::Malformed, format!("{}; nothing was changed", rejection.body_text()))
    })?;
    let revoked = if descendants {
        tokens::revoke_with_descendants(&app, &actor, Own, &id).await?
    } else {
        tokens::revoke(&app, &actor, Own, Some(&id)).await?
    };
    let token = revoked.first().ok_or_else(|| Error::refused(Code::NoSuchToken, "you have no such token"))?;
    Ok(Json(info(token, asking(&actor))))
}

/// Revokes the token that makes the request. Any token may revoke itself.
#[utoipa::path(
    delete, path = "/api/tokens/current", tag = "tokens", operation_id = "revokeCurrentToken",
    security(("token" = [])),
    responses((status = 200, description = "As it is now", body = TokenInfo), Unfit, Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn revoke_current(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<TokenInfo>> {
    Ok(Json(info(&tokens::revoke_current(&app, &actor).await?, asking(&actor))))
}
