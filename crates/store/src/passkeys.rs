//! The rows of passkeys. What a credential is, and whether a signature fits it, is unknown here.

use std::fmt;

use jiff::Timestamp;
use skaas_domain::id::{PasskeyId, UserId};

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, credential_id, credential, label, created_at, last_used_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO passkeys (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (credential_id) DO NOTHING");
    FIND_BY_CREDENTIAL = concat!("SELECT ", columns!(), " FROM passkeys WHERE credential_id = $1");
    LIST = concat!("SELECT ", columns!(), " FROM passkeys WHERE user_id = $1 ORDER BY created_at, id");
    COUNT = "SELECT count(*) AS value FROM passkeys WHERE user_id = $1";
    /// Only if the credential is the one that was compared with, so that a counter never goes back.
    NOTE_USE = "UPDATE passkeys SET credential = $3, last_used_at = $4 WHERE id = $1 AND credential = $2";
    RENAME = "UPDATE passkeys SET label = $3 WHERE user_id = $1 AND id = $2";
    REMOVE = concat!("DELETE FROM passkeys WHERE user_id = $1 AND id = $2 RETURNING ", columns!());
    REMOVE_ALL = "DELETE FROM passkeys WHERE user_id = $1";
}

/// What is stored of a passkey.
#[derive(Clone, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// Names this one.
    pub id: PasskeyId,
    /// Whose it is.
    pub user: UserId,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// The public key with its counter, as JSON.
    pub credential: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody last signed in with it.
    pub last_used_at: Option<Timestamp>,
}

record!(PasskeyRecord {
    id: PasskeyId,
    user: UserId = "user_id",
    credential_id: Vec<u8>,
    credential: String,
    label: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
});

impl fmt::Debug for PasskeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasskeyRecord({}, {})", self.id, self.user)
    }
}

/// Adds a passkey. Returns `false`, having added nothing, if the credential already belongs to an account.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn add(tx: &mut Tx, passkey: &PasskeyRecord) -> Result<bool> {
    tx.bump_user(passkey.user).await?;
    let PasskeyRecord { id, user, credential_id, credential, label, created_at, last_used_at } = passkey;
    let added = execute!(tx, ADD, [id, user, credential_id, credential, label, created_at, last_used_at])?;
    Ok(added == 1)
}

/// The passkey with this credential ID.
pub async fn find_by_credential(conn: &mut Conn, credential_id: &[u8]) -> Result<Option<PasskeyRecord>> {
    fetch_optional!(conn, FIND_BY_CREDENTIAL, [credential_id.to_vec()])
}

/// A user's passkeys, oldest first.
pub async fn list(conn: &mut Conn, user: UserId) -> Result<Vec<PasskeyRecord>> {
    fetch_all!(conn, LIST, [user])
}

/// How many passkeys a user has.
pub async fn count(conn: &mut Conn, user: UserId) -> Result<usize> {
    let Value(count): Value<i64> = fetch_one!(conn, COUNT, [user])?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Notes that a passkey was used, and what its credential is from now on. Returns `false`, having changed nothing, if
/// it was used or removed since `passkey` was read.
pub async fn note_use(tx: &mut Tx, passkey: &PasskeyRecord, credential: &str, at: Timestamp) -> Result<bool> {
    Ok(execute!(tx, NOTE_USE, [passkey.id, passkey.credential, credential, at])? == 1)
}

/// Gives the user's passkey another label; whether they have it.
pub async fn rename(tx: &mut Tx, user: UserId, id: PasskeyId, label: &str) -> Result<bool> {
    Ok(execute!(tx, RENAME, [user, id, label])? == 1)
}

/// Removes the user's passkey of this ID, if they have it.
pub async fn remove(tx: &mut Tx, user: UserId, id: PasskeyId) -> Result<Option<PasskeyRecord>> {
    tx.bump_user(user).await?;
    fetch_optional!(tx, REMOVE, [user, id])
}

/// Removes all passkeys of a user; how many.
pub async fn remove_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.bump_user(user).await?;
    execute!(tx, REMOVE_ALL, [user])
}
