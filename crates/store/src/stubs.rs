//! Owns the rows of stubs. Refuses to forget one: lineages name those that were once served.

use jiff::Timestamp;
use skaas_domain::{entitlement::StubReason, id::SkillId};

use crate::{
    column::record,
    connection::{Conn, Tx},
    error::Result,
    oid::Oid,
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT skill_id, reason, tree, version, commit_id, commit_raw, catalogue_revision, created_at
            FROM stubs WHERE ",
            $rest
        )
    };
}

sql! {
    /// A stub that was current once becomes so again by its revision.
    SET_CURRENT = "INSERT INTO stubs (skill_id, reason, tree, version, commit_id, commit_raw,
            catalogue_revision, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (skill_id, reason, commit_id)
        DO UPDATE SET catalogue_revision = excluded.catalogue_revision";
    CURRENT = select!("skill_id = $1 AND reason = $2
        ORDER BY catalogue_revision DESC, created_at DESC, commit_id LIMIT 1");
    ALL_CURRENT = "SELECT skill_id, reason, tree, version, commit_id FROM (
            SELECT skill_id, reason, tree, version, commit_id, row_number() OVER (
                PARTITION BY skill_id, reason
                ORDER BY catalogue_revision DESC, created_at DESC, commit_id) AS place
            FROM stubs) AS placed
        WHERE place = 1 ORDER BY skill_id, reason";
}

/// What someone without entitlement receives of a skill, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// Of which skill.
    pub skill: SkillId,
    /// For which reason.
    pub reason: StubReason,
    /// The root tree of its content.
    pub tree: Oid,
    /// Its version.
    pub version: String,
    /// Its deterministic parentless commit.
    pub commit: Oid,
    /// The commit's bytes, without git's header.
    pub commit_raw: Vec<u8>,
    /// The catalogue revision at which it last became the current one.
    pub catalogue_revision: i64,
    /// When it was first made.
    pub created_at: Timestamp,
}
record!(Stub {
    skill: SkillId = "skill_id",
    reason: StubReason,
    tree: Oid,
    version: String,
    commit: Oid = "commit_id",
    commit_raw: Vec<u8>,
    catalogue_revision: i64,
    created_at: Timestamp,
});

/// A stub that is about to be the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStub {
    /// Of which skill.
    pub skill: SkillId,
    /// For which reason.
    pub reason: StubReason,
    /// The root tree of its content, which was put into storage before.
    pub tree: Oid,
    /// Its version.
    pub version: String,
    /// Its commit.
    pub commit: Oid,
    /// The commit's bytes, without git's header.
    pub commit_raw: Vec<u8>,
    /// When it is made.
    pub created_at: Timestamp,
}

/// A current stub without what only its fetch needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubHead {
    /// Of which skill.
    pub skill: SkillId,
    /// For which reason.
    pub reason: StubReason,
    /// The root tree of its content.
    pub tree: Oid,
    /// Its version.
    pub version: String,
    /// Its commit.
    pub commit: Oid,
}
record!(StubHead {
    skill: SkillId = "skill_id",
    reason: StubReason,
    tree: Oid,
    version: String,
    commit: Oid = "commit_id",
});

/// Makes a stub the current one of its skill and reason; at most once per transaction for each pair. Bumps
/// the catalogue.
pub async fn set_current(tx: &mut Tx, new: &NewStub) -> Result<()> {
    let revision = tx.bump_catalogue().await?;
    let NewStub { skill, reason, tree, version, commit, commit_raw, created_at } = new;
    execute!(tx, SET_CURRENT, [skill, reason, tree, version, commit, commit_raw, revision, created_at])?;
    Ok(())
}

/// The current stub of a skill for a reason.
pub async fn current(conn: &mut Conn, skill: SkillId, reason: StubReason) -> Result<Option<Stub>> {
    fetch_optional!(conn, CURRENT, [skill, reason])
}

/// The current stubs of every skill and reason.
pub async fn all_current(conn: &mut Conn) -> Result<Vec<StubHead>> {
    fetch_all!(conn, ALL_CURRENT, [])
}
