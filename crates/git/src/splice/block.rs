//! Owns a run of 256 slots: its text, and the deflated forms of its aligned parts.

use std::sync::{Arc, OnceLock};

use super::fragment::{Fragment, LazyDeflater, Segment, Shown};

/// Slots of one block.
pub(super) const BLOCK: usize = 256;

/// The parts of a block that are kept deflated, largest first: slots in a part, and the number of
/// the first part of that size. Parts of one slot are kept by their fragment.
const PARTS: [(usize, usize); 4] = [(256, 84), (64, 80), (16, 64), (4, 0)];
const PART_COUNT: usize = 85;

pub(super) type Slot = Option<Arc<Fragment>>;

/// An immutable run of 256 slots; those past the end of the base are empty.
#[derive(Debug)]
pub(super) struct Block {
    slots: Vec<Slot>,
    /// The slot whose fragment is the first one of the whole base.
    leading: Option<usize>,
    text: Vec<u8>,
    /// Where each slot's text begins, and the end of the last.
    starts: Vec<usize>,
    parts: Vec<OnceLock<Segment>>,
}

impl Block {
    /// A block of these slots. `leads`: no fragment stands before it, so that its first one drops
    /// its separator.
    pub(super) fn new(mut slots: Vec<Slot>, leads: bool) -> Self {
        debug_assert!(slots.len() <= BLOCK, "a block has {BLOCK} slots");
        slots.resize(BLOCK, None);
        let leading = leads.then(|| slots.iter().position(Option::is_some)).flatten();
        let mut text = Vec::new();
        let mut starts = Vec::with_capacity(BLOCK + 1);
        for (at, slot) in slots.iter().enumerate() {
            starts.push(text.len());
            if let Some(fragment) = slot {
                text.extend_from_slice(fragment.text(leading == Some(at)));
            }
        }
        starts.push(text.len());
        let parts = (0..PART_COUNT).map(|_| OnceLock::new()).collect();
        Self { slots, leading, text, starts, parts }
    }

    /// A block with some slots changed; deflated parts that hold none of them are kept.
    pub(super) fn with(&self, changes: &[(usize, Slot)], leads: bool) -> Self {
        let mut slots = self.slots.clone();
        for (at, slot) in changes {
            slots[*at].clone_from(slot);
        }
        let mut block = Self::new(slots, leads);
        for (size, number) in PARTS {
            for at in (0..BLOCK).step_by(size) {
                let same = (at..at + size).all(|slot| same_in(self, &block, slot));
                let part = number + at / size;
                if same && let Some(segment) = self.parts[part].get() {
                    block.parts[part] = OnceLock::from(segment.clone());
                }
            }
        }
        block
    }

    /// Whether its first fragment drops its separator.
    pub(super) fn leads(&self) -> bool {
        self.leading.is_some()
    }

    /// The first slot at or after `from` that has a fragment.
    pub(super) fn next_present(&self, from: usize) -> Option<usize> {
        (from..BLOCK).find(|at| self.slots[*at].is_some())
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn shown(&self, at: usize) -> Option<Shown<'_>> {
        self.slots[at].as_ref().map(|fragment| Shown { fragment, first: self.leading == Some(at) })
    }

    /// Where the text of a slot begins, or of all slots ends.
    pub(super) fn start(&self, at: usize) -> usize {
        self.starts[at]
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text of the slots `from..to`.
    pub(super) fn text(&self, from: usize, to: usize) -> &[u8] {
        &self.text[self.starts[from]..self.starts[to]]
    }

    /// Shows the deflated forms of the slots `from..to`, in as few parts as are aligned.
    pub(super) fn for_each_segment(
        &self,
        mut from: usize,
        to: usize,
        deflater: &mut LazyDeflater,
        mut see: impl FnMut(&Segment),
    ) {
        while from < to {
            let fits = |(size, _): &&(usize, usize)| from.is_multiple_of(*size) && from + size <= to;
            let end = if let Some((size, number)) = PARTS.iter().find(fits) {
                let end = from + size;
                let text = self.text(from, end);
                if !text.is_empty() {
                    let part = &self.parts[number + from / size];
                    see(part.get_or_init(|| deflater.segment(text)));
                }
                end
            } else {
                if let Some(fragment) = &self.slots[from] {
                    see(fragment.segment(self.leading == Some(from), deflater));
                }
                from + 1
            };
            from = end;
        }
    }
}

fn same_in(one: &Block, other: &Block, at: usize) -> bool {
    let first = |block: &Block| block.leading == Some(at);
    match (&one.slots[at], &other.slots[at]) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) && first(one) == first(other),
        _ => false,
    }
}
