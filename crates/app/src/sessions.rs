//! Use cases about browser logins: find, list, revoke. `sign_in`, `identities` and `accounts` open them.

use std::{net::IpAddr, sync::Arc};

use jiff::SignedDuration;
use skaas_domain::{
    device::Place,
    id::{SessionId, UserId},
    scope::Need,
    secret::{Secret, SecretKind},
    session::Session,
};
pub use skaas_store::sessions::SignedIn;
use skaas_store::{Tx, known_browsers, sessions, users};

use crate::{
    accounts::Rejected,
    actor::{Actor, Via},
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    suspension::suspended,
};

/// How long a browser is known for an account after somebody signed in to it there.
pub(crate) const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A session at the one moment at which its secret is known.
#[derive(Debug, Clone)]
pub struct Opened {
    /// For the cookie.
    pub secret: Secret,
    /// Whose it is.
    pub user: UserId,
}

/// The browser that somebody signs in with.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// Its own secret, which it had before anybody signed in.
    pub browser: &'a Secret,
    /// Who is signed in there already.
    pub before: Option<&'a Actor>,
}

/// A secret for a browser that has none: ties forms and outside sign-ins to it.
pub fn browser_secret(app: &App) -> Secret {
    app.with_rng(|rng| Secret::generate(SecretKind::Browser, rng))
}

/// Opens a session, and remembers the browser for the account. The session it had before ends, so that a cookie
/// that somebody planted doesn't outlive a sign-in.
///
/// # Errors
/// [`crate::Kind::Forbidden`] if the account is suspended.
pub(crate) async fn open(app: &App, tx: &mut Tx, user: UserId, visitor: Visitor<'_>) -> Result<Opened> {
    let Visitor { place, browser, before } = visitor;
    let now = app.now();
    if users::find_by_id(tx, user).await?.is_some_and(|user| user.is_suspended()) {
        return Err(suspended());
    }
    let (id, secret) =
        app.with_rng(|rng| (SessionId::new(now, rng), Secret::generate(SecretKind::Session, rng)));
    if let Some(before) = before.map(Actor::require_session).transpose()? {
        sessions::revoke(tx, before.user.id, before.session.id, now).await?;
    }
    sessions::add(tx, &Session::begin(id, user, place.clone(), now), &secret.hash()).await?;
    known_browsers::put(tx, user, &browser.hash(), now).await?;
    Ok(Opened { secret, user })
}

/// Returns who is signed in where this cookie is, if its session works, and notes that it was used.
pub async fn find(app: &App, cookie: &str, from: Option<IpAddr>) -> Result<Option<Actor>> {
    let Ok(secret) = Secret::parse(SecretKind::Session, cookie) else { return Ok(None) };
    let mut conn = app.store.read().await?;
    let found = sessions::find_by_hash(&mut conn, &secret.hash()).await?;
    drop(conn);
    let now = app.now();
    let Some(found) = found.filter(|found| found.works(now)) else { return Ok(None) };
    if found.session.needs_touch(now)
        && let Err(error) = note_use(app, found.session.id).await
        && let Some(more) = app.uses_not_noted.say(tokio::time::Instant::now())
    {
        // A full disk keeps nobody from reading; the next request notes it again.
        tracing::warn!(event = "session_use_not_noted", reason = %error, more);
    }
    Ok(Some(Actor::new(Via::Session(Arc::new(found)), from)))
}

async fn note_use(app: &App, id: SessionId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sessions::touch(&mut tx, &[(id, app.now())]).await?;
    Ok(tx.commit().await?)
}

/// Ends the session that makes the request.
pub async fn sign_out(app: &App, actor: &Actor) -> Result<()> {
    let signed_in = actor.require_session()?;
    end(app, actor, signed_in.user.id, signed_in.session.id).await
}

/// The user's sessions that work, most recently used first.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Session>> {
    let user = actor.require(&Need::Account { write: false })?.id;
    let mut conn = app.store.read().await?;
    Ok(sessions::list(&mut conn, user, app.now()).await?)
}

/// Ends one session of the same user. In a browser, ending any session but its own needs a recent sign-in, so that
/// somebody who finds a browser signed in can't sign its owner out elsewhere.
///
/// # Errors
/// [`Rejected::Stale`]; [`crate::Kind::NotFound`] for another user's session as for none.
pub async fn revoke(app: &App, actor: &Actor, id: &str) -> Result<SessionId, Rejected> {
    let user = actor.require(&Need::Account { write: true })?.id;
    let id =
        id.parse().map_err(|_| Error::refused(Code::NoSuchSession, "you have no session with this ID"))?;
    if actor.session().is_some_and(|own| own != id) {
        actor.require_fresh(app.now())?;
    }
    end(app, actor, user, id).await?;
    Ok(id)
}

async fn end(app: &App, actor: &Actor, user: UserId, id: SessionId) -> Result<()> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let revoked = sessions::revoke(&mut tx, user, id, now).await?;
    if revoked.is_none() {
        return Err(Error::refused(
            Code::NoSuchSession,
            "you have no session with this ID; it may have ended already",
        ));
    }
    let action = if actor.session() == Some(id) { Action::SignOut } else { Action::SessionRevoke };
    audit::record(&mut tx, actor, now, Act::done(action, user, &id.to_string())).await?;
    tx.commit().await?;
    tracing::info!(event = "session_revoked", user_id = %user, session_id = %id);
    Ok(())
}

/// Ends every session of the user but this one; how many there were. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`].
pub async fn revoke_others(app: &App, actor: &Actor) -> Result<u64, Rejected> {
    let signed_in = actor.require_fresh(app.now())?;
    let (user, now) = (signed_in.user.id, app.now());
    let mut tx = app.store.begin().await?;
    let count = sessions::revoke_others(&mut tx, user, Some(signed_in.session.id), now).await?;
    let act = Act::done(Action::SignOutEverywhere, user, "other browsers");
    audit::record(&mut tx, actor, now, act).await?;
    tx.commit().await?;
    tracing::info!(event = "sessions_revoked", user_id = %user, count);
    Ok(count)
}
