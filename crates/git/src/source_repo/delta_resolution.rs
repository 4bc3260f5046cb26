//! The second reading of a pushed pack: deltas become objects, which are hashed and checked.
//!
//! Owns: the order (depth first from each base), the memory it takes (whole objects along one
//! chain, dropped and made again when they are too many), and the bases that a thin pack leaves
//! with us. Refuses: keeping any object.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use gix_hash::ObjectId;

use super::foreign_hash::hash_foreign;
use super::ingest::{Budget, IngestError, Phase, ProgressMeter};
use super::object_check::{Named, check_into};
use super::pack_set::{PackSet, Reader};
use super::pack_stream::{Form, Scan};
use crate::deflate::inflate_exact;
use crate::delta;
use crate::object::Kind;

/// Resolves the deltas of one pack.
pub(super) struct Resolver<'a> {
    pub(super) file: &'a File,
    pub(super) path: &'a Path,
    pub(super) scan: &'a mut Scan,
    pub(super) existing: &'a PackSet,
    pub(super) named: &'a mut Named,
}

/// The deltas of a pack by what they are based on.
struct Dependents {
    by_entry: Vec<(u32, u32)>,
    by_id: Vec<(ObjectId, u32)>,
}

/// An object with deltas on it that are being resolved.
struct Frame {
    node: Node,
    kind: Kind,
    /// Its content, unless that was dropped to save memory.
    data: Option<Vec<u8>>,
    /// Entries still to be resolved.
    open: std::vec::IntoIter<u32>,
}

#[derive(Clone, Copy)]
enum Node {
    /// An entry of this pack.
    Entry(u32),
    /// An object of the repository.
    Existing(ObjectId),
}

/// The path from a base down to where we are, with the bytes it holds.
struct Chain {
    frames: Vec<Frame>,
    resident: u64,
}

