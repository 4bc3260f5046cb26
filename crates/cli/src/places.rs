//! Owns where things lie on this machine: our folders, the person's home, programs.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::failure::{Failure, Kind, Result};

/// The person's home.
pub(crate) fn home() -> Result<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
        Failure::new(Kind::Failed, "cannot tell where your home folder is")
            .why("HOME is not set to an absolute path")
    })
}

fn from_env(name: &str) -> Option<PathBuf> {
    // The XDG specification: a relative path in these variables is to be ignored.
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Where our settings and the record of sign-ins are kept.
pub(crate) fn config_dir() -> Result<PathBuf> {
    let base = from_env("XDG_CONFIG_HOME").or_else(|| from_env("APPDATA").filter(|_| cfg!(windows)));
    Ok(base.map_or_else(|| home().map(|home| home.join(".config")), Ok)?.join("skaas"))
}

/// Where a lasting copy of this program is put when it runs out of a cache.
pub(crate) fn data_dir() -> Result<PathBuf> {
    let base = from_env("XDG_DATA_HOME").or_else(|| from_env("LOCALAPPDATA").filter(|_| cfg!(windows)));
    Ok(base.map_or_else(|| home().map(|home| home.join(".local/share")), Ok)?.join("skaas"))
}

/// The program of this name that a shell would run.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let suffixes: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };
    env::split_paths(&path)
        .flat_map(|dir| suffixes.iter().map(move |suffix| dir.join(format!("{name}{suffix}"))))
        .find(|candidate| runnable(candidate))
}

#[cfg(unix)]
fn runnable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn runnable(file: &Path) -> bool {
    file.is_file()
}

/// A path as a person writes it: `~` for their home.
pub(crate) fn shown(path: &Path) -> String {
    match home().ok().and_then(|home| path.strip_prefix(home).map(Path::to_owned).ok()) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}
