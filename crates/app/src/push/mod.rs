//! Use cases of git's push into a hosted source: take a pack in, move refs, cut releases, say what became of
//! each skill. All of it becomes true in one transaction, or nothing does, and then nothing of it stays.

mod body;
mod commits;
mod consolidation;
mod cutting;
mod line;
mod own_fetch;
mod queue;
mod refusal;
mod report_lines;
mod room;
mod scratch;
mod source_copy;
mod source_lock;

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    io::BufReader,
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use skaas_domain::{
    id::{SkillId, SourceId},
    listing::Listing,
    name::check_source_name,
    scope::Need,
};
use skaas_git::{
    ObjectId,
    receive_pack::{
        CommandReader, ParseLimits, PushRequest, RefCommand, RefRules, Report, add_verdicts, advertise,
        judge, settle_atomic,
    },
    source_repo::{IngestLimits, Ingested, PackName, SourceRepo},
};
use skaas_store::{
    Conflict, StoreError, listings,
    listings::ListingFilter,
    releases,
    sources::{self, RefChange, Source, SourcePack},
};
use tokio::sync::mpsc;

use self::{
    body::Body,
    commits::PushedCommit,
    cutting::{Change, Cutting, Known, KnownRelease, Pushed, cut},
    line::Line,
    room::Room,
    source_copy::blocking,
};
pub use self::{
    body::{BodyPieces, Incoming},
    own_fetch::{own_pack, own_refs},
};
pub(crate) use self::{
    consolidation::delete_retired, queue::PushQueue, scratch::clear as clear_scratch,
    source_lock::SourceLocks,
};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    fetch::no_such_repo,
    limits::Place,
    oid::{oid, stored},
    publication::{Cut, Revision, store_contents, write},
    viewer::Viewer,
};

/// The branch that releases are cut from.
pub const MAIN: &str = "refs/heads/main";
/// How often a push is prepared again because something it builds on changed meanwhile.
const TRIES: usize = 6;

/// What a push is answered with.
pub enum Received {
    /// An empty answer to the flush that git sends before a large push, to learn whether it may.
    Probe,
    /// The answer in pieces as they come about. That nobody listens any more stops nothing.
    Answer(mpsc::UnboundedReceiver<Bytes>),
}

/// Makes sure that `actor` may do what they `need` to with this source: it is theirs, or could be, and their token is
/// made for it.
fn check_owner(actor: &Actor, creator: &str, source_name: &str, need: &Need<'_>) -> Result<()> {
    let viewer = actor.require_viewer()?;
    if viewer.user().username != creator {
        return Err(no_such_repo());
    }
    actor.require(need)?;
    check_source_name(source_name).map_err(|error| Error::refused(Code::InvalidValue, error.to_string()))
}

/// The body of `info/refs?service=git-receive-pack`. A source that is not there yet is shown empty: the first
/// push makes it.
pub async fn info_refs(app: &App, actor: &Actor, creator: &str, source_name: &str) -> Result<Bytes> {
    check_owner(actor, creator, source_name, &Need::Push)?;
    let viewer = actor.require_viewer()?;
    let mut conn = app.store.read().await?;
    let refs = match sources::find(&mut conn, viewer.user().id, source_name).await? {
        None => Vec::new(),
        Some(source) => sources::refs(&mut conn, source.id).await?,
    };
    let refs: Vec<(String, ObjectId)> = refs.into_iter().map(|r| (r.name, oid(r.target))).collect();
    Ok(advertise(&refs))
}

/// Takes a push.
///
/// git shows a pusher nothing of an HTTP error, so whoever has sent a command is refused within the protocol,
/// for whatever reason.
///
/// # Errors
/// What keeps a body without any command from being taken: it is not the protocol, or not permitted.
pub async fn receive(
    app: &App,
    actor: &Actor,
    creator: &str,
    source_name: &str,
    incoming: Incoming,
) -> Result<Received> {
    let viewer = Arc::clone(actor.require_viewer()?);
    let permitted = check_owner(actor, creator, source_name, &Need::Push);
    let mut body = Body::new(incoming, app.limits().push_bytes);
    let mut reader = CommandReader::new(ParseLimits::default());
    let user = viewer.user().id;
    let understood = body.commands(&mut reader, || app.pushes.take_for_many_refs(user)).await;
    let request = reader.into_request();
    let begun = permitted.and(understood);
    match begun {
        Err(error) if request.commands.is_empty() => return Err(error),
        Ok(_) if request.is_probe() => return Ok(Received::Probe),
        _ => {}
    }
    let (line, answer) = Line::new(&request.capabilities);
    let push = Push {
        app: app.clone(),
        actor: actor.clone(),
        viewer,
        source_name: source_name.to_owned(),
        request,
        line,
    };
    tokio::spawn(push.run(begun, body));
    Ok(Received::Answer(answer))
}