impl Resolver<'_> {
    /// Gives every entry its object, and returns the bases that were taken from the repository
    /// and are not in this pack.
    pub(super) fn resolve(
        mut self,
        budget: &mut Budget<'_>,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<Vec<ObjectId>, IngestError> {
        let dependents = self.dependents();
        let total = dependents.by_entry.len() + dependents.by_id.len();
        meter.begin(Phase::Resolving, total as u64);
        let mut run = Run { dependents, done: 0, budget, meter };
        for number in 0..entry_number(self.scan.entries.len()) {
            if let Form::Whole(kind) = self.scan.entries[number as usize].form {
                self.resolve_from(Node::Entry(number), kind, &mut run)?;
            }
        }
        let borrowed = self.resolve_from_existing(&mut run)?;
        match total as u64 - run.done {
            0 => Ok(self.not_in_pack(borrowed)),
            left => Err(IngestError::UnresolvedDeltas(left)),
        }
    }

    fn dependents(&self) -> Dependents {
        let mut found = Dependents { by_entry: Vec::new(), by_id: Vec::new() };
        for (entry, number) in self.scan.entries.iter().zip(0..) {
            match entry.form {
                Form::Whole(_) => {}
                Form::OffsetDelta(base) => found.by_entry.push((base, number)),
                Form::RefDelta(base) => found.by_id.push((base, number)),
            }
        }
        found.by_entry.sort_unstable();
        found.by_id.sort_unstable();
        found
    }

    /// A thin pack: bases that the pusher knows us to have.
    fn resolve_from_existing(&mut self, run: &mut Run<'_, '_, '_>) -> Result<Vec<ObjectId>, IngestError> {
        let open: BTreeSet<ObjectId> = run
            .dependents
            .by_id
            .iter()
            .filter(|(_, number)| self.scan.entries[*number as usize].object.is_none())
            .map(|(base, _)| *base)
            .collect();
        let mut borrowed = Vec::new();
        for base in open {
            let Some(place) = self.existing.place(&base) else {
                continue;
            };
            let (kind, _) = Reader::new(self.existing).header(place)?;
            self.resolve_from(Node::Existing(base), kind, run)?;
            borrowed.push(base);
        }
        Ok(borrowed)
    }

    /// A borrowed base may have come as a delta on another borrowed base after all.
    fn not_in_pack(&self, borrowed: Vec<ObjectId>) -> Vec<ObjectId> {
        let here: BTreeSet<ObjectId> =
            self.scan.entries.iter().filter_map(|entry| entry.object.map(|(_, id)| id)).collect();
        borrowed.into_iter().filter(|id| !here.contains(id)).collect()
    }

    fn resolve_from(&mut self, node: Node, kind: Kind, run: &mut Run<'_, '_, '_>) -> Result<(), IngestError> {
        let open = self.open_below(node, run);
        if open.is_empty() {
            return Ok(());
        }
        let mut chain = Chain { frames: Vec::new(), resident: 0 };
        chain.push(Frame { node, kind, data: None, open: open.into_iter() });
        while let Some(top) = chain.frames.last_mut() {
            let Some(number) = top.open.next() else {
                chain.pop();
                continue;
            };
            // Two entries of one id would both offer themselves as its base.
            if self.scan.entries[number as usize].object.is_none() {
                self.resolve_one(number, &mut chain, run)?;
            }
        }
        Ok(())
    }

    fn resolve_one(
        &mut self,
        number: u32,
        chain: &mut Chain,
        run: &mut Run<'_, '_, '_>,
    ) -> Result<(), IngestError> {
        run.budget.check_depth(chain.frames.len())?;
        self.fill_top(chain, run)?;
        let (kind, data) = {
            let top = chain.frames.last().expect("a delta is resolved on top of its base");
            let base = top.data.as_deref().expect("filled just now");
            (top.kind, self.apply(number, base, top.kind, run)?)
        };
        let id = hash_foreign(kind, &data)?;
        check_into(kind, &data, self.named).map_err(|fault| IngestError::Object { id, kind, fault })?;
        self.scan.entries[number as usize].object = Some((kind, id));
        run.done += 1;
        run.meter.tick(run.done);
        let node = Node::Entry(number);
        let open = self.open_below(node, run);
        chain.release_spent_top();
        if !open.is_empty() {
            chain.push(Frame { node, kind, data: Some(data), open: open.into_iter() });
            chain.release_below(chain.frames.len() - 1, run.budget.limits.resident_bytes);
        }
        Ok(())
    }

    /// Deltas on this node that have no object yet.
    fn open_below(&self, node: Node, run: &Run<'_, '_, '_>) -> Vec<u32> {
        let id = match node {
            Node::Existing(id) => Some(id),
            Node::Entry(number) => self.scan.entries[number as usize].object.map(|(_, id)| id),
        };
        let mut open = Vec::new();
        if let Node::Entry(number) = node {
            open.extend(equal_range(&run.dependents.by_entry, &number));
        }
        if let Some(id) = id {
            open.extend(equal_range(&run.dependents.by_id, &id));
        }
        open.retain(|number| self.scan.entries[*number as usize].object.is_none());
        open
    }

    /// Makes sure that the topmost object of the chain is in memory, from the nearest one below
    /// that is. What is made on the way stays as far as there is room, for when the chain is
    /// walked back.
    fn fill_top(&mut self, chain: &mut Chain, run: &mut Run<'_, '_, '_>) -> Result<(), IngestError> {
        let top = chain.frames.len() - 1;
        let kind = chain.frames[top].kind;
        let mut at = if let Some(nearest) = (0..=top).rev().find(|at| chain.frames[*at].data.is_some()) {
            nearest
        } else {
            let root = self.read_root(chain.frames[0].node, run)?;
            chain.fill(0, root);
            0
        };
        while at < top {
            let base = chain.frames[at].data.as_deref().expect("found or filled just now");
            let data = self.apply(chain.frames[at + 1].node.entry(), base, kind, run)?;
            at += 1;
            chain.fill(at, data);
            chain.release_below(at, run.budget.limits.resident_bytes);
        }
        Ok(())
    }

    fn read_root(&mut self, node: Node, run: &mut Run<'_, '_, '_>) -> Result<Vec<u8>, IngestError> {
        let data = match node {
            Node::Entry(number) => self.inflate_entry(number)?,
            Node::Existing(id) => {
                let found = Reader::new(self.existing).find(&id)?;
                found.ok_or(IngestError::UnresolvedDeltas(1))?.1
            }
        };
        run.budget.work(data.len() as u64)?;
        Ok(data)
    }

    fn apply(
        &mut self,
        number: u32,
        base: &[u8],
        kind: Kind,
        run: &mut Run<'_, '_, '_>,
    ) -> Result<Vec<u8>, IngestError> {
        let again = self.scan.entries[number as usize].object.is_some();
        let delta = self.inflate_entry(number)?;
        let data =
            delta::apply(base, &delta, run.budget.limits.object_limit(kind)).map_err(IngestError::Delta)?;
        run.budget.work((data.len() + delta.len()) as u64)?;
        if !again {
            run.budget.object(kind, data.len() as u64)?;
        }
        Ok(data)
    }

    /// The inflated stream of an entry, read back from the file.
    fn inflate_entry(&mut self, number: u32) -> Result<Vec<u8>, IngestError> {
        let entry = &self.scan.entries[number as usize];
        let next = self.scan.entries.get(number as usize + 1);
        let length = next.map_or(self.scan.end, |next| next.offset) - entry.body;
        let length = usize::try_from(length).expect("a pack's entry is within its limit");
        let mut stream = vec![0; length];
        self.file
            .seek(SeekFrom::Start(entry.body))
            .and_then(|_| self.file.read_exact(&mut stream))
            .map_err(|error| IngestError::disk("read", self.path, error))?;
        let size = usize::try_from(entry.inflated).expect("an inflated entry is within its limit");
        inflate_exact(&stream, size).map_err(|_| IngestError::Malformed("an entry no longer inflates"))
    }
}

