//! Paths on this machine: our folders, the home folder, and programs on the PATH.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{
    failure::{Failure, Kind, Result},
    shell::quoted,
};

/// The home folder.
pub(crate) fn home() -> Result<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
        Failure::new(Kind::Failed, "cannot find your home folder").why("HOME is not set to an absolute path")
    })
}

fn from_env(name: &str) -> Option<PathBuf> {
    // The XDG specification: a relative path in these variables is to be ignored.
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The folder of the settings and of the list of sign-ins.
pub(crate) fn config_dir() -> Result<PathBuf> {
    let base = from_env("XDG_CONFIG_HOME").or_else(|| from_env("APPDATA").filter(|_| cfg!(windows)));
    Ok(base.map_or_else(|| home().map(|home| home.join(".config")), Ok)?.join("skaas"))
}

/// The folder for a permanent copy of this program, for when it runs from a place that may be deleted.
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

/// A path for display, with `~` for the home folder.
pub(crate) fn shown(path: &Path) -> String {
    match below_home(path) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

/// A path for pasting into a shell. `~` is used only where nothing needs quoting, since quotes would disable it.
pub(crate) fn pasted(path: &Path) -> String {
    let rest = below_home(path).map(|rest| rest.display().to_string());
    match rest {
        Some(rest) if *quoted(&rest) == rest => format!("~/{rest}"),
        _ => quoted(&path.display().to_string()).into_owned(),
    }
}

fn below_home(path: &Path) -> Option<PathBuf> {
    path.strip_prefix(home().ok()?).map(Path::to_owned).ok()
}

/// Removes the folders that signing in made, from the innermost outwards, as long as they are empty. Outside our own
/// two folders only the usual parents in the home folder are considered.
pub(crate) fn remove_empty_folders() -> Result<()> {
    let home = home()?;
    for own in [data_dir()?.join("bin"), data_dir()?, config_dir()?] {
        let standard = |dir: &&Path| {
            dir.strip_prefix(&home).is_ok_and(|rest| {
                [".config", ".local/share", ".local"].iter().any(|usual| rest == Path::new(usual))
            })
        };
        let parents = own.ancestors().skip(1).filter(standard);
        for dir in std::iter::once(own.as_path()).chain(parents) {
            // A folder that still holds something stays, and so does everything above it.
            if std::fs::remove_dir(dir).is_err() && dir.exists() {
                break;
            }
        }
    }
    Ok(())
}
