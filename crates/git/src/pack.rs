//! Owns whole packs (gitformat-pack, version 2): header, entries, trailer, and the shortcuts that
//! make one cheap: shared entries first, with the state of the hash kept after them.
//! Refuses to decide what belongs into a pack.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use crate::bundle::{Bundle, BundleObject};
use crate::object::{Kind, ObjectId, finish_id};
use crate::pack_entry::{put_passing_delta, put_passing_object};
use crate::rope::{Rope, RopeBuilder};
use crate::sideband::{SideBand, frame, frame_into};

pub use crate::pack_entry::{delta_entry, object_entry};

/// A framed prefix up to this size is kept in one piece, so that it is sent by one write; beyond,
/// its frames refer to the entries and the memory is not taken twice.
const FLATTEN_UP_TO: u64 = 1 << 20;

/// Something to put into a pack.
#[derive(Clone, Debug)]
pub enum PackItem<'a> {
    /// All entries of a bundle.
    Bundle(&'a Bundle),
    /// The entries of a bundle at these indices, ascending; see [`Bundle::select`].
    BundleSubset(&'a Bundle, &'a [usize]),
    /// An object made for this request. Small ones are stored, not deflated.
    Raw {
        /// Its kind.
        kind: Kind,
        /// Its content.
        data: &'a [u8],
    },
    /// A ready entry: from [`object_entry`], [`delta_entry`], or a spliced document.
    Entry(Rope),
    /// A delta made for this request against an object that the client has.
    RefDelta {
        /// The base.
        base: ObjectId,
        /// The delta, not deflated.
        delta: &'a [u8],
    },
}

/// A whole pack, ready to be sent with or without multiplexing.
#[derive(Clone, Debug)]
pub struct Pack {
    prefix: Option<PackPrefix>,
    /// What follows the prefix, or everything; the trailer included.
    rest: Rope,
    objects: u32,
    checksum: ObjectId,
}

impl Pack {
    /// Completes a prefix with the items that it was counted for.
    ///
    /// # Panics
    /// When the number of items is not the one that the prefix promised: the pack would be broken.
    pub fn from_prefix(prefix: &PackPrefix, items: &[PackItem<'_>]) -> Self {
        let chosen = chosen_entries(items);
        let more = count(items, &chosen);
        assert_eq!(more, prefix.0.extra, "the prefix counts what follows it");
        let mut builder = RopeBuilder::with_capacity(items.len() + 1);
        push_items(&mut builder, items, &chosen);
        let mut sha = prefix.0.sha.clone();
        let (rest, checksum) = close(builder, &mut sha);
        Self { prefix: Some(prefix.clone()), rest, objects: prefix.0.objects, checksum }
    }

    /// Number of entries.
    pub fn objects(&self) -> u32 {
        self.objects
    }

    /// Length in bytes, without multiplexing.
    pub fn len(&self) -> u64 {
        let prefix = self.prefix.as_ref().map_or(0, |prefix| prefix.0.bytes.len());
        prefix + self.rest.len()
    }

    /// Never: a pack has at least a header and a trailer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The trailer: the SHA-1 of everything before it.
    pub fn checksum(&self) -> ObjectId {
        self.checksum
    }

    /// The bare pack.
    pub fn rope(&self) -> Rope {
        self.framed(SideBand::None)
    }

    /// The pack as the client asked to have it multiplexed; without a flush packet.
    pub fn framed(&self, mode: SideBand) -> Rope {
        let Some(prefix) = &self.prefix else {
            return frame(&self.rest, mode);
        };
        let mut out = RopeBuilder::with_capacity(self.rest.pieces().len() * 2 + 2);
        match mode {
            SideBand::Large => out.push_rope(prefix.framed()),
            SideBand::None | SideBand::Small => frame_into(&mut out, &prefix.0.bytes, mode),
        }
        frame_into(&mut out, &self.rest, mode);
        out.finish()
    }
}

/// The beginning of a pack that many requests share: the header, a run of entries, the state of
/// the hash after them, and the same framed for `side-band-64k`. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct PackPrefix(Arc<Prefix>);

#[derive(Debug)]
struct Prefix {
    /// All entries of the pack to be.
    objects: u32,
    /// Those that follow the prefix.
    extra: u32,
    /// Header and entries.
    bytes: Rope,
    framed: OnceLock<Rope>,
    sha: Sha1,
}

impl PackPrefix {
    /// A prefix of `shared` entries, to be followed by exactly `extra` more. Hashes `entries`
    /// once.
    pub fn new(shared: u32, extra: u32, entries: &Rope) -> Self {
        let objects = shared + extra;
        let mut builder = RopeBuilder::with_capacity(entries.pieces().len() + 1);
        builder.push_slice(&header(objects));
        builder.push_rope(entries);
        let bytes = builder.finish();
        let mut sha = Sha1::new();
        feed(&mut sha, &bytes);
        Self(Arc::new(Prefix { objects, extra, bytes, framed: OnceLock::new(), sha }))
    }

