//! What is known of one user's repository at the moment of a request.
//!
//! Owns the look-up from ids to commits and what a client's words say about its copy. Refuses to
//! decide permission: it is read off each commit.

use std::collections::{HashMap, HashSet};

use gix_hash::ObjectId;

/// One commit of a lineage, or the root commit of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// For a step the previous step first, then the root commit of its state where there is one.
    /// Empty for roots; the first step may be a root.
    pub parents: Vec<ObjectId>,
    /// Whether everything in `tree` is in the allow-set of this request.
    pub permitted: bool,
}

/// The commits that exist for this user in this repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct History<'a> {
    /// The lineage, oldest to tip.
    pub steps: &'a [Commit],
    /// Root commits: of the states that the steps name as parents, and of the tags. Those that are
    /// steps as well may be repeated or left out.
    pub roots: &'a [Commit],
    /// Whether a fresh copy that names no depth is offered all of `steps`. `false` makes such a copy end
    /// at the tip, where the client can be told so. Nothing is sent that is not permitted, either way.
    pub whole: bool,
}

/// Judges objects that are wanted by id and are no commits: the later wants of a partial clone.
pub trait AllowedObjects {
    /// Whether `id` is a tree or blob of the allow-set.
    fn tree_or_blob_allowed(&self, id: &ObjectId) -> bool;
}

/// Nothing but commits may be wanted.
impl AllowedObjects for () {
    fn tree_or_blob_allowed(&self, _: &ObjectId) -> bool {
        false
    }
}

/// A history with its commits found by id.
pub(super) struct Graph<'a> {
    commits: HashMap<ObjectId, &'a Commit>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(history: &History<'a>) -> Self {
        // Where a root is a step as well, both say the same; the allow-set is one.
        let commits = history.roots.iter().chain(history.steps).map(|commit| (commit.id, commit)).collect();
        Self { commits }
    }

    pub(super) fn get(&self, id: &ObjectId) -> Option<&'a Commit> {
        self.commits.get(id).copied()
    }

    pub(super) fn permitted(&self, id: &ObjectId) -> Option<&'a Commit> {
        self.get(id).filter(|commit| commit.permitted)
    }
}

/// What a client's words say about its copy. They may be lies: whoever lies receives less.
pub(super) struct Copy {
    /// Known commits that the client has, in the order found.
    pub(super) has: Vec<ObjectId>,
    has_set: HashSet<ObjectId>,
    /// Known commits at which the client's copy ends.
    boundary: HashSet<ObjectId>,
}

impl Copy {
    /// Follows `haves` down to the client's boundaries.
    pub(super) fn new(graph: &Graph<'_>, haves: &[ObjectId], shallow: &[ObjectId]) -> Self {
        let boundary: HashSet<_> = shallow.iter().copied().filter(|id| graph.get(id).is_some()).collect();
        let mut copy = Self { has: Vec::new(), has_set: HashSet::new(), boundary };
        let mut pending: Vec<_> = haves.iter().rev().copied().collect();
        while let Some(id) = pending.pop() {
            let Some(commit) = graph.get(&id) else { continue };
            if !copy.has_set.insert(id) {
                continue;
            }
            copy.has.push(id);
            if !copy.boundary.contains(&id) {
                // Last in, first out: the roots' side branches first, then down the lineage.
                pending.extend(commit.parents.iter().copied());
            }
        }
        copy
    }

    pub(super) fn has(&self, id: &ObjectId) -> bool {
        self.has_set.contains(id)
    }

    /// Whether the client's copy ends here: it has this commit, but not its parents.
    pub(super) fn ends_at(&self, id: &ObjectId) -> bool {
        self.boundary.contains(id)
    }

    /// Nothing that is known here is there.
    pub(super) fn is_empty(&self) -> bool {
        self.has_set.is_empty() && self.boundary.is_empty()
    }
}
