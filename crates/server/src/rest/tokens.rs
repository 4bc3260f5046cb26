//! `/api/tokens`: the owner's API tokens.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use http::StatusCode;
use jiff::SignedDuration;
use skaas_api::{CreatedToken, NewToken, Secret, TokenInfo, TokenList};
use skaas_app::{
    App, Error,
    tokens::{self, Creator},
};
use skaas_domain::{
    id::TokenId,
    scope::{Need, Scopes},
    user::TokenRecord,
};

use super::{
    Answer, Body,
    caller::Caller,
    refusals::{Absent, Away, Limited, TooLarge, TooOften, Unfit, Unknown},
};

/// An application keeps what it was given until it is disconnected, and nothing longer.
const NOT_FOR_APPLICATIONS: &str =
    "an authorized app cannot create API tokens; ask the user to create one on the API tokens page";
/// An application ends what it has at `/oauth/revoke`, a browser at `/signout`.
const NO_TOKEN_ASKS: &str = "this request has no API token; authorized apps revoke their tokens at \
     /oauth/revoke, and browsers sign out";

fn asking(caller: &Caller) -> Option<TokenId> {
    caller.token().map(|token| token.id)
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
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Answer<Json<TokenList>> {
    let user = caller.allowed(&Need::Account { write: false })?;
    let all = tokens::list(&app, &user.username).await?;
    Ok(Json(TokenList { tokens: all.iter().map(|token| info(token, asking(&caller))).collect() }))
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
    caller: Caller,
    Body(new): Body<NewToken>,
) -> Answer<(StatusCode, Json<CreatedToken>)> {
    let user = caller.allowed(&Need::Account { write: true })?;
    let creator = match (asking(&caller), caller.session()) {
        (Some(token), _) => Creator::Token(token),
        (None, Some(session)) => Creator::Session(session),
        (None, None) => return Err(Error::Forbidden(NOT_FOR_APPLICATIONS.into()).into()),
    };
    let own = caller.scopes();
    let scopes: Scopes = match &new.scopes {
        None => own.clone(),
        Some(text) => {
            text.parse().map_err(|error| Error::Invalid(format!("{error}; nothing was changed")))?
        }
    };
    if !scopes.is_within(&own) {
        return Err(Error::Forbidden("a token cannot make one that may do more than itself".into()).into());
    }
    let own_end = caller.token().and_then(|token| token.expires_at);
    let expires_at = match new.expires_in {
        None => own_end,
        Some(seconds) => Some(end(&app, seconds)?),
    };
    if own_end.is_some_and(|own_end| expires_at.is_none_or(|end| end > own_end)) {
        return Err(Error::Forbidden("a token cannot make one that works longer than itself".into()).into());
    }
    let wanted = tokens::NewToken { name: &new.name, scopes, expires_at, creator };
    let created = tokens::create_scoped(&app, &user.username, wanted).await?;
    let answer = CreatedToken {
        token: Secret::new(created.token.reveal()),
        info: info(&created.record, asking(&caller)),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn end(app: &App, seconds: u64) -> Result<jiff::Timestamp, Error> {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| app.now().checked_add(SignedDuration::from_secs(seconds)).ok())
        .ok_or_else(|| Error::Invalid("expires_in is beyond any calendar; nothing was changed".into()))
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
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<Revocation>, QueryRejection>,
) -> Answer<Json<TokenInfo>> {
    let user = caller.allowed(&Need::Account { write: true })?;
    let Query(Revocation { descendants }) = query
        .map_err(|rejection| Error::Invalid(format!("{}; nothing was changed", rejection.body_text())))?;
    revoked(&app, &user.username, &id, descendants, asking(&caller)).await
}

/// Revokes the token that makes the request. Any token may revoke itself.
#[utoipa::path(
    delete, path = "/api/tokens/current", tag = "tokens", operation_id = "revokeCurrentToken",
    security(("token" = [])),
    responses((status = 200, description = "As it is now", body = TokenInfo), Unfit, Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn revoke_current(State(app): State<App>, caller: Caller) -> Answer<Json<TokenInfo>> {
    let user = caller.allowed(&Need::Myself)?;
    let id = asking(&caller).ok_or_else(|| Error::Invalid(NO_TOKEN_ASKS.into()))?;
    revoked(&app, &user.username, &id.to_string(), false, Some(id)).await
}

async fn revoked(
    app: &App,
    username: &str,
    which: &str,
    descendants: bool,
    current: Option<TokenId>,
) -> Answer<Json<TokenInfo>> {
    let revoked = if descendants {
        tokens::revoke_with_descendants(app, username, which).await?
    } else {
        tokens::revoke(app, username, Some(which)).await?
    };
    let token = revoked.first().ok_or_else(|| Error::NotFound("you have no such token".into()))?;
    Ok(Json(info(token, current)))
}
