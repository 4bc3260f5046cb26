//! Reading objects out of accepted packs.
//!
//! Owns: finding, resolving deltas with a bounded cache, raw entries for those who copy them.
//! Refuses: writing. The files are mapped and never change once they are here.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gix_hash::{Kind as HashKind, ObjectId};
use gix_object::Kind as GixKind;
use gix_pack::cache::DecodeEntry;
use gix_pack::data::decode::header::ResolvedBase;
use gix_pack::data::entry::Header;

use super::{PackName, RepoError};
use crate::object::Kind;

/// Bytes of resolved delta bases kept by one reader.
const CACHE_BYTES: usize = 32 << 20;

/// One pack with its index.
pub(super) struct Pack {
    name: PackName,
    path: PathBuf,
    bundle: gix_pack::Bundle,
    /// Where each entry begins, ascending, and its place in the index; made when first asked for.
    by_offset: OnceLock<Vec<(u64, u32)>>,
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Pack {
    /// Opens the pack of this name in `dir`.
    pub(super) fn open(dir: &Path, name: PackName) -> Result<Self, RepoError> {
        let path = dir.join(name.pack_file());
        let damaged = |reason: String| RepoError::Damaged { pack: path.clone(), reason };
        let bundle =
            gix_pack::Bundle::at(&path, HashKind::Sha1).map_err(|error| damaged(error.to_string()))?;
        if bundle.index.num_objects() != bundle.pack.num_objects() {
            return Err(damaged("its index belongs to another pack".to_owned()));
        }
        Ok(Self { name, path, bundle, by_offset: OnceLock::new() })
    }

    fn damaged(&self, reason: impl ToString) -> RepoError {
        RepoError::Damaged { pack: self.path.clone(), reason: reason.to_string() }
    }

    fn by_offset(&self) -> &[(u64, u32)] {
        self.by_offset.get_or_init(|| {
            let index = &self.bundle.index;
            let mut table: Vec<_> =
                (0..index.num_objects()).map(|place| (index.pack_offset_at_index(place), place)).collect();
            table.sort_unstable();
            table
        })
    }

    /// The entry of an object as it stands in the pack.
    fn entry(&self, place: u32) -> Result<PackedEntry<'_>, RepoError> {
        let offset = self.bundle.index.pack_offset_at_index(place);
        let pack = &self.bundle.pack;
        let entry = pack.entry(offset).map_err(|error| self.damaged(error))?;
        let next = self.by_offset().partition_point(|(start, _)| *start <= offset);
        let end = self.by_offset().get(next).map_or(pack.pack_end() as u64, |(start, _)| *start);
        let body =
            pack.entry_slice(entry.data_offset..end).ok_or_else(|| self.damaged("an entry is cut short"))?;
        let base = match entry.header {
            Header::RefDelta { base_id } => Some(base_id),
            Header::OfsDelta { base_distance } => Some(self.id_at(offset.checked_sub(base_distance))?),
            _ => None,
        };
        let kind = entry.header.as_kind().map(from_gix);
        Ok(PackedEntry { kind, base, inflated: entry.decompressed_size, body })
    }

    /// The id of the object whose entry begins at `offset`.
    fn id_at(&self, offset: Option<u64>) -> Result<ObjectId, RepoError> {
        let table = self.by_offset();
        offset
            .and_then(|offset| table.binary_search_by_key(&offset, |(start, _)| *start).ok())
            .map(|position| self.bundle.index.oid_at_index(table[position].1).to_owned())
            .ok_or_else(|| self.damaged("a delta's base is no entry"))
    }
}

/// An entry that can be copied into another pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedEntry<'a> {
    /// The kind of a whole object; `None` for a delta.
    pub(super) kind: Option<Kind>,
    /// The object that a delta is to be applied to.
    pub(super) base: Option<ObjectId>,
    /// Bytes of the object, or of the delta, when inflated.
    pub(super) inflated: u64,
    /// The zlib stream.
    pub(super) body: &'a [u8],
}

/// Where an object is: which pack of the set, which place in its index. Ordered as the packs are
/// listed, so that sorted places read well enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pack: u32,
    entry: u32,
}

/// An immutable set of packs.
#[derive(Debug, Default, Clone)]
pub(super) struct PackSet {
    packs: Vec<Arc<Pack>>,
}

impl PackSet {
    /// This set and one more pack.
    pub(super) fn with(&self, pack: Pack) -> Self {
        let mut packs = self.packs.clone();
        packs.push(Arc::new(pack));
        packs.sort_by_key(|pack| pack.name);
        Self { packs }
    }

    /// This set less some packs.
    pub(super) fn without(&self, names: &[PackName]) -> Self {
        let packs = self.packs.iter().filter(|pack| !names.contains(&pack.name)).cloned();
        Self { packs: packs.collect() }
    }

    pub(super) fn names(&self) -> Vec<PackName> {
        self.packs.iter().map(|pack| pack.name).collect()
    }

    /// Objects in all packs, those in several counted as often.
    pub(super) fn object_count(&self) -> u64 {
        self.packs.iter().map(|pack| u64::from(pack.bundle.index.num_objects())).sum()
    }

    pub(super) fn contains(&self, id: &ObjectId) -> bool {
        self.place(id).is_some()
    }

