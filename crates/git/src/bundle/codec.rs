//! Owns the stored form of a bundle. Refuses anything whose checksum, lengths or headers do not
//! agree; that objects are what their ids say is left to `verify`, since it inflates everything.
//!
//! All numbers are big-endian:
//! ```text
//! magic      8   "skaasbdl"
//! version    4   1
//! objects    4   n
//! tree      20
//! entries    8   length of the entries in bytes
//! n times   41   id 20 · kind 1 (its number in a pack) · depth 4 · inflated size 8 · entry length 8
//! entries
//! checksum  20   SHA-1 of all before
//! ```

use bytes::{Buf as _, Bytes};
use sha1::{Digest as _, Sha1};

use super::{Bundle, BundleObject, CorruptBundle};
use crate::object::{Kind, ObjectId, finish_id};
use crate::pack_entry::parse_header;

const MAGIC: &[u8; 8] = b"skaasbdl";
const VERSION: u32 = 1;
const HEAD: usize = 8 + 4 + 4 + 20 + 8;
const ROW: usize = 20 + 1 + 4 + 8 + 8;
const CHECKSUM: usize = 20;

impl Bundle {
    /// The stored form. Equal bundles are equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.entries();
        let rows = self.objects().len() * ROW;
        let mut out = Vec::with_capacity(HEAD + rows + entries.len() + CHECKSUM);
        let count = u32::try_from(self.objects().len()).expect("the makers bound the number");
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(self.tree().as_slice());
        out.extend_from_slice(&(entries.len() as u64).to_be_bytes());
        for object in self.objects() {
            out.extend_from_slice(object.id.as_slice());
            out.push(object.kind.pack_type());
            out.extend_from_slice(&object.depth.to_be_bytes());
            out.extend_from_slice(&object.size.to_be_bytes());
            out.extend_from_slice(&(object.range.len() as u64).to_be_bytes());
        }
        out.extend_from_slice(&entries);
        let checksum = finish_id(Sha1::new_with_prefix(&out));
        out.extend_from_slice(checksum.as_slice());
        out
    }

    /// Reads the stored form back, sharing `bytes`.
    ///
    /// # Errors
    /// Anything that [`Bundle::encode`] would not have written, except objects whose content does
    /// not match their ids: see [`Bundle::verify`].
    pub fn decode(mut bytes: Bytes) -> Result<Self, CorruptBundle> {
        let body = checked_body(&bytes)?;
        let mut input = body;
        if take::<8>(&mut input)? != *MAGIC {
            return Err(CorruptBundle("it does not begin like a bundle"));
        }
        if u32::from_be_bytes(take(&mut input)?) != VERSION {
            return Err(CorruptBundle("its version is unknown"));
        }
        let count = u32::from_be_bytes(take(&mut input)?) as usize;
        let tree = ObjectId::from(take::<20>(&mut input)?);
        let entries_len = u64::from_be_bytes(take(&mut input)?);
        // Checked before anything is reserved for a number that may be a lie.
        let rows_len = count.checked_mul(ROW).filter(|len| *len <= input.len());
        let rows_len = rows_len.ok_or(CorruptBundle("its table is cut short"))?;
        let (mut rows, entries) = input.split_at(rows_len);
        if entries.len() as u64 != entries_len {
            return Err(CorruptBundle("its entries have another length than promised"));
        }
        let mut objects = Vec::with_capacity(count);
        let mut at = 0;
        while !rows.is_empty() {
            let object = read_row(&mut rows, at, entries)?;
            at = object.range.end;
            objects.push(object);
        }
        if at != entries.len() {
            return Err(CorruptBundle("its table does not cover its entries"));
        }
        let (start, end) = (body.len() - entries.len(), body.len());
        bytes.truncate(end);
        bytes.advance(start);
        let bundle = Self::assemble(tree, objects, bytes);
        bundle.check_ids()?;
        Ok(bundle)
    }

    fn check_ids(&self) -> Result<(), CorruptBundle> {
        let by_id = &self.0.by_id;
        let id = |index: u32| self.0.objects[index as usize].id;
        if by_id.windows(2).any(|pair| id(pair[0]) == id(pair[1])) {
            return Err(CorruptBundle("an object stands in it twice"));
        }
        match self.object(&self.0.tree) {
            Some(root) if root.kind == Kind::Tree && root.depth == 0 => Ok(()),
            _ => Err(CorruptBundle("its root tree is missing")),
        }
    }
}

fn checked_body(bytes: &[u8]) -> Result<&[u8], CorruptBundle> {
    let (body, checksum) = bytes
        .split_last_chunk::<CHECKSUM>()
        .filter(|(body, _)| body.len() >= HEAD)
        .ok_or(CorruptBundle("it is cut short"))?;
    if finish_id(Sha1::new_with_prefix(body)) == ObjectId::from(*checksum) {
        Ok(body)
    } else {
        Err(CorruptBundle("its checksum does not match"))
    }
}

fn read_row(rows: &mut &[u8], start: usize, entries: &[u8]) -> Result<BundleObject, CorruptBundle> {
    let id = ObjectId::from(take::<20>(rows)?);
    let [kind] = take::<1>(rows)?;
    let kind = Kind::from_pack_type(kind)
        .filter(|kind| matches!(kind, Kind::Tree | Kind::Blob))
        .ok_or(CorruptBundle("an object is neither a tree nor a blob"))?;
    let depth = u32::from_be_bytes(take(rows)?);
    let size = u64::from_be_bytes(take(rows)?);
    let end = usize::try_from(u64::from_be_bytes(take(rows)?))
        .ok()
        .and_then(|len| start.checked_add(len))
        .filter(|end| *end <= entries.len())
        .ok_or(CorruptBundle("an entry reaches past the end"))?;
    match parse_header(&entries[start..end]) {
        Some((number, promised, _)) if number == kind.pack_type() && promised == size => {
            Ok(BundleObject { id, kind, size, depth, range: start..end })
        }
        _ => Err(CorruptBundle("an entry and its table row disagree")),
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], CorruptBundle> {
    let (head, rest) = input.split_first_chunk::<N>().ok_or(CorruptBundle("it is cut short"))?;
    *input = rest;
    Ok(*head)
}
