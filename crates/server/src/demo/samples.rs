//! Owns the sample sources, compiled in so that the demo works without a checkout.

use std::path::Path;

use anyhow::Context as _;

/// A file of a source: path, content.
type File = (&'static str, &'static str);

/// The content of one repository that a creator pushes.
#[derive(Debug)]
pub(super) struct Source {
    /// Its name in the URL.
    pub(super) name: &'static str,
    files: &'static [File],
}

macro_rules! source {
    ($name:literal: $($path:literal)+) => {
        Source {
            name: $name,
            files: &[$(($path, include_str!(concat!("../../../../samples/", $name, "/", $path)))),+],
        }
    };
}

/// All of them, in the order in which they are pushed.
pub(super) const SOURCES: &[Source] = &[
    source!("flaky-test-hunter": "SKILL.md"),
    source!("migration-guard":
        "SKILL.md"
        "references/locks.md"
        "references/safe-rewrites.md"
        "scripts/check_migration.py"
        "scripts/test_check_migration.py"),
    source!("release-desk":
        ".claude-plugin/plugin.json"
        "README.md"
        "agents/release-checker.md"
        "commands/cut-release.md"
        "commands/release-notes.md"
        "skills/release-desk/SKILL.md"),
    source!("writing-desk":
        "README.md"
        "skills/decision-record/SKILL.md"
        "skills/error-messages/SKILL.md"),
];

impl Source {
    /// Writes the files below `folder`; one that begins with `#!` may be executed.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (path, content) in self.files {
            let target = folder.join(path);
            let parent = target.parent().expect("a file below a folder has a parent");
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&target, content))
                .and_then(|()| if content.starts_with("#!") { make_executable(&target) } else { Ok(()) })
                .with_context(|| format!("cannot write {}", target.display()))?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn make_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn listed(root: &Path, folder: &Path, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("__pycache__") {
                    listed(root, &path, into);
                }
            } else if path.parent() != Some(root) {
                into.insert(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }

    #[test]
    fn every_file_of_every_sample_is_compiled_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").canonicalize().unwrap();
        let mut on_disk = BTreeSet::new();
        listed(&root, &root, &mut on_disk);
        let compiled: BTreeSet<String> = SOURCES
            .iter()
            .flat_map(|source| source.files.iter().map(move |(path, _)| format!("{}/{path}", source.name)))
            .collect();
        assert_eq!(compiled, on_disk);
    }
}
