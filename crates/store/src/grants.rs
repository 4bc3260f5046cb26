//! Owns the rows of grants. Refuses to say whether one holds: that is the domain's decision.

use jiff::Timestamp;
use skaas_domain::{
    entitlement::{Grant, GrantKind},
    id::{GrantId, SkillId, UserId},
};

use crate::{
    column::{Fields, Record, record},
    connection::{Conn, Tx},
    error::{Conflict, Result, StoreError},
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, skill_id, kind, starts_at, until_at, updates_until, revoked_at, note, created_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO grants (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
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
});

/// A grant, and what is known of its making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// The grant.
    pub grant: Grant,
    /// Why it was made, for people.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Record for GrantRecord {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self { grant: Grant::read(row)?, note: row.get("note")?, created_at: row.get("created_at")? })
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
    let Grant { id, user, skill, kind, starts_at, until, updates_until, revoked_at } = &record.grant;
    tx.bump_user(*user).await?;
    let added = execute!(
        tx,
        ADD,
        [id, user, skill, kind, starts_at, until, updates_until, revoked_at, record.note, record.created_at]
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

/// Revokes a grant from `at` on; `None` when there is no such grant, or it was revoked by then.
pub async fn revoke(tx: &mut Tx, id: GrantId, at: Timestamp) -> Result<Option<Grant>> {
    let Some(record) = find(tx, id).await? else { return Ok(None) };
    tx.bump_user(record.grant.user).await?;
    fetch_optional!(tx, REVOKE, [id, at])
}

/// Revokes what has not ended by `at` of a user's grants for a skill, those that are yet to begin too; the
/// grants that it ended.
pub async fn revoke_all(tx: &mut Tx, user: UserId, skill: SkillId, at: Timestamp) -> Result<Vec<Grant>> {
    tx.bump_user(user).await?;
    fetch_all!(tx, REVOKE_ALL, [user, skill, at])
}
