//! Commits: which ones a client has, which ones it gets, and where its copy is to end.
//!
//! Owns the arithmetic over a graph of any shape. Refuses trees and files.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;

use gix_hash::ObjectId;

use super::peeled;
use crate::object::{Kind, ParsedCommit};
use crate::source_repo::RepoError;
use crate::source_repo::pack_set::{PackSet, Reader};
use crate::upload_pack::{Deepen, FetchRequest};

/// Commits, read once each.
pub(super) struct Graph<'a> {
    pub(super) set: &'a PackSet,
    pub(super) reader: Reader<'a>,
    commits: HashMap<ObjectId, ParsedCommit>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(set: &'a PackSet) -> Self {
        Self { set, reader: Reader::new(set), commits: HashMap::new() }
    }

    pub(super) fn kind(&mut self, id: &ObjectId) -> Result<Option<Kind>, RepoError> {
        match self.set.place(id) {
            Some(place) => Ok(Some(self.reader.header(place)?.0)),
            None => Ok(None),
        }
    }

    /// The commit that a ref or a tag stands for.
    pub(super) fn peel(&mut self, id: ObjectId) -> Result<Option<ObjectId>, RepoError> {
        let target = peeled(&mut self.reader, id)?.unwrap_or(id);
        Ok((self.kind(&target)? == Some(Kind::Commit)).then_some(target))
    }

    pub(super) fn commit(&mut self, id: &ObjectId) -> Result<&ParsedCommit, RepoError> {
        if !self.commits.contains_key(id) {
            let damaged = || RepoError::Damaged {
                pack: PathBuf::from("all packs"),
                reason: format!("commit {id} is missing"),
            };
            let (_, data) = self.reader.find(id)?.ok_or_else(damaged)?;
            let parsed = ParsedCommit::parse(&data).map_err(|_| damaged())?;
            self.commits.insert(*id, parsed);
        }
        Ok(&self.commits[id])
    }

    /// Everything below `tips`, themselves included, not going past `ends`.
    fn closure(
        &mut self,
        tips: &[ObjectId],
        ends: &HashSet<ObjectId>,
    ) -> Result<HashSet<ObjectId>, RepoError> {
        let mut found = HashSet::new();
        let mut open = tips.to_vec();
        while let Some(id) = open.pop() {
            if found.insert(id) && !ends.contains(&id) {
                open.extend_from_slice(&self.commit(&id)?.parents);
            }
        }
        Ok(found)
    }
}

/// What a request comes to.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The `have`s that are commits here.
    pub(super) common: HashSet<ObjectId>,
    /// All commits the client has by that.
    pub(super) had: HashSet<ObjectId>,
    /// Commits to send.
    pub(super) send: Vec<ObjectId>,
    pub(super) shallow: Vec<ObjectId>,
    pub(super) unshallow: Vec<ObjectId>,
    /// Below every wanted commit is one that the client has.
    pub(super) ready: bool,
    /// A cut by date or by ref leaves nothing at all.
    pub(super) nothing_left: bool,
}

/// How far down the client's copy is to reach.
struct Extent {
    included: HashSet<ObjectId>,
    shallow: Vec<ObjectId>,
}

impl Walk {
    pub(super) fn over(
        request: &FetchRequest,
        wanted: &[ObjectId],
        excluded: &[ObjectId],
        graph: &mut Graph<'_>,
    ) -> Result<Self, RepoError> {
        let mut walk = Self::default();
        for id in &request.haves {
            if graph.kind(id)? == Some(Kind::Commit) {
                walk.common.insert(*id);
            }
        }
        // Boundaries of the client that are not ours end no path of ours.
        let boundary: HashSet<ObjectId> = request.shallow.iter().copied().collect();
        let tips: Vec<ObjectId> = walk.common.iter().copied().collect();
        walk.had = graph.closure(&tips, &boundary)?;
        match &request.deepen {
            None => walk.send = walk.new_commits(wanted, |id| !boundary.contains(id), graph)?,
            Some(deepen) => {
                let extent = extent(deepen, wanted, &boundary, excluded, graph)?;
                walk.nothing_left = extent.included.is_empty() && matches!(deepen, Deepen::Excluding { .. });
                walk.shallow = extent.shallow;
                let ends: HashSet<ObjectId> = walk.shallow.iter().copied().collect();
                walk.unshallow = request
                    .shallow
                    .iter()
                    .filter(|id| extent.included.contains(*id) && !ends.contains(*id))
                    .copied()
                    .collect();
                walk.shallow.retain(|id| !boundary.contains(id));
                let mut send: Vec<_> = extent.included.difference(&walk.had).copied().collect();
                send.sort_unstable();
                walk.send = send;
            }
        }
        walk.ready = walk.is_ready(wanted, &boundary, graph)?;
        Ok(walk)
    }

