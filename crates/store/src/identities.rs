//! Owns the rows of identities. Refuses to find one by anything but issuer and subject.

use jiff::Timestamp;
use skaas_domain::{
    id::{IdentityId, UserId},
    identity::{IdentityKey, IdentityRecord, MAX_GROUPS},
};

use crate::{
    column::{Fields, Record},
    connection::{Conn, Tx},
    error::{Conflict, Result, StoreError},
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, provider, issuer, subject, email, name, groups, linked_at, last_used_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO identities (", columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING");
    FIND_BY_KEY = concat!("SELECT ", columns!(), " FROM identities WHERE issuer = $1 AND subject = $2");
    FIND = concat!("SELECT ", columns!(), " FROM identities WHERE user_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM identities WHERE user_id = $1 ORDER BY linked_at, id LIMIT 100");
    REFRESH = concat!("UPDATE identities SET email = $2, name = $3, groups = $4, last_used_at = $5
        WHERE id = $1 RETURNING ", columns!());
    REMOVE = concat!("DELETE FROM identities WHERE user_id = $1 AND id = $2 RETURNING ", columns!());
    REMOVE_ALL = "DELETE FROM identities WHERE user_id = $1";
}

impl Record for IdentityRecord {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            provider: row.get("provider")?,
            key: IdentityKey { issuer: row.get("issuer")?, subject: row.get("subject")? },
            email: row.get("email")?,
            name: row.get("name")?,
            groups: row.get("groups")?,
            linked_at: row.get("linked_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    }
}

/// Links an identity to its user. Of its groups [`MAX_GROUPS`] are kept.
///
/// # Errors
/// [`Conflict::IdentityTaken`] when it is linked, to whomever. [`StoreError::Missing`] when there is no such
/// user.
pub async fn add(tx: &mut Tx, identity: &IdentityRecord) -> Result<()> {
    tx.bump_user(identity.user).await?;
    let IdentityRecord { id, user, provider, key, email, name, groups, linked_at, last_used_at } = identity;
    let groups = &groups[..groups.len().min(MAX_GROUPS)];
    let added = execute!(
        tx,
        ADD,
        [id, user, provider, key.issuer, key.subject, email, name, groups, linked_at, last_used_at]
    )?;
    if added == 1 { Ok(()) } else { Err(Conflict::IdentityTaken.into()) }
}

/// The identity of this issuer and subject, if it is linked to anybody.
pub async fn find_by_key(conn: &mut Conn, key: &IdentityKey) -> Result<Option<IdentityRecord>> {
    fetch_optional!(conn, FIND_BY_KEY, [key.issuer, key.subject])
}

/// The user's identity of this id; another's is not there.
pub async fn find(conn: &mut Conn, user: UserId, id: IdentityId) -> Result<Option<IdentityRecord>> {
    fetch_optional!(conn, FIND, [user, id])
}

/// A user's identities, oldest first, 100 at most.
pub async fn list(conn: &mut Conn, user: UserId) -> Result<Vec<IdentityRecord>> {
    fetch_all!(conn, LIST, [user])
}

/// Notes a sign-in, and what the provider told in it. Access may depend on the groups: the user's revision
/// is bumped.
///
/// # Errors
/// [`StoreError::Missing`] when it was unlinked meanwhile: nobody is signed in with it then.
pub async fn refresh(
    tx: &mut Tx,
    identity: &IdentityRecord,
    email: Option<&str>,
    name: Option<&str>,
    groups: &[String],
    at: Timestamp,
) -> Result<IdentityRecord> {
    tx.bump_user(identity.user).await?;
    let groups = &groups[..groups.len().min(MAX_GROUPS)];
    let email = email.map(str::to_owned);
    let name = name.map(str::to_owned);
    let row = fetch_optional!(tx, REFRESH, [identity.id, email, name, groups, at])?;
    row.ok_or(StoreError::Missing("identity"))
}

/// Unlinks the user's identity of this id; `None` when the user has no such one. From here to the end of the
/// transaction nobody else changes the user's ways in: that one is left is the caller's to see to, before it
/// commits ([`skaas_domain::identity::may_unlink`]).
pub async fn remove(tx: &mut Tx, user: UserId, id: IdentityId) -> Result<Option<IdentityRecord>> {
    tx.bump_user(user).await?;
    fetch_optional!(tx, REMOVE, [user, id])
}

/// Unlinks all identities of a user who is being deleted; each may be linked to another then.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, REMOVE_ALL, [user])?;
    Ok(())
}
