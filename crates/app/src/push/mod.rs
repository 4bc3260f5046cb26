//! Use cases of git's push into a hosted source: take a pack in, move refs, cut releases, say what became of
//! each skill. Owns that all of it becomes true in one transaction, or nothing does.

mod consolidation;
mod cutting;
mod own_fetch;
mod report_lines;
mod room;
mod source_copy;

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    io::{BufReader, Read},
    sync::{Arc, Mutex, Weak},
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
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
        ParseLimits, PushRequest, RefCommand, RefRules, Report, SidebandWriter, add_verdicts, advertise,
        judge, parse_commands, settle_atomic,
    },
    source_repo::{IngestLimits, Ingested, PackName, Snapshot, SnapshotLimits, SourceRepo},
};
use skaas_store::{
    Conflict, StoreError, listings,
    listings::ListingFilter,
    releases,
    sources::{self, RefChange, Source, SourcePack},
};
use tokio::sync::mpsc;

pub(crate) use self::consolidation::sweep;
pub use self::own_fetch::{own_pack, own_refs};
use self::{
    cutting::{Change, Cutting, Known, KnownRelease, Pushed, cut},
    room::Room,
    source_copy::blocking,
};
use crate::{
    app::App,
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

/// Pushes to one source wait for one another on a node; between nodes the refs decide.
#[derive(Default)]
pub(crate) struct SourceLocks(Mutex<HashMap<SourceId, Weak<tokio::sync::Mutex<()>>>>);

impl SourceLocks {
    fn of(&self, source: SourceId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().expect("no one panics while holding it");
        locks.retain(|_, lock| lock.strong_count() > 0);
        let known = locks.get(&source).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::new(tokio::sync::Mutex::new(()));
            locks.insert(source, Arc::downgrade(&lock));
            lock
        })
    }
}

/// Leave to push, and the place that it takes.
pub struct Admitted {
    viewer: Arc<Viewer>,
    source_name: String,
    _place: Place,
}

/// What a push is answered with.
pub enum Received {
    /// The flush that git sends to learn whether it is let in: an empty answer.
    Probe,
    /// The answer in pieces as they come about. That nobody listens any more stops nothing.
    Answer(mpsc::UnboundedReceiver<Bytes>),
}

/// Whether `viewer` may do what they `need` to with this source: it is theirs, or could be, and so is the token
/// made for it.
fn check_owner(viewer: &Viewer, creator: &str, source_name: &str, need: &Need<'_>) -> Result<()> {
    if viewer.user().username != creator {
        return Err(no_such_repo());
    }
    viewer.allow(need)?;
    check_source_name(source_name).map_err(|error| Error::Invalid(error.to_string()))
}

/// The body of `info/refs?service=git-receive-pack`. A source that is not there yet is shown empty: the first
/// push makes it.
pub async fn info_refs(app: &App, viewer: &Viewer, creator: &str, source_name: &str) -> Result<Bytes> {
    check_owner(viewer, creator, source_name, &Need::Push)?;
    let mut conn = app.store.read().await?;
    let refs = match sources::find(&mut conn, viewer.user().id, source_name).await? {
        None => Vec::new(),
        Some(source) => sources::refs(&mut conn, source.id).await?,
    };
    let refs: Vec<(String, ObjectId)> = refs.into_iter().map(|r| (r.name, oid(r.target))).collect();
    Ok(advertise(&refs))
}

/// Takes a place for a push, before its body is read.
pub async fn admit(app: &App, viewer: Arc<Viewer>, creator: &str, source_name: &str) -> Result<Admitted> {
    check_owner(&viewer, creator, source_name, &Need::Push)?;
    let place = app.pushes.take(viewer.user().id).await?;
    Ok(Admitted { viewer, source_name: source_name.to_owned(), _place: place })
}

/// A push's body in a file, at its start.
pub struct Spool {
    /// The file.
    pub file: std::fs::File,
    /// Whether it is gzipped.
    pub gzip: bool,
}

/// A file for a push's body; it vanishes when it is closed.
pub fn spool_file(app: &App) -> Result<std::fs::File> {
    std::fs::create_dir_all(&app.config.scratch).map_err(Error::internal)?;
    tempfile::tempfile_in(&app.config.scratch).map_err(Error::internal)
}

/// The body as it was meant.
type Body = BufReader<Box<dyn Read + Send>>;

fn body_of(spool: Spool, limit: u64) -> Body {
    let file: Box<dyn Read + Send> =
        if spool.gzip { Box::new(MultiGzDecoder::new(spool.file).take(limit)) } else { Box::new(spool.file) };
    BufReader::with_capacity(1 << 18, file)
}

