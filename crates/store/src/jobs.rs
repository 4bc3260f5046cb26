//! The rows of queued work: adding, claiming, keeping and ending jobs. What a kind of job does is the caller's.
//!
//! A worker holds a job by a [`Lease`]: its own name and the number of the attempt. Every change that it makes names
//! the lease, so that a worker that lost a job cannot end it for another. A lease has no expiry time, which two clocks
//! could disagree on: its holder raises a count ([`beat`]), and another worker that sees the same count for long
//! enough takes the job over ([`is_silent`]).

pub mod desk;

use std::str::FromStr;

use jiff::Timestamp;
use skaas_domain::{
    id::{JobId, UserId},
    money::UnknownWord,
};

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

sql! {
    ADD = "INSERT INTO jobs (id, kind, payload, user_id, unique_key, priority, state, due_at, created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $8) ON CONFLICT DO NOTHING";
    NEXT_DUE = "SELECT min(due_at) AS value FROM jobs WHERE state = 'waiting'";
    CANDIDATES = "SELECT id, priority, due_at FROM jobs WHERE state = 'waiting' AND kind = $1 AND due_at <= $2
        ORDER BY priority DESC, due_at, id LIMIT $3";
    CLAIM = "UPDATE jobs SET state = 'running', holder = $2, attempts = attempts + 1, beat = beat + 1, changed_at = $3
        WHERE id = $1 AND state = 'waiting'
        RETURNING id, kind, payload, unique_key, holder, attempts, created_at",
        pg = "UPDATE jobs SET state = 'running', holder = $2, attempts = attempts + 1, beat = beat + 1, changed_at = $3
        WHERE id = (SELECT id FROM jobs WHERE id = $1 AND state = 'waiting' FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, payload, unique_key, holder, attempts, created_at";
    BEAT = "UPDATE jobs SET beat = beat + 1 WHERE id = $1 AND holder = $2 AND attempts = $3";
    FINISH = "DELETE FROM jobs WHERE id = $1 AND holder = $2 AND attempts = $3";
    /// The one that waits does the work of this one as well.
    YIELD_TO_TWIN = "DELETE FROM jobs WHERE id = $1 AND holder = $2 AND attempts = $3 AND EXISTS (SELECT 1
        FROM jobs AS twin WHERE twin.kind = jobs.kind AND twin.unique_key = jobs.unique_key AND twin.state = 'waiting')";
    WAIT_AGAIN = "UPDATE jobs SET state = 'waiting', holder = NULL, due_at = $4, error = $5, changed_at = $6
        WHERE id = $1 AND holder = $2 AND attempts = $3";
    RELEASE = "UPDATE jobs SET state = 'waiting', holder = NULL, attempts = attempts - 1, changed_at = $4
        WHERE id = $1 AND holder = $2 AND attempts = $3";
    BURY = "UPDATE jobs SET state = 'dead', holder = NULL, error = $4, changed_at = $5
        WHERE id = $1 AND holder = $2 AND attempts = $3 RETURNING unique_key AS value";
    DROP_DEAD_TWINS = "DELETE FROM jobs WHERE kind = $1 AND unique_key = $2 AND state = 'dead' AND id <> $3";
    HELD = "SELECT id, kind, holder, attempts, beat FROM jobs WHERE state = 'running' ORDER BY id";
    STILL_AT = "SELECT count(*) AS value FROM jobs WHERE id = $1 AND holder = $2 AND attempts = $3 AND beat = $4",
        pg = "SELECT count(*) AS value FROM (SELECT 1 FROM jobs
            WHERE id = $1 AND holder = $2 AND attempts = $3 AND beat = $4 FOR UPDATE) AS held";
    SLOT = "SELECT slot AS value FROM job_schedules WHERE kind = $1";
    FIRST_SLOT = "INSERT INTO job_schedules (kind, slot) VALUES ($1, $2) ON CONFLICT (kind) DO NOTHING";
    NEXT_SLOT = "UPDATE job_schedules SET slot = $3 WHERE kind = $1 AND slot = $2";
    FORGET_OF = "DELETE FROM jobs WHERE user_id = $1";
    FORGET = "DELETE FROM jobs WHERE state = 'dead' AND changed_at < $1";
}