    /// Commits below `wanted` that the client lacks; `goes_on` says where parents follow.
    fn new_commits(
        &self,
        wanted: &[ObjectId],
        goes_on: impl Fn(&ObjectId) -> bool,
        graph: &mut Graph<'_>,
    ) -> Result<Vec<ObjectId>, RepoError> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut open = wanted.to_vec();
        while let Some(id) = open.pop() {
            if self.had.contains(&id) || !seen.insert(id) {
                continue;
            }
            found.push(id);
            if goes_on(&id) {
                open.extend_from_slice(&graph.commit(&id)?.parents);
            }
        }
        Ok(found)
    }

    fn is_ready(
        &self,
        wanted: &[ObjectId],
        boundary: &HashSet<ObjectId>,
        graph: &mut Graph<'_>,
    ) -> Result<bool, RepoError> {
        if self.common.is_empty() {
            return Ok(false);
        }
        let new = self.new_commits(wanted, |id| !boundary.contains(id), graph)?;
        let mut children: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
        let mut grounded: HashSet<ObjectId> = HashSet::new();
        let mut open = Vec::new();
        for id in new {
            for parent in &graph.commit(&id)?.parents {
                if self.had.contains(parent) {
                    open.push(id);
                }
                children.entry(*parent).or_default().push(id);
            }
        }
        while let Some(id) = open.pop() {
            if grounded.insert(id) {
                open.extend(children.get(&id).into_iter().flatten());
            }
        }
        Ok(wanted.iter().all(|want| self.had.contains(want) || grounded.contains(want)))
    }
}

fn extent(
    deepen: &Deepen,
    wanted: &[ObjectId],
    boundary: &HashSet<ObjectId>,
    excluded: &[ObjectId],
    graph: &mut Graph<'_>,
) -> Result<Extent, RepoError> {
    match deepen {
        Deepen::Depth { depth, relative: false } => to_depth(wanted, *depth, graph),
        Deepen::Depth { depth, relative: true } => {
            let everything = graph.closure(wanted, &HashSet::new())?;
            let from: Vec<_> = boundary.iter().filter(|id| everything.contains(*id)).copied().collect();
            let lower = to_depth(&from, depth.saturating_add(1), graph)?;
            let mut included = graph.closure(wanted, boundary)?;
            included.extend(lower.included);
            Ok(Extent { included, shallow: lower.shallow })
        }
        Deepen::Excluding { since, .. } => {
            let out = graph.closure(excluded, &HashSet::new())?;
            younger(wanted, since.unwrap_or(i64::MIN), &out, graph)
        }
    }
}

/// So many commits down on the shortest path; the last ones are the boundary.
fn to_depth(tips: &[ObjectId], depth: u32, graph: &mut Graph<'_>) -> Result<Extent, RepoError> {
    let mut included = HashSet::new();
    let mut shallow = Vec::new();
    let mut open: VecDeque<(ObjectId, u32)> = tips.iter().map(|id| (*id, 1)).collect();
    while let Some((id, at)) = open.pop_front() {
        if !included.insert(id) {
            continue;
        }
        let parents = &graph.commit(&id)?.parents;
        if at < depth {
            open.extend(parents.iter().map(|parent| (*parent, at + 1)));
        } else if !parents.is_empty() {
            shallow.push(id);
        }
    }
    Ok(Extent { included, shallow })
}

/// Commits not older than `since` and not in `out`; those with a parent that is are the boundary.
fn younger(
    tips: &[ObjectId],
    since: i64,
    out: &HashSet<ObjectId>,
    graph: &mut Graph<'_>,
) -> Result<Extent, RepoError> {
    let mut included = HashSet::new();
    let mut open: Vec<ObjectId> = tips.to_vec();
    while let Some(id) = open.pop() {
        if out.contains(&id) || included.contains(&id) || graph.commit(&id)?.date < since {
            continue;
        }
        included.insert(id);
        open.extend_from_slice(&graph.commit(&id)?.parents);
    }
    let mut shallow = Vec::new();
    for id in &included {
        if graph.commit(id)?.parents.iter().any(|parent| !included.contains(parent)) {
            shallow.push(*id);
        }
    }
    shallow.sort_unstable();
    Ok(Extent { included, shallow })
}
