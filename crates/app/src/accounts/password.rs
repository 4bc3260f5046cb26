//! How a password is changed: by somebody who knows the old one, or who reads the account's mail. Nothing here
//! tells whether an address has an account.

use jiff::SignedDuration;
use skaas_domain::{
    device::Place,
    id::UserId,
    password::{self, WeakPassword},
    secret::{Secret, SecretKind},
    user::{User, check_email},
};
use skaas_store::{
    Tx,
    budgets::Budget,
    codes::{self, CodeKind},
    known_browsers, passwords, users,
};

use super::{
    Access, OtherAccess, Rejected, access,
    addresses::stale_link,
    hashing,
    mails::{self, Changed, ResetRequest},
    spend,
};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::Result,
    jobs::{self, Order},
    sessions::{self, Opened, SignedIn, Visitor},
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Resets that may be asked for one account, and from one network address.
const RESETS_OF_ACCOUNT: Budget = Budget { name: "reset_account", limit: 5, window: HOUR };
const RESETS_FROM_ADDRESS: Budget = Budget { name: "reset_address", limit: 30, window: HOUR };
/// Tries of the old password by who is signed in already.
const OLD_PASSWORDS: Budget = Budget { name: "old_password", limit: 10, window: HOUR };

/// Mails a link to choose a new password, if an account has this address. The answer is the same if none has,
/// and comes as soon: whether one has is asked after it.
///
/// # Errors
/// [`Rejected::Field`] with `email` for what is no address; [`Rejected::TooOften`].
pub async fn ask_reset(app: &App, email: &str, place: &Place) -> Result<(), Rejected> {
    let email = check_email(email).map_err(|error| Rejected::field("email", &error))?;
    let tries = [(&RESETS_FROM_ADDRESS, place.network()), (&RESETS_OF_ACCOUNT, email.to_lowercase())];
    spend(app, &tries).await?;
    let mut tx = app.store.begin().await?;
    jobs::add(app, &mut tx, &ResetRequest::new(&email), &Order::default()).await?;
    tx.commit().await?;
    Ok(())
}

/// A new password, and what becomes of tokens and apps with it.
#[derive(Clone, Copy)]
pub struct NewPassword<'a> {
    /// To be checked and hashed.
    pub password: &'a str,
    /// Whether tokens and apps are revoked in the same transaction.
    pub other: OtherAccess,
}

/// What a mailed link to choose a new password leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resettable {
    /// Whose password it is.
    pub user: User,
    /// The tokens and apps that act for them.
    pub access: Access,
}

/// What the link would change. Nothing is changed.
///
/// # Errors
/// [`crate::Kind::NotFound`] for a link that is invalid or expired.
pub async fn reset_works(app: &App, code: &str) -> Result<Resettable> {
    let secret = Secret::parse(SecretKind::Link, code).map_err(|_| stale_link())?;
    let mut conn = app.store.read().await?;
    let code = codes::find(&mut conn, CodeKind::Reset, &secret.hash(), app.now()).await?;
    let code = code.ok_or_else(stale_link)?;
    let user = users::find_by_id(&mut conn, code.user).await?.ok_or_else(stale_link)?;
    drop(conn);
    let access = access::access(app, user.id).await?;
    Ok(Resettable { user, access })
}

/// Sets a new password by a mailed link, once. Every session and every other link ends in the same transaction,
/// and so do tokens and apps unless they are to be kept. The browser that followed the link is known for the account
/// from then on, whatever strangers try at it meanwhile.
///
/// # Errors
/// [`Rejected::Field`] with `password`; [`crate::Kind::NotFound`] for a link that is invalid or expired.
pub async fn reset_password(
    app: &App,
    code: &str,
    new: NewPassword<'_>,
    visitor: Visitor<'_>,
) -> Result<User, Rejected> {
    let user = reset_works(app, code).await?.user;
    check(app, new.password, &[&user.username, &user.email]).await?;
    let hash = hashing::hash(app, new.password).await?;
    let secret = Secret::parse(SecretKind::Link, code).map_err(|_| stale_link())?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let code = codes::redeem(&mut tx, CodeKind::Reset, &secret.hash(), now).await?.ok_or_else(stale_link)?;
    passwords::set(&mut tx, code.user, &hash, now).await?;
    // Mail reached them there, if it is their address still.
    users::verify_email(&mut tx, code.user, &code.sent_to, now).await?;
    let ended = access::end(&mut tx, code.user, new.other, now).await?;
    known_browsers::put(&mut tx, code.user, &visitor.browser.hash(), now).await?;
    mails::tell_changed(app, &mut tx, &user, Changed::Password).await?;
    let act = Act::done(Action::PasswordReset, code.user, "");
    audit::record_visit(&mut tx, Some(code.user), Some(&visitor.place.address), now, act).await?;
    tx.commit().await?;
    tracing::info!(
        event = "password_reset",
        user_id = %user.id,
        tokens_revoked = ended.tokens,
        apps_revoked = ended.applications
    );
    Ok(user)
}

