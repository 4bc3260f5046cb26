//! Owns the delta between two documents, cut along their fragments.

use std::sync::Arc;

use super::base::Base;
use super::block::BLOCK;
use super::document::{Document, same, text_of};
use crate::delta::DeltaBuilder;

/// Copies name 32 bits of offset.
const MAX_BASE: u64 = u32::MAX as u64;

pub(super) fn difference(old: &Document, new: &Document) -> Option<Vec<u8>> {
    if old.len() > MAX_BASE {
        return None;
    }
    let mut writer = Writer { out: DeltaBuilder::new(old.len(), new.len()), copied: 0 };
    writer.replace(0, &old.base.head.text, &new.base.head.text);
    let mut offsets = Offsets { document: old, next: 0, added: 0, removed: 0 };
    for slot in candidates(old, new) {
        let (before, after) = (old.shown(slot), new.shown(slot));
        if !same(before, after) {
            writer.replace(offsets.of(slot), text_of(before), text_of(after));
        }
    }
    let tail = &old.base.tail.text;
    writer.replace(old.len() - tail.len() as u64, tail, &new.base.tail.text);
    writer.out.copy(writer.copied, old.len() - writer.copied);
    let delta = writer.out.finish();
    // A delta is sent deflated like any text; half of the text's length is about where it stops to
    // be the smaller one.
    (delta.len() as u64 * 2 < new.len().max(64)).then_some(delta)
}

/// Writes replacements in ascending order, and copies what lies between.
struct Writer {
    out: DeltaBuilder,
    /// Everything of the old text before this offset is dealt with.
    copied: u64,
}

impl Writer {
    fn replace(&mut self, offset: u64, before: &[u8], after: &[u8]) {
        if before == after {
            return;
        }
        let start = common(before.iter(), after.iter());
        let (before_rest, after_rest) = (&before[start..], &after[start..]);
        let end = common(before_rest.iter().rev(), after_rest.iter().rev());
        self.out.copy(self.copied, offset + start as u64 - self.copied);
        self.out.insert(&after_rest[..after_rest.len() - end]);
        self.copied = offset + (before.len() - end) as u64;
    }
}

fn common<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other).take_while(|(a, b)| a == b).count()
}

/// Slots, ascending, among which are all that differ.
fn candidates(old: &Document, new: &Document) -> Vec<usize> {
    let singles = old.singles.iter().chain(&new.singles).map(|single| single.slot);
    let mut slots: Vec<usize> = singles.collect();
    if !Arc::ptr_eq(&old.base, &new.base) {
        push_unshared(&old.base, &new.base, &mut slots);
    }
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// Pushes the slots of blocks that two bases do not share, where the fragments are not one.
fn push_unshared(old: &Base, new: &Base, slots: &mut Vec<usize>) {
    for at in 0..old.blocks.len().max(new.blocks.len()) {
        let (one, other) = (old.blocks.get(at), new.blocks.get(at));
        if let (Some(one), Some(other)) = (one, other)
            && Arc::ptr_eq(one, other)
        {
            continue;
        }
        for slot in at * BLOCK..(at + 1) * BLOCK {
            let unchanged = match (old.fragment(slot), new.fragment(slot)) {
                (None, None) => true,
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                _ => false,
            };
            // The first slots are looked at in any case, since being first changes the text.
            let edge = [old.first(), new.first()].contains(&Some(slot));
            if edge || !unchanged {
                slots.push(slot);
            }
        }
    }
}

/// Where the slots of a document begin, asked in ascending order.
struct Offsets<'a> {
    document: &'a Document,
    /// The first single not yet passed.
    next: usize,
    added: u64,
    removed: u64,
}

impl Offsets<'_> {
    fn of(&mut self, slot: usize) -> u64 {
        let base = &self.document.base;
        while let Some(single) = self.document.singles.get(self.next)
            && single.slot < slot
        {
            self.added += single.len();
            self.removed += text_of(base.shown(single.slot)).len() as u64;
            self.next += 1;
        }
        base.start(slot) + self.added - self.removed
    }
}
