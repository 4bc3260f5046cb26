//! A creator's hosted repository: immutable packs in a local folder, and what is done with them.
//!
//! Owns: taking in a pushed pack (quarantine, strict checks, bounds), looking at a commit,
//! merging packs, and serving the creator's own fetches. Refuses: refs (the caller keeps and
//! swaps them), the place where packs live for good (the caller copies them there), the clock.
//!
//! Invariant: every object in an accepted pack has all the objects it names, in that pack or in
//! another accepted one. [`SourceRepo::ingest`] refuses anything else, so that looking whether a
//! tip is connected is looking whether it is there.
//!
//! All of it blocks on local files and is meant for a blocking thread.

mod consolidate;
mod delta_resolution;
mod foreign_hash;
mod ingest;
mod object_check;
mod pack_index;
mod pack_set;
mod pack_stream;
mod pack_writer;
mod snapshot;
mod tips;
mod upload;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub use consolidate::Consolidated;
pub use foreign_hash::{CollisionAttack, hash_foreign};
pub use ingest::{IngestError, IngestLimits, Ingested, Phase, Progress};
pub use object_check::{Fault, check_object};
pub use snapshot::{EntryMode, Snapshot, SnapshotEntry, SnapshotError, SnapshotLimits};
pub use tips::Missing;
pub use upload::{SourceAnswer, SourcePack, SourceRefs};

use gix_hash::ObjectId;
use pack_set::PackSet;

use crate::object::Kind;

/// How the names of quarantine folders begin.
const QUARANTINE: &str = "incoming-";

/// The name of an immutable pack: the checksum at its end. Its files are
/// `pack-<name>.pack` and `pack-<name>.idx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName(pub ObjectId);

impl PackName {
    /// `pack-<40 digits>.pack`.
    pub fn pack_file(self) -> String {
        format!("pack-{}.pack", self.0)
    }

    /// `pack-<40 digits>.idx`.
    pub fn index_file(self) -> String {
        format!("pack-{}.idx", self.0)
    }

    fn of_index_file(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("pack-")?.strip_suffix(".idx")?;
        (digits.len() == 40).then(|| ObjectId::from_hex(digits.as_bytes()).ok()).flatten().map(Self)
    }
}

