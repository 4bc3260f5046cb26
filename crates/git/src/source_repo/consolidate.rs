//! Keeps the number of packs small, and what is written for that in proportion to what was pushed.
//!
//! Writing the whole repository anew every few pushes would cost its full size each time, and the
//! replaced packs stay a while for their readers. So the recent, small packs are merged among
//! themselves, and everything is merged only once they have grown to a part of the whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use gix_hash::ObjectId;

use super::ingest::write_synced;
use super::object_check::tree_entries;
use super::pack_index::encode_index;
use super::pack_set::{PackSet, Place, Reader};
use super::pack_writer::{WriteError, write_pack};
use super::snapshot::tag_target;
use super::{PackName, RepoError, SourceRepo};
use crate::object::{Kind, ParsedCommit};

/// From this number of packs on, merging them pays.
const MANY_PACKS: usize = 20;
/// Recent packs are merged among themselves while they are less than this part of all bytes.
const RECENT_PART: u64 = 8;

/// A pack that can stand in for all packs there were. Dropping it changes nothing.
#[derive(Debug)]
pub struct Consolidated {
    folder: tempfile::TempDir,
    name: Option<PackName>,
    objects: u32,
    replaces: Vec<PackName>,
}

impl Consolidated {
    /// The new pack; `None` when nothing is reachable any more.
    pub fn name(&self) -> Option<PackName> {
        self.name
    }

    /// How many objects the new pack holds.
    pub fn objects(&self) -> u32 {
        self.objects
    }

    /// The packs it replaces, itself never among them.
    pub fn replaces(&self) -> &[PackName] {
        &self.replaces
    }

    /// Where its `.pack` is until it is accepted.
    pub fn pack_path(&self) -> Option<PathBuf> {
        self.name.map(|name| self.folder.path().join(name.pack_file()))
    }

    /// Where its `.idx` is until it is accepted.
    pub fn index_path(&self) -> Option<PathBuf> {
        self.name.map(|name| self.folder.path().join(name.index_file()))
    }
}

impl SourceRepo {
    /// Whether there are so many packs that lookups suffer.
    pub fn wants_consolidation(&self) -> bool {
        self.set().names().len() > MANY_PACKS
    }

    /// Writes one pack with everything that `tips` reach, and leaves the repository as it is.
    /// What no tip reaches, such as a secret that was pushed over, is not in it.
    ///
    /// Between this and [`Self::accept_consolidated`] no push may be accepted that was ingested
    /// before: it may rely on an object that goes. The caller holds pushes off, or compares the
    /// list of packs when it swaps.
    pub fn consolidate(&self, tips: &[ObjectId]) -> Result<Consolidated, RepoError> {
        let set = self.set();
        let live = reachable(&set, tips)?;
        self.merge(&set, &live, set.names())
    }

    /// Writes one pack with every object of the recent, small packs, and leaves the repository as
    /// it is. `None` when they are too large a part of all for that to pay: then
    /// [`Self::consolidate`] is due.
    ///
    /// Reachable or not, their objects stay: the packs that are left may name them.
    pub fn consolidate_recent(&self) -> Result<Option<Consolidated>, RepoError> {
        let set = self.set();
        let Some(recent) = recent_packs(set.sizes()) else { return Ok(None) };
        let live = set.objects_of(&recent);
        self.merge(&set, &live, recent).map(Some)
    }

    fn merge(
        &self,
        set: &PackSet,
        live: &HashMap<ObjectId, Place>,
        mut replaces: Vec<PackName>,
    ) -> Result<Consolidated, RepoError> {
        let folder = self.quarantine()?;
        if live.is_empty() {
            return Ok(Consolidated { folder, name: None, objects: 0, replaces });
        }
        let path = folder.path().join("merged");
        let io = |error| RepoError::io("write", &path, error);
        let file = File::create_new(&path).map_err(io)?;
        let mut out = BufWriter::with_capacity(1 << 18, &file);
        let written = write_pack(set, live, &mut out).map_err(|error| match error {
            WriteError::Write(error) => io(error),
            WriteError::Repo(error) => error,
        })?;
        drop(out);
        file.sync_all().map_err(io)?;
        let name = PackName(written.checksum);
        std::fs::rename(&path, folder.path().join(name.pack_file())).map_err(io)?;
        let index = encode_index(&written.entries, written.checksum);
        write_synced(&folder.path().join(name.index_file()), &index)?;
        replaces.retain(|old| *old != name);
        let objects = u32::try_from(live.len()).expect("a pack counts its objects in 32 bits");
        Ok(Consolidated { folder, name: Some(name), objects, replaces })
    }

