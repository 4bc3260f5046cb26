//! Use cases of git's fetch: which repo, which refs, which pack. Owns that every answer is decided anew for
//! this request. Refuses HTTP and packet formats: the first is the server's, the second the git crate's.

mod marketplace_pack;
mod skill_pack;

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use skaas_domain::{entitlement::may_keep_free, id::UserId, repo::Repo, scope::Need};
use skaas_git::{
    ObjectId,
    pack::Pack,
    rope::{Rope, RopeBuilder},
    upload_pack::{
        AllowedObjects, Answer, Command, Commit, FetchRequest, History, Limits, Plan, Version, advertise,
        answer, error_reply, ls_refs, parse_v0, parse_v2, reads_boundary,
    },
};

use crate::{
    actor::Actor,
    app::App,
    code::Code,
    error::{Error, Result},
    grants,
    limits::PackSlot,
    lineage::{Past, Served, SkillState, State, offered_whole, served},
    oid::oid,
    viewer::Viewer,
};

/// A repo as one user sees it for the length of one request.
pub struct Opened {
    viewer: Arc<Viewer>,
    served: Arc<Served>,
}

impl Opened {
    /// Whose copy it is.
    pub fn user(&self) -> UserId {
        self.viewer.user().id
    }
}

/// An answer's body, and the place among the packs in flight that it takes.
pub struct Reply {
    /// The body.
    pub body: Rope,
    /// To be kept until the body is sent; none for small answers.
    pub slot: Option<PackSlot>,
}

impl From<Bytes> for Reply {
    fn from(body: Bytes) -> Self {
        Self { body: Rope::from(body), slot: None }
    }
}

/// Opens a repo for `actor`. `owner` is the username in the URL, `None` for `/me/…`.
///
/// # Errors
/// [`crate::Kind::NotFound`], in the same words for another user's space, an absent user's, an absent skill and a
/// hidden one. [`crate::Code::OutOfScope`] for a token that was made for other things.
pub async fn open(app: &App, actor: &Actor, owner: Option<&str>, repo: Repo<&str>) -> Result<Opened> {
    let viewer = actor.require_viewer()?;
    if owner.is_some_and(|owner| owner != viewer.user().username) {
        return Err(no_such_repo());
    }
    viewer.allow(&match repo {
        Repo::Marketplace => Need::Marketplace,
        Repo::Skill(name) => Need::Skill(name),
    })?;
    let repo = repo.try_map(|name| {
        let catalogue = app.catalogues.current();
        catalogue.find(name).map(|offered| offered.listing.skill).ok_or_else(no_such_repo)
    })?;
    let served = served(app, viewer, repo).await?.ok_or_else(no_such_repo)?;
    Ok(Opened { viewer: Arc::clone(viewer), served })
}

/// The body of an answer that refuses what was asked, in a sentence that git shows.
pub fn refusal(sentence: &str) -> Bytes {
    error_reply(sentence)
}

/// What is answered for everything that is not there to be seen.
pub fn no_such_repo() -> Error {
    Error::refused(
        Code::NoSuchRepository,
        "there is no such repository here for you; `/me/marketplace.git` is always yours",
    )
}

/// The body of `info/refs?service=git-upload-pack`. `agent` reads the client's `User-Agent`: over protocol v0 and
/// v1, only git itself can be told here that a new copy ends at the tip.
///
/// # Errors
/// When the lineage cannot be read.
pub async fn info_refs<'a>(
    app: &App,
    opened: &Opened,
    version: Version,
    agent: impl FnOnce() -> Option<&'a str>,
) -> Result<Bytes> {
    let refs = &opened.served.refs;
    if version == Version::V2 || !reads_boundary(agent()) {
        return Ok(advertise(version, refs, &[]));
    }
    // Boxed: hardly anybody speaks these versions, and every request would carry the room for it.
    let whole = Box::pin(offered_whole(app, &opened.viewer, &opened.served)).await?;
    let boundary = boundary(&opened.served).filter(|_| !whole);
    Ok(advertise(version, refs, boundary.as_slice()))
}

/// The tip, if a copy can end there: there are steps below it.
fn boundary(served: &Served) -> Option<ObjectId> {
    (!served.tip.parents().is_empty()).then(|| served.tip.id())
}

/// Answers one POST to `git-upload-pack`.
///
/// # Errors
/// [`crate::Kind::Invalid`] for what is not the protocol's. A well-formed request for something that is not given
/// is answered within the protocol, in a sentence that git shows.
pub async fn upload_pack(app: &App, opened: &Opened, version: Version, body: &[u8]) -> Result<Reply> {
    let malformed =
        |error: skaas_git::upload_pack::ProtocolError| Error::refused(Code::Malformed, error.to_string());
    let limits = Limits::default();
    let request = match version {
        Version::V2 => match parse_v2(body, &limits).map_err(malformed)? {
            Command::Probe => return Ok(Bytes::new().into()),
            Command::LsRefs(request) => return Ok(ls_refs(&request, &opened.served.refs).into()),
            Command::Fetch(request) => *request,
        },
        Version::V0 | Version::V1 => parse_v0(body, &limits).map_err(malformed)?,
    };
    Box::pin(fetch(app, opened, &request)).await
}

async fn fetch(app: &App, opened: &Opened, request: &FetchRequest) -> Result<Reply> {
    let known = Known::read(app, opened, request).await?;
    if known.is_behind(request) {
        return Ok(error_reply(RESTORED).into());
    }
    let history = History { steps: &known.steps, roots: &known.roots, whole: known.whole };
    match answer(request, &opened.served.refs, &history, &*known.objects) {
        Answer::Reply(reply) => Ok(reply.into()),
        Answer::Pack(plan) => send(app, opened, &known, &plan).await,
    }
}

