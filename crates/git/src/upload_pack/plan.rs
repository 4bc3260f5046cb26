//! Which commits go into a pack, and where the client's copy is to end.
//!
//! Owns the arithmetic of boundaries over one lineage. Refuses every commit that is not permitted;
//! a client's claims can only make the selection smaller.

use std::collections::HashSet;

use gix_hash::ObjectId;

use super::history::{Copy, Graph};
use super::{Commit, Deepen, FetchRequest, Version};

/// What is to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Steps before the steps below them.
    pub(super) commits: Vec<ObjectId>,
    /// New boundaries of the client's copy.
    pub(super) shallow: Vec<ObjectId>,
    /// The client asked for no depth and gets a boundary all the same.
    pub(super) unasked_boundary: bool,
}

/// No selection exists: between the client's copy and the wanted commit lies one that may not be
/// sent, or nothing connects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreachable;

/// How the parents of a wanted commit are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All the way to what the client has, or to the first commits; nothing missing is tolerated.
    Whole,
    /// The wanted commits alone.
    Tip,
    /// So many commits down, as far as there is a way to what the client has.
    Depth(u32),
}

/// Selects for the `wanted` commits, all of them permitted. `whole` is [`super::History::whole`].
pub(super) fn select(
    request: &FetchRequest,
    graph: &Graph<'_>,
    whole: bool,
    copy: &Copy,
    wanted: &[&Commit],
) -> Result<Selection, Unreachable> {
    // A client that has commits would refuse a boundary that it did not ask for.
    let may_end_at_tip = request.is_fresh() && copy.is_empty() && request.takes_boundary();
    let extent = match &request.deepen {
        // What a client's boundary hides stays hidden, so that what is counted from there, or by
        // date or name, can only be: everything above it.
        Some(Deepen::Depth { relative: true, .. } | Deepen::Excluding { .. }) => Extent::Depth(u32::MAX),
        Some(Deepen::Depth { depth, relative: false }) => Extent::Depth(*depth),
        None if may_end_at_tip && !whole => Extent::Tip,
        None => Extent::Whole,
    };
    match select_to(extent, request, graph, copy, wanted) {
        Err(Unreachable) if may_end_at_tip => select_to(Extent::Tip, request, graph, copy, wanted),
        selected => selected,
    }
}

fn select_to(
    extent: Extent,
    request: &FetchRequest,
    graph: &Graph<'_>,
    copy: &Copy,
    wanted: &[&Commit],
) -> Result<Selection, Unreachable> {
    let mut selection = Selection::default();
    let mut seen = HashSet::new();
    // In v0 the boundary is told before the client says what it has, and may not change afterwards.
    let told =
        if request.version == Version::V2 { None } else { Some(Copy::new(graph, &[], &request.shallow)) };
    for commit in wanted {
        match extent {
            Extent::Whole => whole_below(graph, copy, commit, &mut seen, &mut selection)?,
            Extent::Tip => descend(graph, copy, copy, (commit, 1), &mut seen, &mut selection),
            Extent::Depth(depth) => {
                let basis = told.as_ref().unwrap_or(copy);
                descend(graph, copy, basis, (commit, depth), &mut seen, &mut selection);
            }
        }
    }
    selection.unasked_boundary = extent == Extent::Tip && !selection.shallow.is_empty();
    debug_assert!(selection.commits.iter().all(|id| graph.permitted(id).is_some()));
    Ok(selection)
}

/// Everything from `tip` down to what the client has.
fn whole_below(
    graph: &Graph<'_>,
    copy: &Copy,
    tip: &Commit,
    seen: &mut HashSet<ObjectId>,
    selection: &mut Selection,
) -> Result<(), Unreachable> {
    let mut pending = vec![tip.id];
    while let Some(id) = pending.pop() {
        if copy.has(&id) || !seen.insert(id) {
            continue;
        }
        match graph.permitted(&id) {
            Some(commit) => {
                selection.commits.push(id);
                if !copy.ends_at(&id) {
                    pending.extend(commit.parents.iter().rev().copied());
                }
            }
            None if copy.ends_at(&id) => {}
            None => return Err(Unreachable),
        }
    }
    Ok(())
}

/// At most `depth` steps from `tip` down, and below it only where there is a way to `basis`.
/// Where the descent stops above a commit that has parents, that commit becomes a boundary.
fn descend(
    graph: &Graph<'_>,
    copy: &Copy,
    basis: &Copy,
    (tip, depth): (&Commit, u32),
    seen: &mut HashSet<ObjectId>,
    selection: &mut Selection,
) {
    let depth = if leads_to(graph, basis, tip) { depth } else { 1 };
    let mut step = tip;
    for level in 1..=depth {
        if !seen.insert(step.id) {
            return;
        }
        if step.permitted && !copy.has(&step.id) {
            selection.commits.push(step.id);
        }
        let [below, others @ ..] = step.parents.as_slice() else { return };
        if basis.ends_at(&step.id) {
            return;
        }
        if level == depth {
            selection.shallow.push(step.id);
            return;
        }
        for id in others {
            if graph.permitted(id).is_some() && !copy.has(id) && seen.insert(*id) {
                selection.commits.push(*id);
            }
        }
        match graph.get(below) {
            Some(next) => step = next,
            None => return,
        }
    }
}

/// Whether every commit from `tip` down to one of the client's is permitted.
fn leads_to(graph: &Graph<'_>, basis: &Copy, tip: &Commit) -> bool {
    let held = |id: &ObjectId| basis.has(id) || basis.ends_at(id);
    let mut step = tip;
    loop {
        if held(&step.id) {
            return true;
        }
        let [below, others @ ..] = step.parents.as_slice() else { return false };
        if !step.permitted || !others.iter().all(|id| held(id) || graph.permitted(id).is_some()) {
            return false;
        }
        match graph.get(below) {
            Some(next) => step = next,
            None => return false,
        }
    }
}
