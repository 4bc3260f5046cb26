//! Owns what a user is served of a repo now: the state their entitlement gives, and the lineage that leads
//! to it. Refuses to rewrite a step: a lineage only grows.
//!
//! A lineage is advanced lazily, at fetch: if the state to serve differs from the tip's, one step is written
//! by compare-and-swap, so that all nodes agree.

mod history;
mod marketplace;
mod skill;
mod whole;

use jiff::Timestamp;
use skaas_git::{ObjectId, upload_pack::Refs};
use skaas_store::steps::{self, Advance, Repo, Step};
use std::sync::Arc;

pub(crate) use history::{Histories, Past, Shown};
pub(crate) use marketplace::{Files, MarketplaceState, document_at, fragment_id};
pub(crate) use skill::{SkillState, release_root};
pub(crate) use whole::offered_whole;

use crate::{
    app::App,
    authentication::reload,
    catalogue::Catalogue,
    error::{Error, Result},
    viewer::Viewer,
};

/// How often a lost race is run again. Each loss means that somebody else advanced, so a few are plenty.
const TRIES: usize = 8;
/// The state of one repo, as decided for one user at one moment.
pub(crate) enum State {
    Marketplace(Box<MarketplaceState>),
    Skill(Box<SkillState>),
}

/// A state, and the inputs besides the user's grants for which it is the one.
pub(crate) struct Decided {
    catalogue: i64,
    /// The moment for which it was decided. It says nothing of earlier ones, when the clock is set back.
    as_of: Timestamp,
    changes_at: Option<Timestamp>,
    pub(crate) state: State,
}

impl Decided {
    fn holds(&self, catalogue: i64, now: Timestamp) -> bool {
        self.catalogue == catalogue && self.as_of <= now && self.changes_at.is_none_or(|moment| now < moment)
    }
}

/// What one user is served of one repo, for as long as nothing that decides it changes.
pub(crate) struct Served {
    decided: Arc<Decided>,
    pub(crate) repo: Repo,
    pub(crate) tip: Arc<Past>,
    pub(crate) refs: Refs,
}

impl Served {
    pub(crate) fn state(&self) -> &State {
        &self.decided.state
    }
}

/// Decides the state of `repo` for `viewer` and advances the lineage to it; `None` when there is nothing
/// that this user may know of.
pub(crate) async fn served(app: &App, viewer: &Arc<Viewer>, repo: Repo) -> Result<Option<Arc<Served>>> {
    if let Some(served) = viewer.served(repo)
        && served.decided.holds(app.catalogues.current().revision, app.now())
    {
        return Ok(Some(served));
    }
    // Boxed: deciding is rare, and would make every request's future larger.
    Box::pin(decided_anew(app, Arc::clone(viewer), repo)).await
}

async fn decided_anew(app: &App, mut viewer: Arc<Viewer>, repo: Repo) -> Result<Option<Arc<Served>>> {
    let mut now = app.now();
    for _ in 0..TRIES {
        let catalogue = app.catalogues.current();
        if let Some(served) = viewer.served(repo)
            && served.decided.holds(catalogue.revision, now)
        {
            return Ok(Some(served));
        }
        let Some(decided) = decide(app, &viewer, &catalogue, repo, now).await? else { return Ok(None) };
        match advance(app, &viewer, repo, &decided, now).await? {
            Advanced::To(tip) => {
                let tip = Arc::new(Past::new(repo, tip)?);
                let tags = decided.state.tags(app.limits().clone_bytes());
                let refs = Refs { head: Some(tip.id()), tags };
                let served = Arc::new(Served { decided, repo, tip, refs });
                viewer.keep_served(repo, Arc::clone(&served));
                return Ok(Some(served));
            }
            Advanced::Overtaken => {
                viewer = reload(app, &viewer).await?;
                // By this node's clock alone. A tip may bear a later stamp, from a node whose clock is ahead or
                // from a time when this one was: whoever trusts it locks people out until then.
                now = app.now();
            }
        }
    }
    Err(Error::Busy { retry_after: app.limits().patience })
}

