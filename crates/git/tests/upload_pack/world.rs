//! One user's repository in memory: states, the lineage over them, and what is permitted now.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use gix_hash::ObjectId;
use skaas_git::bundle::{Bundle, BundleFile};
use skaas_git::delta::DeltaBuilder;
use skaas_git::object::{CommitSpec, Kind, Signature};
use skaas_git::pack::{PackItem, write_pack};
use skaas_git::upload_pack::{AllowedObjects, Commit, History, Plan, Refs};

use crate::packs;

/// The blob that every state shares, as a licence text would be.
pub(crate) const SHARED: &str = "the same in every state\n";

/// Everything the server knows.
#[derive(Default)]
pub(crate) struct World {
    /// Whether steps name the root of their state as second parent; a marketplace's do not.
    pub(crate) with_roots: bool,
    states: BTreeMap<String, (Bundle, Commit)>,
    raw_commits: HashMap<ObjectId, Vec<u8>>,
    steps: Vec<Commit>,
    step_states: Vec<String>,
    permitted: BTreeSet<String>,
    tags: BTreeSet<String>,
    /// A longer lineage is not sent to a new copy.
    pub(crate) most_steps: usize,
    /// Refs told instead of the true ones: another node's, a moment ago.
    pub(crate) stale_refs: Option<Refs>,
    /// Requests that may still come; a client in an endless loop runs out of them.
    pub(crate) budget: usize,
    /// Bodies posted, oldest first.
    pub(crate) posts: Vec<Bytes>,
    /// For each pack sent, the objects in it.
    pub(crate) sent: Vec<Vec<ObjectId>>,
    /// The bases of all deltas sent.
    pub(crate) bases: Vec<ObjectId>,
    /// What should never have been sent.
    pub(crate) leaks: Vec<String>,
}

/// The main file of a state.
pub(crate) fn text_of(state: &str) -> String {
    format!("# {state}\n\nwhat only {state} says\n{}", "a long common passage\n".repeat(40))
}

impl World {
    /// A world whose user sees `state` first.
    pub(crate) fn new(with_roots: bool, state: &str) -> Self {
        let mut world = Self { with_roots, budget: 10_000, most_steps: usize::MAX, ..Self::default() };
        world.show(state, &[state]);
        world
    }

    /// From now on `state` is served, and exactly the `permitted` states may be.
    pub(crate) fn show(&mut self, state: &str, permitted: &[&str]) {
        assert!(permitted.contains(&state), "what is served is permitted");
        self.permitted = permitted.iter().map(|&state| state.to_owned()).collect();
        for name in permitted {
            self.define(name);
        }
        if self.step_states.last().is_some_and(|last| last == state) {
            return;
        }
        let root = self.states[state].1.clone();
        let step = match self.steps.last() {
            None => root,
            Some(tip) => {
                let mut parents = vec![tip.id];
                parents.extend(self.with_roots.then_some(root.id));
                let date = 2_000 + i64::try_from(self.steps.len()).unwrap();
                self.commit(root.tree, parents, date, &format!("now {state}"))
            }
        };
        self.steps.push(step);
        self.step_states.push(state.to_owned());
    }

    /// Names the root of `state` by a tag `v-<state>`, shown while it is permitted.
    pub(crate) fn tag(&mut self, state: &str) {
        self.define(state);
        self.tags.insert(state.to_owned());
    }

    fn define(&mut self, state: &str) {
        if self.states.contains_key(state) {
            return;
        }
        let text = text_of(state);
        let deep = format!("deep within {state}\n");
        let file = |path, content| BundleFile { path, executable: false, content };
        let bundle = Bundle::build([
            file("README.md", text.as_bytes()),
            file("LICENSE", SHARED.as_bytes()),
            file("skills/x/SKILL.md", deep.as_bytes()),
        ])
        .unwrap();
        let date = 1_000 + i64::try_from(self.states.len()).unwrap();
        let root = self.commit(bundle.tree(), Vec::new(), date, &format!("state {state}"));
        self.states.insert(state.to_owned(), (bundle, root));
    }

    fn commit(&mut self, tree: ObjectId, parents: Vec<ObjectId>, date: i64, message: &str) -> Commit {
        let author = Signature { name: "Ann".to_owned(), email: "ann@example.org".to_owned() };
        let raw = CommitSpec { tree, parents: &parents, author: &author, date, message }.encode();
        self.raw_commits.insert(raw.id, raw.data);
        Commit { id: raw.id, tree, parents, permitted: true }
    }