    pub(super) fn place(&self, id: &ObjectId) -> Option<Place> {
        self.packs.iter().zip(0..).find_map(|(pack, number)| {
            pack.bundle.index.lookup(id).map(|entry| Place { pack: number, entry })
        })
    }

    /// Whether both are in the same pack.
    pub(super) fn same_pack(left: Place, right: Place) -> bool {
        left.pack == right.pack
    }

    pub(super) fn entry(&self, place: Place) -> Result<PackedEntry<'_>, RepoError> {
        self.pack(place).entry(place.entry)
    }

    /// Where in its pack an object stands: a good order for reading many.
    pub(super) fn position(&self, place: Place) -> (u32, u64) {
        (place.pack, self.pack(place).bundle.index.pack_offset_at_index(place.entry))
    }

    fn pack(&self, place: Place) -> &Pack {
        &self.packs[place.pack as usize]
    }
}

/// Reads whole objects, one after the other, remembering delta bases.
pub(super) struct Reader<'a> {
    set: &'a PackSet,
    memory: ReadMemory,
}

/// What a [`Reader`] remembers between objects.
#[derive(Default)]
pub(super) struct ReadMemory {
    inflate: gix_zlib::Inflate,
    cache: BaseCache,
}

impl<'a> Reader<'a> {
    pub(super) fn new(set: &'a PackSet) -> Self {
        Self { set, memory: ReadMemory::default() }
    }

    /// The object with this id; `None` when it is in no pack.
    pub(super) fn find(&mut self, id: &ObjectId) -> Result<Option<(Kind, Vec<u8>)>, RepoError> {
        self.set.place(id).map(|place| self.read(place)).transpose()
    }

    /// Where an object is.
    pub(super) fn place(&self, id: &ObjectId) -> Option<Place> {
        self.set.place(id)
    }

    pub(super) fn read(&mut self, place: Place) -> Result<(Kind, Vec<u8>), RepoError> {
        self.memory.read(self.set, place)
    }

    /// Kind and size without inflating the whole.
    pub(super) fn header(&mut self, place: Place) -> Result<(Kind, u64), RepoError> {
        let pack = self.set.pack(place);
        let (data, index) = (&pack.bundle.pack, &pack.bundle.index);
        let resolve = |id: &gix_hash::oid| {
            let found = index.lookup(id).map(|place| data.entry(index.pack_offset_at_index(place)));
            found.transpose().map(|entry| entry.map(ResolvedBase::InPack))
        };
        let entry =
            data.entry(index.pack_offset_at_index(place.entry)).map_err(|error| pack.damaged(error))?;
        let header = data
            .decode_header(entry, &mut self.memory.inflate, &resolve)
            .map_err(|error| pack.damaged(error))?;
        Ok((from_gix(header.kind), header.object_size))
    }
}

impl ReadMemory {
    /// Must always be called with the same set: the cache is keyed by place.
    pub(super) fn read(&mut self, set: &PackSet, place: Place) -> Result<(Kind, Vec<u8>), RepoError> {
        let pack = set.pack(place);
        let mut out = Vec::new();
        let mut cache = PackCache { pack: place.pack, cache: &mut self.cache };
        let (data, _) = pack
            .bundle
            .get_object_by_index(place.entry, &mut out, &mut self.inflate, &mut cache)
            .map_err(|error| pack.damaged(error))?;
        Ok((from_gix(data.kind), out))
    }
}

fn from_gix(kind: GixKind) -> Kind {
    match kind {
        GixKind::Commit => Kind::Commit,
        GixKind::Tree => Kind::Tree,
        GixKind::Blob => Kind::Blob,
        GixKind::Tag => Kind::Tag,
    }
}

/// A resolved delta base.
struct Resolved {
    kind: GixKind,
    data: Vec<u8>,
    compressed: usize,
}

/// Two generations of delta bases: when the young one is full, the old one is forgotten.
#[derive(Default)]
struct BaseCache {
    young: HashMap<(u32, u64), Resolved>,
    old: HashMap<(u32, u64), Resolved>,
    young_bytes: usize,
}

impl BaseCache {
    fn put(&mut self, key: (u32, u64), resolved: Resolved) {
        self.young_bytes += resolved.data.len();
        self.young.insert(key, resolved);
        if self.young_bytes > CACHE_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    fn get(&mut self, key: (u32, u64)) -> Option<&Resolved> {
        if let Some(kept) = self.old.remove(&key) {
            self.put(key, kept);
        }
        self.young.get(&key).or_else(|| self.old.get(&key))
    }
}

/// The view of one pack: gix numbers packs by a checksum of their path, which two may share.
struct PackCache<'a> {
    pack: u32,
    cache: &'a mut BaseCache,
}

impl DecodeEntry for PackCache<'_> {
    fn put(&mut self, _: u32, offset: u64, data: &[u8], kind: GixKind, compressed: usize) {
        if data.len() <= CACHE_BYTES / 8 {
            self.cache.put((self.pack, offset), Resolved { kind, data: data.to_vec(), compressed });
        }
    }

    fn get(&mut self, _: u32, offset: u64, out: &mut Vec<u8>) -> Option<(GixKind, usize)> {
        let resolved = self.cache.get((self.pack, offset))?;
        out.clear();
        out.extend_from_slice(&resolved.data);
        Some((resolved.kind, resolved.compressed))
    }
}