/// What one resolution carries along.
struct Run<'a, 'b, 'c> {
    dependents: Dependents,
    done: u64,
    budget: &'a mut Budget<'b>,
    meter: &'a mut ProgressMeter<'c>,
}

impl Node {
    fn entry(self) -> u32 {
        match self {
            Self::Entry(number) => number,
            Self::Existing(_) => unreachable!("only the root of a chain is an existing object"),
        }
    }
}

impl Chain {
    fn push(&mut self, frame: Frame) {
        self.resident += frame.data.as_ref().map_or(0, |data| data.len() as u64);
        self.frames.push(frame);
    }

    fn pop(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.resident -= frame.data.map_or(0, |data| data.len() as u64);
        }
    }

    fn fill(&mut self, at: usize, data: Vec<u8>) {
        self.resident += data.len() as u64;
        self.frames[at].data = Some(data);
    }

    fn release(&mut self, at: usize) {
        self.resident -= self.frames[at].data.take().map_or(0, |data| data.len() as u64);
    }

    /// An object whose last delta is being followed is needed no more: a plain chain, however
    /// long, holds two objects at a time.
    fn release_spent_top(&mut self) {
        let top = self.frames.len() - 1;
        if self.frames[top].open.as_slice().is_empty() {
            self.release(top);
        }
    }

    /// Drops objects from the far end of the chain, up to this one, until the rest fits.
    fn release_below(&mut self, keep: usize, limit: u64) {
        for at in 0..keep {
            if self.resident <= limit {
                return;
            }
            self.release(at);
        }
    }
}

/// The second halves of the pairs whose first half is `key`, in a sorted list.
fn equal_range<'a, K: Ord>(pairs: &'a [(K, u32)], key: &K) -> impl Iterator<Item = u32> + 'a {
    let start = pairs.partition_point(|(first, _)| first < key);
    let end = start + pairs[start..].partition_point(|(first, _)| first <= key);
    pairs[start..end].iter().map(|(_, number)| *number)
}

fn entry_number(index: usize) -> u32 {
    u32::try_from(index).expect("a pack counts its objects in 32 bits")
}