/// The state of a job. One that is done is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits until it is due and a worker has room.
    Waiting,
    /// A worker runs it.
    Running,
    /// It failed for good, and waits for an operator.
    Dead,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Running, Self::Dead];

    /// The word used in columns and by the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Dead => "dead",
        }
    }
}

impl FromStr for JobState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownWord {
            text: text.chars().take(64).collect(),
            expected: "waiting, running, dead",
        })
    }
}

/// When a job may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// As soon as a worker has room. No clock is asked, so a node whose clock is ahead delays nothing.
    Now,
    /// Not before then, by the clock of the worker that takes it.
    At(Timestamp),
}

impl Due {
    fn stored(self) -> i64 {
        match self {
            Self::Now => 0,
            Self::At(at) => at.as_microsecond(),
        }
    }

    fn read(stored: i64) -> Self {
        match Timestamp::from_microsecond(stored) {
            Ok(at) if stored != 0 => Self::At(at),
            _ => Self::Now,
        }
    }
}

/// A job to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// Names it.
    pub id: JobId,
    /// What it does.
    pub kind: &'a str,
    /// With what: JSON.
    pub payload: &'a str,
    /// Whom it is about, if anyone. It is deleted with them.
    pub user: Option<UserId>,
    /// Of two waiting jobs of a kind with the same key, the second is not added.
    pub unique_key: Option<&'a str>,
    /// The highest goes first.
    pub priority: i64,
    /// When it may begin.
    pub due: Due,
    /// The present moment.
    pub created_at: Timestamp,
}

/// The right to run a job, until another worker takes it over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which job.
    pub job: JobId,
    /// The worker.
    pub holder: String,
    /// The number of this attempt, from 1.
    pub attempt: i64,
}

record!(Lease { job: JobId = "id", holder: String, attempt: i64 = "attempts" });

/// A job that could be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Names it.
    pub id: JobId,
    /// The highest goes first.
    pub priority: i64,
    due: i64,
}

record!(Candidate { id: JobId, priority: i64, due: i64 = "due_at" });

impl Candidate {
    /// Sorts what is to be done first to the front.
    pub fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse(self.priority), self.due, self.id)
    }
}

/// A claimed job.
#[derive(Clone)]
pub struct Claimed {
    /// The right to run it.
    pub lease: Lease,
    /// What it does.
    pub kind: String,
    /// With what: JSON.
    pub payload: String,
    /// The key that no other waiting job of its kind has.
    pub unique_key: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
}

