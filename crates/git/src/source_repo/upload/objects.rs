//! Trees, files and tags that go along with chosen commits.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use gix_hash::ObjectId;

use super::history::{Graph, Walk};
use crate::object::Kind;
use crate::source_repo::RepoError;
use crate::source_repo::object_check::tree_entries;
use crate::source_repo::pack_set::Place;
use crate::source_repo::snapshot::tag_target;

/// The objects of a pack and where they are.
pub(super) type Chosen = HashMap<ObjectId, Place>;

/// Everything that goes with the commits of `walk`: their trees and files less those in commits
/// right below that the client has, the objects wanted by id, and annotated tags of what is sent.
pub(super) fn choose(
    graph: &mut Graph<'_>,
    walk: &Walk,
    others: &[ObjectId],
    tags: &[(String, ObjectId)],
) -> Result<Chosen, RepoError> {
    let mut chosen = Chosen::new();
    let mut had = HashSet::new();
    for tree in edge_trees(graph, walk)? {
        add_tree(graph, tree, &mut |id| had.insert(id))?;
    }
    for commit in &walk.send {
        let tree = graph.commit(commit)?.tree;
        chosen.insert(*commit, place(graph, commit)?);
        add_tree_to(graph, tree, &had, &mut chosen)?;
    }
    for id in others {
        match graph.kind(id)? {
            Some(Kind::Tag) => add_tag(graph, *id, &had, &mut chosen)?,
            Some(Kind::Tree) => add_tree_to(graph, *id, &had, &mut chosen)?,
            _ => {
                chosen.insert(*id, place(graph, id)?);
            }
        }
    }
    let sent: HashSet<ObjectId> = walk.send.iter().copied().collect();
    for (_, id) in tags.iter().filter(|(name, _)| name.starts_with("refs/tags/")) {
        if graph.kind(id)? == Some(Kind::Tag) && graph.peel(*id)?.is_some_and(|commit| sent.contains(&commit))
        {
            add_tag(graph, *id, &had, &mut chosen)?;
        }
    }
    Ok(chosen)
}

/// Trees of commits that the client has and that something sent stands on.
fn edge_trees(graph: &mut Graph<'_>, walk: &Walk) -> Result<HashSet<ObjectId>, RepoError> {
    let mut edges: HashSet<ObjectId> = walk.common.clone();
    for commit in &walk.send {
        let parents = &graph.commit(commit)?.parents;
        edges.extend(parents.iter().filter(|parent| walk.had.contains(*parent)));
    }
    edges.iter().map(|edge| Ok(graph.commit(edge)?.tree)).collect()
}

/// Goes through a tree, calling `first` for each object, which says whether it is new.
fn add_tree(
    graph: &mut Graph<'_>,
    tree: ObjectId,
    first: &mut dyn FnMut(ObjectId) -> bool,
) -> Result<(), RepoError> {
    let mut open = vec![tree];
    while let Some(id) = open.pop() {
        if !first(id) {
            continue;
        }
        let (_, data) = graph.reader.find(&id)?.ok_or_else(|| missing(&id))?;
        for entry in tree_entries(&data) {
            let entry = entry.map_err(|_| missing(&id))?;
            match entry.kind() {
                Some(Kind::Tree) => open.push(entry.id),
                Some(_) => {
                    first(entry.id);
                }
                None => {}
            }
        }
    }
    Ok(())
}

fn add_tree_to(
    graph: &mut Graph<'_>,
    tree: ObjectId,
    had: &HashSet<ObjectId>,
    chosen: &mut Chosen,
) -> Result<(), RepoError> {
    let set = graph.set;
    let mut absent = None;
    add_tree(graph, tree, &mut |id| {
        if had.contains(&id) || chosen.contains_key(&id) {
            return false;
        }
        let Some(place) = set.place(&id) else {
            absent = Some(id);
            return false;
        };
        chosen.insert(id, place).is_none()
    })?;
    absent.map_or(Ok(()), |id| Err(missing(&id)))
}

/// A tag, the tags it points at, and a tree or file at their end.
fn add_tag(
    graph: &mut Graph<'_>,
    tag: ObjectId,
    had: &HashSet<ObjectId>,
    chosen: &mut Chosen,
) -> Result<(), RepoError> {
    let mut id = tag;
    loop {
        match graph.kind(&id)? {
            Some(Kind::Tag) => {
                chosen.insert(id, place(graph, &id)?);
                let (_, data) = graph.reader.find(&id)?.ok_or_else(|| missing(&id))?;
                id = tag_target(&data).ok_or_else(|| missing(&id))?;
            }
            Some(Kind::Tree) => return add_tree_to(graph, id, had, chosen),
            Some(Kind::Blob) => {
                chosen.insert(id, place(graph, &id)?);
                return Ok(());
            }
            // A commit goes by the walk, or the client has it.
            Some(Kind::Commit) => return Ok(()),
            None => return Err(missing(&id)),
        }
    }
}

fn place(graph: &Graph<'_>, id: &ObjectId) -> Result<Place, RepoError> {
    graph.set.place(id).ok_or_else(|| missing(id))
}

fn missing(id: &ObjectId) -> RepoError {
    RepoError::Damaged { pack: PathBuf::from("all packs"), reason: format!("object {id} is missing") }
}