    /// Takes the merged pack up, then lets the replaced ones go. A crash in between leaves both,
    /// which is merely larger.
    pub fn accept_consolidated(&self, merged: Consolidated) -> Result<Option<PackName>, RepoError> {
        let Consolidated { folder, name, replaces, .. } = merged;
        if let Some(name) = name.filter(|name| !self.packs().contains(name)) {
            self.move_in(folder.path(), name)?;
        }
        self.remove_packs(&replaces)?;
        Ok(name)
    }
}

/// The packs to merge so that each one left is at least twice as large as all smaller ones
/// together; `None` when that is nearly all of the repository, or nothing.
fn recent_packs(mut sizes: Vec<(PackName, u64)>) -> Option<Vec<PackName>> {
    sizes.sort_unstable_by_key(|(name, bytes)| (*bytes, *name));
    let mut sums = Vec::with_capacity(sizes.len());
    let mut all = 0;
    for (_, bytes) in &sizes {
        sums.push(all);
        all += bytes;
    }
    let last = (0..sizes.len()).rev().find(|at| sizes[*at].1 < 2 * sums[*at])?;
    let merged = sums[last] + sizes[last].1;
    let pays = merged.saturating_mul(RECENT_PART) < all;
    pays.then(|| sizes[..=last].iter().map(|(name, _)| *name).collect())
}

/// Everything the tips reach.
fn reachable(set: &PackSet, tips: &[ObjectId]) -> Result<HashMap<ObjectId, Place>, RepoError> {
    let mut reader = Reader::new(set);
    let mut found = HashMap::new();
    let mut open: Vec<(ObjectId, Option<Kind>)> = tips.iter().map(|tip| (*tip, None)).collect();
    while let Some((id, expected)) = open.pop() {
        if found.contains_key(&id) {
            continue;
        }
        let place = set.place(&id).ok_or_else(|| missing(id))?;
        found.insert(id, place);
        if expected == Some(Kind::Blob) {
            continue;
        }
        let (kind, data) = reader.read(place)?;
        add_named(kind, &data, &mut open).ok_or_else(|| missing(id))?;
    }
    Ok(found)
}

/// Adds what an object names. `None` when it cannot be read.
fn add_named(kind: Kind, data: &[u8], open: &mut Vec<(ObjectId, Option<Kind>)>) -> Option<()> {
    match kind {
        Kind::Blob => {}
        Kind::Tag => open.push((tag_target(data)?, None)),
        Kind::Commit => {
            let commit = ParsedCommit::parse(data).ok()?;
            open.push((commit.tree, Some(Kind::Tree)));
            open.extend(commit.parents.iter().map(|parent| (*parent, Some(Kind::Commit))));
        }
        Kind::Tree => {
            for entry in tree_entries(data) {
                let entry = entry.ok()?;
                open.extend(entry.kind().map(|kind| (entry.id, Some(kind))));
            }
        }
    }
    Some(())
}

fn missing(id: ObjectId) -> RepoError {
    RepoError::Damaged { pack: PathBuf::from("all packs"), reason: format!("object {id} is missing") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packs(sizes: &[u64]) -> Vec<(PackName, u64)> {
        let name = |number: u8| PackName(ObjectId::from([number; 20]));
        (0..).map(name).zip(sizes.iter().copied()).collect()
    }

    #[test]
    fn small_packs_beside_a_large_one_are_merged_among_themselves() {
        let sizes = packs(&[5_000, 31_000_000, 6_000, 5_500, 7_000]);
        let merged = recent_packs(sizes.clone()).unwrap();
        assert_eq!(merged.len(), 4);
        assert!(!merged.contains(&sizes[1].0), "the large one stays as it is");
    }

    #[test]
    fn packs_of_one_size_are_merged_all_together() {
        assert_eq!(recent_packs(packs(&[1_000; 21])), None);
        assert_eq!(recent_packs(packs(&[])), None);
    }

    /// Thousands of small pushes to a large source: what is written for merging stays in proportion.
    #[test]
    fn merging_writes_little_more_than_was_pushed() {
        let (mut sizes, mut written, mut next) = (packs(&[31_000_000]), 0, 1_u32);
        for _ in 0..2_000 {
            let mut id = [0; 20];
            id[..4].copy_from_slice(&next.to_be_bytes());
            next += 1;
            sizes.push((PackName(ObjectId::from(id)), 5_000));
            if sizes.len() <= MANY_PACKS {
                continue;
            }
            let merged =
                recent_packs(sizes.clone()).unwrap_or_else(|| sizes.iter().map(|(n, _)| *n).collect());
            let bytes: u64 = sizes.iter().filter(|(name, _)| merged.contains(name)).map(|(_, b)| b).sum();
            written += bytes;
            sizes.retain(|(name, _)| !merged.contains(name));
            sizes.push((merged[0], bytes));
        }
        // 10 MB were pushed. Merging everything each time would write 3.5 GB.
        assert!(written < 200_000_000, "{written} bytes");
    }
}
