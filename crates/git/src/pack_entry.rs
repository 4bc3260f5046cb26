//! Owns single pack entries (gitformat-pack): type-and-size header, zlib body.
//! Refuses whole packs, and offset deltas: bases are named by id, so that an entry means the same
//! wherever it stands.

use bytes::Bytes;

use crate::deflate::{Deflater, deflate_into, inflate_exact, store_into};
use crate::object::{Kind, ObjectId};

/// The number of a delta whose base is named by id.
const REF_DELTA: u8 = 7;
/// Up to this size an object made for one request is stored, not deflated: clearing the tables of
/// a compressor costs more than sending so few bytes.
const STORE_UP_TO: usize = 4096;

/// Appends an entry's header.
pub(crate) fn put_header(pack_type: u8, size: u64, out: &mut Vec<u8>) {
    let low = |value: u64, mask: u64| u8::try_from(value & mask).expect("the mask fits in a byte");
    let mut rest = size >> 4;
    let first = (pack_type << 4) | low(size, 0x0f);
    if rest == 0 {
        out.push(first);
        return;
    }
    out.push(first | 0x80);
    while rest >= 0x80 {
        out.push(low(rest, 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest, 0x7f));
}

/// Reads an entry's header: type number, inflated size, length of the header.
pub(crate) fn parse_header(entry: &[u8]) -> Option<(u8, u64, usize)> {
    let first = *entry.first()?;
    let mut size = u64::from(first & 0x0f);
    let mut shift = 4;
    let mut at = 1;
    let mut last = first;
    while last & 0x80 != 0 {
        last = *entry.get(at)?;
        at += 1;
        // 4 + 9 * 7 = 67 bits would overflow; a tenth group is never needed.
        if shift > 60 {
            return None;
        }
        size |= u64::from(last & 0x7f).checked_shl(shift)?;
        shift += 7;
    }
    Some(((first >> 4) & 0x07, size, at))
}

/// An object's entry, deflated: worth it for what is kept and sent many times.
pub fn object_entry(kind: Kind, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() / 2 + 64);
    put_object(&mut Deflater::new(), kind, data, &mut out);
    Bytes::from(out)
}

/// A delta's entry (`REF_DELTA`), deflated. The receiver must have `base`, or find it in the same
/// pack.
pub fn delta_entry(base: ObjectId, delta: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(delta.len() / 2 + 64);
    put_header(REF_DELTA, delta.len() as u64, &mut out);
    out.extend_from_slice(base.as_slice());
    deflate_into(&mut Deflater::new(), delta, &mut out);
    Bytes::from(out)
}

/// Appends an object's deflated entry.
pub(crate) fn put_object(deflater: &mut Deflater, kind: Kind, data: &[u8], out: &mut Vec<u8>) {
    put_header(kind.pack_type(), data.len() as u64, out);
    deflate_into(deflater, data, out);
}

/// Appends an entry made for one request: stored while small.
pub(crate) fn put_passing_object(kind: Kind, data: &[u8], out: &mut Vec<u8>) {
    put_header(kind.pack_type(), data.len() as u64, out);
    put_passing_body(data, out);
}

/// Appends a delta made for one request: stored while small.
pub(crate) fn put_passing_delta(base: &ObjectId, delta: &[u8], out: &mut Vec<u8>) {
    put_header(REF_DELTA, delta.len() as u64, out);
    out.extend_from_slice(base.as_slice());
    put_passing_body(delta, out);
}

fn put_passing_body(data: &[u8], out: &mut Vec<u8>) {
    if data.len() <= STORE_UP_TO {
        store_into(data, out);
    } else {
        deflate_into(&mut Deflater::new(), data, out);
    }
}

/// Reads a whole object's entry back: its kind and content. `None` for deltas and anything wrong.
pub(crate) fn read_object(entry: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let (number, size, header) = parse_header(entry)?;
    let kind = Kind::from_pack_type(number)?;
    let size = usize::try_from(size).ok()?;
    let data = inflate_exact(entry.get(header..)?, size).ok()?;
    Some((kind, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_read_back(number in 1u8..=7, size in any::<u64>(), shift in 0u32..64) {
            let size = size >> shift;
            let mut out = Vec::new();
            put_header(number, size, &mut out);
            prop_assert_eq!(parse_header(&out), Some((number, size, out.len())));
            out.pop();
            prop_assert_eq!(parse_header(&out), None);
        }

        #[test]
        fn entries_read_back(data in prop::collection::vec(any::<u8>(), 0..10_000)) {
            let entry = object_entry(Kind::Blob, &data);
            prop_assert_eq!(read_object(&entry), Some((Kind::Blob, data.clone())));
            let mut passing = Vec::new();
            put_passing_object(Kind::Tree, &data, &mut passing);
            prop_assert_eq!(read_object(&passing), Some((Kind::Tree, data)));
        }

        #[test]
        fn reading_foreign_bytes_never_panics(data in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = read_object(&data);
        }
    }
}
