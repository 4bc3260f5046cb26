//! Symbolic links inside a source: where each leads. Owns resolution, one component at a time as a
//! file system does it; refuses to follow anything out of the source.

use crate::source_tree::{EntryKind, SourceTree, below};

/// Most links followed on the way to one target, as Linux does (`ELOOP` at 40).
const MAX_HOPS: usize = 40;
/// Longest target of a link, in bytes.
const MAX_TARGET: u64 = 4096;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file of the source, by index.
    File(usize),
    /// A folder of the source, by path; `""` is the root.
    Folder(String),
    /// Out of the source.
    Outside,
    /// Nothing is there.
    Nowhere,
    /// Round in circles.
    Loop,
    /// A submodule.
    Submodule,
}

impl Target {
    /// How it goes on after "is a link …".
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::File(_) => "to a file",
            Self::Folder(_) => "to a folder",
            Self::Outside => "out of the source",
            Self::Nowhere => "to nothing in the source",
            Self::Loop => "that leads back to itself",
            Self::Submodule => "into a submodule",
        }
    }
}

/// Where the entry leads; a file leads to itself.
pub(crate) fn resolve(tree: &dyn SourceTree, at: usize) -> Target {
    let entry = &tree.entries()[at];
    match entry.kind {
        EntryKind::Regular | EntryKind::Executable => Target::File(at),
        EntryKind::Submodule => Target::Submodule,
        EntryKind::Symlink => Walk { tree, hops: 0 }.walk(&entry.path),
    }
}

struct Walk<'a> {
    tree: &'a dyn SourceTree,
    hops: usize,
}

impl Walk<'_> {
    /// Walks from the root along `path`; `folder` never has a link in it.
    fn walk(&mut self, path: &[u8]) -> Target {
        let mut folder: Vec<Vec<u8>> = Vec::new();
        let mut rest: Vec<Vec<u8>> = Vec::new();
        if !push_parts(&mut rest, path) {
            return Target::Outside;
        }
        while let Some(part) = rest.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    if folder.pop().is_none() {
                        return Target::Outside;
                    }
                    continue;
                }
                _ => {}
            }
            let mut here = folder.clone();
            here.push(part);
            let name = here.join(&b'/');
            let entries = self.tree.entries();
            let Ok(at) = entries.binary_search_by(|entry| entry.path.as_slice().cmp(&name)) else {
                if !self.is_folder(&name) {
                    return Target::Nowhere;
                }
                folder = here;
                continue;
            };
            match entries[at].kind {
                EntryKind::Submodule => return Target::Submodule,
                EntryKind::Symlink => {
                    self.hops += 1;
                    if self.hops > MAX_HOPS {
                        return Target::Loop;
                    }
                    if entries[at].size > MAX_TARGET {
                        return Target::Nowhere;
                    }
                    let Ok(target) = self.tree.read(at) else { return Target::Nowhere };
                    // Relative to the folder that holds the link.
                    if !push_parts(&mut rest, &target) {
                        return Target::Outside;
                    }
                }
                _ if rest.iter().all(Vec::is_empty) => return Target::File(at),
                _ => return Target::Nowhere,
            }
        }
        match String::from_utf8(folder.join(&b'/')) {
            Ok(folder) => Target::Folder(folder),
            Err(_) => Target::Nowhere,
        }
    }

    fn is_folder(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| !below(self.tree, name).is_empty())
    }
}

/// Puts the parts of `path` before what is still to be walked (the last is walked first). False for
/// an absolute path, on any platform.
fn push_parts(rest: &mut Vec<Vec<u8>>, path: &[u8]) -> bool {
    let has_drive = path.get(1) == Some(&b':') && path[0].is_ascii_alphabetic();
    if path.starts_with(b"/") || path.starts_with(b"\\") || path.starts_with(b"~") || has_drive {
        return false;
    }
    rest.extend(path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_tree::{MemoryTree, find};

    fn lead(tree: &MemoryTree, path: &str) -> Target {
        resolve(tree, find(tree, path).unwrap())
    }

    #[test]
    fn links_lead_where_a_file_system_would_go() {
        let tree = MemoryTree::new()
            .file("CLAUDE.md", "x")
            .file("shared/lib/a.sh", "x")
            .symlink("AGENTS.md", "CLAUDE.md")
            .symlink("s/x/again", "../../AGENTS.md")
            .symlink("s/x/lib", "../../shared/lib/")
            .symlink("s/x/through", "lib/a.sh")
            .symlink("s/x/up", "lib/../lib/./a.sh")
            .symlink("s/x/root", "../..");
        let claude = find(&tree, "CLAUDE.md").unwrap();
        let script = find(&tree, "shared/lib/a.sh").unwrap();
        assert_eq!(lead(&tree, "AGENTS.md"), Target::File(claude));
        assert_eq!(lead(&tree, "s/x/again"), Target::File(claude));
        assert_eq!(lead(&tree, "s/x/lib"), Target::Folder("shared/lib".into()));
        assert_eq!(lead(&tree, "s/x/through"), Target::File(script));
        assert_eq!(lead(&tree, "s/x/up"), Target::File(script));
        assert_eq!(lead(&tree, "s/x/root"), Target::Folder(String::new()));
    }

    #[test]
    fn links_that_leave_dangle_or_loop_lead_nowhere_usable() {
        let tree = MemoryTree::new()
            .file("a/file", "x")
            .symlink("out", "../etc/passwd")
            .symlink("a/out", "b/../../../x")
            .symlink("absolute", "/etc/passwd")
            .symlink("drive", "C:\\x")
            .symlink("dangling", "nothing")
            .symlink("under-file", "a/file/x")
            .symlink("self", "self")
            .symlink("ping", "pong")
            .symlink("pong", "ping")
            .submodule("sub")
            .symlink("into", "sub/x");
        assert_eq!(lead(&tree, "out"), Target::Outside);
        assert_eq!(lead(&tree, "a/out"), Target::Nowhere);
        assert_eq!(lead(&tree, "absolute"), Target::Outside);
        assert_eq!(lead(&tree, "drive"), Target::Outside);
        assert_eq!(lead(&tree, "dangling"), Target::Nowhere);
        assert_eq!(lead(&tree, "under-file"), Target::Nowhere);
        assert_eq!(lead(&tree, "self"), Target::Loop);
        assert_eq!(lead(&tree, "ping"), Target::Loop);
        assert_eq!(lead(&tree, "into"), Target::Submodule);
    }
}
