//! Owns what the account page shows, and the account's end. Refuses to end it by a slip.

use jiff::Timestamp;
use skaas_domain::user::User;
use skaas_store::{identities, passwords, users};

use super::{
    Access, Rejected, access, address,
    password::{confirm_again, is_still},
};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::Result,
    users::on_sale,
};

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The owner.
    pub user: User,
    /// Their address, if they have one.
    pub address: Option<String>,
    /// Since when mail is known to reach them there.
    pub confirmed_at: Option<Timestamp>,
    /// Since when the password is what it is; none where there is no password.
    pub password_changed_at: Option<Timestamp>,
    /// How many identities are linked.
    pub identities: usize,
    /// The tokens and apps that act for them.
    pub access: Access,
}

/// The account of who is signed in.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    let who = actor.require_session()?;
    let id = who.user.id;
    let mut conn = app.store.read().await?;
    let confirmed_at = users::email_verified_at(&mut conn, id).await?;
    let password_changed_at = passwords::find(&mut conn, id).await?.map(|record| record.changed_at);
    let identities = identities::list(&mut conn, id).await?.len();
    drop(conn);
    let access = access(app, id).await?;
    let address = address(&who.user).map(str::to_owned);
    Ok(Overview { user: who.user.clone(), address, confirmed_at, password_changed_at, identities, access })
}

/// Deletes the account of who is signed in: address, ways in, tokens and sessions go; the name is never given
/// again; what others bought stays theirs.
///
/// # Errors
/// [`Rejected::Field`] with `username` where the name typed is not theirs, with `current`, or with no field while
/// something of theirs is on sale.
pub async fn delete(app: &App, actor: &Actor, typed: &str, current: &str) -> Result<(), Rejected> {
    let who = actor.require_session()?;
    if typed.trim() != who.user.username {
        let why = format!("type {} to confirm", who.user.username);
        return Err(Rejected::field("username", &why));
    }
    let known = confirm_again(app, who, "current", current).await?;
    let mut tx = app.store.begin().await?;
    if !is_still(&mut tx, who.user.id, known.as_deref()).await? {
        return Err(Rejected::Stale);
    }
    let on_sale = on_sale(&mut tx, who.user.id).await?;
    if !on_sale.is_empty() {
        let why = format!(
            "you have paid skills on sale: {}. Ask the operator of this server to withdraw them, then delete your \
             account. Whoever bought them keeps them",
            on_sale.join(", ")
        );
        return Err(Rejected::field("", &why));
    }
    let now = app.now();
    audit::record(&mut tx, actor, now, Act::done(Action::AccountDelete, who.user.id, "")).await?;
    users::delete(&mut tx, who.user.id, now).await?;
    tx.commit().await?;
    tracing::info!(event = "user_deleted", user_id = %who.user.id);
    Ok(())
}
