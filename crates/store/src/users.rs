//! Owns the rows of people. Refuses to give a name twice, even after its owner is gone.

use jiff::Timestamp;
use skaas_domain::{id::UserId, user::User};

use crate::{
    audit, authenticator_apps, ceremonies, codes,
    column::{Value, record},
    connection::{Conn, Tx},
    error::{Conflict, Result, StoreError},
    identities, jobs,
    journal::Revoked,
    known_browsers,
    names::{self, Kind},
    oauth_grants, operators, passkeys, passwords, recovery_codes, sessions,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
    tokens, vault,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, email, created_at, suspended_at FROM users WHERE deleted_at IS NULL AND ",
            $rest
        )
    };
}

sql! {
    ADD = "INSERT INTO users (id, username, email, email_key, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING";
    FIND_BY_ID = select!("id = $1");
    FIND_BY_USERNAME = select!("username = $1");
    FIND_BY_EMAIL_KEY = select!("email_key = $1");
    LIST = select!("username > $1 ORDER BY username LIMIT $2");
    EMAIL_VERIFIED_AT = "SELECT email_verified_at AS value FROM users WHERE id = $1 AND deleted_at IS NULL";
    VERIFY_EMAIL = "UPDATE users SET email_verified_at = coalesce(email_verified_at, $3)
        WHERE id = $1 AND email_key = $2";
    /// No row where the address is another's.
    CHANGE_EMAIL = "UPDATE users SET email = $2, email_key = $3, email_verified_at = $4
        WHERE id = $1 AND deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.email_key = $3 AND other.id <> $1)";
    /// A page of those whose name or address contains a text: `%` for all.
    SEARCH = select!("(username LIKE $1 ESCAPE '!' OR email_key LIKE $1 ESCAPE '!')
        AND ($2 = 0 OR suspended_at IS NOT NULL) ORDER BY username LIMIT $3 OFFSET $4");
    COUNT = "SELECT count(*) AS value FROM users WHERE deleted_at IS NULL
        AND (username LIKE $1 ESCAPE '!' OR email_key LIKE $1 ESCAPE '!') AND ($2 = 0 OR suspended_at IS NOT NULL)";
    SUSPEND = "UPDATE users SET suspended_at = $2, suspended_reason = $3 WHERE id = $1 AND suspended_at IS NULL";
    UNSUSPEND = "UPDATE users SET suspended_at = NULL, suspended_reason = NULL
        WHERE id = $1 AND suspended_at IS NOT NULL";
    SUSPENDED_REASON = "SELECT suspended_reason AS value FROM users WHERE id = $1 AND deleted_at IS NULL";
    DELETE = "UPDATE users SET deleted_at = $2, email = NULL, email_key = NULL, email_verified_at = NULL
        WHERE id = $1 AND deleted_at IS NULL";
}

record!(User {
    id: UserId,
    username: String,
    email: String,
    created_at: Timestamp,
    suspended_at: Option<Timestamp>,
});

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

/// Which users to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserSearch<'a> {
    /// What the name or the address contains, in any case.
    pub text: &'a str,
    /// Only those whose account is suspended.
    pub suspended: bool,
}

/// Counts the users that match.
pub async fn count(conn: &mut Conn, search: &UserSearch<'_>) -> Result<u64> {
    let Value(count) = fetch_one!(conn, COUNT, [containing(search.text), i64::from(search.suspended)])?;
    let count: i64 = count;
    Ok(count.unsigned_abs())
}

/// Lists up to `limit` of the users that match by name, leaving out the first `skipped`.
pub async fn search(conn: &mut Conn, search: &UserSearch<'_>, skipped: u64, limit: u32) -> Result<Vec<User>> {
    let skipped = i64::try_from(skipped).unwrap_or(i64::MAX);
    let (text, suspended) = (containing(search.text), i64::from(search.suspended));
    fetch_all!(conn, SEARCH, [text, suspended, i64::from(limit), skipped])
}

/// The pattern of `LIKE` for texts that contain this one.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for char in text.to_lowercase().chars() {
        if matches!(char, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(char);
    }
    pattern + "%"
}

