//! Owns the rows of people. Refuses to give a name twice, even after its owner is gone.

use jiff::Timestamp;
use skaas_domain::{id::UserId, user::User};

use crate::{
    column::record,
    connection::{Conn, Tx},
    error::{Conflict, Result, StoreError},
    names::{self, Kind},
    statement::{execute, fetch_all, fetch_optional, sql},
    tokens,
};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, username, email, created_at FROM users WHERE deleted_at IS NULL AND ", $rest)
    };
}

sql! {
    ADD = "INSERT INTO users (id, username, email, email_key, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING";
    FIND_BY_ID = select!("id = $1");
    FIND_BY_USERNAME = select!("username = $1");
    FIND_BY_EMAIL_KEY = select!("email_key = $1");
    LIST = select!("username > $1 ORDER BY username LIMIT $2");
    DELETE = "UPDATE users SET deleted_at = $2, email = NULL, email_key = NULL
        WHERE id = $1 AND deleted_at IS NULL";
}

record!(User { id: UserId, username: String, email: String, created_at: Timestamp });

/// Adds a user and claims the username. Checks of form are the caller's.
///
/// # Errors
/// [`Conflict::NameTaken`], [`Conflict::NameRetired`], [`Conflict::LookAlike`] or [`Conflict::EmailTaken`].
pub async fn add(tx: &mut Tx, user: &User) -> Result<()> {
    names::check(tx, Kind::User, &user.username, user.id).await?;
    let email_key = user.email.to_lowercase();
    let added = execute!(tx, ADD, [user.id, user.username, user.email, email_key, user.created_at])?;
    if added == 0 {
        // Which of the unique columns it was; after a race the name may be taken only now.
        names::check(tx, Kind::User, &user.username, user.id).await?;
        return Err(Conflict::EmailTaken.into());
    }
    names::enter(tx, Kind::User, &user.username, user.id).await
}

/// The user of this name, unless deleted.
pub async fn find_by_username(conn: &mut Conn, username: &str) -> Result<Option<User>> {
    fetch_optional!(conn, FIND_BY_USERNAME, [username])
}

/// The user of this id, unless deleted.
pub async fn find_by_id(conn: &mut Conn, id: UserId) -> Result<Option<User>> {
    fetch_optional!(conn, FIND_BY_ID, [id])
}

/// The user of this e-mail address in any case, unless deleted.
pub async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<User>> {
    fetch_optional!(conn, FIND_BY_EMAIL_KEY, [email.to_lowercase()])
}

/// Up to `limit` users by name, from the one that follows `after` on (`""` is the first).
pub async fn list(conn: &mut Conn, after: &str, limit: u32) -> Result<Vec<User>> {
    fetch_all!(conn, LIST, [after, i64::from(limit)])
}

/// Deletes a user: the address is erased, the tokens revoked, the name never given again. Grants, steps and
/// what they sold stay, without a person to them.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such user, or not any more.
pub async fn delete(tx: &mut Tx, id: UserId, at: Timestamp) -> Result<()> {
    tx.bump_user(id).await?;
    let user = find_by_id(tx, id).await?.ok_or(StoreError::Missing("user"))?;
    tokens::revoke_all(tx, id, at).await?;
    names::retire(tx, Kind::User, &user.username, at).await?;
    execute!(tx, DELETE, [id, at])?;
    Ok(())
}