/// Why the repository's own files could not be used: the operator's concern, never the pusher's.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// A file could not be read, written or moved.
    #[error("cannot {act} {path}")]
    Io {
        /// What was tried: `read`, `write`, …
        act: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A pack that was accepted once no longer reads.
    #[error("stored pack {pack} is damaged: {reason}")]
    Damaged {
        /// Its file.
        pack: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Its deltas were made to cost far more than the objects are worth.
    #[error("reading {pack} takes more work than a pack of its kind should")]
    TooMuchWork {
        /// The pack.
        pack: PathBuf,
    },
}

impl RepoError {
    fn io(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { act, path: path.to_owned(), source }
    }
}

/// The packs of one source, in one folder. Cheap to share; its methods take `&self`.
#[derive(Debug)]
pub struct SourceRepo {
    dir: PathBuf,
    packs: RwLock<Arc<PackSet>>,
}

impl SourceRepo {
    /// Opens the folder, making it when absent, with every pack in it that has its index.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, RepoError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|error| RepoError::io("make", &dir, error))?;
        let mut set = PackSet::default();
        let listing = fs::read_dir(&dir).map_err(|error| RepoError::io("list", &dir, error))?;
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|error| RepoError::io("list", &dir, error))?;
            names.extend(entry.file_name().to_str().and_then(PackName::of_index_file));
        }
        names.sort_unstable();
        for name in names {
            set = set.with(pack_set::Pack::open(&dir, name)?);
        }
        Ok(Self { dir, packs: RwLock::new(Arc::new(set)) })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a crash left behind: quarantines, packs without an index, and files that were not copied
    /// to their end; each with its bytes.
    ///
    /// Only to be relied on while nobody ingests here, in this process or another: the caller holds
    /// a lock on the folder.
    pub fn leftovers(&self) -> Result<Vec<(PathBuf, u64)>, RepoError> {
        let io = |error| RepoError::io("list", &self.dir, error);
        let packs = self.packs();
        let known: HashSet<String> =
            packs.iter().flat_map(|name| [name.pack_file(), name.index_file()]).collect();
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().map_err(io)?.is_dir() {
                if name.starts_with(QUARANTINE) {
                    found.push((entry.path(), folder_bytes(&entry.path()).map_err(io)?));
                }
            } else if !known.contains(&name) {
                found.push((entry.path(), entry.metadata().map_err(io)?.len()));
            }
        }
        Ok(found)
    }

    /// Removes [`Self::leftovers`], under the same lock. Returns how many bytes that frees.
    pub fn clear_leftovers(&self) -> Result<u64, RepoError> {
        let mut freed = 0;
        for (path, bytes) in self.leftovers()? {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| RepoError::io("remove", &path, error))?;
            freed += bytes;
        }
        Ok(freed)
    }

    /// The packs in use, sorted.
    pub fn packs(&self) -> Vec<PackName> {
        self.set().names()
    }

    /// Whether an object is here.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.set().contains(id)
    }

    /// One object, whole.
    pub fn find(&self, id: &ObjectId) -> Result<Option<(Kind, Vec<u8>)>, RepoError> {
        pack_set::Reader::new(&self.set()).find(id)
    }

    /// Moves a quarantined pack into the repository; from then on its objects are found here.
    /// Nothing is moved, and `None` returned, when the push brought no object. Accepting what is
    /// already here is no error.
    ///
    /// The index arrives last, so that a crash in between leaves a pack nobody looks at.
    pub fn accept(&self, ingested: Ingested) -> Result<Option<PackName>, RepoError> {
        let Some(name) = ingested.name() else {
            return Ok(None);
        };
        if !self.packs().contains(&name) {
            self.move_in(ingested.folder(), name)?;
        }
        drop(ingested);
        Ok(Some(name))
    }

    /// Takes up a pack that the caller put into the folder after [`Self::open`], such as one that
    /// another node accepted.
    pub fn add_pack(&self, name: PackName) -> Result<(), RepoError> {
        let mut packs = self.packs.write().unwrap_or_else(PoisonError::into_inner);
        if !packs.names().contains(&name) {
            *packs = Arc::new(packs.with(pack_set::Pack::open(&self.dir, name)?));
        }
        Ok(())
    }

    /// Stops using packs and removes their files, index first. Readers that hold a
    /// [`Snapshot`] keep theirs.
    pub fn remove_packs(&self, names: &[PackName]) -> Result<(), RepoError> {
        let mut packs = self.packs.write().unwrap_or_else(PoisonError::into_inner);
        *packs = Arc::new(packs.without(names));
        for file in names.iter().flat_map(|name| [name.index_file(), name.pack_file()]) {
            let path = self.dir.join(file);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RepoError::io("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn set(&self) -> Arc<PackSet> {
        Arc::clone(&self.packs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn move_in(&self, from: &Path, name: PackName) -> Result<(), RepoError> {
        for file in [name.pack_file(), name.index_file()] {
            let target = self.dir.join(&file);
            fs::rename(from.join(&file), &target)
                .map_err(|error| RepoError::io("move into place", &target, error))?;
        }
        sync_folder(&self.dir)?;
        self.add_pack(name)
    }

    /// A fresh folder for files that are not part of the repository yet; removed when dropped.
    fn quarantine(&self) -> Result<tempfile::TempDir, RepoError> {
        tempfile::Builder::new()
            .prefix(QUARANTINE)
            .tempdir_in(&self.dir)
            .map_err(|error| RepoError::io("make a quarantine in", &self.dir, error))
    }
}

/// Bytes of the files in a folder of files.
fn folder_bytes(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// Makes renames in a folder last through a loss of power.
fn sync_folder(dir: &Path) -> Result<(), RepoError> {
    fs::File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| RepoError::io("sync", dir, error))
}
