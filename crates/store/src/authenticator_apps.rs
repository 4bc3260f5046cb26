//! The rows of authenticator apps (TOTP). Their secrets are in the vault.

use jiff::Timestamp;
use skaas_domain::{id::UserId, totp::TimeStep};

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_optional, sql},
};

sql! {
    /// One that was never confirmed is replaced.
    BEGIN = "INSERT INTO authenticator_apps (user_id, created_at, last_step) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET created_at = excluded.created_at, last_step = excluded.last_step
            WHERE authenticator_apps.confirmed_at IS NULL";
    FIND = "SELECT user_id, created_at, confirmed_at, last_used_at, last_step FROM authenticator_apps
        WHERE user_id = $1";
    CONFIRM = "UPDATE authenticator_apps SET confirmed_at = $3, last_used_at = $3, last_step = $2
        WHERE user_id = $1 AND confirmed_at IS NULL AND last_step < $2";
    /// Of two at once with the same code, one succeeds.
    NOTE_USE = "UPDATE authenticator_apps SET last_used_at = $3, last_step = $2
        WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2";
    REMOVE = "DELETE FROM authenticator_apps WHERE user_id = $1";
    FORGET = "DELETE FROM authenticator_apps WHERE confirmed_at IS NULL AND created_at < $1
        RETURNING user_id AS value";
}

/// What is stored of an authenticator app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorApp {
    /// Whose it is.
    pub user: UserId,
    /// When its secret was made.
    pub created_at: Timestamp,
    /// When its owner first typed a code of it.
    pub confirmed_at: Option<Timestamp>,
    /// When somebody last signed in with it.
    pub last_used_at: Option<Timestamp>,
    /// The time step of the last code.
    pub last_step: i64,
}

record!(AuthenticatorApp {
    user: UserId = "user_id",
    created_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_step: i64,
});

/// Adds an app that is still to be confirmed. Returns `false`, having changed nothing, if the user has a confirmed one.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn begin(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, BEGIN, [user, at, TimeStep::NEVER.0])? == 1)
}

/// The user's app, confirmed or not.
pub async fn find(conn: &mut Conn, user: UserId) -> Result<Option<AuthenticatorApp>> {
    fetch_optional!(conn, FIND, [user])
}

/// Confirms the user's app by a code of this step; `false` if it was confirmed or removed meanwhile.
pub async fn confirm(tx: &mut Tx, user: UserId, step: TimeStep, at: Timestamp) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, CONFIRM, [user, step.0, at])? == 1)
}

/// Notes that the code of this step was used; `false` if it, or a later one, was used before.
pub async fn note_use(tx: &mut Tx, user: UserId, step: TimeStep, at: Timestamp) -> Result<bool> {
    Ok(execute!(tx, NOTE_USE, [user, step.0, at])? == 1)
}

/// Removes the user's app; whether there was one.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, REMOVE, [user])? == 1)
}

/// Drops apps that were begun before then and never confirmed. Returns whose, since their secrets are to go as well.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<Vec<UserId>> {
    let users: Vec<Value<UserId>> = fetch_all!(tx, FORGET, [before])?;
    Ok(users.into_iter().map(|Value(user)| user).collect())
}
