//! Owns the writing of canonical trees from paths, and the reading of one tree.
//! Refuses what `git fsck --strict` would refuse in a path; the safety of names on other platforms
//! is decided before, where the content is known.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::object::{Kind, ObjectId, hash_object};

/// Deepest nesting of folders that is written or followed.
pub(crate) const MAX_DEPTH: u32 = 256;

/// What a path is, if not a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeafMode {
    /// A file.
    Regular,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link; the blob is its target.
    Symlink,
}

/// The mode of a tree's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TreeMode {
    /// Another tree.
    Folder,
    /// Something with a blob.
    Leaf(LeafMode),
}

impl TreeMode {
    /// The octal digits in a tree object.
    pub const fn digits(self) -> &'static str {
        match self {
            Self::Folder => "40000",
            Self::Leaf(LeafMode::Regular) => "100644",
            Self::Leaf(LeafMode::Executable) => "100755",
            Self::Leaf(LeafMode::Symlink) => "120000",
        }
    }

    fn from_digits(digits: &[u8]) -> Option<Self> {
        [
            Self::Folder,
            Self::Leaf(LeafMode::Regular),
            Self::Leaf(LeafMode::Executable),
            Self::Leaf(LeafMode::Symlink),
        ]
        .into_iter()
        .find(|mode| mode.digits().as_bytes() == digits)
    }
}

/// A path and the blob that stands there.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Slash-separated, relative, without a leading or trailing slash.
    pub path: &'a str,
    /// File, executable or link.
    pub mode: LeafMode,
    /// The blob.
    pub id: ObjectId,
}

/// One tree object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltTree {
    /// Its id.
    pub id: ObjectId,
    /// The least number of folders above it; 0 for the root.
    pub depth: u32,
    /// Its content.
    pub data: Vec<u8>,
}

/// All distinct trees below and with one root, the root first, then by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeSet {
    /// The id of the root tree.
    pub root: ObjectId,
    /// The tree objects; each id once.
    pub trees: Vec<BuiltTree>,
}

/// Why a set of paths is not a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A component is empty, `.`, `..`, a spelling of `.git`, or holds NUL.
    #[error("the path {0:?} has a component that git refuses")]
    BadPath(String),
    /// The path stands there twice, or once as a file and once as a folder.
    #[error("the path {0:?} stands for two things")]
    Conflict(String),
    /// More folders inside each other than are followed.
    #[error("the path {0:?} is nested too deeply")]
    TooDeep(String),
}

enum Node {
    Leaf(LeafMode, ObjectId),
    Folder(BTreeMap<String, Node>),
}

/// Builds the trees of these leaves, in any order of input. No leaves make the empty root tree.
///
/// # Errors
/// See [`TreeError`].
pub fn build_trees<'a>(leaves: impl IntoIterator<Item = Leaf<'a>>) -> Result<TreeSet, TreeError> {
    let mut root = BTreeMap::new();
    for leaf in leaves {
        place(&mut root, leaf)?;
    }
    let mut trees = Vec::new();
    let root = write_tree(&root, 0, &mut trees);
    let trees = without_twins(trees);
    Ok(TreeSet { root, trees })
}

fn place(root: &mut BTreeMap<String, Node>, leaf: Leaf<'_>) -> Result<(), TreeError> {
    let conflict = || TreeError::Conflict(leaf.path.to_owned());
    let mut folder = root;
    let mut components = leaf.path.split('/').peekable();
    let mut depth = 0;
    while let Some(name) = components.next() {
        if !is_writable_name(name) {
            return Err(TreeError::BadPath(leaf.path.to_owned()));
        }
        depth += 1;
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep(leaf.path.to_owned()));
        }
        if components.peek().is_none() {
            let node = Node::Leaf(leaf.mode, leaf.id);
            return match folder.insert(name.to_owned(), node) {
                None => Ok(()),
                Some(_) => Err(conflict()),
            };
        }
        let next = folder.entry(name.to_owned()).or_insert_with(|| Node::Folder(BTreeMap::new()));
        match next {
            Node::Folder(inside) => folder = inside,
            Node::Leaf(..) => return Err(conflict()),
        }
    }
    unreachable!("a split yields at least one component, and the last one returns")
}

fn is_writable_name(name: &str) -> bool {
    !(name.is_empty()
        || matches!(name, "." | "..")
        || name.contains('\0')
        || name.eq_ignore_ascii_case(".git")
        || name.eq_ignore_ascii_case("git~1"))
}

/// Writes `folder` after reserving its place, so that parents come before their children.
fn write_tree(folder: &BTreeMap<String, Node>, depth: u32, trees: &mut Vec<BuiltTree>) -> ObjectId {
    let place = trees.len();
    trees.push(BuiltTree { id: ObjectId::null(gix_hash::Kind::Sha1), depth, data: Vec::new() });
    let mut entries: Vec<(&str, TreeMode, ObjectId)> = folder
        .iter()
        .map(|(name, node)| match node {
            Node::Leaf(mode, id) => (name.as_str(), TreeMode::Leaf(*mode), *id),
            Node::Folder(inside) => {
                let id = write_tree(inside, depth + 1, trees);
                (name.as_str(), TreeMode::Folder, id)
            }
        })
        .collect();
    // Git sorts a folder as if its name ended in a slash.
    entries.sort_unstable_by(|a, b| sort_key(a.0, a.1).cmp(sort_key(b.0, b.1)));
    let mut data = Vec::with_capacity(entries.len() * 48);
    for (name, mode, id) in entries {
        data.extend_from_slice(mode.digits().as_bytes());
        data.push(b' ');
        data.extend_from_slice(name.as_bytes());
        data.push(0);
        data.extend_from_slice(id.as_slice());
    }
    let id = hash_object(Kind::Tree, &data);
    trees[place] = BuiltTree { id, depth, data };
    id
}

/// Keeps the first of equal trees, with the least depth of all of them.
fn without_twins(trees: Vec<BuiltTree>) -> Vec<BuiltTree> {
    let mut places: HashMap<ObjectId, usize> = HashMap::with_capacity(trees.len());
    let mut kept: Vec<BuiltTree> = Vec::with_capacity(trees.len());
    for tree in trees {
        match places.entry(tree.id) {
            Entry::Occupied(first) => {
                let first = &mut kept[*first.get()];
                first.depth = first.depth.min(tree.depth);
            }
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(tree);
            }
        }
    }
    kept
}

fn sort_key(name: &str, mode: TreeMode) -> impl Iterator<Item = u8> {
    let slash = (mode == TreeMode::Folder).then_some(b'/');
    name.bytes().chain(slash)
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub mode: TreeMode,
    /// Its object.
    pub id: ObjectId,
}

/// The bytes are not a tree that we wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object is not a well-formed tree")]
pub struct MalformedTree;

/// Reads one tree of our own making; other modes and names that are not UTF-8 are refused.
pub fn parse_tree(data: &[u8]) -> Result<Vec<TreeEntry>, MalformedTree> {
    let mut entries = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or(MalformedTree)?;
        let mode = TreeMode::from_digits(&rest[..space]).ok_or(MalformedTree)?;
        rest = &rest[space + 1..];
        let nul = rest.iter().position(|byte| *byte == 0).ok_or(MalformedTree)?;
        let name = std::str::from_utf8(&rest[..nul]).map_err(|_| MalformedTree)?;
        let (id, after) = rest[nul + 1..].split_first_chunk::<20>().ok_or(MalformedTree)?;
        entries.push(TreeEntry { name: name.to_owned(), mode, id: ObjectId::from(*id) });
        rest = after;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
