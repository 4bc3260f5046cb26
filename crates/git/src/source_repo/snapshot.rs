//! What one commit of a source shows: its files, its message, its date.
//!
//! Owns: peeling tags, listing a tree within bounds, reading files. Refuses: judging paths, and
//! anything but the one tree: history stays the creator's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gix_hash::ObjectId;

use super::object_check::{TreeEntry, tree_entries};
use super::pack_set::{MOST_WORK, PackSet, ReadMemory, Reader};
use super::{RepoError, SourceRepo};
use crate::object::{Kind, ParsedCommit, Signature};

/// Tags that point at tags, at most.
const LONGEST_TAG_CHAIN: usize = 8;

/// Bounds of a listing: a few small trees can name each other into billions of paths.
#[derive(Debug, Clone)]
pub struct SnapshotLimits {
    /// Entries looked at, folders included.
    pub entries: usize,
    /// Folders inside one another.
    pub depth: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Bytes of all files together, each path counted.
    pub total_bytes: u64,
}

impl Default for SnapshotLimits {
    fn default() -> Self {
        Self { entries: 100_000, depth: 64, path_bytes: 4_096, total_bytes: 1 << 30 }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryMode {
    /// `100644`.
    Regular,
    /// `100755`.
    Executable,
    /// `120000`; the content is the target.
    Symlink,
    /// `160000`; the id is a commit of another repository, the size 0.
    Submodule,
}

/// One file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// Components joined by `/`, in whatever encoding the creator used.
    pub path: Vec<u8>,
    /// What it is.
    pub mode: EntryMode,
    /// Its blob.
    pub id: ObjectId,
    /// Its bytes.
    pub size: u64,
}

/// Why a commit cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not here.
    #[error("object {0} is not in this repository")]
    NotFound(ObjectId),
    /// It is a file, a folder, or a tag of one.
    #[error("{0} is not a commit")]
    NotACommit(ObjectId),
    /// One of [`SnapshotLimits`].
    #[error("the commit is too large: {what} over the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The repository could not be read.
    #[error(transparent)]
    Repo(RepoError),
}

impl From<RepoError> for SnapshotError {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::TooMuchWork { .. } => {
                Self::TooLarge { what: "bytes of work on deltas", limit: MOST_WORK }
            }
            error => Self::Repo(error),
        }
    }
}

/// One commit, listed. Keeps reading from the packs it was made with, whatever happens to the
/// repository in the meantime.
pub struct Snapshot {
    /// The commit itself, tags peeled.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// Who wrote it, as far as that can be read as text.
    pub author: Signature,
    /// When it was written, in seconds since the epoch, UTC.
    pub author_date: i64,
    /// The message, invalid UTF-8 replaced.
    pub message: String,
    entries: Vec<SnapshotEntry>,
    set: Arc<PackSet>,
    memory: Mutex<ReadMemory>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.len();
        f.debug_struct("Snapshot")
            .field("commit", &self.commit)
            .field("entries", &entries)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// All files, links and submodules, sorted by the bytes of their paths.
    pub fn entries(&self) -> &[SnapshotEntry] {
        &self.entries
    }

    /// The entry at exactly this path.
    pub fn entry(&self, path: &[u8]) -> Option<&SnapshotEntry> {
        let at = self.entries.binary_search_by(|entry| entry.path.as_slice().cmp(path)).ok()?;
        Some(&self.entries[at])
    }

    /// The content of a blob. Quickest in the order of [`Self::entries`].
    pub fn read(&self, id: &ObjectId) -> Result<Vec<u8>, SnapshotError> {
        let place = self.set.place(id).ok_or(SnapshotError::NotFound(*id))?;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memory.read(&self.set, place)?.1)
    }

    /// Lets go of what reading has left in memory, tens of megabytes at most. To be called when no more is to be
    /// read soon.
    pub fn forget(&self) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).forget();
    }
}

impl SourceRepo {
    /// The commit that `tip` is, or that a tag `tip` points at.
    pub fn peel(&self, tip: ObjectId) -> Result<ObjectId, SnapshotError> {
        let set = self.set();
        peel(&mut Reader::new(&set), tip).map(|(commit, _)| commit)
    }

    /// The same for many tips; `None` for one that leads to no commit.
    pub fn peel_all(&self, tips: impl IntoIterator<Item = ObjectId>) -> Vec<Option<ObjectId>> {
        let set = self.set();
        let mut reader = Reader::new(&set);
        tips.into_iter().map(|tip| peel(&mut reader, tip).ok().map(|(commit, _)| commit)).collect()
    }

