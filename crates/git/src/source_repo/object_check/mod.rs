//! Whether an object is one that `git fsck --strict` would let pass, and what it names.
//!
//! Owns: the content rules of trees, commits, tags, and of the two kinds of files that git itself
//! reads (`.gitmodules`, `.gitattributes`). Refuses: reading objects, and rules that only matter
//! to a release (device names, case twins, links that leave the tree).

mod dotfiles;
mod headers;
mod tree;

use std::collections::{HashMap, HashSet};

use gix_hash::ObjectId;

use crate::object::Kind;

pub(super) use dotfiles::{check_gitattributes, check_gitmodules};
pub(super) use tree::{TreeEntry, tree_entries};

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// In a tree, at the entry named so (bounded and made printable).
    #[error("{rule}: {entry:?}")]
    Entry {
        /// What is wrong with it.
        rule: &'static str,
        /// The name of the entry.
        entry: String,
    },
    /// In the object as a whole or in one of its headers.
    #[error("{0}")]
    Object(&'static str),
}

impl Fault {
    fn entry(rule: &'static str, name: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(&name[..name.len().min(100)]).into_owned();
        Self::Entry { rule, entry: shown }
    }
}

/// What the checked objects name, gathered over a whole pack.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Objects that must exist, with the kind they must have.
    pub(super) links: HashMap<ObjectId, Kind>,
    /// Blobs that some tree calls `.gitmodules`.
    pub(super) gitmodules: HashSet<ObjectId>,
    /// Blobs that some tree calls `.gitattributes`.
    pub(super) gitattributes: HashSet<ObjectId>,
    /// Entries with the file mode that git no longer writes.
    pub(super) old_modes: u64,
    /// More different links than this cannot all lead somewhere.
    most_links: Option<usize>,
}

impl Named {
    /// States how many objects there are, which bounds the memory that links can take.
    pub(super) fn limit(&mut self, objects: u64) {
        self.most_links = usize::try_from(objects).ok();
    }

    fn link(&mut self, id: ObjectId, kind: Kind) -> Result<(), Fault> {
        if self.most_links.is_some_and(|most| self.links.len() > most) {
            // Enough to be sure that one of them is missing.
            return Ok(());
        }
        match self.links.insert(id, kind) {
            Some(before) if before != kind => {
                Err(Fault::Object("it names one object as two different kinds"))
            }
            _ => Ok(()),
        }
    }
}

/// Checks the content of one object by itself; blobs have no rules of their own.
pub fn check_object(kind: Kind, data: &[u8]) -> Result<(), Fault> {
    check_into(kind, data, &mut Named::default())
}

/// Checks one object and adds what it names to `named`.
pub(super) fn check_into(kind: Kind, data: &[u8], named: &mut Named) -> Result<(), Fault> {
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => tree::check_tree(data, named),
        Kind::Commit => headers::check_commit(data, named),
        Kind::Tag => headers::check_tag(data, named),
    }
}
