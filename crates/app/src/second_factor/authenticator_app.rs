//! Setting up and removing an authenticator app. Its secret is sealed under its user's ID from the first moment, and
//! counts as a factor once its owner typed a code of it.

use jiff::{SignedDuration, Timestamp};
use skaas_domain::{
    envelope::RecordName,
    id::UserId,
    totp::{TimeStep, TotpSecret},
};
use skaas_store::{
    Conn, Tx, authenticator_apps,
    budgets::{self, Budget},
};

use super::{Added, finish_adding, finish_removing};
use crate::{
    accounts::{Changed, Rejected, spend},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    sessions::SignedIn,
    vault,
};

/// What the vault calls these secrets.
const KIND: &str = "totp";
/// What the audit log calls one.
const THING: &str = "authenticator app";
/// How long an app may stay unconfirmed.
const SETUP: SignedDuration = SignedDuration::from_mins(30);
/// Codes typed to confirm an app. Nothing is to be gained by guessing one, but each costs a transaction.
const CONFIRMATIONS: Budget =
    Budget { name: "totp_confirmation", limit: 20, window: SignedDuration::from_mins(15) };

/// What a person needs to add this account to an authenticator app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSetup {
    /// The secret, to be typed.
    pub typed: String,
    /// The address in the QR code.
    pub uri: String,
}

fn absent() -> Error {
    let why = "you are not setting up an authenticator app, or it took too long; start again";
    Error::refused(Code::NoSuchAuthenticatorApp, why)
}

/// Begins to set up an authenticator app. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`Code::AuthenticatorAppExists`].
pub async fn begin_app(app: &App, actor: &Actor) -> Result<(), Rejected> {
    let user = actor.require_fresh(app.now())?.user.id;
    let secret = app.with_rng(|rng| TotpSecret::generate(rng));
    let mut tx = app.store.begin().await?;
    if !authenticator_apps::begin(&mut tx, user, app.now()).await? {
        let why = "an authenticator app is already set up; remove it first to use another one";
        return Err(Error::refused(Code::AuthenticatorAppExists, why).into());
    }
    let id = user.to_string();
    vault::seal_in(app, &mut tx, &name(&id), secret.expose()).await?;
    tx.commit().await?;
    Ok(())
}

/// What to show while an app is being set up. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`Code::NoSuchAuthenticatorApp`] if none is being set up.
pub async fn pending_app(app: &App, actor: &Actor) -> Result<AppSetup, Rejected> {
    let who = actor.require_fresh(app.now())?;
    let secret = unconfirmed(app, who).await?;
    let host = url::Url::parse(&app.voice().public_url).ok();
    let host = host.as_ref().and_then(url::Url::host_str).unwrap_or("skaas");
    Ok(AppSetup { typed: secret.to_typed(), uri: secret.to_uri(host, &who.user.username) })
}

/// Confirms the app that is being set up by a code of it. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Field`] with `code`; [`Rejected::Stale`]; [`Rejected::TooOften`];
/// [`Code::NoSuchAuthenticatorApp`] if none is being set up.
pub async fn confirm_app(app: &App, actor: &Actor, code: &str) -> Result<Added, Rejected> {
    let now = app.now();
    let who = actor.require_fresh(now)?;
    spend(app, &[(&CONFIRMATIONS, who.user.id.to_string())]).await?;
    let secret = unconfirmed(app, who).await?;
    let Some(step) = secret.accepts(code, now, TimeStep::NEVER) else {
        let why = "this is not the code that the app shows now; check that the clock of your phone is right";
        return Err(Rejected::field("code", why));
    };
    let mut tx = app.store.begin().await?;
    if !authenticator_apps::confirm(&mut tx, who.user.id, step, now).await? {
        return Err(absent().into());
    }
    // The secret may have been replaced in another tab since it was read.
    if stored_secret(app, &mut tx, who.user.id).await? != Some(secret) {
        return Err(absent().into());
    }
    budgets::clear(&mut tx, &CONFIRMATIONS, &who.user.id.to_string()).await?;
    let act = Act::done(Action::TotpAdd, who.user.id, THING);
    audit::record(&mut tx, actor, now, act).await?;
    let added = finish_adding(app, &mut tx, actor, Changed::AuthenticatorAdded).await?;
    tx.commit().await?;
    tracing::info!(event = "authenticator_app_added", user_id = %who.user.id);
    Ok(added)
}

/// Removes the authenticator app. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`Code::NoSuchAuthenticatorApp`]; [`Code::LastSecondFactor`].
pub async fn remove_app(app: &App, actor: &Actor) -> Result<(), Rejected> {
    let user = actor.require_fresh(app.now())?.user.clone();
    let mut tx = app.store.begin().await?;
    if !erase(&mut tx, user.id).await? {
        return Err(Error::refused(Code::NoSuchAuthenticatorApp, "you have no authenticator app").into());
    }
    audit::record(&mut tx, actor, app.now(), Act::done(Action::TotpRemove, user.id, THING)).await?;
    finish_removing(app, &mut tx, &user, Changed::AuthenticatorRemoved).await?;
    tx.commit().await?;
    tracing::info!(event = "authenticator_app_removed", user_id = %user.id);
    Ok(())
}

/// Removes a user's app with its secret; whether there was one.
pub(super) async fn erase(tx: &mut Tx, user: UserId) -> Result<bool> {
    vault::remove_in(tx, KIND, &user.to_string()).await?;
    Ok(authenticator_apps::remove(tx, user).await?)
}

/// The step of `typed`, if it is a code of the user's confirmed app that was not used yet.
pub(super) async fn step_of(app: &App, user: UserId, typed: &str) -> Result<Option<TimeStep>> {
    let mut conn = app.store.read().await?;
    let found = authenticator_apps::find(&mut conn, user).await?;
    let Some(found) = found.filter(|found| found.confirmed_at.is_some()) else { return Ok(None) };
    let secret = stored_secret(app, &mut conn, user).await?;
    Ok(secret.and_then(|secret| secret.accepts(typed, app.now(), TimeStep(found.last_step))))
}

/// Drops apps that nobody confirmed in time, with their secrets; how many.
pub(crate) async fn forget_unconfirmed(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    let users = authenticator_apps::forget(tx, since(now)).await?;
    for user in &users {
        vault::remove_in(tx, KIND, &user.to_string()).await?;
    }
    Ok(users.len() as u64)
}

async fn unconfirmed(app: &App, who: &SignedIn) -> Result<TotpSecret> {
    let mut conn = app.store.read().await?;
    let found = authenticator_apps::find(&mut conn, who.user.id).await?;
    let is_open = found.is_some_and(|it| it.confirmed_at.is_none() && it.created_at > since(app.now()));
    let secret = if is_open { stored_secret(app, &mut conn, who.user.id).await? } else { None };
    secret.ok_or_else(absent)
}

async fn stored_secret(app: &App, conn: &mut Conn, user: UserId) -> Result<Option<TotpSecret>> {
    let id = user.to_string();
    let opened = vault::open_in(app, conn, &name(&id)).await?;
    opened.map(|opened| TotpSecret::from_bytes(opened.expose()).map_err(Error::internal)).transpose()
}

fn name(user: &str) -> RecordName<'_> {
    RecordName { kind: KIND, id: user, owner: user }
}

fn since(now: Timestamp) -> Timestamp {
    now.saturating_sub(SETUP).unwrap_or(Timestamp::MIN)
}
