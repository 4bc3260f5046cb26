//! A repository whose paid step lies behind a lapse. Ids are one digit repeated, so that a fuzzer finds them.

use skaas_git::object::ObjectId;
use skaas_git::upload_pack::{AllowedObjects, Answer, Commit, FetchRequest, History, Refs, answer};

pub struct Lapsed {
    pub refs: Refs,
    steps: Vec<Commit>,
    roots: Vec<Commit>,
}

fn id(digit: u8) -> ObjectId {
    ObjectId::from([digit * 0x11; 20])
}

impl Lapsed {
    /// Stub 1, paid 2 (root 4), stub 3; trees a, b; a tag 1.
    pub fn new() -> Self {
        let commit = |name, tree, parents: &[u8], permitted| Commit {
            id: id(name),
            tree: id(tree),
            parents: parents.iter().map(|name| id(*name)).collect(),
            permitted,
        };
        Self {
            refs: Refs { head: Some(id(3)), tags: vec![("v1".to_owned(), id(1))] },
            steps: vec![
                commit(1, 0xa, &[], true),
                commit(2, 0xb, &[1, 4], false),
                commit(3, 0xa, &[2, 1], true),
            ],
            roots: vec![commit(4, 0xb, &[], false)],
        }
    }

    /// Answers, and holds the plan to what is permitted.
    pub fn answer(&self, request: &FetchRequest) {
        // Offered whole, though one step is not permitted: the plan may not rely on the offer.
        let history = History { steps: &self.steps, roots: &self.roots, whole: true };
        let Answer::Pack(plan) = answer(request, &self.refs, &history, self) else { return };
        let permitted = |id: &ObjectId| {
            self.steps.iter().chain(&self.roots).any(|commit| commit.id == *id && commit.permitted)
        };
        assert!(plan.commits.iter().all(permitted));
        assert!(plan.delta_bases.iter().all(permitted));
        assert!(plan.objects.iter().all(|id| self.tree_or_blob_allowed(id)));
    }
}

impl AllowedObjects for Lapsed {
    fn tree_or_blob_allowed(&self, object: &ObjectId) -> bool {
        [0xa, 0xc].map(id).contains(object)
    }
}
