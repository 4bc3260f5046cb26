//! Use cases about api tokens: create, list, revoke.

use jiff::Timestamp;
use skaas_domain::{
    id::TokenId,
    scope::Scopes,
    token::ApiToken,
    user::{MAX_TOKEN_NAME, TokenRecord},
};
use skaas_store::tokens;

use crate::{
    app::App,
    error::{Error, Result},
    users,
};

/// A token at the one moment at which it is known.
#[derive(Debug)]
pub struct Created {
    /// To be shown once.
    pub token: ApiToken,
    /// What is kept.
    pub record: TokenRecord,
}

/// A token that is wanted.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// What its owner calls it: a device, a job.
    pub name: &'a str,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// Creates a token for a user that may do everything its owner may.
pub async fn create(app: &App, username: &str, name: &str, expires_at: Option<Timestamp>) -> Result<Created> {
    create_scoped(app, username, NewToken { name, scopes: Scopes::full(), expires_at }).await
}

/// Creates a token for a user.
pub async fn create_scoped(app: &App, username: &str, new: NewToken<'_>) -> Result<Created> {
    let NewToken { name, scopes, expires_at } = new;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_TOKEN_NAME || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("a token's name has 1 to {MAX_TOKEN_NAME} printable characters")));
    }
    let now = app.now();
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Error::Invalid("a token's end lies in the future".into()));
    }
    let user = users::find(app, username).await?;
    let (token, id) = app.with_rng(|rng| (ApiToken::generate(rng), TokenId::new(now, rng)));
    let record = TokenRecord {
        id,
        user: user.id,
        name: name.to_owned(),
        id_part: token.id_part().to_owned(),
        hash: token.hash(),
        scopes,
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
        last_used_from: None,
    };
    let mut tx = app.store.begin().await?;
    tokens::add(&mut tx, &record).await?;
    tx.commit().await?;
    tracing::info!(event = "token_created", user_id = %user.id, token_id = %id);
    Ok(Created { token, record })
}

/// A user's tokens, oldest first, revoked ones too.
pub async fn list(app: &App, username: &str) -> Result<Vec<TokenRecord>> {
    let user = users::find(app, username).await?;
    let mut conn = app.store.read().await?;
    Ok(tokens::list(&mut conn, user.id).await?)
}

/// Revokes the token named by its id or its 8 characters, or all of them; returns those named, as they are
/// now. The next request with any of them is refused, on every node.
pub async fn revoke(app: &App, username: &str, which: Option<&str>) -> Result<Vec<TokenRecord>> {
    let user = users::find(app, username).await?;
    let mut tx = app.store.begin().await?;
    let revoked = match which {
        None => {
            tokens::revoke_all(&mut tx, user.id, app.now()).await?;
            tokens::list(&mut tx, user.id).await?
        }
        Some(which) => {
            let found = tokens::revoke(&mut tx, user.id, which, app.now()).await?;
            let absent = || Error::NotFound(format!("{username} has no such token; the list names all"));
            vec![found.ok_or_else(absent)?]
        }
    };
    tx.commit().await?;
    tracing::info!(event = "tokens_revoked", user_id = %user.id, count = revoked.len());
    Ok(revoked)
}
