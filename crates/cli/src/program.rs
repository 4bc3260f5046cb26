//! Owns which program git is told to run. It must still be there tomorrow: run out of a package runner's
//! cache, this program first leaves a copy of itself in a lasting place.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    failure::{Failure, Kind, Result},
    git::helper::quoted,
    places,
};

/// The value for `credential.….helper`.
pub(crate) fn helper() -> Result<String> {
    let me = env::current_exe()
        .and_then(fs::canonicalize)
        .map_err(|error| Failure::new(Kind::Failed, "cannot tell which file this program is").why(error))?;
    let on_path = places::on_path("skaas").and_then(|found| fs::canonicalize(found).ok());
    if on_path.as_ref() == Some(&me) {
        return Ok("!skaas git-credential".to_owned());
    }
    let lasting = if passing(&me) { settle(&me)? } else { me };
    // git runs it by a shell, also on Windows, where a shell wants forward slashes.
    let path = lasting.to_str().ok_or_else(|| {
        Failure::new(Kind::Failed, "git cannot be told to run this program")
            .why(format!("{} is not text", lasting.display()))
    })?;
    let path =
        if cfg!(windows) { path.trim_start_matches(r"\\?\").replace('\\', "/") } else { path.to_owned() };
    Ok(format!("!{} git-credential", quoted(&path)))
}

/// Whether this is the cache of `npx`, `pnpm dlx`, `bunx` or `yarn dlx`, which empties itself.
fn passing(program: &Path) -> bool {
    program.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "_npx" || part == "dlx" || ["dlx-", "bunx-", "xfs-"].iter().any(|head| part.starts_with(head))
    })
}

fn settle(program: &Path) -> Result<PathBuf> {
    let dir = places::data_dir()?.join("bin");
    let place = dir.join(program.file_name().unwrap_or("skaas".as_ref()));
    let attempt = || {
        fs::create_dir_all(&dir)?;
        // Renamed into place: a copy that git runs at this moment stays whole.
        let fresh = tempfile::NamedTempFile::new_in(&dir)?;
        fs::copy(program, fresh.path())?;
        fs::set_permissions(fresh.path(), fs::metadata(program)?.permissions())?;
        fresh.into_temp_path().persist(&place).map_err(|error| error.error)
    };
    attempt().map_err(|error| {
        Failure::new(Kind::Failed, format!("cannot leave a copy of this program in {}", places::shown(&dir)))
            .why(error)
            .next("npm install --global skaas, then skaas auth")
    })?;
    Ok(place)
}

/// Removes the lasting copy, if there is one; for when the last server is signed out of.
pub(crate) fn remove_copy() -> Result<()> {
    let place = places::data_dir()?.join("bin").join(if cfg!(windows) { "skaas.exe" } else { "skaas" });
    if env::current_exe().is_ok_and(|me| me == place) && cfg!(windows) {
        // A running program cannot be removed there.
        return Ok(());
    }
    crate::private_file::remove(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_runners_cache_is_known_by_its_folder() {
        for cache in [
            "/home/a/.npm/_npx/1f2e/node_modules/skaas-linux-x64/bin/skaas",
            "/home/a/.cache/pnpm/dlx/1f2e/node_modules/skaas-linux-x64/bin/skaas",
            "/tmp/bunx-1000-skaas@latest/node_modules/skaas-linux-x64/bin/skaas",
        ] {
            assert!(passing(Path::new(cache)), "{cache}");
        }
        for lasting in
            ["/usr/lib/node_modules/skaas/node_modules/skaas-linux-x64/bin/skaas", "/usr/bin/skaas"]
        {
            assert!(!passing(Path::new(lasting)), "{lasting}");
        }
    }
}
