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
use gix_pack::data::decode::header::ResolvedBase;
use gix_pack::data::entry::Header;

use super::{PackName, RepoError};
use crate::deflate::inflate_exact;
use crate::delta;
use crate::object::Kind;

/// Bytes of resolved delta bases kept by one reader.
const CACHE_BYTES: usize = 32 << 20;
/// Bytes one reader makes before it gives up: some ten seconds.
pub(super) const MOST_WORK: u64 = 16 << 30;
/// git's own bound on deltas that stand on one another.
const LONGEST_CHAIN: usize = 4_095;

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

    fn damaged(&self, reason: &dyn fmt::Display) -> RepoError {
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
        let entry = pack.entry(offset).map_err(|error| self.damaged(&error))?;
        let next = self.by_offset().partition_point(|(start, _)| *start <= offset);
        let end = self.by_offset().get(next).map_or(pack.pack_end() as u64, |(start, _)| *start);
        let body =
            pack.entry_slice(entry.data_offset..end).ok_or_else(|| self.damaged(&"an entry is cut short"))?;
        let base = match entry.header {
            Header::RefDelta { base_id } => Some(base_id),
            Header::OfsDelta { base_distance } => Some(self.id_at(offset.checked_sub(base_distance))?),
            _ => None,
        };
        let kind = entry.header.as_kind().map(from_gix);
        Ok(PackedEntry { kind, base, inflated: entry.decompressed_size, body })
    }

    /// The content of an entry: an object, or a delta.
    fn inflate(&self, entry: &PackedEntry<'_>) -> Result<Vec<u8>, RepoError> {
        usize::try_from(entry.inflated)
            .ok()
            .and_then(|size| inflate_exact(entry.body, size).ok())
            .ok_or_else(|| self.damaged(&"an entry does not inflate"))
    }

    /// The id of the object whose entry begins at `offset`.
    fn id_at(&self, offset: Option<u64>) -> Result<ObjectId, RepoError> {
        let table = self.by_offset();
        offset
            .and_then(|offset| table.binary_search_by_key(&offset, |(start, _)| *start).ok())
            .map(|position| self.bundle.index.oid_at_index(table[position].1).to_owned())
            .ok_or_else(|| self.damaged(&"a delta's base is no entry"))
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

    /// The packs with the lengths of their files, without the indexes.
    pub(super) fn sizes(&self) -> Vec<(PackName, u64)> {
        self.packs.iter().map(|pack| (pack.name, pack.bundle.pack.data_len() as u64)).collect()
    }

    /// Every object of some of the packs.
    pub(super) fn objects_of(&self, names: &[PackName]) -> HashMap<ObjectId, Place> {
        let mut found = HashMap::new();
        for (pack, number) in self.packs.iter().zip(0..).filter(|(pack, _)| names.contains(&pack.name)) {
            let index = &pack.bundle.index;
            for entry in 0..index.num_objects() {
                found.insert(index.oid_at_index(entry).to_owned(), Place { pack: number, entry });
            }
        }
        found
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
            data.entry(index.pack_offset_at_index(place.entry)).map_err(|error| pack.damaged(&error))?;
        let header = data
            .decode_header(entry, &mut self.memory.inflate, &resolve)
            .map_err(|error| pack.damaged(&error))?;
        Ok((from_gix(header.kind), header.object_size))
    }
}

/// What a reader remembers between objects.
pub(super) struct ReadMemory {
    inflate: gix_zlib::Inflate,
    bases: BaseCache,
    /// Bytes that may still be made, those on the way to an object included.
    work_left: u64,
}

impl Default for ReadMemory {
    fn default() -> Self {
        Self { inflate: gix_zlib::Inflate::default(), bases: BaseCache::default(), work_left: MOST_WORK }
    }
}

impl ReadMemory {
    /// Must always be called with the same set: what is remembered is keyed by place.
    ///
    /// gix's own decoder does not say what a chain of deltas cost, and a small pack can be made
    /// of objects that each cost gigabytes; here every byte made counts.
    pub(super) fn read(&mut self, set: &PackSet, place: Place) -> Result<(Kind, Vec<u8>), RepoError> {
        let pack = set.pack(place);
        let (mut open, mut at) = (Vec::new(), place);
        let mut object = loop {
            if let Some(base) = self.bases.get(at) {
                break base;
            }
            let entry = pack.entry(at.entry)?;
            if let Some(kind) = entry.kind {
                let data = Arc::new(pack.inflate(&entry)?);
                break self.keep(pack, at, (kind, data), !open.is_empty())?;
            }
            let base = entry.base.and_then(|id| pack.bundle.index.lookup(id));
            let base = base.ok_or_else(|| pack.damaged(&"a delta's base is not in it"))?;
            open.push((at, entry));
            if open.len() > LONGEST_CHAIN {
                return Err(pack.damaged(&"its deltas never end"));
            }
            at = Place { entry: base, ..at };
        };
        while let Some((at, entry)) = open.pop() {
            let delta = pack.inflate(&entry)?;
            let data = delta::apply(&object.1, &delta, u64::MAX).map_err(|error| pack.damaged(&error))?;
            object = self.keep(pack, at, (object.0, Arc::new(data)), true)?;
        }
        Ok((object.0, Arc::unwrap_or_clone(object.1)))
    }

