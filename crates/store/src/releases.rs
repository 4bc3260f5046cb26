//! Owns the rows of releases. Refuses to change one: a version once released keeps its content.

use jiff::Timestamp;
use skaas_domain::id::{ReleaseId, SkillId};

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    error::{Conflict, Result},
    oid::Oid,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, skill_id, seq, version, tree, commit_id, published_at, source_commit, notes, files,
            bytes FROM releases WHERE ",
            $rest
        )
    };
}

sql! {
    NEXT_SEQ = "SELECT coalesce(max(seq), -1) + 1 AS value FROM releases WHERE skill_id = $1";
    ADD = "INSERT INTO releases (id, skill_id, seq, version, tree, commit_id, commit_raw, published_at,
            source_commit, notes, files, bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    FIND = select!("id = $1");
    FIND_BY_VERSION = select!("skill_id = $1 AND version = $2");
    LIST = select!("skill_id = $1 ORDER BY seq");
    LATEST = select!("skill_id = $1 ORDER BY seq DESC LIMIT 1");
    FIND_COMMIT_RAW = "SELECT commit_raw AS value FROM releases WHERE id = $1";
    ALL = "SELECT skill_id, id, seq, version, tree, commit_id, published_at, bytes FROM releases
        ORDER BY skill_id, seq";
}

/// Immutable content of one skill under one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Names this release.
    pub id: ReleaseId,
    /// Of which skill.
    pub skill: SkillId,
    /// Its place among the skill's releases, from 0.
    pub seq: i64,
    /// Its version.
    pub version: String,
    /// The root tree of its content.
    pub tree: Oid,
    /// Its deterministic parentless commit.
    pub commit: Oid,
    /// When it was published.
    pub published_at: Timestamp,
    /// The commit of the source that it was cut from.
    pub source_commit: Option<Oid>,
    /// What the creator says of it; the commit's message.
    pub notes: String,
    /// How many files it has.
    pub files: i64,
    /// What they come to, as files.
    pub bytes: i64,
}
record!(Release {
    id: ReleaseId,
    skill: SkillId = "skill_id",
    seq: i64,
    version: String,
    tree: Oid,
    commit: Oid = "commit_id",
    published_at: Timestamp,
    source_commit: Option<Oid>,
    notes: String,
    files: i64,
    bytes: i64,
});

/// A release that is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    /// Names this release.
    pub id: ReleaseId,
    /// Of which skill.
    pub skill: SkillId,
    /// Its version.
    pub version: String,
    /// The root tree of its content, which was put into storage before.
    pub tree: Oid,
    /// Its commit.
    pub commit: Oid,
    /// The commit's bytes, without git's header.
    pub commit_raw: Vec<u8>,
    /// When it is published.
    pub published_at: Timestamp,
    /// The commit of the source that it is cut from.
    pub source_commit: Option<Oid>,
    /// What the creator says of it.
    pub notes: String,
    /// How many files it has.
    pub files: i64,
    /// What they come to, as files.
    pub bytes: i64,
}

/// A release without what only its fetch needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHead {
    /// Of which skill.
    pub skill: SkillId,
    /// Names the release.
    pub id: ReleaseId,
    /// Its place among the skill's releases.
    pub seq: i64,
    /// Its version.
    pub version: String,
    /// The root tree of its content.
    pub tree: Oid,
    /// Its commit.
    pub commit: Oid,
    /// When it was published.
    pub published_at: Timestamp,
    /// What its files come to.
    pub bytes: i64,
}
record!(ReleaseHead {
    skill: SkillId = "skill_id",
    id: ReleaseId,
    seq: i64,
    version: String,
    tree: Oid,
    commit: Oid = "commit_id",
    published_at: Timestamp,
    bytes: i64,
});

/// What became of an attempt to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// There was no such version; now there is.
    New(Release),
    /// This version with this content was released before.
    Same(Release),
}

/// Releases. Bumps the catalogue; releasing the same content under the same version again changes nothing.
///
/// # Errors
/// [`Conflict::VersionTaken`] when the version was released with another tree. A tree that was not put into
/// storage before is refused by the database.
pub async fn add(tx: &mut Tx, new: &NewRelease) -> Result<Added> {
    tx.bump_catalogue().await?;
    if let Some(old) = find_by_version(tx, new.skill, &new.version).await? {
        return if old.tree == new.tree {
            Ok(Added::Same(old))
        } else {
            Err(Conflict::VersionTaken { version: old.version }.into())
        };
    }
    let Value(seq) = fetch_one!(tx, NEXT_SEQ, [new.skill])?;
    let seq: i64 = seq;
    execute!(
        tx,
        ADD,
        [
            new.id,
            new.skill,
            seq,
            new.version,
            new.tree,
            new.commit,
            new.commit_raw,
            new.published_at,
            new.source_commit,
            new.notes,
            new.files,
            new.bytes,
        ]
    )?;
    Ok(Added::New(fetch_one!(tx, FIND, [new.id])?))
}

/// The release of this id.
pub async fn find(conn: &mut Conn, id: ReleaseId) -> Result<Option<Release>> {
    fetch_optional!(conn, FIND, [id])
}

/// The skill's release of this version.
pub async fn find_by_version(conn: &mut Conn, skill: SkillId, version: &str) -> Result<Option<Release>> {
    fetch_optional!(conn, FIND_BY_VERSION, [skill, version])
}

/// A skill's releases, oldest first.
pub async fn list(conn: &mut Conn, skill: SkillId) -> Result<Vec<Release>> {
    fetch_all!(conn, LIST, [skill])
}

/// A skill's newest release.
pub async fn latest(conn: &mut Conn, skill: SkillId) -> Result<Option<Release>> {
    fetch_optional!(conn, LATEST, [skill])
}

/// The bytes of a release's commit, without git's header.
pub async fn find_commit_raw(conn: &mut Conn, id: ReleaseId) -> Result<Option<Vec<u8>>> {
    let row: Option<Value<Vec<u8>>> = fetch_optional!(conn, FIND_COMMIT_RAW, [id])?;
    Ok(row.map(|Value(raw)| raw))
}

/// Every release of every skill, by skill and then oldest first.
pub async fn all(conn: &mut Conn) -> Result<Vec<ReleaseHead>> {
    fetch_all!(conn, ALL, [])
}
