//! Owns documents: a base with some slots changed, as text, as id and as pack entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha1::Digest as _;
use zlib_rs::adler32::adler32_combine;

use super::base::Base;
use super::block::{BLOCK, Block};
use super::difference::difference;
use super::fragment::{Fragment, LazyDeflater, Segment, Shown};
use crate::deflate::{ADLER_START, FINAL_BLOCK, ZLIB_HEADER};
use crate::object::{Kind, ObjectId, finish_id, object_hasher};
use crate::pack_entry::put_header;
use crate::rope::{Rope, RopeBuilder};

/// One reader's text. Holds its base and what differs from it, and never the whole text.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) base: Arc<Base>,
    /// The slots that do not show what the base shows, ascending.
    pub(super) singles: Vec<Single>,
    len: u64,
    id: ObjectId,
}

/// A slot that shows something else than in the base, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Single {
    pub(super) slot: usize,
    fragment: Option<Arc<Fragment>>,
    first: bool,
}

impl Single {
    pub(super) fn shown(&self) -> Option<Shown<'_>> {
        let first = self.first;
        self.fragment.as_ref().map(|fragment| Shown { fragment, first })
    }

    pub(super) fn len(&self) -> u64 {
        text_of(self.shown()).len() as u64
    }
}

/// The text of what a slot shows; nothing where it shows nothing.
pub(super) fn text_of(shown: Option<Shown<'_>>) -> &[u8] {
    shown.map_or(&[], Shown::text)
}

