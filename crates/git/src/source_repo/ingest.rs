//! Taking in a pushed pack: quarantine, checks, index.
//!
//! Owns: the order of the steps, their bounds, and what a pusher is told. Refuses: refs, and any
//! effect on the repository before [`super::SourceRepo::accept`].

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;

use super::delta_resolution::Resolver;
use super::foreign_hash::{CollisionAttack, ForeignHasher};
use super::object_check::{Fault, Named, check_gitattributes, check_gitmodules};
use super::pack_index::{IndexEntry, encode_index};
use super::pack_set::{MOST_WORK, Pack, PackSet, Reader};
use super::pack_stream::{PackStream, Scan};
use super::{PackName, RepoError, SourceRepo};
use crate::deflate::Deflater;
use crate::delta::DeltaError;
use crate::object::Kind;
use crate::pack_entry::put_object;

/// Bounds of one push. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// Of the pack as it comes over the wire.
    pub pack_bytes: u64,
    /// Objects in it.
    pub objects: u32,
    /// A single file.
    pub blob_bytes: u64,
    /// A single tree, commit or tag.
    pub structure_bytes: u64,
    /// All objects together, inflated, and their deltas.
    pub inflated_bytes: u64,
    /// How many deltas may stand on one another; git itself makes at most 50 unless told to.
    pub delta_depth: usize,
    /// Objects held in memory at once while deltas are resolved. The largest two may come on top.
    pub resident_bytes: u64,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            pack_bytes: 512 << 20,
            objects: 500_000,
            blob_bytes: 100 << 20,
            structure_bytes: 16 << 20,
            inflated_bytes: 2 << 30,
            delta_depth: 250,
            resident_bytes: 128 << 20,
        }
    }
}

impl IngestLimits {
    /// The largest object of a kind.
    pub(super) fn object_limit(&self, kind: Kind) -> u64 {
        if kind == Kind::Blob { self.blob_bytes } else { self.structure_bytes }
    }
}

/// What is being done, for a line such as `Receiving objects:  42% (42/100)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Objects arrive.
    Receiving,
    /// Deltas become objects.
    Resolving,
    /// What the objects name is looked up.
    Checking,
}

/// How far a phase has come. Reported once per percent, and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which phase.
    pub phase: Phase,
    /// Objects done.
    pub done: u64,
    /// Objects to do.
    pub total: u64,
}

