//! Owns the rows of grants. Refuses to say whether one holds: that is the domain's decision.

use jiff::Timestamp;
use skaas_domain::{
    entitlement::{Grant, GrantKind},
    id::{GrantId, OrderId, SkillId, UserId},
};

use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::{Conflict, Result, StoreError},
    journal::Revoked,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, skill_id, kind, starts_at, until_at, updates_until, revoked_at, note, created_at, order_id"
    };
}

sql! {
    ADD = concat!("INSERT INTO grants (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT DO NOTHING");
    FIND = concat!("SELECT ", columns!(), " FROM grants WHERE id = $1");
    LIST = concat!("SELECT ", columns!(), " FROM grants WHERE user_id = $1 ORDER BY created_at, id");
    LIST_FOR = concat!("SELECT ", columns!(), " FROM grants
        WHERE user_id = $1 AND skill_id = $2 ORDER BY created_at, id");
    REVOKE = concat!("UPDATE grants SET revoked_at = $2
        WHERE id = $1 AND (revoked_at IS NULL OR revoked_at > $2) RETURNING ", columns!());
    REVOKE_ALL = concat!("UPDATE grants SET revoked_at = $3
        WHERE user_id = $1 AND skill_id = $2 AND (revoked_at IS NULL OR revoked_at > $3)
            AND (until_at IS NULL OR until_at > $3)
        RETURNING ", columns!());
    OF_ORDER = "SELECT DISTINCT user_id AS value FROM grants WHERE order_id = $1 ORDER BY user_id";
    /// Those that have ended too: nobody can extend them again.
    REVOKE_ORDER = concat!("UPDATE grants SET revoked_at = $2
        WHERE order_id = $1 AND (revoked_at IS NULL OR revoked_at > $2) RETURNING ", columns!());
    COUNT_MADE_AFTER = "SELECT count(*) AS value FROM grants WHERE created_at > $1 OR revoked_at > $1";
    BUMP_MADE_AFTER = "UPDATE users SET revision = revision + 1
        WHERE id IN (SELECT user_id FROM grants WHERE created_at > $1 OR revoked_at > $1)";
    /// A trial keeps its length: its end was counted from the wrong start.
    RESTAMP = "UPDATE grants SET created_at = $2,
            starts_at = CASE WHEN starts_at = created_at THEN $2 ELSE starts_at END,
            until_at = CASE WHEN kind = 'trial' THEN until_at - (created_at - $2) ELSE until_at END
        WHERE created_at > $1";
    RESTAMP_REVOCATIONS = "UPDATE grants SET revoked_at = $2 WHERE revoked_at > $1";
}

record!(Grant {
    id: GrantId,
    user: UserId = "user_id",
    skill: SkillId = "skill_id",
    kind: GrantKind,
    starts_at: Timestamp,
    until: Option<Timestamp> = "until_at",
    updates_until: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    made_at: Timestamp = "created_at",
});

/// A grant, and what is known of its making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// The grant.
    pub grant: Grant,
    /// Why it was made, for people.
    pub note: String,
    /// The order that it came from; `None` if it wasn't bought.
    pub order: Option<OrderId>,
}

impl Record for GrantRecord {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self { grant: Grant::read(row)?, note: row.get("note")?, order: row.get("order_id")? })
    }
}

/// Adds a grant.
///
/// # Errors
/// [`Conflict::TrialUsed`] when it is a trial and the user has had one of this skill, however it ended.
/// [`StoreError::Missing`] when there is no such user.
pub async fn add(tx: &mut Tx, record: &GrantRecord) -> Result<()> {
    match (insert(tx, record).await?, record.grant.kind) {
        (true, _) => Ok(()),
        (_, GrantKind::Trial) => Err(Conflict::TrialUsed.into()),
        _ => Err(StoreError::Database("a grant of this id exists".into())),
    }
}

/// Adds a grant of the kind [`GrantKind::Free`]; whether it is new. A user has at most one per skill, ever; when
/// it was there before, the transaction need not be committed.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such user.
pub async fn add_free(tx: &mut Tx, record: &GrantRecord) -> Result<bool> {
    debug_assert_eq!(record.grant.kind, GrantKind::Free);
    insert(tx, record).await
}

/// Inserts a grant unless an index forbids it; whether it did.
async fn insert(tx: &mut Tx, record: &GrantRecord) -> Result<bool> {
    let Grant { id, user, skill, kind, starts_at, until, updates_until, revoked_at, made_at } = &record.grant;
    tx.bump_user(*user).await?;
    let added = execute!(
        tx,
        ADD,
        [
            id,
            user,
            skill,
            kind,
            starts_at,
            until,
            updates_until,
            revoked_at,
            record.note,
            made_at,
            record.order
        ]
    )?;
    Ok(added == 1)
}

/// The grant of this id.
pub async fn find(conn: &mut Conn, id: GrantId) -> Result<Option<GrantRecord>> {
    fetch_optional!(conn, FIND, [id])
}

/// All of a user's grants, oldest first.
pub async fn list(conn: &mut Conn, user: UserId) -> Result<Vec<Grant>> {
    fetch_all!(conn, LIST, [user])
}

/// A user's grants for one skill, oldest first.
pub async fn list_for(conn: &mut Conn, user: UserId, skill: SkillId) -> Result<Vec<Grant>> {
    fetch_all!(conn, LIST_FOR, [user, skill])
}

/// All of a user's grants with what is known of their making, oldest first.
pub async fn records(conn: &mut Conn, user: UserId) -> Result<Vec<GrantRecord>> {
    fetch_all!(conn, LIST, [user])
}

/// How many grants bear a stamp after `moment`: that they were made, or revoked.
pub async fn count_made_after(conn: &mut Conn, moment: Timestamp) -> Result<i64> {
    let Value(count) = fetch_one!(conn, COUNT_MADE_AFTER, [moment])?;
    Ok(count)
}

/// Stamps the grants that were made or revoked after `moment` with `now`; how many stamps. What starts when it is
/// made starts now, and a trial keeps its length.
pub async fn restamp(tx: &mut Tx, moment: Timestamp, now: Timestamp) -> Result<u64> {
    execute!(tx, BUMP_MADE_AFTER, [moment])?;
    let made = execute!(tx, RESTAMP, [moment, now])?;
    Ok(made + execute!(tx, RESTAMP_REVOCATIONS, [moment, now])?)
}

/// Revokes a grant from `at` on. Returns `None` if there is no such grant, or if it was revoked by then.
pub async fn revoke(tx: &mut Tx, id: GrantId, at: Timestamp) -> Result<Option<Grant>> {
    let Some(record) = find(tx, id).await? else { return Ok(None) };
    tx.bump_user(record.grant.user).await?;
    let revoked: Option<Grant> = fetch_optional!(tx, REVOKE, [id, at])?;
    if revoked.is_some() {
        tx.note_revocation(Revoked::Grant(id), record.grant.user, at);
    }
    Ok(revoked)
}

/// Revokes a user's grants for a skill that are not revoked by `at`, including those that have yet to begin. Returns
/// the revoked grants.
pub async fn revoke_all(tx: &mut Tx, user: UserId, skill: SkillId, at: Timestamp) -> Result<Vec<Grant>> {
    tx.bump_user(user).await?;
    let revoked: Vec<Grant> = fetch_all!(tx, REVOKE_ALL, [user, skill, at])?;
    for grant in &revoked {
        tx.note_revocation(Revoked::Grant(grant.id), user, at);
    }
    Ok(revoked)
}

/// Revokes the grants of an order from `at` on, and no others. Returns those that were
/// not revoked by then.
pub async fn revoke_order(tx: &mut Tx, order: OrderId, at: Timestamp) -> Result<Vec<Grant>> {
    let users: Vec<Value<UserId>> = fetch_all!(tx, OF_ORDER, [order])?;
    for Value(user) in users {
        tx.bump_user(user).await?;
    }
    let revoked: Vec<Grant> = fetch_all!(tx, REVOKE_ORDER, [order, at])?;
    for grant in &revoked {
        tx.note_revocation(Revoked::Grant(grant.id), grant.user, at);
    }
    Ok(revoked)
}
