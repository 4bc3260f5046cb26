//! Owns how a file with secrets in it is written: whole or not at all, readable by its owner alone from the
//! first byte, one writer at a time.

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

/// The file's bytes; none when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

/// Replaces the file's bytes. A link stays a link: what it points at is replaced.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = target.parent().unwrap_or(Path::new("."));
    let attempt = || {
        make_folder(dir)?;
        // A temporary file is of mode 0600 from its creation.
        let mut fresh = tempfile::NamedTempFile::new_in(dir)?;
        fresh.write_all(bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(&target)?;
        Ok(())
    };
    attempt().map_err(|error| failed("write", path, &error))
}

/// Removes the file, if there is one.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Keeps other processes out until it is dropped.
pub(crate) struct Lock {
    _file: fs::File,
}

/// Waits for its turn to change what lies beside `path`.
pub(crate) fn lock(path: &Path) -> Result<Lock> {
    let name: PathBuf = path.with_extension("lock");
    let attempt = || {
        make_folder(name.parent().unwrap_or(Path::new(".")))?;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&name)?;
        file.lock()?;
        Ok(Lock { _file: file })
    };
    attempt().map_err(|error| failed("lock", &name, &error))
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