/// A run of the text.
enum Part<'a> {
    Slots(&'a Block, usize, usize),
    Single(Shown<'a>),
}

impl Document {
    /// The document of `base` with these slots changed: a fragment to show there, or `None` for
    /// nothing. Slots past the end of the base are allowed. Hashes the text once, and not at all
    /// when nothing differs from a base whose id is known.
    pub fn new(base: Arc<Base>, overrides: &BTreeMap<usize, Option<Arc<Fragment>>>) -> Self {
        let unhashed = Self::with_id(base, overrides, ObjectId::null(gix_hash::Kind::Sha1));
        let id = unhashed.hash();
        Self { id, ..unhashed }
    }

    /// As [`Document::new`] where the id is known from before, so that nothing is hashed. A wrong
    /// id makes a document that says it is another: only for an id that was kept with exactly these
    /// inputs.
    pub fn with_id(
        base: Arc<Base>,
        overrides: &BTreeMap<usize, Option<Arc<Fragment>>>,
        id: ObjectId,
    ) -> Self {
        let singles = singles(&base, overrides);
        let (mut added, mut removed) = (0, 0);
        for single in &singles {
            added += single.len();
            removed += text_of(base.shown(single.slot)).len() as u64;
        }
        let len = base.len() + added - removed;
        Self { base, singles, len, id }
    }

    /// The blob id.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Length of the text in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the text has no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The base it was made from.
    pub fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// The whole text: a copy.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(usize::try_from(self.len).unwrap_or(0));
        self.for_each_text(|part| text.extend_from_slice(part));
        text
    }

    /// The blob's pack entry. Shares the deflated forms that the base keeps; what was never needed
    /// before is deflated now and kept.
    pub fn entry(&self) -> Rope {
        let mut out = RopeBuilder::with_capacity(self.base.blocks.len() + 8 * self.singles.len() + 4);
        let mut header = Vec::with_capacity(16);
        put_header(Kind::Blob.pack_type(), self.len, &mut header);
        header.extend_from_slice(&ZLIB_HEADER);
        out.push_slice(&header);
        let mut adler = ADLER_START;
        let mut deflater = LazyDeflater::default();
        let mut see = |segment: &Segment| {
            out.push(segment.raw.clone());
            adler = adler32_combine(adler, segment.adler, segment.len);
        };
        see(self.base.head.segment(&mut deflater));
        self.for_each_part(|part| match part {
            Part::Slots(block, from, to) => {
                block.for_each_segment(from, to, &mut deflater, &mut see);
            }
            Part::Single(shown) => see(shown.fragment.segment(shown.first, &mut deflater)),
        });
        see(self.base.tail.segment(&mut deflater));
        out.push_slice(&FINAL_BLOCK);
        out.push_slice(&adler.to_be_bytes());
        out.finish()
    }

    /// A delta (see [`crate::delta`]) that makes this text from `old`'s. Its cost is that of what
    /// differs: blocks that both share are passed over. `None` when it would save little.
    pub fn delta_from(&self, old: &Self) -> Option<Vec<u8>> {
        difference(old, self)
    }

    /// What a slot shows.
    pub(super) fn shown(&self, slot: usize) -> Option<Shown<'_>> {
        match self.singles.binary_search_by_key(&slot, |single| single.slot) {
            Ok(at) => self.singles[at].shown(),
            Err(_) => self.base.shown(slot),
        }
    }

    fn hash(&self) -> ObjectId {
        if self.singles.is_empty() {
            return self.base.id();
        }
        let mut hasher = object_hasher(Kind::Blob, self.len);
        self.for_each_text(|part| hasher.update(part));
        finish_id(hasher)
    }

    fn for_each_text(&self, mut see: impl FnMut(&[u8])) {
        see(&self.base.head.text);
        self.for_each_part(|part| match part {
            Part::Slots(block, from, to) => see(block.text(from, to)),
            Part::Single(shown) => see(shown.text()),
        });
        see(&self.base.tail.text);
    }

    /// Shows everything between head and tail, in order.
    fn for_each_part(&self, mut see: impl FnMut(Part<'_>)) {
        let mut at = 0;
        for single in &self.singles {
            self.base_parts(at, single.slot, &mut see);
            if let Some(shown) = single.shown() {
                see(Part::Single(shown));
            }
            at = single.slot + 1;
        }
        self.base_parts(at, self.base.blocks.len() * BLOCK, &mut see);
    }

    fn base_parts(&self, mut from: usize, to: usize, see: &mut impl FnMut(Part<'_>)) {
        while from < to
            && let Some(block) = self.base.blocks.get(from / BLOCK)
        {
            let start = from - from % BLOCK;
            let end = to.min(start + BLOCK);
            see(Part::Slots(block, from - start, end - start));
            from = end;
        }
    }
}

/// The slots that show something else than in the base: the changed ones, and those that become or
/// stop being the first.
fn singles(base: &Base, overrides: &BTreeMap<usize, Option<Arc<Fragment>>>) -> Vec<Single> {
    let first = first_present(base, overrides);
    let mut singles: Vec<Single> = Vec::with_capacity(overrides.len() + 2);
    let shows = |slot: usize, fragment: Option<&Arc<Fragment>>| Single {
        slot,
        fragment: fragment.cloned(),
        first: first == Some(slot),
    };
    singles.extend(overrides.iter().map(|(slot, fragment)| shows(*slot, fragment.as_ref())));
    if first != base.first() {
        for slot in [first, base.first()].into_iter().flatten() {
            if !overrides.contains_key(&slot) {
                singles.push(shows(slot, base.fragment(slot)));
            }
        }
        singles.sort_unstable_by_key(|single| single.slot);
    }
    singles.retain(|single| !same(single.shown(), base.shown(single.slot)));
    singles
}

pub(super) fn same(one: Option<Shown<'_>>, other: Option<Shown<'_>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.same(other),
        _ => false,
    }
}

fn first_present(base: &Base, overrides: &BTreeMap<usize, Option<Arc<Fragment>>>) -> Option<usize> {
    let added = overrides.iter().find_map(|(slot, fragment)| fragment.is_some().then_some(*slot));
    let mut kept = base.first();
    while let Some(slot) = kept {
        match overrides.get(&slot) {
            Some(None) => kept = base.next_present(slot + 1),
            _ => break,
        }
    }
    match (added, kept) {
        (Some(added), Some(kept)) => Some(added.min(kept)),
        (added, kept) => added.or(kept),
    }
}