impl crate::column::Record for Claimed {
    fn read(row: &impl crate::column::Fields) -> sqlx::Result<Self> {
        Ok(Self {
            lease: Lease::read(row)?,
            kind: row.get("kind")?,
            payload: row.get("payload")?,
            unique_key: row.get("unique_key")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// A running job as another worker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who runs it.
    pub lease: Lease,
    /// What it does.
    pub kind: String,
    /// How often its holder has shown that it is at work.
    pub beat: i64,
}

impl crate::column::Record for Held {
    fn read(row: &impl crate::column::Fields) -> sqlx::Result<Self> {
        Ok(Self { lease: Lease::read(row)?, kind: row.get("kind")?, beat: row.get("beat")? })
    }
}

/// Adds a job. Returns whether it was added: `false` if one with its unique key is waiting.
pub async fn add(tx: &mut Tx, job: &NewJob<'_>) -> Result<bool> {
    let NewJob { id, kind, payload, user, unique_key, priority, due, created_at } = job;
    let added =
        execute!(tx, ADD, [id, kind, payload, user, unique_key, *priority, due.stored(), created_at])?;
    Ok(added == 1)
}

/// Returns when the next waiting job is due, if one waits.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Due>> {
    let Value(due): Value<Option<i64>> = fetch_one!(conn, NEXT_DUE, [])?;
    Ok(due.map(Due::read))
}

/// Returns up to `limit` jobs of a kind that are due, in their order. Takes no lock.
pub async fn candidates(conn: &mut Conn, kind: &str, now: Timestamp, limit: i64) -> Result<Vec<Candidate>> {
    fetch_all!(conn, CANDIDATES, [kind, now, limit])
}

/// Claims a job for `holder`; `None` if another worker was faster.
pub async fn claim(tx: &mut Tx, job: JobId, holder: &str, now: Timestamp) -> Result<Option<Claimed>> {
    fetch_optional!(tx, CLAIM, [job, holder, now])
}

/// Shows that the holder is at work. Returns `false` if the job is no longer its own.
pub async fn beat(tx: &mut Tx, lease: &Lease) -> Result<bool> {
    Ok(execute!(tx, BEAT, [lease.job, lease.holder, lease.attempt])? == 1)
}

/// Ends a job that is done, together with dead ones that it stands for (same kind and unique key). Returns `false` if
/// the job is no longer the holder's: then nothing was changed.
pub async fn finish(tx: &mut Tx, lease: &Lease, kind: &str, unique_key: Option<&str>) -> Result<bool> {
    if execute!(tx, FINISH, [lease.job, lease.holder, lease.attempt])? == 0 {
        return Ok(false);
    }
    if let Some(key) = unique_key {
        execute!(tx, DROP_DEAD_TWINS, [kind, key, lease.job])?;
    }
    Ok(true)
}

/// Has a failed job wait until `due`, or ends it if one with its unique key waits already. Returns `false` if the job
/// is no longer the holder's.
pub async fn wait_again(
    tx: &mut Tx,
    lease: &Lease,
    due: Due,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let Lease { job, holder, attempt } = lease;
    if execute!(tx, YIELD_TO_TWIN, [job, holder, *attempt])? == 1 {
        return Ok(true);
    }
    Ok(execute!(tx, WAIT_AGAIN, [job, holder, *attempt, due.stored(), error, now])? == 1)
}

/// Gives a job back unfinished, as if this attempt had never begun. Returns `false` if the job is no longer the
/// holder's.
pub async fn release(tx: &mut Tx, lease: &Lease, now: Timestamp) -> Result<bool> {
    let Lease { job, holder, attempt } = lease;
    if execute!(tx, YIELD_TO_TWIN, [job, holder, *attempt])? == 1 {
        return Ok(true);
    }
    Ok(execute!(tx, RELEASE, [job, holder, *attempt, now])? == 1)
}

/// Makes a job a dead letter, in place of earlier ones of its kind and unique key. Returns `false` if the job is no
/// longer the holder's.
pub async fn bury(tx: &mut Tx, lease: &Lease, kind: &str, error: &str, now: Timestamp) -> Result<bool> {
    let Lease { job, holder, attempt } = lease;
    let buried: Option<Value<Option<String>>> =
        fetch_optional!(tx, BURY, [job, holder, *attempt, error, now])?;
    if let Some(Value(Some(key))) = &buried {
        execute!(tx, DROP_DEAD_TWINS, [kind, key, job])?;
    }
    Ok(buried.is_some())
}

/// Lists every running job, whoever runs it.
pub async fn held(conn: &mut Conn) -> Result<Vec<Held>> {
    fetch_all!(conn, HELD, [])
}

/// Returns whether nothing was heard of a running job since it was seen, and keeps its holder from changing that until
/// `tx` ends. The caller then ends the holder's lease.
pub async fn is_silent(tx: &mut Tx, seen: &Held) -> Result<bool> {
    let Lease { job, holder, attempt } = &seen.lease;
    let Value(count): Value<i64> = fetch_one!(tx, STILL_AT, [job, holder, *attempt, seen.beat])?;
    Ok(count == 1)
}

/// Returns the run of a scheduled kind that was added last, if any was.
pub async fn slot(conn: &mut Conn, kind: &str) -> Result<Option<Timestamp>> {
    let slot: Option<Value<Timestamp>> = fetch_optional!(conn, SLOT, [kind])?;
    Ok(slot.map(|Value(slot)| slot))
}

/// Moves a schedule on from `seen` to `slot`. Of any number of workers that do so at once, one gets `true`.
pub async fn advance(tx: &mut Tx, kind: &str, seen: Option<Timestamp>, slot: Timestamp) -> Result<bool> {
    let changed = match seen {
        Some(seen) => execute!(tx, NEXT_SLOT, [kind, seen, slot])?,
        None => execute!(tx, FIRST_SLOT, [kind, slot])?,
    };
    Ok(changed == 1)
}

/// Drops all jobs about a user who is being deleted.
pub(crate) async fn forget_of(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, FORGET_OF, [user])?;
    Ok(())
}

/// Drops dead letters from before then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