/// What a copy is told that is ahead of a restored backup.
const RESTORED: &str = "this server was restored from a backup that is older than your copy; clone it again";

/// What of a repo's past and content one request has to be judged by.
struct Known {
    past: Vec<Arc<Past>>,
    steps: Vec<Commit>,
    roots: Vec<Commit>,
    /// Whether a new copy is sent all of the lineage.
    whole: bool,
    objects: Box<dyn AllowedObjects + Send + Sync>,
}

impl Known {
    /// Reads no more than the request needs: for a clone of depth 1 that is nothing.
    async fn read(app: &App, opened: &Opened, request: &FetchRequest) -> Result<Self> {
        let served = &opened.served;
        let whole = request.is_fresh() && offered_whole(app, &opened.viewer, served).await?;
        let past = if request.needs_history(&served.refs, whole) {
            let user = opened.viewer.user().id;
            app.histories.up_to(&app.store, user, served.repo, &served.tip).await?
        } else {
            vec![Arc::clone(&served.tip)]
        };
        let mut steps = Vec::with_capacity(past.len());
        let mut roots = Vec::with_capacity(past.len());
        for past in &past {
            let permitted = served.state().permits(past);
            steps.push(past.commit(permitted));
            roots.extend(past.root(permitted));
        }
        if let State::Skill(state) = served.state() {
            roots.extend(
                state.permitted().iter().map(|release| parentless(oid(release.commit), oid(release.tree))),
            );
        }
        roots.sort_unstable_by_key(|root| root.id);
        roots.dedup_by_key(|root| root.id);
        let mut known = Self { past, steps, roots, whole, objects: Box::new(()) };
        let others = known.other_wants(request);
        if !others.is_empty() {
            known.objects = match served.state() {
                State::Skill(_) => skill_pack::allowed_objects(app, &known, others).await?,
                State::Marketplace(state) => marketplace_pack::allowed_objects(state),
            };
        }
        Ok(known)
    }

    /// Whether the client went on, before a backup was restored, to steps that the backup does not know. It would
    /// take the pack, and then find that it cannot fast-forward.
    fn is_behind(&self, request: &FetchRequest) -> bool {
        let Some(restored) = self.past.iter().rposition(|past| past.is_restored()) else { return false };
        let newest = self.past.iter().rposition(|past| request.haves.contains(&past.id()));
        let known: HashSet<ObjectId> = self.steps.iter().chain(&self.roots).map(|commit| commit.id).collect();
        newest.is_some_and(|newest| newest < restored)
            && !request.haves.iter().all(|have| known.contains(have))
    }

    /// What is wanted by id and is no commit: the later wants of a partial clone.
    fn other_wants(&self, request: &FetchRequest) -> Vec<ObjectId> {
        let commits: HashSet<ObjectId> =
            self.steps.iter().chain(&self.roots).map(|commit| commit.id).collect();
        request.wants.iter().copied().filter(|want| !commits.contains(want)).collect()
    }

    /// The tree of a commit, if it may be sent now.
    fn permitted_tree(&self, commit: &ObjectId) -> Option<ObjectId> {
        let mut all = self.steps.iter().chain(&self.roots);
        all.find(|known| known.id == *commit && known.permitted).map(|known| known.tree)
    }

    fn tree(&self, commit: &ObjectId) -> Option<ObjectId> {
        self.steps.iter().chain(&self.roots).find(|known| known.id == *commit).map(|known| known.tree)
    }

    fn past(&self, commit: &ObjectId) -> Option<&Past> {
        self.past.iter().find(|past| past.id() == *commit).map(|past| &**past)
    }
}

fn parentless(id: ObjectId, tree: ObjectId) -> Commit {
    Commit { id, tree, parents: Vec::new(), permitted: true }
}

/// Makes the body of an answer that holds a pack.
async fn send(app: &App, opened: &Opened, known: &Known, plan: &Plan) -> Result<Reply> {
    let slot = PackSlot::new(app.packs.take(opened.viewer.user().id).await?);
    if let State::Skill(state) = opened.served.state() {
        keep_what_is_free(app, &opened.viewer, state).await?;
    }
    let made = match opened.served.state() {
        State::Skill(state) => skill_pack::make(app, state, known, plan).await?,
        State::Marketplace(state) => marketplace_pack::make(app, state, opened, known, plan).await?,
    };
    let Some(pack) = made else {
        return Ok(error_reply("what you asked for has just changed; try again").into());
    };
    metrics::counter!("skaas_git_sent_bytes_total").increment(pack.len());
    Ok(Reply { body: body(plan, &pack), slot: Some(slot) })
}

/// Whoever fetches a skill while it is free keeps it. Written before the content is sent, and once: later fetches
/// find the grant among the viewer's.
async fn keep_what_is_free(app: &App, viewer: &Viewer, state: &SkillState) -> Result<()> {
    let (user, terms) = (viewer.user().id, state.offered.listing.terms());
    if may_keep_free(user, &terms, viewer.grants(terms.skill)) {
        // In a box: it happens once, and every fetch would pay for its size.
        Box::pin(grants::keep_free(app, user, terms.skill)).await?;
    }
    Ok(())
}

fn body(plan: &Plan, pack: &Pack) -> Rope {
    let mut body = RopeBuilder::new();
    body.push_slice(&plan.prelude);
    body.push_rope(&pack.framed(plan.side_band));
    body.push_slice(&plan.trailer);
    body.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function's future holds while it waits.
    fn size_of_future<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn no_fetch_carries_the_future_of_a_rare_one() {
        let size = size_of_future(|app: &'static App, opened, request| fetch(app, opened, request));
        assert!(size <= 2048, "{size} bytes are moved into a box at every fetch");
    }
}