struct Push {
    app: App,
    actor: Actor,
    viewer: Arc<Viewer>,
    source_name: String,
    request: PushRequest,
    line: Line,
}

/// A push whose pack is in: what is left is to make it true.
struct TakenIn {
    source: Source,
    new_source: bool,
    pack: Option<SourcePack>,
    /// The packs that were there when the push was taken in: what it brings may rely on any of them.
    built_on: Vec<PackName>,
    accepted: Vec<RefCommand>,
    commits: Vec<PushedCommit>,
}

impl Push {
    /// Takes the push, or refuses it for the reason in `begun`, and reports. The body is read to its end first.
    async fn run(self, begun: Result<Option<Place>>, mut body: Body) {
        let outcome = match begun {
            Ok(_place) => self.take(&mut body).await,
            Err(error) => Err(error),
        };
        let (word, report) = match outcome {
            Ok(report) => ("taken", report),
            Err(error) => {
                if error.is_fault() {
                    tracing::error!(event = "push_failed", source_name = %self.source_name, causes = ?error);
                }
                body.discard().await;
                ("refused", Report::refused(&self.request.commands, refusal::sentence(&error)))
            }
        };
        metrics::counter!("skaas_pushes_total", "outcome" => word).increment(1);
        let (user, source) = (self.viewer.user().id, self.source_name.as_str());
        tracing::info!(event = "pushed", user_id = %user, source, outcome = word);
        self.line.report(&report);
    }

    async fn take(&self, body: &mut Body) -> Result<Report> {
        let _place = self.app.pushes.take(self.viewer.user().id, &self.line).await?;
        let pack = BufReader::with_capacity(1 << 18, body.spool(&self.app).await?);
        let (source, new_source) = self.source().await?;
        let _one_at_a_time = source_lock::hold(&self.app, source.id, Some(&self.line)).await?;
        self.take_in(source, new_source, pack).await
    }

