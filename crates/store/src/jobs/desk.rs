//! Jobs as an operator sees them: listing, counting, retrying and canceling.

use jiff::Timestamp;
use skaas_domain::id::{JobId, UserId};

use super::JobState;
use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, kind, user_id, unique_key, priority, state, due_at, attempts, holder, error, created_at, changed_at"
    };
}

sql! {
    FIND = concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1");
    LIST = concat!("SELECT ", columns!(), " FROM jobs
        WHERE ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2) ORDER BY id DESC LIMIT $3");
    COUNTS = "SELECT kind, state, count(*) AS jobs FROM jobs GROUP BY kind, state ORDER BY kind, state";
    /// Since when the job has been due that waits longest.
    OLDEST = "SELECT min(CASE WHEN due_at > created_at THEN due_at ELSE created_at END) AS value FROM jobs
        WHERE state = 'waiting' AND due_at <= $1";
    DEAD = "SELECT id AS value FROM jobs WHERE state = 'dead' AND ($1 = '' OR kind = $1) ORDER BY id";
    DROP_IF_TWIN_WAITS = "DELETE FROM jobs WHERE id = $1 AND state = 'dead' AND EXISTS (SELECT 1 FROM jobs AS twin
        WHERE twin.kind = jobs.kind AND twin.unique_key = jobs.unique_key AND twin.state = 'waiting')";
    REVIVE = "UPDATE jobs SET state = 'waiting', due_at = 0, attempts = 0, changed_at = $2
        WHERE id = $1 AND state = 'dead'";
    HURRY = "UPDATE jobs SET due_at = 0 WHERE id = $1 AND state = 'waiting'";
    CANCEL = "DELETE FROM jobs WHERE id = $1";
}

/// A job without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Names it.
    pub id: JobId,
    /// What it does.
    pub kind: String,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// The key that no other waiting job of its kind has.
    pub unique_key: Option<String>,
    /// The highest goes first.
    pub priority: i64,
    /// Where it is.
    pub state: JobState,
    /// The moment before which it does not begin; none if it was never put off.
    pub due_at: Option<Timestamp>,
    /// How often it has begun.
    pub attempts: i64,
    /// The worker that runs it.
    pub holder: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it got into its state.
    pub changed_at: Timestamp,
}

impl Record for Job {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let due: i64 = row.get("due_at")?;
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("kind")?,
            user: row.get("user_id")?,
            unique_key: row.get("unique_key")?,
            priority: row.get("priority")?,
            state: row.get("state")?,
            due_at: if due == 0 { None } else { Some(row.get("due_at")?) },
            attempts: row.get("attempts")?,
            holder: row.get("holder")?,
            error: row.get("error")?,
            created_at: row.get("created_at")?,
            changed_at: row.get("changed_at")?,
        })
    }
}

/// How many jobs of a kind are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The kind.
    pub kind: String,
    /// The state.
    pub state: JobState,
    /// How many, at least one.
    pub jobs: i64,
}

record!(Count { kind: String, state: JobState, jobs: i64 });

/// Finds a job.
pub async fn find(conn: &mut Conn, id: JobId) -> Result<Option<Job>> {
    fetch_optional!(conn, FIND, [id])
}

/// Lists jobs of a state and kind, or of all, newest first.
pub async fn list(
    conn: &mut Conn,
    state: Option<JobState>,
    kind: Option<&str>,
    limit: i64,
) -> Result<Vec<Job>> {
    fetch_all!(conn, LIST, [state.map_or("", JobState::as_str), kind.unwrap_or_default(), limit])
}

/// Counts jobs by kind and state.
pub async fn counts(conn: &mut Conn) -> Result<Vec<Count>> {
    fetch_all!(conn, COUNTS, [])
}

/// Returns since when the longest-waiting job has been due, if one is due.
pub async fn oldest(conn: &mut Conn, now: Timestamp) -> Result<Option<Timestamp>> {
    let Value(since): Value<Option<Timestamp>> = fetch_one!(conn, OLDEST, [now])?;
    Ok(since)
}

/// Lists the dead letters, of one kind or all.
pub async fn dead(conn: &mut Conn, kind: Option<&str>) -> Result<Vec<JobId>> {
    let ids: Vec<Value<JobId>> = fetch_all!(conn, DEAD, [kind.unwrap_or_default()])?;
    Ok(ids.into_iter().map(|Value(id)| id).collect())
}

/// Has a dead job begin anew, or a waiting one begin without waiting any longer. Returns `false` if it is neither.
pub async fn retry(tx: &mut Tx, id: JobId, now: Timestamp) -> Result<bool> {
    let changed = execute!(tx, DROP_IF_TWIN_WAITS, [id])? == 1
        || execute!(tx, REVIVE, [id, now])? == 1
        || execute!(tx, HURRY, [id])? == 1;
    Ok(changed)
}

/// Deletes a job, whatever its state. A worker that runs it stops with its next heartbeat. Returns `false` if there is
/// none.
pub async fn cancel(tx: &mut Tx, id: JobId) -> Result<bool> {
    Ok(execute!(tx, CANCEL, [id])? == 1)
}
