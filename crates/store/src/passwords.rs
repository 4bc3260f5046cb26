//! Owns the rows of passwords. Refuses to know how one is hashed, let alone one itself.

use std::fmt;

use jiff::Timestamp;
use skaas_domain::id::UserId;

use crate::{
    column::record,
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_optional, sql},
};

sql! {
    FIND = "SELECT user_id, hash, changed_at FROM passwords WHERE user_id = $1";
    SET = "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at";
    REPLACE = "UPDATE passwords SET hash = $3 WHERE user_id = $1 AND hash = $2";
    REMOVE = "DELETE FROM passwords WHERE user_id = $1";
}

/// What is stored of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord {
    /// Whose.
    pub user: UserId,
    /// In PHC form: algorithm, costs, salt, hash.
    pub hash: String,
    /// When the user last chose one.
    pub changed_at: Timestamp,
}

record!(PasswordRecord { user: UserId = "user_id", hash: String, changed_at: Timestamp });

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordRecord({}, [redacted])", self.user)
    }
}

/// A user's password, if they have one. A sign-in reads it again in the transaction that adds the session,
/// after [`Tx::bump_user`]: it may have been changed while the old one was being hashed.
pub async fn find(conn: &mut Conn, user: UserId) -> Result<Option<PasswordRecord>> {
    fetch_optional!(conn, FIND, [user])
}

/// Sets a user's password, whatever it was. Sessions and tokens stay: see [`crate::sessions::revoke_others`].
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn set(tx: &mut Tx, user: UserId, hash: &str, at: Timestamp) -> Result<()> {
    tx.bump_user(user).await?;
    execute!(tx, SET, [user, hash, at])?;
    Ok(())
}

/// Stores the same password under a better hash, if it still has the `old` one; whether it did.
pub async fn replace(tx: &mut Tx, user: UserId, old: &str, new: &str) -> Result<bool> {
    Ok(execute!(tx, REPLACE, [user, old, new])? == 1)
}

/// Takes a user's password away; whether there was one. That another way in is left is the caller's to see
/// to, in this transaction.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, REMOVE, [user])? == 1)
}
