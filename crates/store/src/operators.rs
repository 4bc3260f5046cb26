//! The rows of operators: users who may open the operator's pages.

use jiff::Timestamp;
use skaas_domain::{id::UserId, user::User};

use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

sql! {
    ADD = "INSERT INTO operators (user_id, added_at, added_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    REMOVE = "DELETE FROM operators WHERE user_id = $1";
    LIST = "SELECT u.id, u.username, u.email, u.created_at, u.suspended_at, o.added_at, o.added_by
        FROM operators AS o JOIN users AS u ON u.id = o.user_id
        WHERE u.deleted_at IS NULL ORDER BY u.username";
    IS_ONE = "SELECT o.user_id AS value FROM operators AS o JOIN users AS u ON u.id = o.user_id
        WHERE o.user_id = $1 AND u.deleted_at IS NULL AND u.suspended_at IS NULL";
    HAS_ROLE = "SELECT user_id AS value FROM operators WHERE user_id = $1";
    /// Whoever takes the role away waits until this transaction ends, or has done so before it reads.
    HOLD = "SELECT o.user_id AS value FROM operators AS o JOIN users AS u ON u.id = o.user_id
        WHERE o.user_id = $1 AND u.deleted_at IS NULL AND u.suspended_at IS NULL",
        pg = "SELECT o.user_id AS value FROM operators AS o JOIN users AS u ON u.id = o.user_id
        WHERE o.user_id = $1 AND u.deleted_at IS NULL AND u.suspended_at IS NULL FOR SHARE OF o";
    COUNTS = "SELECT
        (SELECT count(*) FROM users WHERE deleted_at IS NULL) AS users,
        (SELECT count(*) FROM users WHERE deleted_at IS NULL AND suspended_at IS NOT NULL) AS suspended,
        (SELECT count(*) FROM skills WHERE deleted_at IS NULL) AS listings,
        (SELECT count(*) FROM skills WHERE deleted_at IS NULL AND state = 'published') AS published,
        (SELECT count(*) FROM skills WHERE deleted_at IS NULL AND state = 'quarantined') AS quarantined,
        (SELECT count(*) FROM releases) AS releases";
}

/// A user in the role of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who.
    pub user: User,
    /// Since when.
    pub added_at: Timestamp,
    /// Who gave them the role, as the command line knew them.
    pub added_by: String,
}

impl Record for Operator {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self { user: User::read(row)?, added_at: row.get("added_at")?, added_by: row.get("added_by")? })
    }
}

/// What there is, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Users who aren't deleted.
    pub users: i64,
    /// Those of them who are suspended.
    pub suspended: i64,
    /// Skills that aren't deleted.
    pub listings: i64,
    /// Those of them that are published.
    pub published: i64,
    /// Those of them that are in quarantine.
    pub quarantined: i64,
    /// Releases of all skills.
    pub releases: i64,
}

record!(Counts {
    users: i64,
    suspended: i64,
    listings: i64,
    published: i64,
    quarantined: i64,
    releases: i64,
});

/// Makes a user an operator. Returns `false` if they were one already.
///
/// # Errors
/// [`crate::StoreError::Missing`] if there is no such user.
pub async fn add(tx: &mut Tx, user: UserId, at: Timestamp, by: &str) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, ADD, [user, at, by])? == 1)
}

/// Takes the role away. Returns `false` if they did not have it.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<bool> {
    Ok(execute!(tx, REMOVE, [user])? == 1)
}

/// Lists the operators by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<Operator>> {
    fetch_all!(conn, LIST, [])
}

/// Returns whether a user has the role, even if their account is suspended.
pub async fn has_role(conn: &mut Conn, user: UserId) -> Result<bool> {
    let found: Option<Value<UserId>> = fetch_optional!(conn, HAS_ROLE, [user])?;
    Ok(found.is_some())
}

/// Returns whether a user is an operator whose account works.
pub async fn is_one(conn: &mut Conn, user: UserId) -> Result<bool> {
    let found: Option<Value<UserId>> = fetch_optional!(conn, IS_ONE, [user])?;
    Ok(found.is_some())
}

/// Returns whether a user is an operator whose account works, and keeps them one until `tx` ends.
pub async fn hold(tx: &mut Tx, user: UserId) -> Result<bool> {
    let found: Option<Value<UserId>> = fetch_optional!(tx, HOLD, [user])?;
    Ok(found.is_some())
}

/// Counts what there is.
pub async fn counts(conn: &mut Conn) -> Result<Counts> {
    fetch_one!(conn, COUNTS, [])
}