async fn decide(
    app: &App,
    viewer: &Viewer,
    catalogue: &Catalogue,
    repo: Repo,
    now: Timestamp,
) -> Result<Option<Arc<Decided>>> {
    if let Some(decided) = viewer.decided(repo)
        && decided.holds(catalogue.revision, now)
    {
        return Ok(Some(decided));
    }
    let (state, changes_at) = match repo {
        Repo::Marketplace => {
            let (state, changes_at) = MarketplaceState::decide(app, viewer, catalogue, now).await?;
            (State::Marketplace(Box::new(state)), changes_at)
        }
        Repo::Skill(skill) => match SkillState::decide(app, viewer, catalogue, skill, now)? {
            Some((state, changes_at)) => (State::Skill(Box::new(state)), changes_at),
            None => return Ok(None),
        },
    };
    let decided = Arc::new(Decided { catalogue: catalogue.revision, as_of: now, changes_at, state });
    viewer.keep_decided(repo, Arc::clone(&decided));
    Ok(Some(decided))
}

/// What became of advancing.
enum Advanced {
    /// The tip shows the state.
    To(Step),
    /// What the state was decided from has changed meanwhile, and another request may have written a step for what
    /// is true now. A step for the older state on top of it would take the user back.
    Overtaken,
}

async fn advance(
    app: &App,
    viewer: &Viewer,
    repo: Repo,
    Decided { catalogue, state, .. }: &Decided,
    now: Timestamp,
) -> Result<Advanced> {
    let user = viewer.user().id;
    for _ in 0..TRIES {
        let mut conn = app.store.read().await?;
        let tip = steps::tip(&mut conn, user, repo).await?;
        drop(conn);
        if let Some(tip) = &tip
            && state.is_shown_by(tip)
        {
            return Ok(Advanced::To(tip.clone()));
        }
        // After the tip was read: whatever changes from here on leads to a step that is not below it.
        let revisions = app.store.revisions(user).await?;
        if revisions.user != viewer.revision() || revisions.catalogue != *catalogue {
            return Ok(Advanced::Overtaken);
        }
        let next = state.next_step(app, tip.as_ref(), now).await?;
        // Lazily: a step that a power cut takes is decided again, and comes out as the same commit.
        let mut tx = app.store.begin_lazy().await?;
        state.write_parts(app, &mut tx).await?;
        let expected = tip.as_ref().map(|tip| (tip.seq, tip.commit));
        match steps::advance(&mut tx, user, repo, expected, &next).await? {
            Advance::Lost(_) => {}
            Advance::Advanced => {
                tx.commit().await?;
                state.note_parts(app);
                metrics::counter!("skaas_lineage_steps_total", "repo" => state.kind()).increment(1);
                return Ok(Advanced::To(next));
            }
        }
    }
    Err(Error::Busy { retry_after: app.limits().patience })
}

impl State {
    /// A word for metrics.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Marketplace(_) => "marketplace",
            Self::Skill(_) => "skill",
        }
    }

    fn is_shown_by(&self, tip: &Step) -> bool {
        match self {
            Self::Marketplace(state) => state.is_shown_by(tip),
            Self::Skill(state) => state.is_shown_by(tip),
        }
    }

    async fn next_step(&self, app: &App, tip: Option<&Step>, now: Timestamp) -> Result<Step> {
        match self {
            Self::Marketplace(state) => state.next_step(app, tip, now).await,
            Self::Skill(state) => state.next_step(app, tip, now).await,
        }
    }

    /// Writes what the step will name besides itself.
    async fn write_parts(&self, app: &App, tx: &mut skaas_store::Tx) -> Result<()> {
        match self {
            Self::Marketplace(state) => state.write_fragments(app, tx).await,
            Self::Skill(_) => Ok(()),
        }
    }

    /// Remembers that its parts are stored.
    fn note_parts(&self, app: &App) {
        if let Self::Marketplace(state) = self {
            state.note_fragments(app);
        }
    }

    /// Whether what a step showed may be sent to this user now.
    pub(crate) fn permits(&self, step: &Past) -> bool {
        match (self, &step.shown) {
            (Self::Marketplace(state), _) => state.permits(step),
            (Self::Skill(state), Some(Shown::Skill(shown))) => state.permits(*shown),
            _ => false,
        }
    }

    fn tags(&self, most: u64) -> Vec<(String, ObjectId)> {
        match self {
            Self::Marketplace(_) => Vec::new(),
            Self::Skill(state) => state.tags(most),
        }
    }
}

/// The date of a commit in seconds since 1970; 0 when its bytes are none.
pub(crate) fn commit_date(raw: &[u8]) -> i64 {
    skaas_git::object::ParsedCommit::parse(raw).map_or(0, |commit| commit.date)
}
