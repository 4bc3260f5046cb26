//! Use cases about browser logins: find, list, revoke. Opening one is `sign_in`'s and `accounts`'.

use skaas_domain::{
    device::Place,
    id::{SessionId, UserId},
    secret::{Secret, SecretKind},
    session::Session,
};
pub use skaas_store::sessions::SignedIn;
use skaas_store::{Tx, sessions};

use crate::{
    app::App,
    error::{Error, Result},
};

/// A session at the one moment at which its secret is known.
#[derive(Debug, Clone)]
pub struct Opened {
    /// For the cookie.
    pub secret: Secret,
    /// Whose it is.
    pub user: UserId,
}

/// A secret for a browser that has none: ties forms and outside sign-ins to it.
pub fn browser_secret(app: &App) -> Secret {
    app.with_rng(|rng| Secret::generate(SecretKind::Browser, rng))
}

/// Opens a session; the one the browser had before ends, so that nobody's fixed cookie outlives a sign-in.
pub(crate) async fn open(
    app: &App,
    tx: &mut Tx,
    user: UserId,
    place: &Place,
    before: Option<&SignedIn>,
) -> Result<Opened> {
    let now = app.now();
    let (id, secret) =
        app.with_rng(|rng| (SessionId::new(now, rng), Secret::generate(SecretKind::Session, rng)));
    if let Some(before) = before {
        sessions::revoke(tx, before.user.id, before.session.id, now).await?;
    }
    sessions::add(tx, &Session::begin(id, user, place.clone(), now), &secret.hash()).await?;
    Ok(Opened { secret, user })
}

/// Whose cookie this is, if it opens anything now. That it was used is noted.
pub async fn find(app: &App, cookie: &str) -> Result<Option<SignedIn>> {
    let Ok(secret) = Secret::parse(SecretKind::Session, cookie) else { return Ok(None) };
    let mut conn = app.store.read().await?;
    let found = sessions::find_by_hash(&mut conn, &secret.hash()).await?;
    drop(conn);
    let now = app.now();
    let Some(found) = found.filter(|found| found.session.works(now)) else { return Ok(None) };
    if found.session.needs_touch(now)
        && let Err(error) = note_use(app, found.session.id).await
        && let Some(more) = app.uses_not_noted.say(tokio::time::Instant::now())
    {
        // A full disk keeps nobody from reading; the next request notes it again.
        tracing::warn!(event = "session_use_not_noted", reason = %error, more);
    }
    Ok(Some(found))
}

async fn note_use(app: &App, id: SessionId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sessions::touch(&mut tx, &[(id, app.now())]).await?;
    Ok(tx.commit().await?)
}

/// Ends the session.
pub async fn sign_out(app: &App, signed_in: &SignedIn) -> Result<()> {
    revoke(app, signed_in, signed_in.session.id).await
}

/// The user's sessions that work, the latest used first.
pub async fn list(app: &App, user: UserId) -> Result<Vec<Session>> {
    let mut conn = app.store.read().await?;
    Ok(sessions::list(&mut conn, user, app.now()).await?)
}

/// Ends one session of the same user.
///
/// # Errors
/// [`Error::NotFound`] for another's as for none.
pub async fn revoke(app: &App, signed_in: &SignedIn, id: SessionId) -> Result<()> {
    revoke_of(app, signed_in.user.id, id).await
}

/// Ends one session of this user.
///
/// # Errors
/// [`Error::NotFound`] for another's as for none.
pub async fn revoke_of(app: &App, user: UserId, id: SessionId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let revoked = sessions::revoke(&mut tx, user, id, app.now()).await?;
    if revoked.is_none() {
        return Err(Error::NotFound("you have no such session; it may have ended by itself".into()));
    }
    tx.commit().await?;
    tracing::info!(event = "session_revoked", user_id = %user, session_id = %id);
    Ok(())
}

/// Ends every session of the user but this one; how many there were.
pub async fn revoke_others(app: &App, signed_in: &SignedIn) -> Result<u64> {
    let user = signed_in.user.id;
    let mut tx = app.store.begin().await?;
    let count = sessions::revoke_others(&mut tx, user, Some(signed_in.session.id), app.now()).await?;
    tx.commit().await?;
    tracing::info!(event = "sessions_revoked", user_id = %user, count);
    Ok(count)
}
