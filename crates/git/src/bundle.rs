//! Owns bundles: all objects of one tree, as pack entries, ready to be stored under the tree's id
//! and to be sent without another look.
//! Refuses commits and deltas: a bundle is content only, and every entry stands by itself.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::deflate::Deflater;
use crate::object::{Kind, ObjectId, hash_object};
use crate::pack::PackPrefix;
use crate::pack_entry::{put_object, read_object};
use crate::rope::Rope;
use crate::tree_build::{Leaf, LeafMode, MAX_DEPTH, TreeError, TreeMode, build_trees, parse_tree};

mod codec;

/// Prefixes are kept for packs of up to this many objects beside the bundle: a commit, and one or
/// two commits of tags.
const KEPT_PREFIXES: usize = 3;
/// Most files that [`Bundle::files`] lists. One tree may stand in many places, so that few bytes
/// could name very many files.
const MAX_FILES: usize = 100_000;

/// A file to put into a bundle.
#[derive(Clone, Copy, Debug)]
pub struct BundleFile<'a> {
    /// Slash-separated, relative, without a leading or trailing slash.
    pub path: &'a str,
    /// Whether it has the executable bit.
    pub executable: bool,
    /// Its bytes.
    pub content: &'a [u8],
}

/// An object in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleObject {
    /// Its id.
    pub id: ObjectId,
    /// [`Kind::Tree`] or [`Kind::Blob`].
    pub kind: Kind,
    /// Inflated size in bytes.
    pub size: u64,
    /// The least number of folders above it, the root tree's being 0: what `filter=tree:n`
    /// compares.
    pub depth: u32,
    /// Where its entry lies in [`Bundle::entries`].
    pub range: Range<usize>,
}

/// A file as a bundle lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Slash-separated path from the root.
    pub path: String,
    /// Whether it has the executable bit.
    pub executable: bool,
    /// Its blob.
    pub id: ObjectId,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a bundle cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The paths do not make a tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// More objects than a pack can count.
    #[error("there are too many objects for one pack")]
    TooMany,
}