    /// Lists the commit that `tip` is, or that a tag `tip` points at.
    pub fn snapshot(&self, tip: ObjectId, limits: &SnapshotLimits) -> Result<Snapshot, SnapshotError> {
        let set = self.set();
        let mut reader = Reader::new(&set);
        let (commit, data) = peel(&mut reader, tip)?;
        let parsed = ParsedCommit::parse(&data).map_err(|_| SnapshotError::NotACommit(commit))?;
        let (author, author_date) = author_of(&data);
        let mut listing = Listing { set: &set, reader, limits, entries: Vec::new(), seen: 0, bytes: 0 };
        listing.add_tree(&parsed.tree, &mut Vec::new(), 0)?;
        let entries = listing.entries;
        debug_assert!(entries.is_sorted_by(|a, b| a.path < b.path), "git's order is that of whole paths");
        Ok(Snapshot {
            commit,
            tree: parsed.tree,
            author,
            author_date,
            message: message_of(&data),
            entries,
            set,
            memory: Mutex::default(),
        })
    }
}

/// The commit behind an id, with its content.
fn peel(reader: &mut Reader<'_>, tip: ObjectId) -> Result<(ObjectId, Vec<u8>), SnapshotError> {
    let mut id = tip;
    for _ in 0..LONGEST_TAG_CHAIN {
        let (kind, data) = reader.find(&id)?.ok_or(SnapshotError::NotFound(id))?;
        match kind {
            Kind::Commit => return Ok((id, data)),
            Kind::Tag => id = tag_target(&data).ok_or(SnapshotError::NotACommit(tip))?,
            Kind::Tree | Kind::Blob => break,
        }
    }
    Err(SnapshotError::NotACommit(tip))
}

/// What an annotated tag points at.
pub(super) fn tag_target(data: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(data.strip_prefix(b"object ")?.get(..40)?).ok()
}

fn author_of(data: &[u8]) -> (Signature, i64) {
    let line = data.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"author "));
    let text = String::from_utf8_lossy(line.unwrap_or_default());
    // Both separators are there in every commit that was accepted.
    let (name, rest) = text.split_once(" <").unwrap_or_default();
    let (email, when) = rest.split_once("> ").unwrap_or_default();
    let seconds = when.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    (Signature { name: name.to_owned(), email: email.to_owned() }, seconds)
}

fn message_of(data: &[u8]) -> String {
    let start = data.windows(2).position(|pair| pair == b"\n\n").map_or(data.len(), |end| end + 2);
    String::from_utf8_lossy(&data[start..]).into_owned()
}

/// A listing under way.
struct Listing<'a> {
    set: &'a PackSet,
    reader: Reader<'a>,
    limits: &'a SnapshotLimits,
    entries: Vec<SnapshotEntry>,
    seen: usize,
    bytes: u64,
}

impl Listing<'_> {
    fn add_tree(&mut self, tree: &ObjectId, path: &mut Vec<u8>, depth: usize) -> Result<(), SnapshotError> {
        within(depth as u64, self.limits.depth as u64, "folders inside one another")?;
        let (_, data) = self.reader.find(tree)?.ok_or(SnapshotError::NotFound(*tree))?;
        for entry in tree_entries(&data) {
            let entry = entry.map_err(|_| SnapshotError::NotFound(*tree))?;
            self.seen += 1;
            within(self.seen as u64, self.limits.entries as u64, "files and folders")?;
            let length = path.len();
            path.extend_from_slice(entry.name);
            within(path.len() as u64, self.limits.path_bytes as u64, "bytes of a path")?;
            if entry.kind() == Some(Kind::Tree) {
                path.push(b'/');
                self.add_tree(&entry.id, path, depth + 1)?;
            } else {
                self.add_file(&entry, path)?;
            }
            path.truncate(length);
        }
        Ok(())
    }

    fn add_file(&mut self, entry: &TreeEntry<'_>, path: &[u8]) -> Result<(), SnapshotError> {
        let mode = match entry.mode {
            b"100755" => EntryMode::Executable,
            b"120000" => EntryMode::Symlink,
            b"160000" => EntryMode::Submodule,
            _ => EntryMode::Regular,
        };
        let size = match mode {
            EntryMode::Submodule => 0,
            _ => self.size_of(&entry.id)?,
        };
        self.bytes = self.bytes.saturating_add(size);
        within(self.bytes, self.limits.total_bytes, "bytes of all files")?;
        self.entries.push(SnapshotEntry { path: path.to_vec(), mode, id: entry.id, size });
        Ok(())
    }

    fn size_of(&mut self, id: &ObjectId) -> Result<u64, SnapshotError> {
        let place = self.set.place(id).ok_or(SnapshotError::NotFound(*id))?;
        Ok(self.reader.header(place)?.1)
    }
}

fn within(value: u64, limit: u64, what: &'static str) -> Result<(), SnapshotError> {
    if value > limit { Err(SnapshotError::TooLarge { what, limit }) } else { Ok(()) }
}
