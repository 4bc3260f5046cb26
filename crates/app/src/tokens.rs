//! Use cases about API tokens: create, list, revoke.

use jiff::Timestamp;
use skaas_domain::{
    id::{TokenId, UserId},
    scope::{Need, Scopes},
    token::ApiToken,
    user::{MAX_TOKEN_NAME, TokenRecord, descendants},
};
use skaas_store::{
    Tx,
    sessions::{self, SignedIn},
    tokens,
};

use crate::{
    actor::{Actor, Via, Whose},
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
};

/// An authorized app keeps what it was given until it is revoked, and nothing longer.
const NOT_FOR_APPS: &str =
    "an authorized app cannot create API tokens; ask the user to create one on the API tokens page";
/// An authorized app revokes what it has at `/oauth/revoke`, a browser at `/signout`.
const NO_TOKEN_ASKS: &str = "this request has no API token; authorized apps revoke their tokens at \
     /oauth/revoke, and browsers sign out";
const READ: Need<'static> = Need::Account { write: false };
const WRITE: Need<'static> = Need::Account { write: true };

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
    /// What it may be used for; `None` is everything that its creator may do.
    pub scopes: Option<Scopes>,
    /// When it stops working; `None` is when its creator's token does, or never.
    pub expires_at: Option<Timestamp>,
}

/// Creates a token. One that was created with another token can do no more, and works no longer, than that one.
///
/// # Errors
/// [`crate::Kind::Invalid`] for a name or an end that no token can have; [`crate::Kind::Forbidden`] for an authorized app, and for
/// a token that would be wider than its creator's; [`Error::Unauthenticated`] if the creator's own session or token
/// ended in the meantime.
pub async fn create(app: &App, actor: &Actor, whose: Whose<'_>, new: NewToken<'_>) -> Result<Created> {
    let mut tx = app.store.begin().await?;
    let created = create_in(app, actor, &mut tx, whose, new).await?;
    tx.commit().await?;
    let TokenRecord { user, id, .. } = &created.record;
    tracing::info!(event = "token_created", user_id = %user, token_id = %id);
    Ok(created)
}

/// Like [`create`], inside the caller's transaction.
pub async fn create_in(
    app: &App,
    actor: &Actor,
    tx: &mut Tx,
    whose: Whose<'_>,
    new: NewToken<'_>,
) -> Result<Created> {
    let user = actor.subject_in(tx, whose, &WRITE).await?;
    let (scopes, expires_at) = bounded(actor, new.scopes, new.expires_at)?;
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > MAX_TOKEN_NAME || name.chars().any(char::is_control) {
        return Err(Error::refused(
            Code::InvalidValue,
            format!("a token name must have 1 to {MAX_TOKEN_NAME} printable characters"),
        ));
    }
    let now = app.now();
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Error::refused(Code::InvalidValue, "a token's expiry date must be in the future"));
    }
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
        parent: actor.token().map(|parent| parent.id),
    };
    tokens::add(tx, &record).await?;
    if !still_works(tx, actor, now).await? {
        return Err(Error::Unauthenticated);
    }
    audit::record(tx, actor, now, Act::done(Action::TokenCreate, user.id, &id.to_string())).await?;
    Ok(Created { token, record })
}

/// The scopes and the end of a token that `actor` creates: what they ask for, or else their own.
fn bounded(
    actor: &Actor,
    scopes: Option<Scopes>,
    expires_at: Option<Timestamp>,
) -> Result<(Scopes, Option<Timestamp>)> {
    if actor.grant().is_some() {
        return Err(Error::refused(Code::NotForApps, NOT_FOR_APPS));
    }
    let scopes = scopes.unwrap_or_else(|| actor.scopes().clone());
    if !scopes.is_within(actor.scopes()) {
        return Err(Error::refused(
            Code::TokenTooPowerful,
            "a token cannot make one that may do more than itself",
        ));
    }
    let own_end = actor.token().and_then(|token| token.expires_at);
    let expires_at = expires_at.or(own_end);
    if own_end.is_some_and(|own_end| expires_at.is_none_or(|end| end > own_end)) {
        return Err(Error::refused(
            Code::TokenTooPowerful,
            "a token cannot make one that works longer than itself",
        ));
    }
    Ok((scopes, expires_at))
}

/// Whether the creator may still act. Adding a token waits for whoever is changing the user's tokens or sessions,
/// so a creator that was revoked while its request was under way leaves nothing behind.
async fn still_works(tx: &mut Tx, actor: &Actor, now: Timestamp) -> Result<bool> {
    Ok(match actor.via() {
        Via::Operator(_) => true,
        Via::OauthGrant(_) => false,
        Via::Session(signed_in) => {
            let SignedIn { user, session, .. } = &**signed_in;
            sessions::find(tx, user.id, session.id).await?.is_some_and(|session| session.works(now))
        }
        Via::ApiToken(viewer) => {
            let found = tokens::find(tx, viewer.user().id, viewer.token().id).await?;
            found.is_some_and(|token| token.works(now))
        }
    })
}