/// Takes a push.
///
/// # Errors
/// [`Error::Invalid`] for what is not the protocol's. Everything later is said within the protocol.
pub async fn receive(app: &App, admitted: Admitted, spool: Spool) -> Result<Received> {
    let limit = app.limits().push_bytes + (8 << 20);
    let (request, pack) = blocking(move || {
        let mut reader = body_of(spool, limit);
        parse_commands(&mut reader, &ParseLimits::default()).map(|request| (request, reader))
    })
    .await?
    .map_err(|error| Error::Invalid(error.to_string()))?;
    if request.is_probe() {
        return Ok(Received::Probe);
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let line = Line { writer: SidebandWriter::new(&request.capabilities), sender };
    let app = app.clone();
    tokio::spawn(async move {
        let push = Push { app: &app, admitted: &admitted, request: &request, line: &line };
        let report = push.run(pack).await;
        line.send(line.writer.report(&report));
    });
    Ok(Received::Answer(receiver))
}

/// The way back to the pusher.
#[derive(Clone)]
struct Line {
    writer: SidebandWriter,
    sender: mpsc::UnboundedSender<Bytes>,
}

impl Line {
    fn send(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            // A pusher who has gone away stops nothing: the push was received whole.
            let _ = self.sender.send(bytes);
        }
    }

    fn progress(&self, text: &str) {
        self.send(self.writer.progress(text));
    }

    fn message(&self, text: &str) {
        self.send(self.writer.message(text));
    }
}

struct Push<'a> {
    app: &'a App,
    admitted: &'a Admitted,
    request: &'a PushRequest,
    line: &'a Line,
}

/// A push whose pack is in: what is left is to make it true.
struct TakenIn {
    source: Source,
    new_source: bool,
    pack: Option<SourcePack>,
    /// The packs that were there when the push was taken in: what it brings may rely on any of them.
    built_on: Vec<PackName>,
    changes: Vec<RefChange>,
    commits: Vec<PushedCommit>,
}

/// A commit from which releases may be cut.
#[derive(Clone)]
struct PushedCommit {
    snapshot: Arc<Snapshot>,
    /// Short names of the tags that point at it.
    tags: Vec<String>,
    /// Whether main does.
    is_main: bool,
}

