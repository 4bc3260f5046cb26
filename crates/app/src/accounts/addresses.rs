//! How an email address becomes an account's: a link is mailed there and comes back. Nobody's word is enough.

use jiff::SignedDuration;
use skaas_domain::{
    device::Place,
    secret::{Secret, SecretKind},
    user::{User, check_email},
};
use skaas_store::{
    Conflict, StoreError, Tx,
    budgets::{self, Budget, Spent},
    codes::{self, CodeKind},
    users,
};

use super::{
    Rejected, address,
    mails::{self, Changed, Mail},
    spend,
};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    jobs::{self, Order},
};

/// How long a mailed link works that confirms an address.
const CONFIRMABLE: SignedDuration = SignedDuration::from_hours(24);
/// Mails that one account may cause.
const MAILS: Budget = Budget { name: "mail_account", limit: 10, window: SignedDuration::from_hours(1) };

/// Mails that ask one mailbox something, from one network. Spent first, so a stranger who names somebody's address
/// again and again runs out before the address does, and its owner still gets a link.
const MAILS_FROM_TO: Budget =
    Budget { name: "mail_sender_recipient", limit: 3, window: SignedDuration::from_hours(1) };
/// Mails that ask one mailbox something, from anywhere: nobody floods it by way of us.
const MAILS_TO: Budget = Budget { name: "mail_recipient", limit: 15, window: SignedDuration::from_hours(1) };

/// What became of a request to change the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOfAddress {
    /// A link was mailed to the new address.
    Asked,
    /// It is the account's address already.
    Same,
}

/// Adds a mail that asks the owner of `to` whether it is theirs: with a link or, if it is another account's, with a
/// word to that account's owner. The person who typed it sees no difference.
pub(super) async fn ask(app: &App, tx: &mut Tx, user: &User, to: &str) -> Result<()> {
    let code = mails::add_link(app, tx, CodeKind::Verify, user, to, CONFIRMABLE).await?;
    let (mail, about) = match users::find_by_email(tx, to).await? {
        Some(owner) if owner.id != user.id => (Mail::AlreadyTaken { owner: owner.id }, owner.id),
        _ => (Mail::Link { code }, user.id),
    };
    jobs::add(app, tx, &mail, &Order::about(about)).await?;
    Ok(())
}

/// Counts one more mail to this mailbox on behalf of somebody at `place`; [`Spent::Exhausted`] if it is one too many.
pub(super) async fn spend_mail(app: &App, tx: &mut Tx, to: &str, place: &Place) -> Result<Spent> {
    let (to, now) = (to.to_lowercase(), app.now());
    let from_to = format!("{to} {}", place.network());
    match budgets::spend(tx, &MAILS_FROM_TO, &from_to, now).await? {
        Spent::Left(_) => Ok(budgets::spend(tx, &MAILS_TO, &to, now).await?),
        exhausted @ Spent::Exhausted { .. } => Ok(exhausted),
    }
}

/// Asks for another address: it counts once the link that is mailed there was followed; until then the old one
/// stays. Since a new password can be had by way of the address, they must have signed in just now.
///
/// # Errors
/// [`Rejected::Field`] with `email`; [`Rejected::Stale`]; [`Rejected::TooOften`].
pub async fn change_address(
    app: &App,
    actor: &Actor,
    email: &str,
    place: &Place,
) -> Result<ChangeOfAddress, Rejected> {
    let email = check_email(email).map_err(|error| Rejected::field("email", &error))?;
    let who = actor.require_fresh(app.now())?;
    spend(app, &[(&MAILS, who.user.id.to_string())]).await?;
    let mut tx = app.store.begin().await?;
    let spent = spend_mail(app, &mut tx, &email, place).await?;
    tx.commit().await?;
    if let Spent::Exhausted { until } = spent {
        let minutes =
            u64::try_from(until.duration_since(app.now()).as_secs()).unwrap_or(0).div_ceil(60).max(1);
        let why = format!(
            "this address already got several emails from us in the past hour; try again in {minutes} min"
        );
        return Err(Rejected::field("email", &why));
    }
    let mut tx = app.store.begin().await?;
    let confirmed = users::email_verified_at(&mut tx, who.user.id).await?.is_some();
    if confirmed && address(&who.user).is_some_and(|now| now.to_lowercase() == email.to_lowercase()) {
        return Ok(ChangeOfAddress::Same);
    }
    ask(app, &mut tx, &who.user, &email).await?;
    tx.commit().await?;
    Ok(ChangeOfAddress::Asked)
}

/// What a link to confirm an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The account.
    pub username: String,
    /// The address.
    pub address: String,
}

/// What the link would confirm. Nothing is changed: mail programs open links by themselves.
///
/// # Errors
/// [`crate::Kind::NotFound`] for a link that does not work, or not any more.
pub async fn unconfirmed_address(app: &App, code: &str) -> Result<Confirmation> {
    let secret = Secret::parse(SecretKind::Link, code).map_err(|_| stale_link())?;
    let mut conn = app.store.read().await?;
    let code = codes::find(&mut conn, CodeKind::Verify, &secret.hash(), app.now()).await?;
    let code = code.ok_or_else(stale_link)?;
    let user = users::find_by_id(&mut conn, code.user).await?.ok_or_else(stale_link)?;
    Ok(Confirmation { username: user.username, address: code.sent_to })
}

/// Makes the address the account's, once. Links to choose a password that went to the one before end.
///
/// # Errors
/// [`crate::Kind::NotFound`] for a link that does not work, or not any more; [`crate::Kind::Conflict`] when the address
/// became another's meanwhile.
pub async fn confirm_address(app: &App, code: &str, place: &Place) -> Result<User> {
    let secret = Secret::parse(SecretKind::Link, code).map_err(|_| stale_link())?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let code = codes::redeem(&mut tx, CodeKind::Verify, &secret.hash(), now).await?.ok_or_else(stale_link)?;
    let before = users::find_by_id(&mut tx, code.user).await?.ok_or_else(stale_link)?;
    let changed = users::change_email(&mut tx, code.user, &code.sent_to, Some(now)).await;
    changed.map_err(|error| match error {
        StoreError::Conflict(Conflict::EmailTaken) => Error::refused(Code::EmailTaken, "another account already uses this email address; sign in to that account, or enter another address"),
        other => other.into(),
    })?;
    codes::end_all(&mut tx, before.id, now).await?;
    if before.email.to_lowercase() != code.sent_to.to_lowercase() {
        mails::tell_changed(app, &mut tx, &before, Changed::Address).await?;
    }
    let act = Act::done(Action::EmailChange, before.id, "");
    audit::record_visit(&mut tx, Some(before.id), Some(&place.address), now, act).await?;
    tx.commit().await?;
    tracing::info!(event = "address_confirmed", user_id = %before.id);
    Ok(before)
}

pub(super) fn stale_link() -> Error {
    Error::refused(Code::NoSuchLink, "this link is invalid or expired; request a new one")
}
