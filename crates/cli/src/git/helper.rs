//! Our lines in the user's git configuration: which program git asks for the password of one server. git writes the
//! file; every line that is not ours stays as it is, byte for byte.

use std::path::PathBuf;

use super::run;
use crate::{address::Address, failure::Result, places, shell::quoted};

/// The lines that were added, so that they can be removed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) helper: String,
    pub(crate) reset: bool,
}

fn key(address: &Address) -> String {
    format!("credential.{}.helper", address.origin())
}

/// The helpers for exactly this server in the user's configuration, in order.
pub(crate) fn named(address: &Address) -> Result<Vec<String>> {
    let ran = run(&["config", "--global", "--null", "--get-all", &key(address)], "")?;
    if ran.code == Some(1) {
        return Ok(Vec::new());
    }
    let ran = ran.or_fail("cannot read your git configuration")?;
    let text = String::from_utf8_lossy(&ran.stdout);
    Ok(text.split_terminator('\0').map(str::to_owned).collect())
}

/// Decides which lines make git use `helper` for this server. An empty one comes first: it makes git drop inherited
/// helpers, which would otherwise be asked before ours and be given our token to store.
pub(crate) fn plan(address: &Address, helper: &str) -> Result<Written> {
    let reset = !named(address)?.iter().any(String::is_empty);
    Ok(Written { helper: helper.to_owned(), reset })
}

/// Adds the lines.
pub(crate) fn install(address: &Address, written: &Written) -> Result<()> {
    let key = key(address);
    let add = |value: &str| {
        let ran = run(&["config", "--global", "--add", &key, value], "")?;
        ran.or_fail("cannot write your git configuration").map(drop).map_err(|failure| {
            failure.next(format!(
                "add it yourself: git config --global --add {} {}",
                quoted(&key),
                quoted(&written.helper)
            ))
        })
    };
    if written.reset {
        add("")?;
    }
    if named(address)?.contains(&written.helper) { Ok(()) } else { add(&written.helper) }
}

/// Removes the lines that were added, and nothing else.
pub(crate) fn remove(address: &Address, written: &Written) -> Result<()> {
    unset(address, &written.helper)?;
    if written.reset {
        unset(address, "")?;
    }
    remove_bare_section(address)
}

/// git keeps the heading `[credential "https://…"]` if a comment comes before it, since the comment might belong to
/// it. This removes the heading if nothing is left below it, not even a comment.
fn remove_bare_section(address: &Address) -> Result<()> {
    let head = format!("[credential \"{}\"]", address.origin());
    let bare = |path: PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut sections = text.split_inclusive('\n').skip_while(|line| line.trim() != head).skip(1);
        text.matches(&head).count() == 1
            && sections.find(|line| !line.trim().is_empty()).is_none_or(|line| line.starts_with('['))
    };
    if !files()?.into_iter().any(bare) {
        return Ok(());
    }
    let section = format!("credential.{}", address.origin());
    run(&["config", "--global", "--remove-section", &section], "")?
        .or_fail("cannot write your git configuration")
        .map(drop)
}

/// The files that can be the user's configuration (git-config(1), FILES).
fn files() -> Result<Vec<PathBuf>> {
    if let Some(only) = std::env::var_os("GIT_CONFIG_GLOBAL") {
        return Ok(vec![only.into()]);
    }
    let home = places::home()?;
    let base = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    Ok(vec![home.join(".gitconfig"), base.join("git/config")])
}

fn unset(address: &Address, value: &str) -> Result<()> {
    let pattern = format!("^{}$", literally(value));
    let ran = run(&["config", "--global", "--unset-all", &key(address), &pattern], "")?;
    match ran.code {
        // 5: there is no such line.
        Some(0 | 5) => Ok(()),
        _ => ran.or_fail("cannot write your git configuration").map(drop),
    }
}

/// A POSIX extended regular expression that matches this text and no other.
fn literally(text: &str) -> String {
    text.chars()
        .flat_map(|c| [r"\^.[$()|*+?{".contains(c).then_some('\\'), Some(c)].into_iter().flatten())
        .collect()
}

/// Every configured helper, with the file that names it.
pub(crate) fn considered() -> Result<Vec<(String, String)>> {
    let args = ["config", "--show-origin", "--null", "--get-regexp", r"^credential\.(.*\.)?helper$"];
    let ran = run(&args, "")?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let mut parts = text.split('\0');
    let mut found = Vec::new();
    while let (Some(origin), Some(entry)) = (parts.next(), parts.next()) {
        let (key, value) = entry.split_once('\n').unwrap_or((entry, ""));
        found.push((format!("{key} = {value}"), origin.trim_start_matches("file:").to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_text_literally() {
        assert_eq!(literally("!'/a b/skaas' git-credential"), "!'/a b/skaas' git-credential");
        assert_eq!(literally("a.b*(c)"), r"a\.b\*\(c\)");
    }
}
