//! Owns the rows of lineages: one append-only chain per user and repo. Refuses to build a commit, to change one,
//! and to drop a step.

use jiff::Timestamp;
use skaas_domain::id::{SkillId, UserId};

use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::Result,
    oid::Oid,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, commit_id, commit_raw, tree, root_id, state, delta, created_at
            FROM steps WHERE user_id = $1 AND ",
            $rest
        )
    };
}

sql! {
    TIP = select!("repo = $2 ORDER BY seq DESC LIMIT 1");
    LIST = select!("repo = $2 ORDER BY seq");
    ADD = "INSERT INTO steps (user_id, repo, seq, commit_id, commit_raw, tree, root_id, state, delta,
            created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    TIPS = "SELECT user_id, repo, seq, commit_id, commit_raw, tree, root_id, state, delta, created_at
        FROM steps AS tip
        WHERE (user_id > $1 OR (user_id = $1 AND repo > $2)) AND NOT EXISTS (SELECT 1 FROM steps AS next
            WHERE next.user_id = tip.user_id AND next.repo = tip.repo AND next.seq = tip.seq + 1)
        ORDER BY user_id, repo LIMIT $3";
    COUNT_AFTER = "SELECT count(*) AS value FROM steps WHERE created_at > $1";
    RESTAMP = "UPDATE steps SET created_at = $2 WHERE created_at > $1";
}

/// Which of a user's repositories.
pub type Repo = skaas_domain::repo::Repo<SkillId>;

/// One commit of a lineage, and what is needed to serve it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the chain, from 0.
    pub seq: i64,
    /// Its commit.
    pub commit: Oid,
    /// The commit's bytes, without git's header.
    pub commit_raw: Vec<u8>,
    /// The commit's tree.
    pub tree: Oid,
    /// The root commit of the state, which is its second parent or, at 0, itself; none for a marketplace's.
    pub root: Option<Oid>,
    /// What the state was, in the words of whoever wrote it.
    pub state: String,
    /// The ready-made difference to the step before, for marketplaces.
    pub delta: Option<Vec<u8>>,
    /// When it was written, by the clock of that node and moment. For people: nothing is decided by it.
    pub created_at: Timestamp,
}
record!(Step {
    seq: i64,
    commit: Oid = "commit_id",
    commit_raw: Vec<u8>,
    tree: Oid,
    root: Option<Oid> = "root_id",
    state: String,
    delta: Option<Vec<u8>>,
    created_at: Timestamp,
});

/// The newest step of a lineage, and whose lineage of what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Whose.
    pub user: UserId,
    /// Of what.
    pub repo: Repo,
    /// The step.
    pub step: Step,
}

impl Record for Tip {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self { user: row.get("user_id")?, repo: row.get("repo")?, step: Step::read(row)? })
    }
}

/// What became of an attempt to advance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// The step is the tip now, once the transaction is committed.
    Advanced,
    /// The tip was not the expected one; this is it.
    Lost(Option<Step>),
}

/// The newest step of a lineage.
pub async fn tip(conn: &mut Conn, user: UserId, repo: Repo) -> Result<Option<Step>> {
    fetch_optional!(conn, TIP, [user, repo])
}

/// The tips of at most `limit` lineages, by user and repo, after the one of `after`.
pub async fn tips(conn: &mut Conn, after: Option<(UserId, Repo)>, limit: u32) -> Result<Vec<Tip>> {
    let (user, repo) =
        after.map_or_else(Default::default, |(user, repo)| (user.to_string(), repo.to_string()));
    fetch_all!(conn, TIPS, [user, repo, i64::from(limit)])
}

/// A lineage, oldest step first.
pub async fn list(conn: &mut Conn, user: UserId, repo: Repo) -> Result<Vec<Step>> {
    fetch_all!(conn, LIST, [user, repo])
}

/// How many steps bear a stamp after `moment`. Reads every step: for people who ask, not for requests.
pub async fn count_after(conn: &mut Conn, moment: Timestamp) -> Result<i64> {
    let Value(count) = fetch_one!(conn, COUNT_AFTER, [moment])?;
    Ok(count)
}

/// Stamps the steps after `moment` with `now`; how many. The stamp is no part of the commit, so no copy notices.
pub async fn restamp(tx: &mut Tx, moment: Timestamp, now: Timestamp) -> Result<u64> {
    execute!(tx, RESTAMP, [moment, now])
}

/// Writes `step` after the `expected` tip (its place and commit; `None`: after nothing). Compare-and-swap:
/// steps are never dropped and have one place each, so of two writers, on any nodes, one wins.
pub async fn advance(
    tx: &mut Tx,
    user: UserId,
    repo: Repo,
    expected: Option<(i64, Oid)>,
    step: &Step,
) -> Result<Advance> {
    let actual = tip(tx, user, repo).await?;
    let follows = expected.map_or(0, |(seq, _)| seq + 1) == step.seq;
    if actual.as_ref().map(|tip| (tip.seq, tip.commit)) != expected || !follows {
        return Ok(Advance::Lost(actual));
    }
    tx.bump_user(user).await?;
    let Step { seq, commit, commit_raw, tree, root, state, delta, created_at } = step;
    let added =
        execute!(tx, ADD, [user, repo, seq, commit, commit_raw, tree, root, state, delta, created_at])?;
    if added == 1 { Ok(Advance::Advanced) } else { Ok(Advance::Lost(tip(tx, user, repo).await?)) }
}
