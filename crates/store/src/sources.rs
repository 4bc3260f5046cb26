//! Owns the rows of sources, their refs and their packs. Refuses to know what a ref or pack holds.

use std::collections::HashMap;

use jiff::Timestamp;
use skaas_domain::id::{SourceId, UserId};

use crate::{
    column::record,
    connection::{Conn, Tx},
    error::{Conflict, Result, StoreError},
    oid::Oid,
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, creator_id, name, problems, created_at"
    };
}
macro_rules! pack_columns {
    () => {
        "source_id, pack, bytes, objects, created_at, retired_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO sources (", columns!(), ") VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING");
    FIND = concat!("SELECT ", columns!(), " FROM sources WHERE creator_id = $1 AND name = $2");
    FIND_BY_ID = concat!("SELECT ", columns!(), " FROM sources WHERE id = $1");
    LIST = concat!("SELECT ", columns!(), " FROM sources WHERE creator_id = $1 ORDER BY name");
    SET_PROBLEMS = "UPDATE sources SET problems = $2 WHERE id = $1";
    LOCK_REFS = "UPDATE sources SET revision = revision + 1 WHERE id = $1";
    REFS = "SELECT name, target FROM source_refs WHERE source_id = $1 ORDER BY name";
    SET_REF = "INSERT INTO source_refs (source_id, name, target) VALUES ($1, $2, $3)
        ON CONFLICT (source_id, name) DO UPDATE SET target = excluded.target";
    DELETE_REF = "DELETE FROM source_refs WHERE source_id = $1 AND name = $2";
    /// Pushing the same pack again brings it back.
    ADD_PACK = concat!("INSERT INTO source_packs (", pack_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (source_id, pack) DO UPDATE SET retired_at = excluded.retired_at");
    PACKS = concat!("SELECT ", pack_columns!(), " FROM source_packs
        WHERE source_id = $1 AND retired_at IS NULL ORDER BY created_at, pack");
    RETIRE_PACK = "UPDATE source_packs SET retired_at = $3
        WHERE source_id = $1 AND pack = $2 AND retired_at IS NULL";
    RETIRED_PACKS = concat!("SELECT ", pack_columns!(), " FROM source_packs
        WHERE retired_at < $1 ORDER BY retired_at, source_id, pack");
}

/// Where a creator's content comes from: a hosted repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Names this source.
    pub id: SourceId,
    /// Whose it is.
    pub creator: UserId,
    /// Its name in URLs, unique among the creator's.
    pub name: String,
    /// What of the newest push could not become a release, for the creator.
    pub problems: Vec<String>,
    /// When it was first pushed to.
    pub created_at: Timestamp,
}
record!(Source {
    id: SourceId,
    creator: UserId = "creator_id",
    name: String,
    problems: Vec<String>,
    created_at: Timestamp,
});

/// A ref of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRef {
    /// Its full name: `refs/heads/main`.
    pub name: String,
    /// The object it names.
    pub target: Oid,
}
record!(SourceRef { name: String, target: Oid });

/// A wish to move a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    /// Its full name.
    pub name: String,
    /// Where the writer believes it to be; `None`: that there is none.
    pub old: Option<Oid>,
    /// Where it is to be; `None`: that there be none.
    pub new: Option<Oid>,
}

/// A pack of a source, in object storage with its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePack {
    /// Whose.
    pub source: SourceId,
    /// Its checksum.
    pub pack: Oid,
    /// Its length, without the index.
    pub bytes: i64,
    /// How many objects it holds.
    pub objects: i64,
    /// When it was pushed.
    pub created_at: Timestamp,
    /// Since when others hold all it held: nobody begins to read it any more.
    pub retired_at: Option<Timestamp>,
}
record!(SourcePack {
    source: SourceId = "source_id",
    pack: Oid,
    bytes: i64,
    objects: i64,
    created_at: Timestamp,
    retired_at: Option<Timestamp>,
});

/// Adds a source.
///
/// # Errors
/// [`Conflict::SourceExists`] when the creator has one of that name, perhaps since a moment ago.
pub async fn add(tx: &mut Tx, source: &Source) -> Result<()> {
    let values = (&source.name, &source.problems);
    if execute!(tx, ADD, [source.id, source.creator, values.0, values.1, source.created_at])? == 1 {
        Ok(())
    } else {
        Err(Conflict::SourceExists.into())
    }
}

/// The creator's source of this name.
pub async fn find(conn: &mut Conn, creator: UserId, name: &str) -> Result<Option<Source>> {
    fetch_optional!(conn, FIND, [creator, name])
}

/// The source of this id.
pub async fn find_by_id(conn: &mut Conn, id: SourceId) -> Result<Option<Source>> {
    fetch_optional!(conn, FIND_BY_ID, [id])
}

/// A creator's sources by name.
pub async fn list(conn: &mut Conn, creator: UserId) -> Result<Vec<Source>> {
    fetch_all!(conn, LIST, [creator])
}

/// Replaces what of the newest push could not become a release.
pub async fn set_problems(tx: &mut Tx, id: SourceId, problems: &[String]) -> Result<()> {
    if execute!(tx, SET_PROBLEMS, [id, problems])? == 0 {
        return Err(StoreError::Missing("source"));
    }
    Ok(())
}

/// All refs by name.
pub async fn refs(conn: &mut Conn, source: SourceId) -> Result<Vec<SourceRef>> {
    fetch_all!(conn, REFS, [source])
}

/// Moves refs, all or none. Pushes to one source wait for each other here.
///
/// # Errors
/// [`Conflict::RefMoved`] when one is not where the writer believed it to be; then none was moved.
pub async fn compare_and_swap_refs(tx: &mut Tx, source: SourceId, changes: &[RefChange]) -> Result<()> {
    if execute!(tx, LOCK_REFS, [source])? == 0 {
        return Err(StoreError::Missing("source"));
    }
    let present = refs(tx, source).await?;
    let present: HashMap<&str, Oid> = present.iter().map(|r| (r.name.as_str(), r.target)).collect();
    for change in changes {
        if present.get(change.name.as_str()).copied() != change.old {
            return Err(Conflict::RefMoved { name: change.name.clone() }.into());
        }
    }
    for change in changes {
        match change.new {
            Some(target) => execute!(tx, SET_REF, [source, change.name, target])?,
            None => execute!(tx, DELETE_REF, [source, change.name])?,
        };
    }
    Ok(())
}

/// Adds a pack whose files are in object storage; one that is there already is unretired.
pub async fn add_pack(tx: &mut Tx, pack: &SourcePack) -> Result<()> {
    let SourcePack { source, pack, bytes, objects, created_at, retired_at } = pack;
    execute!(tx, ADD_PACK, [source, pack, bytes, objects, created_at, retired_at])?;
    Ok(())
}

/// The packs in use, oldest first.
pub async fn packs(conn: &mut Conn, source: SourceId) -> Result<Vec<SourcePack>> {
    fetch_all!(conn, PACKS, [source])
}

/// Takes a pack out of use. Its files stay until nobody can be reading them.
pub async fn retire_pack(tx: &mut Tx, source: SourceId, pack: Oid, at: Timestamp) -> Result<()> {
    execute!(tx, RETIRE_PACK, [source, pack, at])?;
    Ok(())
}

/// Packs of all sources that were taken out of use before `before`.
pub async fn retired_packs(conn: &mut Conn, before: Timestamp) -> Result<Vec<SourcePack>> {
    fetch_all!(conn, RETIRED_PACKS, [before])
}