/// Suspends an account. Returns `false` if it is suspended already.
///
/// # Errors
/// [`StoreError::Missing`] if there is no such user.
pub async fn suspend(tx: &mut Tx, id: UserId, at: Timestamp, reason: &str) -> Result<bool> {
    tx.bump_user(id).await?;
    Ok(execute!(tx, SUSPEND, [id, at, reason])? == 1)
}

/// Lifts the suspension of an account. Returns `false` if it is not suspended.
///
/// # Errors
/// [`StoreError::Missing`] if there is no such user.
pub async fn unsuspend(tx: &mut Tx, id: UserId) -> Result<bool> {
    tx.bump_user(id).await?;
    Ok(execute!(tx, UNSUSPEND, [id])? == 1)
}

/// Why an account is suspended, if it is.
pub async fn suspended_reason(conn: &mut Conn, id: UserId) -> Result<Option<String>> {
    let row: Option<Value<Option<String>>> = fetch_optional!(conn, SUSPENDED_REASON, [id])?;
    Ok(row.and_then(|Value(reason)| reason))
}

/// Since when a user's address has been known to be theirs, if it is.
pub async fn email_verified_at(conn: &mut Conn, id: UserId) -> Result<Option<Timestamp>> {
    let row: Option<Value<Option<Timestamp>>> = fetch_optional!(conn, EMAIL_VERIFIED_AT, [id])?;
    Ok(row.and_then(|Value(at)| at))
}

/// Notes that mail to `address` reached the user; whether that is their address still.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such user.
pub async fn verify_email(tx: &mut Tx, id: UserId, address: &str, at: Timestamp) -> Result<bool> {
    tx.bump_user(id).await?;
    Ok(execute!(tx, VERIFY_EMAIL, [id, address.to_lowercase(), at])? == 1)
}

/// Gives a user another address, to which mail reached them at `verified_at`. Checks of form are the caller's.
///
/// # Errors
/// [`Conflict::EmailTaken`] when it is another's; [`StoreError::Missing`] when there is no such user, or not
/// any more.
pub async fn change_email(
    tx: &mut Tx,
    id: UserId,
    address: &str,
    verified_at: Option<Timestamp>,
) -> Result<()> {
    tx.bump_user(id).await?;
    find_by_id(tx, id).await?.ok_or(StoreError::Missing("user"))?;
    match execute!(tx, CHANGE_EMAIL, [id, address, address.to_lowercase(), verified_at])? {
        1 => Ok(()),
        _ => Err(Conflict::EmailTaken.into()),
    }
}

/// Deletes a user: erases their email and IP addresses, removes every sign-in method, revokes tokens, sessions and apps,
/// and retires the name. Grants, steps, the audit log and what the user sold stay, without a person.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such user, or not any more.
pub async fn delete(tx: &mut Tx, id: UserId, at: Timestamp) -> Result<()> {
    tx.bump_user(id).await?;
    let user = find_by_id(tx, id).await?.ok_or(StoreError::Missing("user"))?;
    tokens::revoke_all(tx, id, at).await?;
    sessions::revoke_others(tx, id, None, at).await?;
    oauth_grants::revoke_all(tx, id, at).await?;
    passwords::remove(tx, id).await?;
    identities::remove_all(tx, id).await?;
    passkeys::remove_all(tx, id).await?;
    authenticator_apps::remove(tx, id).await?;
    recovery_codes::remove_all(tx, id).await?;
    ceremonies::end_all(tx, id).await?;
    codes::forget_of(tx, id).await?;
    known_browsers::remove_all(tx, id).await?;
    vault::remove_all_of(tx, &id.to_string()).await?;
    jobs::forget_of(tx, id).await?;
    audit::erase_addresses(tx, id).await?;
    operators::remove(tx, id).await?;
    names::retire(tx, Kind::User, &user.username, at).await?;
    execute!(tx, DELETE, [id, at])?;
    tx.note_revocation(Revoked::User, id, at);
    Ok(())
}