impl Push<'_> {
    async fn run(&self, pack: Body) -> Report {
        let outcome = self.try_run(pack).await;
        let (word, report) = match outcome {
            Ok(report) => ("taken", report),
            Err(error) => {
                if error.is_fault() {
                    tracing::error!(event = "push_failed", source_name = %self.admitted.source_name, causes = ?error);
                }
                ("refused", Report::refused(&self.request.commands, error.to_string()))
            }
        };
        metrics::counter!("skaas_pushes_total", "outcome" => word).increment(1);
        let (user, source) = (self.admitted.viewer.user().id, self.admitted.source_name.as_str());
        tracing::info!(event = "pushed", user_id = %user, source, outcome = word);
        report
    }

    async fn try_run(&self, pack: Body) -> Result<Report> {
        let commands = &self.request.commands;
        let (source, new_source) = self.source().await?;
        let source_id = source.id;
        let lock = self.app.source_locks.of(source_id);
        let _one_at_a_time = lock.lock().await;
        let refs = self.refs(source.id).await?;
        let mut verdicts = judge(commands, RefRules { refs: &refs, default_branch: Some(MAIN) });
        if verdicts.iter().all(Result::is_err) {
            return Ok(Report::new(commands, verdicts));
        }
        let repo = source_copy::open(self.app, source.id).await?;
        let built_on = repo.packs();
        let ingested = if self.request.expects_pack() { Some(self.ingest(&repo, pack).await?) } else { None };
        add_verdicts(&mut verdicts, repo.check_tips(ingested.as_ref(), commands).map_err(Error::internal)?);
        if self.request.capabilities.atomic {
            settle_atomic(&mut verdicts);
        }
        if verdicts.iter().all(Result::is_err) {
            return Ok(Report::new(commands, verdicts));
        }
        let kept = match &ingested {
            Some(ingested) => source_copy::keep(self.app, source.id, ingested, self.app.now()).await?,
            None => None,
        };
        let name = match ingested {
            Some(ingested) => repo.accept(ingested).map_err(Error::internal)?,
            None => None,
        };
        let accepted: Vec<&RefCommand> =
            commands.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok()).map(|(c, _)| c).collect();
        let commits = self.commits(&repo, &refs, &accepted).await;
        let outcome = match commits {
            Ok(commits) => {
                let changes = accepted.iter().map(|command| change_of(command)).collect();
                let taken = TakenIn { source, new_source, pack: kept, built_on, changes, commits };
                self.commit(&taken).await
            }
            Err(error) => Err(error),
        };
        if let (Err(_), Some(name)) = (&outcome, name) {
            forget(&repo, name);
        }
        outcome?;
        consolidation::run(self.app, source_id, &repo).await;
        Ok(Report::new(commands, verdicts))
    }

    /// The source, or the one that this push is to make.
    async fn source(&self) -> Result<(Source, bool)> {
        let creator = self.admitted.viewer.user().id;
        let mut conn = self.app.store.read().await?;
        if let Some(source) = sources::find(&mut conn, creator, &self.admitted.source_name).await? {
            return Ok((source, false));
        }
        let now = self.app.now();
        let id = self.app.with_rng(|rng| SourceId::new(now, rng));
        let name = self.admitted.source_name.clone();
        Ok((Source { id, creator, name, problems: Vec::new(), created_at: now }, true))
    }

    async fn refs(&self, source: SourceId) -> Result<Vec<(String, ObjectId)>> {
        let mut conn = self.app.store.read().await?;
        let refs = sources::refs(&mut conn, source).await?;
        Ok(refs.into_iter().map(|r| (r.name, oid(r.target))).collect())
    }

    async fn ingest(&self, repo: &Arc<SourceRepo>, pack: Body) -> Result<Ingested> {
        let (repo, line) = (Arc::clone(repo), self.line.clone());
        let limits = IngestLimits { pack_bytes: self.app.limits().push_bytes, ..IngestLimits::default() };
        let ingested = blocking(move || {
            repo.ingest(pack, &limits, &mut |progress| line.progress(&report_lines::ingest(progress)))
        });
        ingested.await?.map_err(|error| {
            if error.is_internal() { Error::internal(error) } else { Error::Invalid(error.to_string()) }
        })
    }

    /// The commits from which releases may be cut: main where it moved, and every tag that was pushed.
    async fn commits(
        &self,
        repo: &Arc<SourceRepo>,
        refs: &[(String, ObjectId)],
        accepted: &[&RefCommand],
    ) -> Result<Vec<PushedCommit>> {
        let mut after: HashMap<&str, ObjectId> = refs.iter().map(|(n, id)| (n.as_str(), *id)).collect();
        for command in accepted {
            after.insert(&command.name, command.new);
        }
        let main = after.get(MAIN).copied();
        let moved = |command: &&&RefCommand| {
            !command.is_delete() && (command.name == MAIN || command.name.starts_with("refs/tags/"))
        };
        // Main first, while there is room.
        let mut moved: Vec<&&RefCommand> = accepted.iter().filter(moved).collect();
        moved.sort_by_key(|command| command.name != MAIN);
        let mut room = Room::new(self.app.limits().push_bytes);
        let mut by_commit: Vec<Arc<Snapshot>> = Vec::new();
        for command in moved {
            let (repo, tip) = (Arc::clone(repo), command.new);
            let snapshot = blocking(move || repo.snapshot(tip, &SnapshotLimits::default())).await?;
            match snapshot {
                Ok(snapshot) if by_commit.iter().any(|other| other.commit == snapshot.commit) => {}
                Ok(snapshot) if room.take_entries(snapshot.entries().len()) => {
                    by_commit.push(Arc::new(snapshot));
                }
                Ok(_) => self.line.message(&format!(
                    "warning: {}: this push holds too many files to look at them all, so nothing was released of it; \
                     delete it here and push it again with fewer others\n",
                    command.name
                )),
                // A tag of a file, a tree too large to list: the ref is kept, nothing is released.
                Err(error) => self.line.message(&format!("warning: {}: {error}\n", command.name)),
            }
        }
        let mut peeled: HashMap<ObjectId, Vec<String>> = HashMap::new();
        for (name, id) in after {
            let Some(short) = name.strip_prefix("refs/tags/") else { continue };
            let repo = Arc::clone(repo);
            if let Ok(commit) = blocking(move || repo.peel(id)).await? {
                peeled.entry(commit).or_default().push(short.to_owned());
            }
        }
        // The oldest first, and main last: its releases are to be the newest.
        by_commit.sort_by_key(|snapshot| (Some(snapshot.commit) == main, snapshot.author_date));
        let commit = |snapshot: Arc<Snapshot>| PushedCommit {
            tags: peeled.get(&snapshot.commit).cloned().unwrap_or_default(),
            is_main: Some(snapshot.commit) == main,
            snapshot,
        };
        Ok(by_commit.into_iter().map(commit).collect())
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
            store_contents(self.app, &revisions).await?;
            match self.write_all(taken, &told, &revisions).await {
                Ok(true) => {
                    report_lines::tell(self.line, self.app.voice(), &told);
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
        }
        sources::compare_and_swap_refs(&mut tx, taken.source.id, &taken.changes).await?;
        // This also holds off whoever would merge packs; that none were merged meanwhile is seen after it.
        sources::set_problems(&mut tx, taken.source.id, &told.problems()).await?;
        let packs = sources::packs(&mut tx, taken.source.id).await?;
        if !taken.built_on.iter().all(|name| packs.iter().any(|pack| oid(pack.pack) == name.0)) {
            return Err(Conflict::RefMoved { name: taken.changes[0].name.clone() }.into());
        }
        if !write(self.app, &mut tx, revisions).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Cuts from each commit in turn, the oldest first; what one releases is known to the next.
    async fn cut_all(&self, taken: &TakenIn, known: Known) -> Result<Vec<Cutting>> {
        let (app, line, commits) = (self.app.clone(), self.line.clone(), taken.commits.clone());
        let (viewer, source, source_name) =
            (Arc::clone(&self.admitted.viewer), taken.source.id, self.admitted.source_name.clone());
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
        let creator = self.admitted.viewer.user().id;
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
