//! Use cases about API tokens: create, list, revoke.

use jiff::Timestamp;
use skaas_domain::{
    id::{SessionId, TokenId, UserId},
    scope::Scopes,
    token::ApiToken,
    user::{MAX_TOKEN_NAME, TokenRecord, descendants},
};
use skaas_store::{Tx, sessions, tokens};

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

/// Who creates a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creator {
    /// The operator of the installation.
    Operator,
    /// The owner, in a browser.
    Session(SessionId),
    /// A program with another token of the owner's, which becomes the new token's parent.
    Token(TokenId),
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
    /// Who creates it.
    pub creator: Creator,
}

/// Creates a token for a user that may do everything its owner may, in the operator's name.
pub async fn create(app: &App, username: &str, name: &str, expires_at: Option<Timestamp>) -> Result<Created> {
    let new = NewToken { name, scopes: Scopes::full(), expires_at, creator: Creator::Operator };
    create_scoped(app, username, new).await
}

/// Creates a token for a user.
///
/// # Errors
/// [`Error::Invalid`] for a name or an end that no token can have; [`Error::Unauthenticated`] if the creator's
/// own session or token ended in the meantime.
pub async fn create_scoped(app: &App, username: &str, new: NewToken<'_>) -> Result<Created> {
    let NewToken { name, scopes, expires_at, creator } = new;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_TOKEN_NAME || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "a token name must have 1 to {MAX_TOKEN_NAME} printable characters"
        )));
    }
    let now = app.now();
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Error::Invalid("a token's expiry date must be in the future".into()));
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
        parent: if let Creator::Token(parent) = creator { Some(parent) } else { None },
    };
    let mut tx = app.store.begin().await?;
    tokens::add(&mut tx, &record).await?;
    if !still_works(&mut tx, user.id, creator, now).await? {
        return Err(Error::Unauthenticated);
    }
    tx.commit().await?;
    tracing::info!(event = "token_created", user_id = %user.id, token_id = %id);
    Ok(Created { token, record })
}

/// Whether the creator may still act. Adding a token waits for whoever is changing the user's tokens or sessions,
/// so a creator that was revoked while its request was under way leaves nothing behind.
async fn still_works(tx: &mut Tx, user: UserId, creator: Creator, now: Timestamp) -> Result<bool> {
    Ok(match creator {
        Creator::Operator => true,
        Creator::Session(id) => sessions::find(tx, user, id).await?.is_some_and(|session| session.works(now)),
        Creator::Token(id) => tokens::find(tx, user, id).await?.is_some_and(|token| token.works(now)),
    })
}

/// A user's tokens, oldest first, revoked ones too.
pub async fn list(app: &App, username: &str) -> Result<Vec<TokenRecord>> {
    let user = users::find(app, username).await?;
    let mut conn = app.store.read().await?;
    Ok(tokens::list(&mut conn, user.id).await?)
}

/// Revokes the token named by its id or its 8 characters, or all of them; returns those named, as they are
/// now. The next request with any of them is refused, on every node. Tokens that were created with a revoked one
/// keep working: [`revoke_with_descendants`] revokes them too.
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
            vec![found.ok_or_else(|| absent(username))?]
        }
    };
    tx.commit().await?;
    tracing::info!(event = "tokens_revoked", user_id = %user.id, count = revoked.len());
    Ok(revoked)
}

/// Revokes the token named by its id or its 8 characters, and every token that was created with it, directly or
/// by way of another. Returns all of them, the named one first, as they are now.
///
/// # Errors
/// [`Error::NotFound`] when the user has no such token.
pub async fn revoke_with_descendants(app: &App, username: &str, which: &str) -> Result<Vec<TokenRecord>> {
    let user = users::find(app, username).await?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let named = tokens::revoke(&mut tx, user.id, which, now).await?.ok_or_else(|| absent(username))?;
    let all = tokens::list(&mut tx, user.id).await?;
    let mut revoked = Vec::new();
    for token in descendants(&all, named.id) {
        revoked.extend(tokens::revoke(&mut tx, user.id, &token.id.to_string(), now).await?);
    }
    revoked.insert(0, named);
    tx.commit().await?;
    tracing::info!(event = "tokens_revoked", user_id = %user.id, count = revoked.len());
    Ok(revoked)
}

/// The tokens that still work among those that were created with this one.
pub async fn working_descendants(app: &App, user: UserId, ancestor: TokenId) -> Result<Vec<TokenRecord>> {
    let all = tokens::list(&mut app.store.read().await?, user).await?;
    let now = app.now();
    Ok(descendants(&all, ancestor).into_iter().filter(|token| token.works(now)).cloned().collect())
}

fn absent(username: &str) -> Error {
    Error::NotFound(format!("{username} has no such token; the list names all"))
}
