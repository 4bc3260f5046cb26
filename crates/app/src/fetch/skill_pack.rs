//! Owns which objects of a skill go into a pack. Refuses commits that the plan does not name, and trees that
//! are not permitted now.

use std::collections::{BTreeSet, HashSet};

use skaas_git::{
    ObjectId,
    bundle::Bundle,
    object::Kind,
    pack::{Pack, PackItem, clone_pack, write_pack},
    tree_build::parse_tree,
    upload_pack::{AllowedObjects, Plan},
};

use super::Known;
use crate::{
    app::App,
    error::{Error, Result},
    lineage::{SkillState, release_root},
    oid::oid,
    render::stub_commit,
};

/// So many of the trees that a client has are looked at for what it need not be sent: the last, and what stood
/// before it, which is what comes back when a stub was in between.
const NEAREST: usize = 3;

/// Those of the wanted objects that lie below a tree that may be sent.
struct Allowed(HashSet<ObjectId>);

impl AllowedObjects for Allowed {
    fn tree_or_blob_allowed(&self, id: &ObjectId) -> bool {
        self.0.contains(id)
    }
}

/// Which of `wants` this user may have of the skill now.
pub(super) async fn allowed_objects(
    app: &App,
    known: &Known,
    mut wants: Vec<ObjectId>,
) -> Result<Box<dyn AllowedObjects + Send + Sync>> {
    let mut allowed = HashSet::new();
    // One content at a time: all releases of a skill together may be more than there is memory for.
    for tree in permitted_trees(known) {
        if wants.is_empty() {
            break;
        }
        let bundle = app.contents.get(tree).await?;
        allowed.extend(wants.extract_if(.., |id| bundle.contains(id)));
    }
    Ok(Box::new(Allowed(allowed)))
}

/// Each tree that may be sent, the newest first: most is wanted of that.
fn permitted_trees(known: &Known) -> Vec<ObjectId> {
    let commits = known.steps.iter().rev().chain(&known.roots);
    each_once(commits.filter(|commit| commit.permitted).map(|commit| commit.tree))
}

fn each_once(trees: impl Iterator<Item = ObjectId>) -> Vec<ObjectId> {
    let mut seen = HashSet::new();
    trees.filter(|tree| seen.insert(*tree)).collect()
}

/// The bundles of these trees.
async fn bundles(app: &App, trees: &[ObjectId]) -> Result<Vec<Bundle>> {
    let mut bundles = Vec::with_capacity(trees.len());
    for tree in trees {
        bundles.push(app.contents.get(*tree).await?);
    }
    Ok(bundles)
}

/// The pack of a plan; `None` when it names what may no longer be sent.
pub(super) async fn make(app: &App, state: &SkillState, known: &Known, plan: &Plan) -> Result<Option<Pack>> {
    let mut commits = Vec::with_capacity(plan.commits.len());
    let mut trees = Vec::with_capacity(plan.commits.len());
    for id in &plan.commits {
        let Some(tree) = known.permitted_tree(id) else { return Ok(None) };
        commits.push(raw_commit(app, state, known, *id).await?);
        trees.push(tree);
    }
    // Before what is sent, so that nothing else is held with it.
    let had = had_objects(app, known, plan).await?;
    let send = bundles(app, &each_once(trees.into_iter())).await?;
    if let ([commit], [bundle], true) = (&commits[..], &send[..], plan_is_a_clone(plan)) {
        return Ok(Some(clone_pack(bundle, commit)));
    }
    let wanted = wanted_objects(app, known, plan).await?;
    let chosen: Vec<Vec<usize>> = send.iter().map(|bundle| choose(bundle, &had, plan)).collect();
    let mut items: Vec<PackItem<'_>> =
        commits.iter().map(|data| PackItem::Raw { kind: Kind::Commit, data }).collect();
    items.extend(send.iter().zip(&chosen).map(|(bundle, indices)| PackItem::BundleSubset(bundle, indices)));
    items.extend(wanted.iter().map(|(bundle, indices)| PackItem::BundleSubset(bundle, indices)));
    Ok(Some(write_pack(&items)))
}

fn plan_is_a_clone(plan: &Plan) -> bool {
    plan.has.is_empty() && plan.objects.is_empty() && plan.filter.is_none()
}

/// What need not be sent: the objects of the nearest trees that the client has.
async fn had_objects(app: &App, known: &Known, plan: &Plan) -> Result<HashSet<ObjectId>> {
    let mut had = HashSet::new();
    for tree in each_once(plan.has.iter().filter_map(|id| known.tree(id))).into_iter().take(NEAREST) {
        had.extend(app.contents.get(tree).await?.objects().iter().map(|object| object.id));
    }
    Ok(had)
}

/// What of a bundle to send: not what the client has, not what it wants left out.
fn choose(bundle: &Bundle, had: &HashSet<ObjectId>, plan: &Plan) -> Vec<usize> {
    bundle.select(|object| plan.filter.is_none_or(|filter| filter.keeps(object)) && !had.contains(&object.id))
}

/// Objects wanted by id: a blob by itself, a tree with what is below it as far as the filter admits.
async fn wanted_objects(app: &App, known: &Known, plan: &Plan) -> Result<Vec<(Bundle, Vec<usize>)>> {
    let mut left = plan.objects.clone();
    let mut wanted = Vec::new();
    for tree in permitted_trees(known) {
        if left.is_empty() {
            break;
        }
        let bundle = app.contents.get(tree).await?;
        let mut indices = BTreeSet::new();
        for id in left.extract_if(.., |id| bundle.contains(id)) {
            let keep = |index: &usize| {
                let object = &bundle.objects()[*index];
                object.id == id || plan.filter.is_none_or(|filter| filter.keeps(object))
            };
            indices.extend(closure(&bundle, id)?.into_iter().filter(keep));
        }
        if !indices.is_empty() {
            wanted.push((bundle, indices.into_iter().collect()));
        }
    }
    match left.first() {
        Some(id) => Err(Error::internal(format!("{id} is allowed but in none of the permitted trees"))),
        None => Ok(wanted),
    }
}

/// The indices of an object and of everything below it, ascending.
fn closure(bundle: &Bundle, id: ObjectId) -> Result<Vec<usize>> {
    let (mut found, mut open) = (BTreeSet::new(), vec![id]);
    while let Some(id) = open.pop() {
        let Some(index) = bundle.find(&id).filter(|index| found.insert(*index)) else { continue };
        if bundle.objects()[index].kind == Kind::Tree {
            let data = bundle.read(&id).map_err(Error::internal)?.unwrap_or_default();
            open.extend(parse_tree(&data).map_err(Error::internal)?.into_iter().map(|entry| entry.id));
        }
    }
    Ok(found.into_iter().collect())
}

/// The bytes of a commit of this repo: a step's, a release's root, or a stub's.
async fn raw_commit(app: &App, state: &SkillState, known: &Known, id: ObjectId) -> Result<Vec<u8>> {
    if let Some(past) = known.past(&id) {
        return Ok(past.row.commit_raw.clone());
    }
    if let Some(release) = state.offered.releases.iter().find(|release| oid(release.commit) == id) {
        // Boxed, since its future is large and most clones have no use for it.
        return Box::pin(release_root(app, release.id)).await;
    }
    let stub = known.tree(&id).map(|tree| stub_commit(&state.offered.listing, tree));
    match stub {
        Some(commit) if commit.id == id => Ok(commit.data),
        _ => Err(Error::internal(format!("the root commit {id} cannot be made again"))),
    }
}
