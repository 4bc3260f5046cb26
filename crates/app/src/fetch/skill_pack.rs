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

/// The closure of every tree that may be sent.
struct Closure(HashSet<ObjectId>);

impl AllowedObjects for Closure {
    fn tree_or_blob_allowed(&self, id: &ObjectId) -> bool {
        self.0.contains(id)
    }
}

/// Everything that this user may have of the skill now.
pub(super) async fn allowed_objects(
    app: &App,
    known: &Known,
) -> Result<Box<dyn AllowedObjects + Send + Sync>> {
    let mut closure = HashSet::new();
    for bundle in bundles(app, permitted_trees(known)).await? {
        closure.extend(bundle.objects().iter().map(|object| object.id));
    }
    Ok(Box::new(Closure(closure)))
}

fn permitted_trees(known: &Known) -> impl Iterator<Item = ObjectId> {
    known.steps.iter().chain(&known.roots).filter(|commit| commit.permitted).map(|commit| commit.tree)
}

/// The bundles of these trees, each once.
async fn bundles(app: &App, trees: impl Iterator<Item = ObjectId>) -> Result<Vec<Bundle>> {
    let mut seen = HashSet::new();
    let mut bundles = Vec::new();
    for tree in trees {
        if seen.insert(tree) {
            bundles.push(app.contents.get(tree).await?);
        }
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
    let send = bundles(app, trees.into_iter()).await?;
    if let ([commit], [bundle], true) = (&commits[..], &send[..], plan_is_a_clone(plan)) {
        return Ok(Some(clone_pack(bundle, commit)));
    }
    let has = bundles(app, plan.has.iter().filter_map(|id| known.tree(id))).await?;
    let wanted = wanted_objects(app, known, plan).await?;
    let chosen: Vec<Vec<usize>> = send.iter().map(|bundle| choose(bundle, &has, plan)).collect();
    let mut items: Vec<PackItem<'_>> =
        commits.iter().map(|data| PackItem::Raw { kind: Kind::Commit, data }).collect();
    items.extend(send.iter().zip(&chosen).map(|(bundle, indices)| PackItem::BundleSubset(bundle, indices)));
    items.extend(wanted.iter().map(|(bundle, indices)| PackItem::BundleSubset(bundle, indices)));
    Ok(Some(write_pack(&items)))
}

fn plan_is_a_clone(plan: &Plan) -> bool {
    plan.has.is_empty() && plan.objects.is_empty() && plan.filter.is_none()
}

/// What of a bundle to send: not what the client has, not what it wants left out.
fn choose(bundle: &Bundle, has: &[Bundle], plan: &Plan) -> Vec<usize> {
    bundle.select(|object| {
        plan.filter.is_none_or(|filter| filter.keeps(object))
            && !has.iter().any(|had| had.contains(&object.id))
    })
}

/// Objects wanted by id: a blob by itself, a tree with what is below it as far as the filter admits.
async fn wanted_objects(app: &App, known: &Known, plan: &Plan) -> Result<Vec<(Bundle, Vec<usize>)>> {
    if plan.objects.is_empty() {
        return Ok(Vec::new());
    }
    let all = bundles(app, permitted_trees(known)).await?;
    let mut wanted = Vec::new();
    for id in &plan.objects {
        let Some(bundle) = all.iter().find(|bundle| bundle.contains(id)) else {
            return Err(Error::internal(format!("{id} is allowed but in none of the permitted trees")));
        };
        let below = closure(bundle, *id)?;
        let keep = |index: &usize| {
            let object = &bundle.objects()[*index];
            object.id == *id || plan.filter.is_none_or(|filter| filter.keeps(object))
        };
        wanted.push((bundle.clone(), below.into_iter().filter(keep).collect()));
    }
    Ok(wanted)
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
        return release_root(app, release.id).await;
    }
    let stub = known.tree(&id).map(|tree| stub_commit(&state.offered.listing, tree));
    match stub {
        Some(commit) if commit.id == id => Ok(commit.data),
        _ => Err(Error::internal(format!("the root commit {id} cannot be made again"))),
    }
}
