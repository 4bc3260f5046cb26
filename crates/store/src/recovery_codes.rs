//! The rows of recovery codes. Only hashes are stored; each works once.

use jiff::Timestamp;
use skaas_domain::{id::UserId, secret::SecretHash};

use crate::{
    column::Value,
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_one, sql},
};

sql! {
    ADD = "INSERT INTO recovery_codes (user_id, hash, created_at) VALUES ($1, $2, $3)";
    LEFT = "SELECT count(*) AS value FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL";
    REDEEM = "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL";
    REMOVE_ALL = "DELETE FROM recovery_codes WHERE user_id = $1";
}

/// Gives a user new codes in place of those they had.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn replace(tx: &mut Tx, user: UserId, hashes: &[SecretHash], at: Timestamp) -> Result<()> {
    remove_all(tx, user).await?;
    for hash in hashes {
        execute!(tx, ADD, [user, hash, at])?;
    }
    Ok(())
}

/// How many codes a user has left.
pub async fn left(conn: &mut Conn, user: UserId) -> Result<usize> {
    let Value(count): Value<i64> = fetch_one!(conn, LEFT, [user])?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Uses a code up; `false` if the user has no such code, or used it before. Of many at once one succeeds.
pub async fn redeem(tx: &mut Tx, user: UserId, hash: &SecretHash, at: Timestamp) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, REDEEM, [user, hash, at])? == 1)
}

/// Removes all codes of a user; how many.
pub async fn remove_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.bump_user(user).await?;
    execute!(tx, REMOVE_ALL, [user])
}