/// Why a pack was refused. The text is for the pusher; nothing of the pack is kept.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The body ended too early.
    #[error("the pack ended too early")]
    Truncated,
    /// Not a pack.
    #[error("the pack is malformed: {0}")]
    Malformed(&'static str),
    /// The sum at its end is not its sum.
    #[error("the pack was damaged on the way: its checksum does not match")]
    Checksum,
    /// A delta does not apply.
    #[error("a delta in the pack does not apply: {0}")]
    Delta(#[source] DeltaError),
    /// Deltas without a base: missing, or based on each other in a circle.
    #[error("{0} deltas in the pack have no base")]
    UnresolvedDeltas(u64),
    /// The same object twice.
    #[error("the pack holds object {0} twice")]
    Duplicate(ObjectId),
    /// Something that `git fsck --strict` refuses.
    #[error("{} {id} is not acceptable: {fault}", kind.name())]
    Object {
        /// The object.
        id: ObjectId,
        /// Its kind.
        kind: Kind,
        /// What is wrong with it.
        fault: Fault,
    },
    /// An object names one that neither the pack nor the repository has, or one of another kind.
    #[error("missing necessary objects: no {} {id}; push from a complete clone", kind.name())]
    Missing {
        /// What is named.
        id: ObjectId,
        /// The kind it should have.
        kind: Kind,
    },
    /// One of [`IngestLimits`].
    #[error("the push is too large: {what} over the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// A forged object.
    #[error(transparent)]
    Collision(#[from] CollisionAttack),
    /// The pusher's connection failed.
    #[error("the pack could not be read")]
    Read(#[source] io::Error),
    /// Our side failed: nobody's push is to blame.
    #[error(transparent)]
    Repo(RepoError),
}

impl From<RepoError> for IngestError {
    fn from(error: RepoError) -> Self {
        match error {
            // What the push makes us read is the push's own doing.
            RepoError::TooMuchWork { .. } => {
                Self::TooLarge { what: "bytes of work on deltas", limit: MOST_WORK }
            }
            error => Self::Repo(error),
        }
    }
}

impl IngestError {
    /// Whether our own files failed, rather than the push: to be logged, and answered without
    /// the details.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Repo(_))
    }

    pub(super) fn disk(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Repo(RepoError::io(act, path, source))
    }
}

/// What is left of the limits.
pub(super) struct Budget<'a> {
    pub(super) limits: &'a IngestLimits,
    inflated: u64,
    work: u64,
}

impl<'a> Budget<'a> {
    pub(super) fn new(limits: &'a IngestLimits) -> Self {
        Self { limits, inflated: 0, work: 0 }
    }

    pub(super) fn check_pack(&self, bytes: u64) -> Result<(), IngestError> {
        within(bytes, self.limits.pack_bytes, "bytes of the pack")
    }

    pub(super) fn check_objects(&self, count: u32) -> Result<(), IngestError> {
        within(count.into(), self.limits.objects.into(), "objects")
    }

    pub(super) fn check_depth(&self, depth: usize) -> Result<(), IngestError> {
        within(depth as u64, self.limits.delta_depth as u64, "deltas on one another")
    }

    /// An object of this size is about to be inflated, or was just made from a delta.
    pub(super) fn object(&mut self, kind: Kind, size: u64) -> Result<(), IngestError> {
        let what = if kind == Kind::Blob { "bytes of one file" } else { "bytes of one tree or commit" };
        within(size, self.limits.object_limit(kind), what)?;
        self.add_inflated(size)
    }

    /// A delta of this size is about to be inflated.
    pub(super) fn inflate(&mut self, size: u64) -> Result<(), IngestError> {
        within(size, self.limits.blob_bytes, "bytes of one delta")?;
        self.add_inflated(size)
    }

    /// Bytes were made that may have to be made again: bounds the time a hostile pack can take.
    pub(super) fn work(&mut self, bytes: u64) -> Result<(), IngestError> {
        self.work = self.work.saturating_add(bytes);
        let limit = self.limits.inflated_bytes.saturating_mul(4);
        within(self.work, limit, "bytes of work on deltas")
    }

    fn add_inflated(&mut self, size: u64) -> Result<(), IngestError> {
        self.inflated = self.inflated.saturating_add(size);
        within(self.inflated, self.limits.inflated_bytes, "bytes of all objects")
    }
}

fn within(value: u64, limit: u64, what: &'static str) -> Result<(), IngestError> {
    if value > limit { Err(IngestError::TooLarge { what, limit }) } else { Ok(()) }
}

/// Turns single steps into at most a hundred reports a phase.
pub(super) struct ProgressMeter<'a> {
    report: &'a mut dyn FnMut(Progress),
    phase: Phase,
    total: u64,
    next: u64,
}

impl<'a> ProgressMeter<'a> {
    fn new(report: &'a mut dyn FnMut(Progress)) -> Self {
        Self { report, phase: Phase::Receiving, total: 0, next: 0 }
    }

    pub(super) fn begin(&mut self, phase: Phase, total: u64) {
        (self.phase, self.total, self.next) = (phase, total, 0);
    }

    pub(super) fn tick(&mut self, done: u64) {
        if done >= self.next || done == self.total {
            (self.report)(Progress { phase: self.phase, done, total: self.total });
            self.next = done + (self.total / 100).max(1);
        }
    }
}

/// A pack in quarantine: whole, checked and indexed, but not yet part of the repository. Dropping
/// it removes every trace.
#[derive(Debug)]
pub struct Ingested {
    folder: tempfile::TempDir,
    set: PackSet,
    pack: Option<IngestedPack>,
}

#[derive(Debug, Clone, Copy)]
struct IngestedPack {
    name: PackName,
    objects: u32,
    borrowed: u32,
    bytes: u64,
    inflated: u64,
    old_modes: u64,
}

impl Ingested {
    /// The pack's name; `None` when the push brought no object (all were here already).
    pub fn name(&self) -> Option<PackName> {
        self.pack.map(|pack| pack.name)
    }

    /// Where its `.pack` is, for copying it to where packs live for good.
    pub fn pack_path(&self) -> Option<PathBuf> {
        self.pack.map(|pack| self.folder().join(pack.name.pack_file()))
    }

    /// Where its `.idx` is.
    pub fn index_path(&self) -> Option<PathBuf> {
        self.pack.map(|pack| self.folder().join(pack.name.index_file()))
    }

    /// Objects in the pack, bases added to a thin pack included.
    pub fn objects(&self) -> u32 {
        self.pack.map_or(0, |pack| pack.objects)
    }

    /// Of these, bases that were copied from the repository because the pack was thin.
    pub fn borrowed(&self) -> u32 {
        self.pack.map_or(0, |pack| pack.borrowed)
    }