/// Sets a new password for somebody who is signed in and knows the old one; if the account has none yet, they
/// must have signed in just now. Every session and every mailed link ends in the same transaction, and so do
/// tokens and apps unless they are to be kept. This browser gets a new session.
///
/// # Errors
/// [`Rejected::Field`] with `current` or `password`; [`Rejected::Stale`]; [`Rejected::TooOften`].
pub async fn change_password(
    app: &App,
    actor: &Actor,
    visitor: Visitor<'_>,
    current: &str,
    new: NewPassword<'_>,
) -> Result<Opened, Rejected> {
    let who = actor.require_session()?;
    let known = confirm_again(app, who, "current", current).await?;
    check(app, new.password, &[&who.user.username, &who.user.email]).await?;
    let hash = hashing::hash(app, new.password).await?;
    let now = app.now();
    let user = who.user.id;
    let mut tx = app.store.begin().await?;
    if !is_still(&mut tx, user, known.as_deref()).await? {
        return Err(Rejected::Stale);
    }
    passwords::set(&mut tx, user, &hash, now).await?;
    let ended = access::end(&mut tx, user, new.other, now).await?;
    let opened = sessions::open(app, &mut tx, user, visitor).await?;
    mails::tell_changed(app, &mut tx, &who.user, Changed::Password).await?;
    let action = if known.is_some() { Action::PasswordChange } else { Action::PasswordSet };
    audit::record(&mut tx, actor, now, Act::done(action, user, "")).await?;
    tx.commit().await?;
    tracing::info!(
        event = "password_changed",
        user_id = %user,
        tokens_revoked = ended.tokens,
        apps_revoked = ended.applications
    );
    Ok(opened)
}

/// Checks whether a password may be set: by itself, then, if the operator configured a breach service, by asking
/// that. A service that doesn't answer keeps nobody from setting a password; the operator sees that it failed.
///
/// # Errors
/// [`Rejected::Field`] with `password`.
pub(super) async fn check(app: &App, new: &str, hints: &[&str]) -> Result<(), Rejected> {
    password::check(new, hints)?;
    let Some(service) = &app.third_parties.breaches else { return Ok(()) };
    let count = |outcome| metrics::counter!("skaas_breach_lookups_total", "outcome" => outcome).increment(1);
    match service.count(new).await {
        Ok(0) => count("clean"),
        Ok(_) => {
            count("breached");
            return Err(WeakPassword::Breached.into());
        }
        Err(error) => {
            count("failed");
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(event = "breach_lookup_failed", reason = %error, cause);
        }
    }
    Ok(())
}

/// Makes sure that a dangerous act is the owner's: by the password in `field`, or, where there is none, by
/// having signed in just now. What is stored of the password, for [`is_still`].
pub(super) async fn confirm_again(
    app: &App,
    who: &SignedIn,
    field: &'static str,
    password: &str,
) -> Result<Option<String>, Rejected> {
    let mut conn = app.store.read().await?;
    let record = passwords::find(&mut conn, who.user.id).await?;
    drop(conn);
    match record {
        None if who.session.is_fresh(app.now()) => Ok(None),
        None => Err(Rejected::Stale),
        Some(record) => {
            spend(app, &[(&OLD_PASSWORDS, who.user.id.to_string())]).await?;
            if hashing::matches(app, password, Some(record.hash.clone())).await? {
                Ok(Some(record.hash))
            } else {
                Err(Rejected::field(field, "this is not your password"))
            }
        }
    }
}

/// Whether this is what is stored of the user's password, or that none is, until `tx` ends: it may have been
/// changed, and every session ended, while what was typed was being hashed.
pub(crate) async fn is_still(tx: &mut Tx, user: UserId, hash: Option<&str>) -> Result<bool> {
    // Whoever changes it waits here, or has done so.
    tx.bump_user(user).await?;
    Ok(passwords::find(tx, user).await?.map(|record| record.hash).as_deref() == hash)
}
