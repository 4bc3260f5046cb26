//! Owns the state of a skill's repo for one user: a release or a stub. Refuses to decide which: it asks the
//! domain.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skaas_domain::{
    entitlement::{Access, ReleaseRef, StubReason, decide, permitted_releases},
    id::{ReleaseId, SkillId},
};
use skaas_git::{ObjectId, object::RawCommit};
use skaas_store::{
    releases::{self, ReleaseHead},
    steps::Step,
};

use super::commit_date;
use crate::{
    app::App,
    catalogue::{Catalogue, Offered},
    error::{Error, Result},
    oid::{oid, stored},
    render::{skill_step, stub_commit},
    viewer::Viewer,
};

/// What a step showed, as it is stored with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shown {
    Release(ReleaseId),
    Stub(StubReason),
}

impl Shown {
    /// The release, if it was one.
    pub(super) const fn release(self) -> Option<ReleaseId> {
        match self {
            Self::Release(id) => Some(id),
            Self::Stub(_) => None,
        }
    }
}

/// What one user is served of a skill.
pub(crate) struct SkillState {
    pub(crate) offered: Arc<Offered>,
    access: Access,
    shown: Shown,
    tree: ObjectId,
    root: ObjectId,
    /// The root commit where it is a stub's; a release's is read when it is needed.
    stub: Option<RawCommit>,
}

impl SkillState {
    /// The state for `viewer` at `now`, and until when time alone leaves it as it is; `None` when there is
    /// nothing they may know of.
    pub(crate) fn decide(
        app: &App,
        viewer: &Viewer,
        catalogue: &Catalogue,
        skill: SkillId,
        now: Timestamp,
    ) -> Result<Option<(Self, Option<Timestamp>)>> {
        let Some(offered) = catalogue.skill(skill) else { return Ok(None) };
        let terms = offered.listing.terms();
        let decision = decide(viewer.user().id, &terms, viewer.grants(skill), &offered.release_refs, now);
        let state = match decision.access {
            Access::Hidden => return Ok(None),
            Access::Full { release, .. } => Self::of_release(offered, decision.access, release)?,
            Access::Stub { reason } => Self::of_stub(app, offered, decision.access, reason)?,
        };
        Ok(Some((state, decision.changes_at)))
    }

    fn of_release(offered: &Arc<Offered>, access: Access, id: ReleaseId) -> Result<Self> {
        let release = offered.release(id)?;
        let (tree, root) = (oid(release.tree), oid(release.commit));
        let shown = Shown::Release(id);
        Ok(Self { offered: Arc::clone(offered), access, shown, tree, root, stub: None })
    }

    fn of_stub(app: &App, offered: &Arc<Offered>, access: Access, reason: StubReason) -> Result<Self> {
        let tree = match &offered.stub {
            Some(stub) if reason == StubReason::NotPurchased => oid(stub.tree),
            _ => app.voice().stub(&offered.listing, reason).map_err(Error::internal)?.bundle.tree(),
        };
        let commit = stub_commit(&offered.listing, tree);
        let shown = Shown::Stub(reason);
        Ok(Self { offered: Arc::clone(offered), access, shown, tree, root: commit.id, stub: Some(commit) })
    }

    pub(super) fn is_shown_by(&self, tip: &Step) -> bool {
        tip.root == Some(stored(self.root))
    }

    /// The releases this user may go back to, the one they have included; none behind a stub.
    pub(crate) fn permitted(&self) -> &[ReleaseHead] {
        let refs: &[ReleaseRef] = permitted_releases(self.access, &self.offered.release_refs);
        &self.offered.releases[..refs.len()]
    }

    /// Whether what a step showed may be sent to this user now. A stub holds nothing to be paid for.
    pub(super) fn permits(&self, shown: Shown) -> bool {
        match shown {
            Shown::Stub(_) => true,
            Shown::Release(id) => self.permitted().iter().any(|release| release.id == id),
        }
    }

    /// The newest release that this user may have, and as many before it as all together come to `most` bytes:
    /// whoever clones without a depth takes all of them.
    pub(super) fn cloned(&self, most: u64) -> &[ReleaseHead] {
        let permitted = self.permitted();
        let mut left = Some(most);
        let fitting = permitted.iter().rev().take_while(|release| {
            left = left.and_then(|left| left.checked_sub(release.bytes.unsigned_abs()));
            left.is_some()
        });
        &permitted[permitted.len() - fitting.count().max(permitted.len().min(1))..]
    }

    /// Tags of the releases that a clone holds. Those before can be had by the ids of their commits.
    pub(super) fn tags(&self, most: u64) -> Vec<(String, ObjectId)> {
        let tag = |release: &ReleaseHead| (format!("v{}", release.version), oid(release.commit));
        self.cloned(most).iter().rev().map(tag).collect()
    }

    pub(super) async fn next_step(&self, app: &App, tip: Option<&Step>, now: Timestamp) -> Result<Step> {
        let root = self.root_commit(app).await?;
        if let Shown::Stub(reason) = self.shown
            && reason != StubReason::NotPurchased
        {
            let stub = app.voice().stub(&self.offered.listing, reason).map_err(Error::internal)?;
            app.contents.put(&stub.bundle, now).await?;
        }
        let (seq, commit) = match tip {
            None => (0, root.clone()),
            Some(tip) => {
                let date = commit_date(&tip.commit_raw).max(commit_date(&root.data));
                (tip.seq + 1, skill_step(self.tree, oid(tip.commit), root.id, date))
            }
        };
        Ok(Step {
            seq,
            commit: stored(commit.id),
            commit_raw: commit.data,
            tree: stored(self.tree),
            root: Some(stored(root.id)),
            state: serde_json::to_string(&self.shown).map_err(Error::internal)?,
            delta: None,
            created_at: now,
        })
    }

    async fn root_commit(&self, app: &App) -> Result<RawCommit> {
        match (&self.stub, self.shown) {
            (Some(commit), _) => Ok(commit.clone()),
            (None, Shown::Release(id)) => Ok(RawCommit { id: self.root, data: release_root(app, id).await? }),
            (None, Shown::Stub(_)) => Err(Error::internal("a stub's state is made with its commit")),
        }
    }
}

/// The bytes of a release's root commit.
pub(crate) async fn release_root(app: &App, release: ReleaseId) -> Result<Vec<u8>> {
    let mut conn = app.store.read().await?;
    releases::find_commit_raw(&mut conn, release)
        .await?
        .ok_or_else(|| Error::internal(format!("{release} has no commit")))
}
