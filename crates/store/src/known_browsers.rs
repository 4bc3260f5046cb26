//! The rows of browsers that people signed in with. A browser's secret is never stored: what is looked up is its
//! hash.

use jiff::Timestamp;
use skaas_domain::{id::UserId, secret::SecretHash, user::User};

use crate::{
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, sql},
};

sql! {
    PUT = "INSERT INTO known_browsers (user_id, browser_hash, signed_in_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id, browser_hash) DO UPDATE SET signed_in_at = excluded.signed_in_at";
    USERS = "SELECT u.id, u.username, u.email, u.created_at, u.suspended_at
        FROM known_browsers AS k JOIN users AS u ON u.id = k.user_id
        WHERE k.browser_hash = $1 AND k.signed_in_at >= $2 AND u.deleted_at IS NULL
        ORDER BY k.signed_in_at DESC, u.id LIMIT 100";
    REMOVE_ALL = "DELETE FROM known_browsers WHERE user_id = $1";
    FORGET = "DELETE FROM known_browsers WHERE signed_in_at < $1";
}

/// Notes that a person signed in with this browser.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn put(tx: &mut Tx, user: UserId, browser: &SecretHash, at: Timestamp) -> Result<()> {
    execute!(tx, PUT, [user, browser, at])?;
    Ok(())
}

/// The people who signed in with this browser since then, the latest first, 100 at most.
pub async fn users(conn: &mut Conn, browser: &SecretHash, since: Timestamp) -> Result<Vec<User>> {
    fetch_all!(conn, USERS, [browser, since])
}

/// Forgets all browsers of a user.
pub async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, REMOVE_ALL, [user])?;
    Ok(())
}

/// Drops browsers that nobody signed in with since then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