/// A user's tokens, oldest first, revoked ones too.
pub async fn list(app: &App, actor: &Actor, whose: Whose<'_>) -> Result<Vec<TokenRecord>> {
    let user = actor.subject(app, whose, &READ).await?;
    let mut conn = app.store.read().await?;
    Ok(tokens::list(&mut conn, user.id).await?)
}

/// Revokes the token named by its id or its 8 characters, or all of them; returns those named, as they are
/// now. The next request with any of them is refused, on every node. Tokens that were created with a revoked one
/// keep working: [`revoke_with_descendants`] revokes them too.
pub async fn revoke(
    app: &App,
    actor: &Actor,
    whose: Whose<'_>,
    which: Option<&str>,
) -> Result<Vec<TokenRecord>> {
    let mut tx = app.store.begin().await?;
    let revoked = revoke_in(app, actor, &mut tx, whose, which).await?;
    tx.commit().await?;
    told_revoked(&revoked);
    Ok(revoked)
}

/// Like [`revoke`], inside the caller's transaction.
pub async fn revoke_in(
    app: &App,
    actor: &Actor,
    tx: &mut Tx,
    whose: Whose<'_>,
    which: Option<&str>,
) -> Result<Vec<TokenRecord>> {
    let user = actor.subject_in(tx, whose, &WRITE).await?;
    let now = app.now();
    let named = match which {
        None => {
            tokens::revoke_all(tx, user.id, now).await?;
            tokens::list(tx, user.id).await?
        }
        Some(which) => {
            let found = tokens::revoke(tx, user.id, which, now).await?;
            vec![found.ok_or_else(|| absent(&user.username))?]
        }
    };
    record_revoked(tx, actor, now, &named).await?;
    Ok(named)
}

/// Records each token that was revoked just now; the others were before.
async fn record_revoked(tx: &mut Tx, actor: &Actor, now: Timestamp, named: &[TokenRecord]) -> Result<()> {
    for token in named.iter().filter(|token| token.revoked_at == Some(now)) {
        let id = token.id.to_string();
        audit::record(tx, actor, now, Act::done(Action::TokenRevoke, token.user, &id)).await?;
    }
    Ok(())
}

fn told_revoked(revoked: &[TokenRecord]) {
    let user_id = revoked.first().map(|token| tracing::field::display(token.user));
    tracing::info!(event = "tokens_revoked", user_id, count = revoked.len());
}

/// Revokes the API token that makes the request; any may. As it is now.
///
/// # Errors
/// [`crate::Kind::Invalid`] for a request without one.
pub async fn revoke_current(app: &App, actor: &Actor) -> Result<TokenRecord> {
    let user = actor.require(&Need::Myself)?;
    let token = actor.token().ok_or_else(|| Error::refused(Code::ApiTokenRequired, NO_TOKEN_ASKS))?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let revoked = tokens::revoke(&mut tx, user.id, &token.id.to_string(), now).await?;
    let revoked = revoked.ok_or_else(|| absent(&user.username))?;
    record_revoked(&mut tx, actor, now, std::slice::from_ref(&revoked)).await?;
    tx.commit().await?;
    tracing::info!(event = "tokens_revoked", user_id = %user.id, count = 1);
    Ok(revoked)
}

/// Revokes the token named by its id or its 8 characters, and every token that was created with it, directly or
/// by way of another. Returns all of them, the named one first, as they are now.
///
/// # Errors
/// [`crate::Kind::NotFound`] when the user has no such token.
pub async fn revoke_with_descendants(
    app: &App,
    actor: &Actor,
    whose: Whose<'_>,
    which: &str,
) -> Result<Vec<TokenRecord>> {
    let user = actor.subject(app, whose, &WRITE).await?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let named = tokens::revoke(&mut tx, user.id, which, now).await?;
    let named = named.ok_or_else(|| absent(&user.username))?;
    let all = tokens::list(&mut tx, user.id).await?;
    let mut revoked = Vec::new();
    for token in descendants(&all, named.id) {
        revoked.extend(tokens::revoke(&mut tx, user.id, &token.id.to_string(), now).await?);
    }
    revoked.insert(0, named);
    record_revoked(&mut tx, actor, now, &revoked).await?;
    tx.commit().await?;
    tracing::info!(event = "tokens_revoked", user_id = %user.id, count = revoked.len());
    Ok(revoked)
}

/// The tokens that still work among those that were created with this one.
pub async fn working_descendants(
    app: &App,
    actor: &Actor,
    user: UserId,
    ancestor: TokenId,
) -> Result<Vec<TokenRecord>> {
    actor.require_operator()?;
    let all = tokens::list(&mut app.store.read().await?, user).await?;
    let now = app.now();
    Ok(descendants(&all, ancestor).into_iter().filter(|token| token.works(now)).cloned().collect())
}

fn absent(username: &str) -> Error {
    Error::refused(Code::NoSuchToken, format!("{username} has no such token; the list names all"))
}
