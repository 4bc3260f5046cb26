//! The listing of a creator's source at one commit, as the rest of this crate sees it. Owns the
//! trait and an in-memory form; refuses to know where bytes come from.

use thiserror::Error;

/// What a path in a git tree is (its mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Mode 100644 (and the historic 100664).
    Regular,
    /// Mode 100755.
    Executable,
    /// Mode 120000; its content is the target.
    Symlink,
    /// Mode 160000: a commit of another repository.
    Submodule,
}

impl EntryKind {
    /// Whether it is a file with content of its own.
    pub fn is_file(self) -> bool {
        matches!(self, Self::Regular | Self::Executable)
    }
}

/// One path of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEntry {
    /// Full path, `/`-separated, as the bytes git holds.
    pub path: Vec<u8>,
    /// Mode.
    pub kind: EntryKind,
    /// Size in bytes of its blob; 0 for a submodule.
    pub size: u64,
}

/// A blob could not be read; the words are for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot read {path}: {reason}")]
pub struct ReadError {
    /// Which path, escaped for display.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A full recursive listing with its contents.
pub trait SourceTree {
    /// Every file, link and submodule (no directories), sorted by `path` as bytes.
    fn entries(&self) -> &[SourceEntry];

    /// The content of `entries()[index]`.
    ///
    /// # Errors
    /// When the blob is missing or damaged, or `index` is out of range or a submodule.
    fn read(&self, index: usize) -> Result<Vec<u8>, ReadError>;
}

/// A source held in memory: for tests, samples and fuzzing.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    entries: Vec<SourceEntry>,
    contents: Vec<Vec<u8>>,
}

impl MemoryTree {
    /// An empty source.
    pub fn new() -> Self {
        Self::default()
    }

    /// The source with one more regular file (or the file replaced).
    #[must_use]
    pub fn file(self, path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        self.with(path, EntryKind::Regular, content)
    }

    /// The source with one more executable file.
    #[must_use]
    pub fn executable(self, path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        self.with(path, EntryKind::Executable, content)
    }

    /// The source with one more symbolic link.
    #[must_use]
    pub fn symlink(self, path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        self.with(path, EntryKind::Symlink, target)
    }

    /// The source with one more submodule.
    #[must_use]
    pub fn submodule(self, path: impl Into<Vec<u8>>) -> Self {
        self.with(path, EntryKind::Submodule, Vec::new())
    }

    /// The source with one more entry of any kind, kept in order.
    #[must_use]
    pub fn with(mut self, path: impl Into<Vec<u8>>, kind: EntryKind, content: impl Into<Vec<u8>>) -> Self {
        self.insert(path.into(), kind, content.into());
        self
    }

    /// Adds one entry in place; an entry of the same path is replaced.
    pub fn insert(&mut self, path: Vec<u8>, kind: EntryKind, content: Vec<u8>) {
        let entry = SourceEntry { size: content.len() as u64, path, kind };
        match self.entries.binary_search_by(|known| known.path.cmp(&entry.path)) {
            Ok(at) => {
                self.entries[at] = entry;
                self.contents[at] = content;
            }
            Err(at) => {
                self.entries.insert(at, entry);
                self.contents.insert(at, content);
            }
        }
    }
}

impl SourceTree for MemoryTree {
    fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, ReadError> {
        self.contents
            .get(index)
            .cloned()
            .ok_or_else(|| ReadError { path: format!("#{index}"), reason: "no such entry".to_owned() })
    }
}

/// The entry at exactly this path.
pub(crate) fn find(tree: &dyn SourceTree, path: &str) -> Option<usize> {
    tree.entries().binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes())).ok()
}

/// The indices of everything below `folder` (`""` is the root).
pub(crate) fn below(tree: &dyn SourceTree, folder: &str) -> std::ops::Range<usize> {
    let entries = tree.entries();
    if folder.is_empty() {
        return 0..entries.len();
    }
    let prefix = format!("{folder}/");
    let start = entries.partition_point(|entry| entry.path.as_slice() < prefix.as_bytes());
    let count = entries[start..].partition_point(|entry| entry.path.starts_with(prefix.as_bytes()));
    start..start + count
}

/// Path of an entry relative to `folder`, when it is below it.
pub(crate) fn relative<'a>(path: &'a [u8], folder: &str) -> Option<&'a [u8]> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder.as_bytes())?.strip_prefix(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_its_files_and_not_its_neighbours() {
        let tree =
            MemoryTree::new().file("a/x", "").file("a-b", "").file("a/y/z", "").file("ab", "").file("a", "");
        let names = |range: std::ops::Range<usize>| {
            range.map(|at| String::from_utf8(tree.entries()[at].path.clone()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(names(below(&tree, "a")), ["a/x", "a/y/z"]);
        assert_eq!(below(&tree, "").len(), 5);
        assert!(below(&tree, "zz").is_empty());
        assert_eq!(find(&tree, "ab"), Some(4));
    }
}
