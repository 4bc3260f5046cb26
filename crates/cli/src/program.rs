//! Which program git runs to get a password. It has to work tomorrow: the cache of a package runner is emptied, and
//! a project's `node_modules` belongs to the project, so a program in either is copied to a permanent place first.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    failure::{Failure, Kind, Result},
    places,
    shell::quoted,
};

/// Chooses the program, copies this one if it needs to, and returns the value of `credential.….helper`.
pub(crate) fn helper() -> Result<String> {
    let me = env::current_exe()
        .and_then(fs::canonicalize)
        .map_err(|error| Failure::new(Kind::Failed, "cannot find the file of this program").why(error))?;
    if !is_permanent(&me) {
        settle(&me)?;
        return value(&copy()?);
    }
    let on_path = places::on_path("skaas").and_then(|found| fs::canonicalize(found).ok());
    if on_path.as_ref() == Some(&me) { Ok("!skaas git-credential".to_owned()) } else { value(&me) }
}

/// The value of `credential.….helper` that runs this file.
pub(crate) fn value(program: &Path) -> Result<String> {
    let path = program.to_str().ok_or_else(|| {
        Failure::new(Kind::Failed, "git cannot run this program")
            .why(format!("the path {} is not valid Unicode", program.display()))
    })?;
    // git runs it through a shell, which wants forward slashes on Windows too.
    let path =
        if cfg!(windows) { path.trim_start_matches(r"\\?\").replace('\\', "/") } else { path.to_owned() };
    Ok(format!("!{} git-credential", quoted(&path)))
}

/// Where the permanent copy of this program is, if there is one.
pub(crate) fn copy() -> Result<PathBuf> {
    Ok(places::data_dir()?.join("bin").join(if cfg!(windows) { "skaas.exe" } else { "skaas" }))
}

/// Whether the program stays where it is: not in the cache of `npx`, `pnpm dlx`, `bunx` or `yarn dlx`, and not in a
/// `node_modules` other than the global one.
fn is_permanent(program: &Path) -> bool {
    let cached = program.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "_npx" || part == "dlx" || ["dlx-", "bunx-", "xfs-"].iter().any(|head| part.starts_with(head))
    });
    !cached && outermost_modules(program).is_none_or(|modules| is_global(&modules, program))
}

/// The first `node_modules` on the way to the program.
fn outermost_modules(program: &Path) -> Option<PathBuf> {
    program
        .ancestors()
        .filter(|dir| dir.file_name().is_some_and(|name| name == "node_modules"))
        .last()
        .map(Path::to_owned)
}

/// Whether this is the folder of `npm install --global`: beside it is the folder of commands, and the command
/// `skaas` there leads back into it.
fn is_global(modules: &Path, program: &Path) -> bool {
    let Some(parent) = modules.parent() else { return false };
    // PREFIX/lib/node_modules and PREFIX/bin on Unix; PREFIX/node_modules and PREFIX on Windows.
    if cfg!(windows) {
        return !parent.join("package.json").exists() && parent.join("skaas.cmd").exists();
    }
    let command = parent.parent().map(|prefix| prefix.join("bin/skaas"));
    let leads_to = command.and_then(|command| fs::canonicalize(command).ok());
    let command = leads_to.filter(|target| target.starts_with(modules));
    parent.file_name().is_some_and(|name| name == "lib") && command.is_some() && program.starts_with(modules)
}

fn settle(program: &Path) -> Result<()> {
    let (dir, place) = (places::data_dir()?.join("bin"), copy()?);
    let attempt = || {
        fs::create_dir_all(&dir)?;
        // Renamed into place, so that git never runs half a program.
        let fresh = tempfile::NamedTempFile::new_in(&dir)?;
        fs::copy(program, fresh.path())?;
        fs::set_permissions(fresh.path(), fs::metadata(program)?.permissions())?;
        fresh.into_temp_path().persist(&place).map_err(|error| error.error)
    };
    attempt().map_err(|error| {
        Failure::new(Kind::Failed, format!("cannot copy this program to {}", places::shown(&dir)))
            .why(error)
            .next("npm install --global skaas, then skaas auth")
    })
}

/// Removes the permanent copy; for when the last server is signed out of.
pub(crate) fn remove_copy() -> Result<()> {
    let place = copy()?;
    if env::current_exe().is_ok_and(|me| me == place) && cfg!(windows) {
        // Windows does not let a running program be removed.
        return Ok(());
    }
    crate::private_file::remove(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_or_a_projects_modules_are_not_permanent() {
        for temporary in [
            "/home/a/.npm/_npx/1f2e/node_modules/skaas-linux-x64/bin/skaas",
            "/home/a/.cache/pnpm/dlx/1f2e/node_modules/skaas-linux-x64/bin/skaas",
            "/tmp/bunx-1000-skaas@latest/node_modules/skaas-linux-x64/bin/skaas",
            "/home/a/project/node_modules/skaas-linux-x64/bin/skaas",
            "/home/a/lib/node_modules/skaas-linux-x64/bin/skaas",
        ] {
            assert!(!is_permanent(Path::new(temporary)), "{temporary}");
        }
        for permanent in ["/usr/bin/skaas", "/home/a/src/skaas/target/debug/skaas"] {
            assert!(is_permanent(Path::new(permanent)), "{permanent}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn npms_global_folder_is_permanent() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = prefix.path().canonicalize().unwrap();
        let package = prefix.join("lib/node_modules/skaas");
        let program = package.join("node_modules/skaas-linux-x64/bin/skaas");
        for file in [&package.join("bin/skaas.js"), &program] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert!(!is_permanent(&program), "no command leads to it");
        fs::create_dir_all(prefix.join("bin")).unwrap();
        std::os::unix::fs::symlink("../lib/node_modules/skaas/bin/skaas.js", prefix.join("bin/skaas"))
            .unwrap();
        assert!(is_permanent(&program));
    }
}