    /// The root commit of a state.
    pub(crate) fn root(&self, state: &str) -> ObjectId {
        self.states[state].1.id
    }

    /// The tree of a state.
    pub(crate) fn tree(&self, state: &str) -> ObjectId {
        self.states[state].1.tree
    }

    /// A file of a state.
    pub(crate) fn blob(&self, state: &str, path: &str) -> ObjectId {
        let files = self.states[state].0.files().unwrap();
        files.iter().find(|file| file.path == path).unwrap().id
    }

    /// The newest step.
    pub(crate) fn tip(&self) -> ObjectId {
        self.steps.last().unwrap().id
    }

    /// All steps, oldest first.
    pub(crate) fn steps(&self) -> Vec<ObjectId> {
        self.steps.iter().map(|step| step.id).collect()
    }

    /// How many commits the tip reaches: the steps, and the roots that are no steps.
    pub(crate) fn commits(&self) -> usize {
        let roots: HashSet<_> = self.steps.iter().flat_map(|step| &step.parents).collect();
        self.steps().iter().collect::<HashSet<_>>().union(&roots).count()
    }

    /// The state that each step shows.
    pub(crate) fn step_states(&self) -> &[String] {
        &self.step_states
    }

    /// Whether this state may be served now.
    pub(crate) fn permits(&self, state: &str) -> bool {
        self.permitted.contains(state)
    }

    /// The parents of a commit.
    pub(crate) fn parents(&self, commit: &ObjectId) -> &[ObjectId] {
        &self.find_commit(commit).parents
    }

    /// Every tree and blob of a commit.
    pub(crate) fn objects_of(&self, commit: &ObjectId) -> impl Iterator<Item = ObjectId> {
        self.bundle_of(commit).objects().iter().map(|object| object.id)
    }

    /// The true refs.
    pub(crate) fn refs(&self) -> Refs {
        let tags = self.tags.iter().filter(|state| self.permits(state));
        Refs {
            head: self.steps.last().map(|step| step.id),
            tags: tags.map(|state| (format!("v-{state}"), self.root(state))).collect(),
        }
    }

    /// Whether a new copy gets every step: all of them may be sent now, and they are not too many.
    pub(crate) fn whole(&self) -> bool {
        self.steps.len() <= self.most_steps && self.step_states.iter().all(|state| self.permits(state))
    }

    /// Where a new copy of these refs ends.
    pub(crate) fn boundary(&self, refs: &Refs) -> Vec<ObjectId> {
        let ends_at = |tip: &ObjectId| !self.whole() && !self.parents(tip).is_empty();
        refs.head.into_iter().filter(ends_at).collect()
    }