/// The stored bytes are not a whole and consistent bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored bundle is corrupt: {0}")]
pub struct CorruptBundle(pub(crate) &'static str);

/// All objects of one tree in pack-entry form. A clone costs one reference count.
#[derive(Clone, Debug)]
pub struct Bundle(Arc<Content>);

#[derive(Debug)]
struct Content {
    tree: ObjectId,
    objects: Vec<BundleObject>,
    entries: Bytes,
    /// Indices into `objects` by ascending id.
    by_id: Vec<u32>,
    prefixes: [OnceLock<PackPrefix>; KEPT_PREFIXES],
}

impl Bundle {
    /// Makes the bundle of these files, in any order: the trees, root first, then every distinct
    /// blob by the path where it stands first. Equal files are equal bundles, byte for byte.
    ///
    /// # Errors
    /// Paths that git refuses or that stand for two things.
    pub fn build<'a>(files: impl IntoIterator<Item = BundleFile<'a>>) -> Result<Self, BundleError> {
        let mut files: Vec<BundleFile<'a>> = files.into_iter().collect();
        files.sort_unstable_by_key(|file| file.path);
        let ids: Vec<ObjectId> = files.iter().map(|file| hash_object(Kind::Blob, file.content)).collect();
        let set = build_trees(files.iter().zip(&ids).map(|(file, id)| Leaf {
            path: file.path,
            mode: if file.executable { LeafMode::Executable } else { LeafMode::Regular },
            id: *id,
        }))?;
        let mut writer = EntryWriter::new();
        for tree in &set.trees {
            writer.put(Kind::Tree, tree.id, tree.depth, &tree.data);
        }
        for (file, id) in files.iter().zip(ids) {
            let depth = u32::try_from(file.path.split('/').count()).unwrap_or(u32::MAX);
            writer.put(Kind::Blob, id, depth, file.content);
        }
        u32::try_from(writer.objects.len()).map_err(|_| BundleError::TooMany)?;
        writer.out.shrink_to_fit();
        Ok(Self::assemble(set.root, writer.objects, Bytes::from(writer.out)))
    }

    fn assemble(tree: ObjectId, objects: Vec<BundleObject>, entries: Bytes) -> Self {
        let count = u32::try_from(objects.len()).expect("both makers bound the number of objects");
        let mut by_id: Vec<u32> = (0..count).collect();
        by_id.sort_unstable_by_key(|index| objects[*index as usize].id);
        Self(Arc::new(Content { tree, objects, entries, by_id, prefixes: Default::default() }))
    }

    /// The root tree, under whose id the bundle is kept.
    pub fn tree(&self) -> ObjectId {
        self.0.tree
    }

    /// Its objects, in the order of their entries; each id once.
    pub fn objects(&self) -> &[BundleObject] {
        &self.0.objects
    }

    /// All entries, one after the other.
    pub fn entries(&self) -> Bytes {
        self.0.entries.clone()
    }

    /// The entry of the object at this index.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn entry(&self, index: usize) -> Bytes {
        self.0.entries.slice(self.0.objects[index].range.clone())
    }

    /// Where the object with this id stands.
    pub fn find(&self, id: &ObjectId) -> Option<usize> {
        let by_id = &self.0.by_id;
        by_id
            .binary_search_by_key(id, |index| self.0.objects[*index as usize].id)
            .ok()
            .map(|place| by_id[place] as usize)
    }

    /// Whether the object is part of it.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.find(id).is_some()
    }

    /// The object with this id.
    pub fn object(&self, id: &ObjectId) -> Option<&BundleObject> {
        self.find(id).map(|index| &self.0.objects[index])
    }

    /// The indices of the objects that `keep` keeps, ascending.
    pub fn select(&self, keep: impl Fn(&BundleObject) -> bool) -> Vec<usize> {
        (0..self.0.objects.len()).filter(|index| keep(&self.0.objects[*index])).collect()
    }

    /// The content of an object; `None` when it is not part of the bundle.
    ///
    /// # Errors
    /// An entry that does not inflate to what the table promises.
    pub fn read(&self, id: &ObjectId) -> Result<Option<Vec<u8>>, CorruptBundle> {
        self.find(id).map(|index| self.read_at(index).map(|(_, data)| data)).transpose()
    }

    fn read_at(&self, index: usize) -> Result<(Kind, Vec<u8>), CorruptBundle> {
        let object = &self.0.objects[index];
        read_object(&self.0.entries[object.range.clone()])
            .filter(|(kind, data)| *kind == object.kind && data.len() as u64 == object.size)
            .ok_or(CorruptBundle("an entry does not inflate to what is promised"))
    }

    /// Every file, sorted as git walks its trees.
    ///
    /// # Errors
    /// Trees that cannot be read or that name objects outside the bundle.
    pub fn files(&self) -> Result<Vec<ListedFile>, CorruptBundle> {
        let mut files = Vec::new();
        self.list_into(self.0.tree, "", 0, &mut files)?;
        Ok(files)
    }

    fn list_into(
        &self,
        tree: ObjectId,
        prefix: &str,
        depth: u32,
        files: &mut Vec<ListedFile>,
    ) -> Result<(), CorruptBundle> {
        if depth > MAX_DEPTH || files.len() > MAX_FILES {
            return Err(CorruptBundle("it is nested too deeply or lists too many files"));
        }
        for entry in self.read_tree(tree)? {
            let path = format!("{prefix}{}", entry.name);
            match entry.mode {
                TreeMode::Folder => {
                    self.list_into(entry.id, &format!("{path}/"), depth + 1, files)?;
                }
                TreeMode::Leaf(mode) => {
                    let size = self.size_of_blob(&entry.id)?;
                    files.push(ListedFile {
                        path,
                        executable: mode == LeafMode::Executable,
                        id: entry.id,
                        size,
                    });
                }
            }
        }
        Ok(())
    }

    fn read_tree(&self, tree: ObjectId) -> Result<Vec<crate::tree_build::TreeEntry>, CorruptBundle> {
        let data = self
            .object(&tree)
            .filter(|object| object.kind == Kind::Tree)
            .map(|_| self.read(&tree))
            .ok_or(CorruptBundle("a tree is missing"))??
            .ok_or(CorruptBundle("a tree is missing"))?;
        parse_tree(&data).map_err(|_| CorruptBundle("a tree is malformed"))
    }

    fn size_of_blob(&self, id: &ObjectId) -> Result<u64, CorruptBundle> {
        self.object(id)
            .filter(|object| object.kind == Kind::Blob)
            .map(|object| object.size)
            .ok_or(CorruptBundle("a blob is missing"))
    }

    /// The content of the file at this path; `None` when there is no file.
    ///
    /// # Errors
    /// Trees or entries that cannot be read.
    pub fn file(&self, path: &str) -> Result<Option<Vec<u8>>, CorruptBundle> {
        let mut tree = self.0.tree;
        let mut components = path.split('/').peekable();
        while let Some(name) = components.next() {
            let entries = self.read_tree(tree)?;
            let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else {
                return Ok(None);
            };
            match (entry.mode, components.peek()) {
                (TreeMode::Leaf(_), None) => return self.read(&entry.id),
                (TreeMode::Folder, Some(_)) => tree = entry.id,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Inflates and hashes everything: whether each object is what its id says, and whether every
    /// object that a tree names is there.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn verify(&self) -> Result<(), CorruptBundle> {
        for (index, object) in self.0.objects.iter().enumerate() {
            let (kind, data) = self.read_at(index)?;
            if hash_object(kind, &data) != object.id {
                return Err(CorruptBundle("an object is not what its id says"));
            }
            if kind == Kind::Tree {
                let entries = parse_tree(&data).map_err(|_| CorruptBundle("a tree is malformed"))?;
                if !entries.iter().all(|entry| self.contains(&entry.id)) {
                    return Err(CorruptBundle("a tree names an object that is missing"));
                }
            }
        }
        Ok(())
    }

    /// The beginning of a pack of this bundle and `extra` more objects. Made once and kept for the
    /// numbers that occur.
    pub fn prefix(&self, extra: u32) -> PackPrefix {
        let make = || {
            let shared = u32::try_from(self.0.objects.len()).expect("both makers bound the number");
            PackPrefix::new(shared, extra, &Rope::from(self.entries()))
        };
        let kept = (extra as usize).checked_sub(1).and_then(|place| self.0.prefixes.get(place));
        kept.map_or_else(make, |place| place.get_or_init(make).clone())
    }

    /// Bytes of memory it takes, a kept prefix included.
    pub fn weight(&self) -> u64 {
        let table = self.0.objects.len() * (size_of::<BundleObject>() + 4);
        let entries = self.0.entries.len() as u64;
        let prefixes: u64 = self.0.prefixes.iter().filter_map(OnceLock::get).map(PackPrefix::weight).sum();
        // One prefix is to be expected even where none was asked for yet.
        table as u64 + entries + prefixes.max(entries.min(1 << 20)) + 256
    }
}

impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        self.0.tree == other.0.tree && self.0.objects == other.0.objects && self.0.entries == other.0.entries
    }
}

impl Eq for Bundle {}

/// Writes entries one after the other, each object once.
struct EntryWriter {
    out: Vec<u8>,
    objects: Vec<BundleObject>,
    places: HashMap<ObjectId, usize>,
    deflater: Deflater,
}

impl EntryWriter {
    fn new() -> Self {
        Self { out: Vec::new(), objects: Vec::new(), places: HashMap::new(), deflater: Deflater::new() }
    }

    fn put(&mut self, kind: Kind, id: ObjectId, depth: u32, data: &[u8]) {
        if let Some(place) = self.places.get(&id) {
            let object = &mut self.objects[*place];
            object.depth = object.depth.min(depth);
            return;
        }
        let start = self.out.len();
        put_object(&mut self.deflater, kind, data, &mut self.out);
        self.places.insert(id, self.objects.len());
        self.objects.push(BundleObject {
            id,
            kind,
            size: data.len() as u64,
            depth,
            range: start..self.out.len(),
        });
    }
}

#[cfg(test)]
mod tests;