    /// Bytes of the `.pack` file.
    pub fn pack_bytes(&self) -> u64 {
        self.pack.map_or(0, |pack| pack.bytes)
    }

    /// Bytes of the pushed objects and deltas, inflated.
    pub fn inflated_bytes(&self) -> u64 {
        self.pack.map_or(0, |pack| pack.inflated)
    }

    /// Tree entries with the old file mode `100664`: harmless, but worth telling the pusher.
    pub fn old_modes(&self) -> u64 {
        self.pack.map_or(0, |pack| pack.old_modes)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn set(&self) -> &PackSet {
        &self.set
    }
}

impl SourceRepo {
    /// Takes a pack in from a stream: into quarantine, complete, indexed, every object checked.
    ///
    /// Memory stays bounded by the limits whatever the stream holds: blobs that are not deltas
    /// are hashed as they pass, and only one chain of deltas is held at a time.
    ///
    /// # Errors
    /// See [`IngestError`]; the quarantine is gone by the time it is returned. The stream is left
    /// where the fault was: read the rest of it away before answering, or the pusher sees a broken
    /// connection in place of the reason.
    pub fn ingest(
        &self,
        pack: impl BufRead,
        limits: &IngestLimits,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Ingested, IngestError> {
        let folder = self.quarantine()?;
        let existing = self.set();
        let mut budget = Budget::new(limits);
        let mut meter = ProgressMeter::new(progress);
        let mut named = Named::default();
        let incoming = Incoming::create(folder.path())?;
        let stream = PackStream::new(pack, &incoming.file, &incoming.path);
        let mut scan = stream.scan(&mut budget, &mut named, existing.object_count(), &mut meter)?;
        if scan.entries.is_empty() {
            return Ok(Ingested { folder, set: PackSet::default(), pack: None });
        }
        let resolver = Resolver {
            file: &incoming.file,
            path: &incoming.path,
            scan: &mut scan,
            existing: &existing,
            named: &mut named,
        };
        let borrowed = resolver.resolve(&mut budget, &mut meter)?;
        let mut objects = objects_of(&scan)?;
        let end = scan.end;
        let pushed = scan.entries.len();
        drop(scan.entries);
        let (checksum, bytes) = match borrowed.as_slice() {
            [] => (scan.checksum, end + 20),
            bases => incoming.complete(end, pushed, bases, &existing, &mut objects)?,
        };
        check_links(&objects, &named, &existing, &mut meter)?;
        let name = PackName(checksum);
        let set = incoming.seal(folder.path(), name, &objects)?;
        check_dotfiles(&named, &set, &existing)?;
        let pack = IngestedPack {
            name,
            objects: count(objects.len()),
            borrowed: count(borrowed.len()),
            bytes,
            inflated: budget.inflated,
            old_modes: named.old_modes,
        };
        Ok(Ingested { folder, set, pack: Some(pack) })
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a pack counts its objects in 32 bits")
}

/// An object of the pack, by id.
type IndexedObject = (IndexEntry, Kind);

/// All objects, sorted by id.
fn objects_of(scan: &Scan) -> Result<Vec<IndexedObject>, IngestError> {
    let mut objects: Vec<IndexedObject> = Vec::with_capacity(scan.entries.len());
    for entry in &scan.entries {
        let (kind, id) = entry.object.ok_or(IngestError::UnresolvedDeltas(1))?;
        objects.push((IndexEntry { id, offset: entry.offset, crc: entry.crc }, kind));
    }
    objects.sort_unstable_by_key(|(entry, _)| *entry);
    match objects.windows(2).find(|pair| pair[0].0.id == pair[1].0.id) {
        Some(pair) => Err(IngestError::Duplicate(pair[0].0.id)),
        None => Ok(objects),
    }
}

/// Every named object is in the pack or in the repository, and of the kind it is taken for.
fn check_links(
    objects: &[IndexedObject],
    named: &Named,
    existing: &PackSet,
    meter: &mut ProgressMeter<'_>,
) -> Result<(), IngestError> {
    meter.begin(Phase::Checking, named.links.len() as u64);
    let mut reader = Reader::new(existing);
    // Sorted, so that of several missing objects the same one is always named.
    let mut links: Vec<_> = named.links.iter().map(|(id, kind)| (*id, *kind)).collect();
    links.sort_unstable();
    for ((id, kind), done) in links.into_iter().zip(1..) {
        let found = match objects.binary_search_by_key(&id, |(entry, _)| entry.id) {
            Ok(at) => Some(objects[at].1),
            Err(_) => match existing.place(&id) {
                Some(place) => Some(reader.header(place)?.0),
                None => None,
            },
        };
        if found != Some(kind) {
            return Err(IngestError::Missing { id, kind });
        }
        meter.tick(done);
    }
    Ok(())
}

/// The files that git reads for itself, wherever they are: a new tree can give an old blob that
/// name.
fn check_dotfiles(named: &Named, pushed: &PackSet, existing: &PackSet) -> Result<(), IngestError> {
    type Check = fn(&[u8]) -> Result<(), Fault>;
    let checks: [(_, Check); 2] =
        [(&named.gitmodules, check_gitmodules), (&named.gitattributes, check_gitattributes)];
    let (mut pushed, mut existing) = (Reader::new(pushed), Reader::new(existing));
    for (ids, check) in checks {
        for id in ids {
            let found = match pushed.find(id)? {
                Some(found) => Some(found),
                None => existing.find(id)?,
            };
            let (kind, data) = found.ok_or(IngestError::Missing { id: *id, kind: Kind::Blob })?;
            check(&data).map_err(|fault| IngestError::Object { id: *id, kind, fault })?;
        }
    }
    Ok(())
}

/// The file that a pack arrives in.
struct Incoming {
    file: File,
    path: PathBuf,
}

impl Incoming {
    fn create(folder: &Path) -> Result<Self, IngestError> {
        let path = folder.join("incoming");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| IngestError::disk("make", &path, error))?;
        Ok(Self { file, path })
    }

    /// Makes a thin pack stand alone: the borrowed bases are added to it, whole. Returns its new
    /// checksum and length.
    fn complete(
        &self,
        end: u64,
        pushed: usize,
        bases: &[ObjectId],
        existing: &PackSet,
        objects: &mut Vec<IndexedObject>,
    ) -> Result<(ObjectId, u64), IngestError> {
        let disk = |error| IngestError::disk("write", &self.path, error);
        let mut reader = Reader::new(existing);
        let mut deflater = Deflater::new();
        let mut offset = end;
        (&self.file).seek(SeekFrom::Start(end)).map_err(disk)?;
        for id in bases {
            let (kind, data) = reader.find(id)?.ok_or(IngestError::UnresolvedDeltas(1))?;
            let mut entry = Vec::new();
            put_object(&mut deflater, kind, &data, &mut entry);
            (&self.file).write_all(&entry).map_err(disk)?;
            objects.push((IndexEntry { id: *id, offset, crc: crc32fast::hash(&entry) }, kind));
            offset += entry.len() as u64;
        }
        objects.sort_unstable_by_key(|(entry, _)| *entry);
        // The stream's checksum is gone already unless the bases were shorter than it.
        self.file.set_len(offset).map_err(disk)?;
        (&self.file).seek(SeekFrom::Start(8)).map_err(disk)?;
        (&self.file).write_all(&count(pushed + bases.len()).to_be_bytes()).map_err(disk)?;
        let checksum = self.checksum()?;
        (&self.file).seek(SeekFrom::End(0)).map_err(disk)?;
        (&self.file).write_all(checksum.as_slice()).map_err(disk)?;
        Ok((checksum, offset + 20))
    }

    fn checksum(&self) -> Result<ObjectId, IngestError> {
        let disk = |error| IngestError::disk("read", &self.path, error);
        (&self.file).seek(SeekFrom::Start(0)).map_err(disk)?;
        let mut reader = BufReader::with_capacity(1 << 18, &self.file);
        let mut hasher = ForeignHasher::new();
        loop {
            let part = reader.fill_buf().map_err(disk)?;
            if part.is_empty() {
                return Ok(hasher.finish()?);
            }
            hasher.update(part);
            let length = part.len();
            reader.consume(length);
        }
    }

    /// Names the pack, writes its index beside it and makes both last.
    fn seal(&self, folder: &Path, name: PackName, objects: &[IndexedObject]) -> Result<PackSet, IngestError> {
        let target = folder.join(name.pack_file());
        self.file.sync_all().map_err(|error| IngestError::disk("sync", &self.path, error))?;
        fs::rename(&self.path, &target).map_err(|error| IngestError::disk("rename", &target, error))?;
        let entries: Vec<IndexEntry> = objects.iter().map(|(entry, _)| *entry).collect();
        write_synced(&folder.join(name.index_file()), &encode_index(&entries, name.0))?;
        Ok(PackSet::default().with(Pack::open(folder, name)?))
    }
}

/// Writes a new file and makes it last.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), RepoError> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| RepoError::io("write", path, error))
}