    /// Calls back with what `answer` is to be told.
    pub(crate) fn with_history<T>(
        &self,
        all: bool,
        ask: impl FnOnce(&History<'_>, &dyn AllowedObjects) -> T,
    ) -> T {
        let trees = self.permitted_trees();
        let judge = |commit: &Commit| Commit { permitted: trees.contains(&commit.tree), ..commit.clone() };
        let shown = if all { self.steps.as_slice() } else { &self.steps[self.steps.len() - 1..] };
        let steps: Vec<_> = shown.iter().map(judge).collect();
        let tagged = |state: &str| self.tags.contains(state);
        let roots = self.states.iter().filter(|(state, _)| all || tagged(state));
        let roots: Vec<_> = roots.map(|(_, (_, root))| judge(root)).collect();
        ask(&History { steps: &steps, roots: &roots, whole: self.whole() }, self)
    }

    fn permitted_trees(&self) -> HashSet<ObjectId> {
        self.permitted.iter().map(|state| self.tree(state)).collect()
    }

    fn permitted_bundles(&self) -> impl Iterator<Item = &Bundle> {
        self.permitted.iter().map(|state| &self.states[state].0)
    }

    /// Every object that may be sent now.
    fn allow_set(&self) -> HashSet<ObjectId> {
        let trees = self.permitted_trees();
        let roots = self.states.values().map(|(_, root)| root);
        let commits = self.steps.iter().chain(roots).filter(|commit| trees.contains(&commit.tree));
        let objects = self.permitted_bundles().flat_map(Bundle::objects).map(|object| object.id);
        objects.chain(commits.map(|commit| commit.id)).collect()
    }

    fn find_commit(&self, id: &ObjectId) -> &Commit {
        let roots = self.states.values().map(|(_, root)| root);
        self.steps.iter().chain(roots).find(|commit| commit.id == *id).unwrap()
    }

    fn bundle_of(&self, commit: &ObjectId) -> &Bundle {
        let tree = self.find_commit(commit).tree;
        &self.states.values().find(|(bundle, _)| bundle.tree() == tree).unwrap().0
    }

    /// Writes the pack of a plan, checks it against the allow-set, and notes what went out.
    pub(crate) fn pack(&mut self, plan: &Plan) -> skaas_git::pack::Pack {
        let pack = write_pack(&self.items(plan));
        let allow_set = self.allow_set();
        let listed = packs::list(&pack.rope().to_vec(), &|base| self.content(base));
        for id in &listed.objects {
            if !allow_set.contains(id) {
                self.leaks.push(format!("object {id}"));
            }
        }
        for base in &listed.bases {
            if !allow_set.contains(base) {
                self.leaks.push(format!("delta base {base}"));
            }
        }
        self.bases.extend(listed.bases);
        self.sent.push(listed.objects);
        pack
    }

    fn items<'a>(&'a self, plan: &'a Plan) -> Vec<PackItem<'a>> {
        let held = plan.has.iter().flat_map(|commit| self.bundle_of(commit).objects());
        let mut seen: HashSet<ObjectId> = held.map(|object| object.id).collect();
        let filter = plan.filter.unwrap_or_default();
        let mut items = Vec::new();
        for id in &plan.commits {
            items.push(PackItem::Raw { kind: Kind::Commit, data: &self.raw_commits[id] });
            let bundle = self.bundle_of(id);
            for object in bundle.objects() {
                if filter.keeps(object) && seen.insert(object.id) {
                    items.push(self.item(bundle, &object.id, plan));
                }
            }
        }
        let mut named = HashSet::new();
        for id in &plan.objects {
            let bundle = self.permitted_bundles().find(|bundle| bundle.contains(id)).unwrap();
            // For a tree more than its closure is sent: everything beside it that may be.
            let tree = bundle.object(id).unwrap().kind == Kind::Tree;
            for object in bundle.objects() {
                if (object.id == *id || (tree && filter.keeps(object))) && named.insert(object.id) {
                    items.push(self.item(bundle, &object.id, plan));
                }
            }
        }
        items
    }

    /// An object as it is, or as a delta where a base is at hand.
    fn item(&self, bundle: &Bundle, id: &ObjectId, plan: &Plan) -> PackItem<'static> {
        let data = bundle.read(id).unwrap().unwrap();
        let entry = || {
            let kind = bundle.object(id).unwrap().kind;
            PackItem::Entry(skaas_git::pack::object_entry(kind, &data).into())
        };
        let files = bundle.files().unwrap();
        let Some(path) = files.iter().find(|file| file.id == *id).map(|file| &file.path) else {
            return entry();
        };
        let base = plan.delta_bases.first().and_then(|commit| {
            let bundle = self.bundle_of(commit);
            let file = bundle.files().unwrap().into_iter().find(|file| file.path == *path)?;
            Some((file.id, bundle.read(&file.id).unwrap().unwrap()))
        });
        let Some((base, base_data)) = base else { return entry() };
        let common = base_data.iter().rev().zip(data.iter().rev()).take_while(|(a, b)| a == b).count();
        let mut delta = DeltaBuilder::new(base_data.len() as u64, data.len() as u64);
        delta.insert(&data[..data.len() - common]);
        delta.copy((base_data.len() - common) as u64, common as u64);
        PackItem::Entry(skaas_git::pack::delta_entry(base, &delta.finish()).into())
    }

    /// The content of any blob of any state.
    fn content(&self, id: &ObjectId) -> Option<(Kind, Vec<u8>)> {
        let bundle = self.states.values().map(|(bundle, _)| bundle).find(|bundle| bundle.contains(id))?;
        Some((bundle.object(id)?.kind, bundle.read(id).unwrap()?))
    }
}

impl AllowedObjects for World {
    fn tree_or_blob_allowed(&self, id: &ObjectId) -> bool {
        self.permitted_bundles().any(|bundle| bundle.contains(id))
    }
}
