//! One push at a time to a source: on this node, and among all processes that share its data folder.
//!
//! Between processes a lock file beside each copy decides. The system releases it when its process ends, so a
//! quarantine found under the lock is one whose push was killed. Between nodes the refs in the database decide.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use skaas_domain::id::SourceId;
use tokio::sync::OwnedMutexGuard;

use super::{line::Line, source_copy::blocking};
use crate::{
    app::App,
    error::{Error, Result},
};

/// Who waits for which source in this process.
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

/// A source's copy, held against all other pushes to it on this data folder.
pub(super) struct Hold {
    _in_all_processes: File,
    _in_this_process: OwnedMutexGuard<()>,
}

/// Holds the copy of a source. Whoever is on the line is told if another push has it.
pub(super) async fn hold(app: &App, source: SourceId, line: Option<&Line>) -> Result<Hold> {
    let lock = app.source_locks.of(source);
    let tell = || {
        if let Some(line) = line {
            line.progress("Waiting for another push to this source to finish\n");
        }
    };
    let here = if let Ok(guard) = Arc::clone(&lock).try_lock_owned() {
        guard
    } else {
        tell();
        lock.lock_owned().await
    };
    let path = path_of(&app.config.scratch, source);
    let tried = path.clone();
    let free = blocking(move || try_lock(&tried)).await?.map_err(Error::internal)?;
    let file = if let Some(file) = free {
        file
    } else {
        tell();
        blocking(move || wait_for(&path)).await?.map_err(Error::internal)?
    };
    note_use(&file).map_err(Error::internal)?;
    Ok(Hold { _in_all_processes: file, _in_this_process: here })
}

/// The lock file of a source's copy. The time of its last change is when the copy was last used.
pub(super) fn path_of(scratch: &Path, source: SourceId) -> PathBuf {
    scratch.join("sources").join(format!("{source}.lock"))
}

/// The lock, unless somebody has it.
pub(super) fn try_lock(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_still(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// The lock, after whoever has it.
fn wait_for(path: &Path) -> io::Result<File> {
    loop {
        let file = open(path)?;
        file.lock()?;
        if is_still(&file, path) {
            return Ok(file);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().create(true).truncate(false).write(true).open(path)
}

/// Whether the path still leads to this file: a sweep may have removed it between opening and locking.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let ids = |metadata: io::Result<fs::Metadata>| metadata.ok().map(|m| (m.dev(), m.ino()));
    ids(file.metadata()) == ids(fs::metadata(path))
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}

/// Notes the use by changing the file's length, which takes no room on a full disk.
fn note_use(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.set_len(1 - length.min(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_one_holders_and_ends_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sources/a.lock");
        let held = try_lock(&path).unwrap().unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        let held = try_lock(&path).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        assert!(try_lock(&path).unwrap().is_some(), "a lock on a removed file is nobody's");
        drop(held);
    }
}
