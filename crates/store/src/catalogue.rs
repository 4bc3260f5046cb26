//! Owns what stands at which place of every marketplace file, at every revision. Refuses to render it.
//!
//! Entries are never changed: a change adds one at a newer revision, so that the file of any revision can
//! be put together again. Fragments are named by whoever makes them, by their content.

use std::collections::HashMap;

use skaas_domain::id::SkillId;

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    error::{Result, StoreError},
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

sql! {
    REVISION = "SELECT value FROM counters WHERE name = 'catalogue'";
    PUT_ENTRY = "INSERT INTO catalogue_entries (position, revision, skill_id, fragment_id)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (position, revision)
        DO UPDATE SET skill_id = excluded.skill_id, fragment_id = excluded.fragment_id";
    ENTRIES_AT = "SELECT e.position, e.revision, e.skill_id, e.fragment_id FROM catalogue_entries AS e
        JOIN (SELECT position, max(revision) AS revision FROM catalogue_entries
            WHERE revision <= $1 GROUP BY position) AS newest
        ON newest.position = e.position AND newest.revision = e.revision
        ORDER BY e.position";
    CHANGES_BETWEEN = "SELECT e.position, e.revision, e.skill_id, e.fragment_id FROM catalogue_entries AS e
        JOIN (SELECT position, max(revision) AS revision FROM catalogue_entries
            WHERE revision > $1 AND revision <= $2 GROUP BY position) AS newest
        ON newest.position = e.position AND newest.revision = e.revision
        ORDER BY e.position";
    ADD_FRAGMENTS = "INSERT INTO fragments (id, text)
        SELECT value ->> 0, value ->> 1 FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
        pg = "INSERT INTO fragments (id, text)
        SELECT value ->> 0, value ->> 1 FROM jsonb_array_elements($1) ORDER BY 1 ON CONFLICT DO NOTHING";
    FRAGMENT = "SELECT text AS value FROM fragments WHERE id = $1";
    FRAGMENTS = "SELECT id, text FROM fragments WHERE id IN (SELECT value FROM json_each($1))",
        pg = "SELECT id, text FROM fragments WHERE id IN (SELECT jsonb_array_elements_text($1))";
    FRAGMENTS_AT = "SELECT f.id, f.text FROM fragments AS f WHERE f.id IN (
            SELECT e.fragment_id FROM catalogue_entries AS e
            JOIN (SELECT position, max(revision) AS revision FROM catalogue_entries
                WHERE revision <= $1 GROUP BY position) AS newest
            ON newest.position = e.position AND newest.revision = e.revision)";
}

/// What stands at a place from a revision on, until the next one for that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place: a listing's position.
    pub position: i64,
    /// Since which catalogue revision.
    pub revision: i64,
    /// The skill whose place it is.
    pub skill: SkillId,
    /// The locked variant's fragment; `None` is a hole: nothing is shown.
    pub fragment: Option<String>,
}
record!(Entry {
    position: i64,
    revision: i64,
    skill: SkillId = "skill_id",
    fragment: Option<String> = "fragment_id",
});

struct Fragment {
    id: String,
    text: String,
}
record!(Fragment { id: String, text: String });

/// The catalogue's revision now.
pub async fn revision(conn: &mut Conn) -> Result<i64> {
    let Value(revision) = fetch_one!(conn, REVISION, [])?;
    Ok(revision)
}

/// Says what stands at `position` from the revision on that this transaction makes; that revision. Within
/// one transaction the last word counts. The fragment was added before.
pub async fn put_entry(tx: &mut Tx, position: i64, skill: SkillId, fragment: Option<&str>) -> Result<i64> {
    let revision = tx.bump_catalogue().await?;
    execute!(tx, PUT_ENTRY, [position, revision, skill, fragment])?;
    Ok(revision)
}

/// What stood where at `revision`, by position; holes included.
pub async fn entries_at(conn: &mut Conn, revision: i64) -> Result<Vec<Entry>> {
    fetch_all!(conn, ENTRIES_AT, [revision])
}

/// What stood at `upto` where anything was written after `after`, by position.
pub async fn changes_between(conn: &mut Conn, after: i64, upto: i64) -> Result<Vec<Entry>> {
    fetch_all!(conn, CHANGES_BETWEEN, [after, upto])
}

/// Adds texts of fragments under their ids; again changes nothing.
///
/// # Errors
/// [`StoreError::Corrupt`] when another text has one of these ids.
pub async fn add_fragments(tx: &mut Tx, texts: &[(&str, &str)]) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    let rows = serde_json::json!(texts);
    if execute!(tx, ADD_FRAGMENTS, [rows])? == texts.len() as u64 {
        return Ok(());
    }
    let ids: Vec<String> = texts.iter().map(|(id, _)| (*id).to_owned()).collect();
    let stored = fragments(tx, &ids).await?;
    if texts.iter().any(|(id, text)| stored.get(*id).is_none_or(|stored| stored != text)) {
        return Err(StoreError::corrupt("a fragment", "its id belongs to another text"));
    }
    Ok(())
}

/// A fragment's text.
pub async fn fragment(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    let row: Option<Value<String>> = fetch_optional!(conn, FRAGMENT, [id])?;
    Ok(row.map(|Value(text)| text))
}

/// The texts of these fragments by id; those that do not exist are left out.
pub async fn fragments(conn: &mut Conn, ids: &[String]) -> Result<HashMap<String, String>> {
    let rows: Vec<Fragment> = fetch_all!(conn, FRAGMENTS, [ids])?;
    Ok(rows.into_iter().map(|row| (row.id, row.text)).collect())
}

/// The texts, by id, of all fragments that stood anywhere at `revision`.
pub async fn fragments_at(conn: &mut Conn, revision: i64) -> Result<HashMap<String, String>> {
    let rows: Vec<Fragment> = fetch_all!(conn, FRAGMENTS_AT, [revision])?;
    Ok(rows.into_iter().map(|row| (row.id, row.text)).collect())
}
