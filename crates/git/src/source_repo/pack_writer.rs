//! Writes a pack of objects that are in the repository already.
//!
//! Owns: copying entries as they stand, deltas too when their base goes along. Refuses: choosing
//! the objects, and making deltas.

use std::collections::HashMap;
use std::io::{self, Write};

use gix_hash::ObjectId;
use sha1::{Digest as _, Sha1};

use super::RepoError;
use super::pack_index::IndexEntry;
use super::pack_set::{PackSet, Place, Reader};
use crate::deflate::Deflater;
use crate::pack_entry::{put_header, put_object};

const REF_DELTA: u8 = 7;

/// Why a pack was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// The receiver went away, or the disk is full.
    #[error("the pack could not be written")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// A written pack.
pub(super) struct Written {
    /// Sorted by id.
    pub(super) entries: Vec<IndexEntry>,
    pub(super) checksum: ObjectId,
}

/// Writes all of `objects`, in the order in which they stand in their packs.
///
/// A delta is copied when its base is among `objects` and stands in the same pack: bases within
/// one pack never go in circles, across packs they could.
pub(super) fn write_pack(
    set: &PackSet,
    objects: &HashMap<ObjectId, Place>,
    out: &mut impl Write,
) -> Result<Written, WriteError> {
    let mut order: Vec<(ObjectId, Place)> = objects.iter().map(|(id, place)| (*id, *place)).collect();
    order.sort_unstable_by_key(|(_, place)| set.position(*place));
    let mut writer = Writer { out, hash: Sha1::new(), offset: 0 };
    let count = u32::try_from(order.len()).map_err(|_| io::Error::other("too many objects for a pack"))?;
    writer.put(&[&b"PACK\0\0\0\x02"[..], &count.to_be_bytes()].concat())?;
    let mut reader = Reader::new(set);
    let mut deflater = Deflater::new();
    let mut entries = Vec::with_capacity(order.len());
    for (id, place) in order {
        let offset = writer.offset;
        let entry = set.entry(place)?;
        let mut head = Vec::new();
        let body = match (entry.kind, entry.base) {
            (Some(kind), _) => {
                put_header(kind.pack_type(), entry.inflated, &mut head);
                entry.body
            }
            (None, Some(base)) if objects.get(&base).is_some_and(|at| PackSet::same_pack(*at, place)) => {
                put_header(REF_DELTA, entry.inflated, &mut head);
                head.extend_from_slice(base.as_slice());
                entry.body
            }
            _ => {
                let (kind, data) = reader.read(place)?;
                put_object(&mut deflater, kind, &data, &mut head);
                &[]
            }
        };
        let crc = writer.put_entry(&head, body)?;
        entries.push(IndexEntry { id, offset, crc });
    }
    let checksum: [u8; 20] = writer.hash.finalize().into();
    writer.out.write_all(&checksum)?;
    writer.out.flush()?;
    entries.sort_unstable();
    Ok(Written { entries, checksum: ObjectId::from(checksum) })
}

struct Writer<'a, W> {
    out: &'a mut W,
    hash: Sha1,
    offset: u64,
}

impl<W: Write> Writer<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes an entry in two parts and returns its checksum.
    fn put_entry(&mut self, head: &[u8], body: &[u8]) -> io::Result<u32> {
        let mut crc = crc32fast::Hasher::new();
        for part in [head, body] {
            crc.update(part);
            self.put(part)?;
        }
        Ok(crc.finalize())
    }
}