    /// Lets go of the delta bases. What was made stays counted.
    pub(super) fn forget(&mut self) {
        self.bases = BaseCache::default();
    }

    /// Counts an object that was made, and remembers it if more is to be made from it.
    fn keep(&mut self, pack: &Pack, at: Place, object: Resolved, base: bool) -> Result<Resolved, RepoError> {
        let size = object.1.len();
        self.work_left = self
            .work_left
            .checked_sub(size as u64)
            .ok_or_else(|| RepoError::TooMuchWork { pack: pack.path.clone() })?;
        if base && size <= CACHE_BYTES / 4 {
            self.bases.put(at, object.clone());
        }
        Ok(object)
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

/// An object that deltas stand on, or that was made from one.
type Resolved = (Kind, Arc<Vec<u8>>);

/// Two generations of objects: when the young one is full, the old one is forgotten.
#[derive(Default)]
struct BaseCache {
    young: HashMap<Place, Resolved>,
    old: HashMap<Place, Resolved>,
    young_bytes: usize,
}

impl BaseCache {
    fn put(&mut self, at: Place, resolved: Resolved) {
        self.young_bytes += resolved.1.len();
        self.young.insert(at, resolved);
        if self.young_bytes > CACHE_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    fn get(&mut self, at: Place) -> Option<Resolved> {
        if let Some(kept) = self.old.remove(&at) {
            self.put(at, kept);
        }
        self.young.get(&at).or_else(|| self.old.get(&at)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::DeltaBuilder;
    use crate::object::hash_object;
    use crate::source_repo::pack_index::{IndexEntry, encode_index};

    /// A pack of one object and deltas on one another, each of `size` bytes.
    fn chain(dir: &Path, count: u8, size: usize) -> (PackSet, Vec<ObjectId>) {
        let mut file = [b"PACK\0\0\0\x02".as_slice(), &u32::from(count).to_be_bytes()].concat();
        let (mut entries, mut ids) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut data = vec![b'x'; size];
            data[0] = number;
            let entry = if let Some(base) = ids.last() {
                let mut delta = DeltaBuilder::new(size as u64, size as u64);
                delta.insert(&[number]).copy(1, size as u64 - 1);
                crate::pack_entry::delta_entry(*base, &delta.finish())
            } else {
                crate::pack_entry::object_entry(Kind::Blob, &data)
            };
            ids.push(hash_object(Kind::Blob, &data));
            entries.push(IndexEntry { id: ids[usize::from(number)], offset: file.len() as u64, crc: 0 });
            file.extend_from_slice(&entry);
        }
        entries.sort_unstable();
        file.extend_from_slice(&[7; 20]);
        let name = PackName(ObjectId::from([7; 20]));
        std::fs::write(dir.join(name.pack_file()), file).unwrap();
        std::fs::write(dir.join(name.index_file()), encode_index(&entries, name.0)).unwrap();
        (PackSet::default().with(Pack::open(dir, name).unwrap()), ids)
    }

    #[test]
    fn reading_gives_up_on_chains_that_cost_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let (set, ids) = chain(dir.path(), 100, 1_000);
        let place = set.place(&ids[99]).unwrap();
        let mut memory = ReadMemory { work_left: 99_999, ..ReadMemory::default() };
        assert!(matches!(memory.read(&set, place), Err(RepoError::TooMuchWork { .. })));
        let mut memory = ReadMemory { work_left: 100_000, ..ReadMemory::default() };
        assert_eq!(memory.read(&set, place).unwrap().1.len(), 1_000);
    }

    #[test]
    fn a_chain_read_from_its_end_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let (set, ids) = chain(dir.path(), 100, 1_000);
        let mut memory = ReadMemory { work_left: 100_000, ..ReadMemory::default() };
        for id in ids.iter().rev() {
            let (kind, data) = memory.read(&set, set.place(id).unwrap()).unwrap();
            assert_eq!(hash_object(kind, &data), *id);
        }
    }
}
