//! Writes index files, version 2 (gitformat-pack).

use gix_hash::ObjectId;
use sha1::{Digest as _, Sha1};

/// One line of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexEntry {
    pub(super) id: ObjectId,
    /// Where the entry begins in the pack.
    pub(super) offset: u64,
    /// Of the entry as it stands in the pack.
    pub(super) crc: u32,
}

/// The index of a pack with this checksum. `entries` must be sorted and each id stand once.
pub(super) fn encode_index(entries: &[IndexEntry], pack: ObjectId) -> Vec<u8> {
    const LARGE: u64 = 0x8000_0000;
    debug_assert!(entries.is_sorted_by(|a, b| a.id < b.id), "sorted, without duplicates");
    let mut out = Vec::with_capacity(1_100 + 28 * entries.len());
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    for first in 0..=u8::MAX {
        let up_to = entries.partition_point(|entry| entry.id.first_byte() <= first);
        out.extend_from_slice(&count(up_to).to_be_bytes());
    }
    for entry in entries {
        out.extend_from_slice(entry.id.as_slice());
    }
    for entry in entries {
        out.extend_from_slice(&entry.crc.to_be_bytes());
    }
    let mut large = Vec::new();
    for entry in entries {
        let value = match u32::try_from(entry.offset) {
            Ok(offset) if entry.offset < LARGE => offset,
            _ => {
                large.push(entry.offset);
                0x8000_0000 | count(large.len() - 1)
            }
        };
        out.extend_from_slice(&value.to_be_bytes());
    }
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack.as_slice());
    let checksum = Sha1::digest(&out);
    out.extend_from_slice(&checksum);
    out
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a pack counts its objects in 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_two_gigabytes_go_to_the_large_table() {
        let id = |byte: u8| ObjectId::from_bytes_or_panic(&[byte; 20]);
        let entries = [
            IndexEntry { id: id(1), offset: 12, crc: 7 },
            IndexEntry { id: id(2), offset: 0x7fff_ffff, crc: 7 },
            IndexEntry { id: id(3), offset: 0x8000_0000, crc: 7 },
            IndexEntry { id: id(4), offset: 0x1_2345_6789, crc: 7 },
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), encode_index(&entries, id(9))).unwrap();
        let read = gix_pack::index::File::at(file.path(), gix_hash::Kind::Sha1).unwrap();
        for entry in entries {
            let place = read.lookup(entry.id).unwrap();
            assert_eq!(read.pack_offset_at_index(place), entry.offset);
            assert_eq!(read.crc32_at_index(place), Some(7));
        }
        assert_eq!(read.num_objects(), 4);
        assert_eq!(read.pack_checksum(), id(9));
    }
}
