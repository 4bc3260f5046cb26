//! Owns the steps of lineages that this node has read: a step never changes, so what was read stays true.
//! Refuses to say what of it may be sent: that is decided anew for every request.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use moka::sync::Cache;
use skaas_domain::id::UserId;
use skaas_git::{ObjectId, object::ParsedCommit, upload_pack::Commit};
use skaas_store::{
    Store,
    steps::{self, Repo, Step},
};

use super::{marketplace, skill};
use crate::{
    error::{Error, Result},
    oid::oid,
    render::is_restored_step,
};

/// Bytes of lineages kept for those who pull again.
const KEPT: u64 = 16 * 1024 * 1024;

/// What a step showed, in the words of whoever wrote it.
pub(crate) enum Shown {
    Marketplace(marketplace::Shown),
    Skill(skill::Shown),
}

/// A step with everything that follows from it alone.
pub(crate) struct Past {
    pub(crate) row: Step,
    parents: Vec<ObjectId>,
    /// `None` when a program of another version wrote what this one cannot read.
    pub(crate) shown: Option<Shown>,
    difference: OnceLock<Bytes>,
}

impl Past {
    pub(crate) fn new(repo: Repo, row: Step) -> Result<Self> {
        let parents = ParsedCommit::parse(&row.commit_raw).map_err(Error::internal)?.parents;
        let shown = match repo {
            Repo::Marketplace => serde_json::from_str(&row.state).map(Shown::Marketplace),
            Repo::Skill(_) => serde_json::from_str(&row.state).map(Shown::Skill),
        };
        Ok(Self { row, parents, shown: shown.ok(), difference: OnceLock::new() })
    }

    pub(crate) fn id(&self) -> ObjectId {
        oid(self.row.commit)
    }

    pub(crate) fn tree(&self) -> ObjectId {
        oid(self.row.tree)
    }

    pub(crate) fn parents(&self) -> &[ObjectId] {
        &self.parents
    }

    /// Whether it was written after a backup was restored.
    pub(crate) fn is_restored(&self) -> bool {
        is_restored_step(&self.row.commit_raw)
    }

    /// The step as the protocol plane wants it.
    pub(crate) fn commit(&self, permitted: bool) -> Commit {
        Commit { id: self.id(), tree: self.tree(), parents: self.parents.clone(), permitted }
    }

    /// The root commit of the state, where that is another commit than the step itself.
    pub(crate) fn root(&self, permitted: bool) -> Option<Commit> {
        let root = self.row.root.filter(|root| *root != self.row.commit)?;
        Some(Commit { id: oid(root), tree: self.tree(), parents: Vec::new(), permitted })
    }

    /// The pack entry of the difference to the step before, made once.
    pub(crate) fn difference(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        self.difference.get_or_init(make).clone()
    }

    fn weight(&self) -> usize {
        let Step { commit_raw, state, delta, .. } = &self.row;
        // What was parsed and deflated is no larger than what it came from.
        2 * (size_of::<Self>() + commit_raw.len() + state.len() + delta.as_ref().map_or(0, Vec::len))
    }
}

/// A lineage from its first step on.
type Lineage = Arc<[Arc<Past>]>;

/// The lineages read by this node.
pub(crate) struct Histories {
    read: Cache<(UserId, Repo), Lineage>,
}

impl Histories {
    pub(crate) fn new() -> Self {
        let weigh = |_: &(UserId, Repo), lineage: &Lineage| {
            let bytes: usize = lineage.iter().map(|past| past.weight()).sum();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self { read: Cache::builder().weigher(weigh).max_capacity(KEPT).build() }
    }

    /// All steps up to `tip`, oldest first. Another node may have gone on since; its steps are left out.
    pub(crate) async fn up_to(
        &self,
        store: &Store,
        user: UserId,
        repo: Repo,
        tip: &Past,
    ) -> Result<Vec<Arc<Past>>> {
        let key = (user, repo);
        if let Some(known) = self.read.get(&key)
            && let Some(steps) = ending_at(&known, tip)
        {
            return Ok(steps);
        }
        // Boxed, since it is rare and its future large.
        let lineage = Box::pin(read(store, user, repo)).await?;
        self.read.insert(key, Arc::clone(&lineage));
        ending_at(&lineage, tip)
            .ok_or_else(|| Error::internal(format!("the lineage of {repo} does not hold its own tip")))
    }
}

/// The whole lineage, from the database.
async fn read(store: &Store, user: UserId, repo: Repo) -> Result<Lineage> {
    let mut conn = store.read().await?;
    let rows = steps::list(&mut conn, user, repo).await?;
    drop(conn);
    rows.into_iter().map(|row| Past::new(repo, row).map(Arc::new)).collect()
}

/// The part of a lineage up to `tip`; `None` when `tip` is not of it.
fn ending_at(lineage: &Lineage, tip: &Past) -> Option<Vec<Arc<Past>>> {
    let at = lineage.iter().rposition(|past| past.row.seq == tip.row.seq)?;
    (lineage[at].row.commit == tip.row.commit).then(|| lineage[..=at].to_vec())
}
