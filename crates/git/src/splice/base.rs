//! Owns bases: what all readers see unless something was changed for them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::block::{BLOCK, Block, Slot};
use super::fragment::{Fragment, LazyDeflater, Segment, Shown};
use crate::object::{Kind, ObjectId, finish_id, object_hasher};
use sha1::Digest as _;

/// An immutable text of head, fragments and tail, to be shared by the documents made from it.
#[derive(Debug)]
pub struct Base {
    pub(super) head: Ending,
    pub(super) tail: Ending,
    pub(super) blocks: Vec<Arc<Block>>,
    /// Where each block's text begins, counted from the end of the head, and the end of the last.
    starts: Vec<u64>,
    slots: usize,
    /// The first slot that has a fragment.
    first: Option<usize>,
    id: OnceLock<ObjectId>,
}

/// The text at one of the two ends.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) text: Bytes,
    segment: OnceLock<Segment>,
}

impl Ending {
    fn new(text: impl Into<Bytes>) -> Self {
        Self { text: text.into(), segment: OnceLock::new() }
    }

    pub(super) fn segment(&self, deflater: &mut LazyDeflater) -> &Segment {
        self.segment.get_or_init(|| deflater.segment(&self.text))
    }
}

impl Base {
    /// A base of these parts. An empty slot shows nothing.
    pub fn new(
        head: impl Into<Bytes>,
        fragments: impl IntoIterator<Item = Option<Arc<Fragment>>>,
        tail: impl Into<Bytes>,
    ) -> Self {
        let mut fragments = fragments.into_iter();
        let (mut slots, mut before) = (0, false);
        let mut blocks = Vec::new();
        loop {
            let run: Vec<Slot> = fragments.by_ref().take(BLOCK).collect();
            if run.is_empty() {
                break;
            }
            slots += run.len();
            let block = Block::new(run, !before);
            before |= block.leads();
            blocks.push(Arc::new(block));
        }
        Self::assemble(Ending::new(head), blocks, slots, Ending::new(tail))
    }

    fn assemble(head: Ending, blocks: Vec<Arc<Block>>, slots: usize, tail: Ending) -> Self {
        let mut starts = Vec::with_capacity(blocks.len() + 1);
        let mut end = 0;
        for block in &blocks {
            starts.push(end);
            end += block.len() as u64;
        }
        starts.push(end);
        let first = next_present(&blocks, 0);
        Self { head, tail, blocks, starts, slots, first, id: OnceLock::new() }
    }

    /// The base with some slots changed, in any order; the last change of a slot counts. It shares
    /// the blocks that hold none of them, and grows where a slot lies past the end.
    #[must_use]
    pub fn with_changes(&self, changes: &[(usize, Option<Arc<Fragment>>)]) -> Self {
        let slots = changes.iter().map(|(slot, _)| slot + 1).fold(self.slots, usize::max);
        let mut by_block: Vec<Vec<(usize, Slot)>> = vec![Vec::new(); slots.div_ceil(BLOCK)];
        for (slot, fragment) in changes {
            by_block[slot / BLOCK].push((slot % BLOCK, fragment.clone()));
        }
        let mut before = false;
        let blocks = by_block
            .into_iter()
            .enumerate()
            .map(|(at, changes)| {
                let block = self.changed_block(at, &changes, !before);
                before |= block.leads();
                block
            })
            .collect();
        Self::assemble(self.head.clone(), blocks, slots, self.tail.clone())
    }

    fn changed_block(&self, at: usize, changes: &[(usize, Slot)], leads: bool) -> Arc<Block> {
        match self.blocks.get(at) {
            // An empty block leads nothing, whether it might or not.
            Some(block) if changes.is_empty() => {
                let shows = block.next_present(0).is_some();
                if block.leads() == (leads && shows) {
                    Arc::clone(block)
                } else {
                    Arc::new(block.with(&[], leads))
                }
            }
            Some(block) => Arc::new(block.with(changes, leads)),
            None => Arc::new(Block::new(Vec::new(), false).with(changes, leads)),
        }
    }

    /// Number of slots, empty ones included.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Length of the unchanged text in bytes.
    pub fn len(&self) -> u64 {
        let ends = self.head.text.len() + self.tail.text.len();
        ends as u64 + self.starts.last().copied().unwrap_or(0)
    }

    /// Whether the unchanged text has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The blob id of the unchanged text; hashed once.
    pub fn id(&self) -> ObjectId {
        *self.id.get_or_init(|| {
            let mut hasher = object_hasher(Kind::Blob, self.len());
            hasher.update(&self.head.text);
            for block in &self.blocks {
                hasher.update(block.text(0, BLOCK));
            }
            hasher.update(&self.tail.text);
            finish_id(hasher)
        })
    }

    /// Deflates what most documents are made of (head, tail, whole blocks), so that no reader waits
    /// for it. Anything else is deflated when it is first needed.
    pub fn warm(&self) {
        let mut deflater = LazyDeflater::default();
        self.head.segment(&mut deflater);
        self.tail.segment(&mut deflater);
        for block in &self.blocks {
            block.for_each_segment(0, BLOCK, &mut deflater, |_| {});
        }
    }

    /// Bytes of memory that its own texts take; fragments are shared and not counted.
    pub fn weight(&self) -> u64 {
        // The deflated forms of one text in five sizes, at a quarter of its length each.
        self.len() * 9 / 4 + self.blocks.len() as u64 * 12 * 1024
    }

    pub(super) fn first(&self) -> Option<usize> {
        self.first
    }

    pub(super) fn next_present(&self, from: usize) -> Option<usize> {
        next_present(&self.blocks, from)
    }

    pub(super) fn fragment(&self, slot: usize) -> Option<&Arc<Fragment>> {
        self.blocks.get(slot / BLOCK)?.slots()[slot % BLOCK].as_ref()
    }

    pub(super) fn shown(&self, slot: usize) -> Option<Shown<'_>> {
        self.blocks.get(slot / BLOCK)?.shown(slot % BLOCK)
    }

    /// Where a slot's text begins, counted from the start of the head.
    pub(super) fn start(&self, slot: usize) -> u64 {
        let in_slots = match self.blocks.get(slot / BLOCK) {
            Some(block) => self.starts[slot / BLOCK] + block.start(slot % BLOCK) as u64,
            None => self.starts.last().copied().unwrap_or(0),
        };
        self.head.text.len() as u64 + in_slots
    }
}

fn next_present(blocks: &[Arc<Block>], from: usize) -> Option<usize> {
    let mut in_block = from % BLOCK;
    for (at, block) in blocks.iter().enumerate().skip(from / BLOCK) {
        if let Some(found) = block.next_present(in_block) {
            return Some(at * BLOCK + found);
        }
        in_block = 0;
    }
    None
}