    /// A prefix of these items, to be followed by exactly `extra` more.
    pub fn of_items(items: &[PackItem<'_>], extra: u32) -> Self {
        let chosen = chosen_entries(items);
        let mut builder = RopeBuilder::with_capacity(items.len());
        push_items(&mut builder, items, &chosen);
        Self::new(count(items, &chosen), extra, &builder.finish())
    }

    /// Whether both are one prefix in memory.
    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes of memory it may hold beside the entries it shares.
    pub fn weight(&self) -> u64 {
        let framed = self.0.bytes.len();
        256 + if framed <= FLATTEN_UP_TO { framed } else { framed / 256 }
    }

    fn framed(&self) -> &Rope {
        self.0.framed.get_or_init(|| {
            let framed = frame(&self.0.bytes, SideBand::Large);
            if framed.len() <= FLATTEN_UP_TO { Rope::from(framed.flatten()) } else { framed }
        })
    }
}

/// Writes a pack of these items in their order. An object that several bundles among them hold is
/// written once; other items are taken as they are, and must not repeat an object.
pub fn write_pack(items: &[PackItem<'_>]) -> Pack {
    let chosen = chosen_entries(items);
    let objects = count(items, &chosen);
    let mut builder = RopeBuilder::with_capacity(items.len() + 2);
    builder.push_slice(&header(objects));
    push_items(&mut builder, items, &chosen);
    let (rest, checksum) = close(builder, &mut Sha1::new());
    Pack { prefix: None, rest, objects, checksum }
}

/// The pack of a fresh clone at depth 1: a bundle and the one commit that shows it. Only the
/// commit is hashed; the bundle's bytes are neither hashed nor copied again.
pub fn clone_pack(bundle: &Bundle, commit: &[u8]) -> Pack {
    let item = PackItem::Raw { kind: Kind::Commit, data: commit };
    Pack::from_prefix(&bundle.prefix(1), &[item])
}

fn header(objects: u32) -> [u8; 12] {
    let mut header = *b"PACK\0\0\0\x02\0\0\0\0";
    header[8..].copy_from_slice(&objects.to_be_bytes());
    header
}

/// For each item that takes from a bundle, the indices to write; `None` where that is all the item
/// says, which is known without looking when there is but one bundle.
type Chosen = Vec<Option<Vec<usize>>>;

fn chosen_entries(items: &[PackItem<'_>]) -> Chosen {
    let of_bundles = |item: &&PackItem<'_>| matches!(item, PackItem::Bundle(_) | PackItem::BundleSubset(..));
    if items.iter().filter(of_bundles).count() < 2 {
        return Vec::new();
    }
    let mut seen: HashSet<ObjectId> = HashSet::new();
    let mut first_time = |bundle: &Bundle, indices: &mut dyn Iterator<Item = usize>| {
        indices.filter(|index| seen.insert(bundle.objects()[*index].id)).collect()
    };
    items
        .iter()
        .map(|item| match item {
            PackItem::Bundle(bundle) => Some(first_time(bundle, &mut (0..bundle.objects().len()))),
            PackItem::BundleSubset(bundle, indices) => Some(first_time(bundle, &mut indices.iter().copied())),
            _ => None,
        })
        .collect()
}

fn count(items: &[PackItem<'_>], chosen: &Chosen) -> u32 {
    let entries: usize = items
        .iter()
        .enumerate()
        .map(|(at, item)| match (chosen.get(at), item) {
            (Some(Some(indices)), _) => indices.len(),
            (_, PackItem::Bundle(bundle)) => bundle.objects().len(),
            (_, PackItem::BundleSubset(_, indices)) => indices.len(),
            _ => 1,
        })
        .sum();
    u32::try_from(entries).expect("a pack counts its entries in 32 bits")
}

fn push_items(out: &mut RopeBuilder, items: &[PackItem<'_>], chosen: &Chosen) {
    let mut small = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let chosen = chosen.get(at).and_then(Option::as_deref);
        match item {
            PackItem::Bundle(bundle) => match chosen {
                None => out.push(bundle.entries()),
                Some(indices) => push_subset(out, bundle, indices),
            },
            PackItem::BundleSubset(bundle, indices) => {
                push_subset(out, bundle, chosen.unwrap_or(indices));
            }
            PackItem::Raw { kind, data } => {
                small.clear();
                put_passing_object(*kind, data, &mut small);
                out.push_slice(&small);
            }
            PackItem::RefDelta { base, delta } => {
                small.clear();
                put_passing_delta(base, delta, &mut small);
                out.push_slice(&small);
            }
            PackItem::Entry(entry) => out.push_rope(entry),
        }
    }
}

/// Pushes entries of a bundle; neighbours go as one slice.
fn push_subset(out: &mut RopeBuilder, bundle: &Bundle, indices: &[usize]) {
    let objects = bundle.objects();
    let mut indices = indices.iter().copied().peekable();
    while let Some(first) = indices.next() {
        let mut last = first;
        while let Some(next) = indices.next_if_eq(&(last + 1)) {
            last = next;
        }
        let run = objects[first].range.start..objects[last].range.end;
        out.push(bundle.entries().slice(run));
    }
}

/// Hashes what is new in the rope and appends the trailer.
fn close(mut builder: RopeBuilder, sha: &mut Sha1) -> (Rope, ObjectId) {
    builder.for_each_piece(|piece| sha.update(piece));
    let checksum = finish_id(sha.clone());
    builder.push_slice(checksum.as_slice());
    (builder.finish(), checksum)
}

fn feed(sha: &mut Sha1, rope: &Rope) {
    for piece in rope.pieces() {
        sha.update(piece);
    }
}

/// Which objects a partial clone asks for (`filter` of gitprotocol-v2, rev-list's `--filter`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectFilter {
    /// Leave out blobs of this many bytes or more; 0 leaves out every blob.
    pub blob_limit: Option<u64>,
    /// Leave out trees and blobs this deep or deeper; 0 leaves out the root tree too.
    pub tree_depth: Option<u32>,
}

impl ObjectFilter {
    /// Whether the object is to be sent.
    pub fn keeps(&self, object: &BundleObject) -> bool {
        let shallow = self.tree_depth.is_none_or(|limit| object.depth < limit);
        let small = object.kind != Kind::Blob || self.blob_limit.is_none_or(|limit| object.size < limit);
        shallow && small
    }

    /// The ids kept by this filter in a bundle, as indices for [`PackItem::BundleSubset`].
    pub fn select(&self, bundle: &Bundle) -> Vec<usize> {
        bundle.select(|object| self.keeps(object))
    }
}

/// The bytes of a pack in one piece, for what stores packs or tests them.
impl From<&Pack> for Bytes {
    fn from(pack: &Pack) -> Self {
        pack.rope().flatten()
    }
}

#[cfg(test)]
mod tests;
