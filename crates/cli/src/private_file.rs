//! Writing files that hold secrets: completely or not at all, readable only by their owner from the first byte,
//! one writer at a time.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    failure::{Failure, Kind, Result},
    places,
};

fn failed(act: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot {act} {}", places::shown(path))).why(error)
}

/// Reads a file; `None` if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

/// Replaces the contents of a file. A symbolic link stays one; its target is replaced.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = target.parent().unwrap_or(Path::new("."));
    let attempt = || {
        make_folder(dir)?;
        // A temporary file has mode 0600 from the start.
        let mut fresh = tempfile::NamedTempFile::new_in(dir)?;
        fresh.write_all(bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(&target)?;
        Ok(())
    };
    attempt().map_err(|error| failed("write", path, &error))
}

/// Removes a file if it exists.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Holds a lock until it is dropped.
pub(crate) struct Lock {
    file: fs::File,
}

/// Waits until no other process changes what is beside `path`, and keeps it that way.
pub(crate) fn lock(path: &Path) -> Result<Lock> {
    let name: PathBuf = path.with_extension("lock");
    let attempt = || loop {
        make_folder(name.parent().unwrap_or(Path::new(".")))?;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&name)?;
        file.lock()?;
        // While we waited, the holder may have removed the file. A lock on a file without a name excludes nobody.
        if same_file(&file, &name) {
            return Ok(Lock { file });
        }
    };
    attempt().map_err(|error| failed("lock", &name, &error))
}

/// Removes the lock file of `path`, once there is nothing left to protect.
pub(crate) fn remove_lock(path: &Path) -> Result<()> {
    let name = path.with_extension("lock");
    if !name.exists() {
        return Ok(());
    }
    let lock = lock(path)?;
    let removed = remove(&name);
    drop(lock.file);
    removed
}

#[cfg(unix)]
fn same_file(file: &fs::File, name: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: io::Result<fs::Metadata>| meta.ok().map(|meta| (meta.dev(), meta.ino()));
    id(file.metadata()) == id(fs::metadata(name))
}

#[cfg(not(unix))]
fn same_file(_: &fs::File, name: &Path) -> bool {
    name.exists()
}

#[cfg(unix)]
fn make_folder(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_folder(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}