    async fn take_in(
        &self,
        source: Source,
        new_source: bool,
        pack: BufReader<std::fs::File>,
    ) -> Result<Report> {
        let commands = &self.request.commands;
        let source_id = source.id;
        let refs = self.refs(source_id).await?;
        let mut verdicts = judge(commands, RefRules { refs: &refs, default_branch: Some(MAIN) });
        if verdicts.iter().all(Result::is_err) {
            return Ok(Report::new(commands, verdicts));
        }
        let repo = source_copy::open(&self.app, source_id).await?;
        let built_on = repo.packs();
        let ingested = if self.request.expects_pack() { Some(self.ingest(&repo, pack).await?) } else { None };
        add_verdicts(&mut verdicts, repo.check_tips(ingested.as_ref(), commands).map_err(Error::internal)?);
        if self.request.capabilities.atomic {
            settle_atomic(&mut verdicts);
        }
        if verdicts.iter().all(Result::is_err) {
            return Ok(Report::new(commands, verdicts));
        }
        let pack = match &ingested {
            Some(ingested) => source_copy::keep(&self.app, source_id, ingested, self.app.now()).await?,
            None => None,
        };
        let stored_pack = pack.as_ref().map(|pack| pack.pack);
        let accepted: Vec<RefCommand> = commands
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| verdict.is_ok())
            .map(|(c, _)| c.clone())
            .collect();
        let taken = TakenIn { source, new_source, pack, built_on, accepted, commits: Vec::new() };
        if let Err(error) = self.make_true(&repo, &refs, ingested, taken).await {
            if let Some(pack) = stored_pack {
                source_copy::discard(&self.app, source_id, pack).await;
            }
            return Err(error);
        }
        consolidation::run(&self.app, source_id, &repo).await;
        Ok(Report::new(commands, verdicts))
    }

    /// Takes the pack into this node's copy, cuts releases, and commits.
    async fn make_true(
        &self,
        repo: &Arc<SourceRepo>,
        refs: &[(String, ObjectId)],
        ingested: Option<Ingested>,
        mut taken: TakenIn,
    ) -> Result<()> {
        let name = match ingested {
            Some(ingested) => repo.accept(ingested).map_err(Error::internal)?,
            None => None,
        };
        let (looked_at, before) = (Arc::clone(repo), refs.to_vec());
        let (accepted, line) = (taken.accepted.clone(), self.line.clone());
        let mut room = Room::new(self.app.limits().push_bytes);
        let list = move || commits::list(&looked_at, &before, &accepted, &mut room, &line);
        taken.commits = blocking(list).await?;
        let outcome = self.commit(&taken).await;
        if let (Err(_), Some(name)) = (&outcome, name) {
            forget(repo, name);
        }
        outcome
    }

    /// The source, or the one that this push is to make.
    async fn source(&self) -> Result<(Source, bool)> {
        let creator = self.viewer.user().id;
        let mut conn = self.app.store.read().await?;
        if let Some(source) = sources::find(&mut conn, creator, &self.source_name).await? {
            return Ok((source, false));
        }
        let now = self.app.now();
        let id = self.app.with_rng(|rng| SourceId::new(now, rng));
        let name = self.source_name.clone();
        Ok((Source { id, creator, name, problems: Vec::new(), created_at: now }, true))
    }

    async fn refs(&self, source: SourceId) -> Result<Vec<(String, ObjectId)>> {
        let mut conn = self.app.store.read().await?;
        let refs = sources::refs(&mut conn, source).await?;
        Ok(refs.into_iter().map(|r| (r.name, oid(r.target))).collect())
    }

    async fn ingest(&self, repo: &Arc<SourceRepo>, pack: BufReader<std::fs::File>) -> Result<Ingested> {
        let (repo, line) = (Arc::clone(repo), self.line.clone());
        let limits = IngestLimits { pack_bytes: self.app.limits().push_bytes, ..IngestLimits::default() };
        let ingested = blocking(move || {
            repo.ingest(pack, &limits, &mut |progress| line.progress(&report_lines::ingest(progress)))
        });
        let ingested = ingested.await?.map_err(|error| {
            if error.is_internal() {
                Error::internal(error)
            } else {
                Error::refused(Code::Malformed, error.to_string())
            }
        })?;
        if ingested.old_modes() > 0 {
            self.line.message(&report_lines::old_modes(ingested.old_modes()));
        }
        Ok(ingested)
    }

    /// Cuts releases and writes everything in one transaction; prepares again when what it builds on changed.
    async fn commit(&self, taken: &TakenIn) -> Result<()> {
        let mut refused: HashMap<String, String> = HashMap::new();
        for _ in 0..TRIES {
            let mut known = self.known().await?;
            known.refused.clone_from(&refused);
            let before = known.listings.clone();
            let latest = latest_versions(&known);
            let (told, changes) = report_lines::take_changes(self.cut_all(taken, known).await?);
            let revisions = self.revisions(&before, &latest, changes)?;
            store_contents(&self.app, &revisions).await?;
            match self.write_all(taken, &told, &revisions).await {
                Ok(true) => {
                    report_lines::tell(&self.line, self.app.voice(), &told, &taken.accepted);
                    return Ok(());
                }
                Ok(false) => {}
                Err(StoreError::Conflict(conflict)) => match name_in(&conflict) {
                    Some(name) if !refused.contains_key(&name) => {
                        refused.insert(name, conflict.to_string());
                    }
                    _ => return Err(StoreError::Conflict(conflict).into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy { retry_after: self.app.limits().patience })
    }

    /// One revision for each skill, whichever of the pushed commits changed it.
    fn revisions(
        &self,
        before: &HashMap<String, Listing>,
        latest: &HashMap<SkillId, String>,
        changes: Vec<Change>,
    ) -> Result<Vec<Revision>> {
        let mut by_name: BTreeMap<String, (Listing, Option<String>, Vec<Cut>)> = BTreeMap::new();
        for Change { after, folder, cut } in changes {
            match by_name.entry(after.name.clone()) {
                Entry::Vacant(place) => {
                    place.insert((after, folder, cut.into_iter().collect()));
                }
                Entry::Occupied(mut place) => {
                    let (listing, at, cuts) = place.get_mut();
                    (*listing, *at) = (after, folder.or(at.take()));
                    cuts.extend(cut);
                }
            }
        }
        let render = |(name, (after, folder, cuts)): (String, (Listing, Option<String>, Vec<Cut>))| {
            let latest = latest.get(&after.skill).map(String::as_str);
            let before = before.get(&name).cloned();
            Revision::render(self.app.voice(), before, after, folder, latest, cuts)
        };
        by_name.into_iter().map(render).collect()
    }

    async fn write_all(
        &self,
        taken: &TakenIn,
        told: &report_lines::Told,
        revisions: &[Revision],
    ) -> Result<bool, StoreError> {
        let mut tx = self.app.store.begin().await?;
        if taken.new_source {
            sources::add(&mut tx, &taken.source).await?;
        }
        if let Some(pack) = &taken.pack {
            sources::add_pack(&mut tx, pack).await?;
            // A sweep may have taken it if an earlier, failed push had left one of the same name.
            if !self.app.store.has_source_pack(pack.source, pack.pack).await? {
                return Err(StoreError::Busy("the pack was swept away while it was stored".into()));
            }
        }
        let changes: Vec<RefChange> = taken.accepted.iter().map(change_of).collect();
        sources::compare_and_swap_refs(&mut tx, taken.source.id, &changes).await?;
        // This also holds off whoever would merge packs; that none were merged meanwhile is seen after it.
        sources::set_problems(&mut tx, taken.source.id, &told.problems()).await?;
        let packs = sources::packs(&mut tx, taken.source.id).await?;
        if !taken.built_on.iter().all(|name| packs.iter().any(|pack| oid(pack.pack) == name.0)) {
            return Err(Conflict::RefMoved { name: taken.accepted[0].name.clone() }.into());
        }
        if !write(&self.app, &mut tx, revisions).await? {
            return Ok(false);
        }
        let act = Act::done(Action::Push, taken.source.creator, &taken.source.name);
        audit::record(&mut tx, &self.actor, self.app.now(), act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Cuts from each commit in turn, the oldest first; what one releases is known to the next.
    async fn cut_all(&self, taken: &TakenIn, known: Known) -> Result<Vec<Cutting>> {
        let (app, line, commits) = (self.app.clone(), self.line.clone(), taken.commits.clone());
        let (viewer, source, source_name) =
            (Arc::clone(&self.viewer), taken.source.id, self.source_name.clone());
        let now: Timestamp = app.now();
        blocking(move || {
            let mut known = known;
            let mut room = Room::new(app.limits().push_bytes);
            let mut all = Vec::with_capacity(commits.len());
            for PushedCommit { snapshot, tags, is_main } in &commits {
                let (creator, source_name, is_main) = (viewer.user(), &source_name, *is_main);
                let pushed = Pushed { creator, source, source_name, snapshot, tags, is_main, now };
                let mut progress = report_lines::Reading::new(&line);
                let mut tell = |done, total| progress.tell(done, total);
                let cutting = cut(&app, &pushed, &known, &mut room, &mut tell)?;
                snapshot.forget();
                known.learn(&cutting.outcomes);
                all.push(cutting);
            }
            Ok(all)
        })
        .await?
    }

    async fn known(&self) -> Result<Known> {
        let creator = self.viewer.user().id;
        let mut conn = self.app.store.snapshot().await?;
        let filter = ListingFilter { creator: Some(creator), state: None, after: -1, limit: u32::MAX };
        let mut known = Known::default();
        for listing in listings::list(&mut conn, &filter).await? {
            let releases = releases::list(&mut conn, listing.skill).await?.into_iter();
            let releases = releases.map(|r| KnownRelease { version: r.version, tree: oid(r.tree) }).collect();
            known.releases.insert(listing.skill, releases);
            known.listings.insert(listing.name.clone(), listing);
        }
        Ok(known)
    }
}

fn latest_versions(known: &Known) -> HashMap<SkillId, String> {
    let latest = |(skill, releases): (&SkillId, &Vec<KnownRelease>)| {
        releases.last().map(|release| (*skill, release.version.clone()))
    };
    known.releases.iter().filter_map(latest).collect()
}

/// Removes a pack that was taken in for nothing.
fn forget(repo: &SourceRepo, name: PackName) {
    if let Err(error) = repo.remove_packs(&[name]) {
        tracing::warn!(event = "stray_pack", reason = %error);
    }
}

fn change_of(command: &RefCommand) -> RefChange {
    let some = |id: ObjectId| (!id.is_null()).then(|| stored(id));
    RefChange { name: command.name.clone(), old: some(command.old), new: some(command.new) }
}

/// The skill's name that a conflict is about.
fn name_in(conflict: &Conflict) -> Option<String> {
    match conflict {
        Conflict::NameTaken { name } | Conflict::NameRetired { name } | Conflict::LookAlike { name, .. } => {
            Some(name.clone())
        }
        _ => None,
    }
}
