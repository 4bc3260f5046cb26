//! The first reading of a pushed pack, as it arrives: written to disk, measured, hashed.
//!
//! Owns: the pack's outer form, the checks that need one object at a time, and the bounds on what
//! a stream may make us do. Refuses: deltas beyond noting where their base is.

use std::io::{BufRead, BufWriter, Write};
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use gix_hash::ObjectId;

use super::foreign_hash::ForeignHasher;
use super::ingest::{Budget, IngestError, Phase, ProgressMeter};
use super::object_check::{Named, check_into};
use crate::object::Kind;

/// One entry as it stands in the pack.
#[derive(Debug)]
pub(super) struct ScannedEntry {
    /// Where its header begins.
    pub(super) offset: u64,
    /// Where its zlib stream begins.
    pub(super) body: u64,
    /// Bytes of that stream when inflated: of the object, or of the delta.
    pub(super) inflated: u64,
    pub(super) crc: u32,
    pub(super) form: Form,
    /// Kind and id of the object; deltas get theirs when they are resolved.
    pub(super) object: Option<(Kind, ObjectId)>,
}

/// What stands in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole(Kind),
    /// On the entry with this number in the same pack.
    OffsetDelta(u32),
    /// On the object with this id, here or elsewhere.
    RefDelta(ObjectId),
}

/// A pack that was read to its end.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) entries: Vec<ScannedEntry>,
    /// Where the last entry ends and the checksum begins.
    pub(super) end: u64,
    pub(super) checksum: ObjectId,
}

/// A pack that is being read and written to `copy` on the way.
pub(super) struct PackStream<'a, R, W: Write> {
    input: R,
    copy: BufWriter<W>,
    copy_path: &'a Path,
    pack_hash: ForeignHasher,
    crc: crc32fast::Hasher,
    offset: u64,
    inflate: Decompress,
    out: Vec<u8>,
}

impl<'a, R: BufRead, W: Write> PackStream<'a, R, W> {
    pub(super) fn new(input: R, copy: W, copy_path: &'a Path) -> Self {
        Self {
            input,
            copy: BufWriter::with_capacity(1 << 18, copy),
            copy_path,
            pack_hash: ForeignHasher::new(),
            crc: crc32fast::Hasher::new(),
            offset: 0,
            inflate: Decompress::new(true),
            out: vec![0; 1 << 16],
        }
    }

    /// Reads the whole pack, checks every object that is not a delta, and gathers in `named`
    /// what these name. `existing` objects are in the repository already.
    pub(super) fn scan(
        mut self,
        budget: &mut Budget<'_>,
        named: &mut Named,
        existing: u64,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<Scan, IngestError> {
        let count = self.header(budget)?;
        named.limit(u64::from(count) + existing);
        meter.begin(Phase::Receiving, u64::from(count));
        // Not `with_capacity(count)`: the count is a claim until the objects have come.
        let mut entries = Vec::new();
        for number in 0..count {
            let entry = self.entry(&entries, budget, named)?;
            entries.push(entry);
            budget.check_pack(self.offset)?;
            meter.tick(u64::from(number) + 1);
        }
        let end = self.offset;
        let checksum = self.trailer()?;
        Ok(Scan { entries, end, checksum })
    }

    fn header(&mut self, budget: &Budget<'_>) -> Result<u32, IngestError> {
        let mut header = [0; 12];
        self.read_exact(&mut header)?;
        let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
        if &header[..4] != b"PACK" || !matches!(word(4), 2 | 3) {
            return Err(IngestError::Malformed("it does not begin like a pack"));
        }
        budget.check_objects(word(8))?;
        Ok(word(8))
    }

    fn entry(
        &mut self,
        before: &[ScannedEntry],
        budget: &mut Budget<'_>,
        named: &mut Named,
    ) -> Result<ScannedEntry, IngestError> {
        let offset = self.offset;
        self.crc = crc32fast::Hasher::new();
        let (number, inflated) = self.type_and_size()?;
        let form = match number {
            6 => Form::OffsetDelta(self.offset_base(offset, before)?),
            7 => {
                let mut id = [0; 20];
                self.read_exact(&mut id)?;
                Form::RefDelta(ObjectId::from(id))
            }
            number => Form::Whole(
                Kind::from_pack_type(number).ok_or(IngestError::Malformed("an entry has an unknown type"))?,
            ),
        };
        let body = self.offset;
        let object = match form {
            Form::Whole(kind) => Some((kind, self.whole_object(kind, inflated, budget, named)?)),
            Form::OffsetDelta(_) | Form::RefDelta(_) => {
                budget.inflate(inflated)?;
                self.inflate(inflated, |_| ())?;
                None
            }
        };
        let crc = std::mem::take(&mut self.crc).finalize();
        Ok(ScannedEntry { offset, body, inflated, crc, form, object })
    }

    fn type_and_size(&mut self) -> Result<(u8, u64), IngestError> {
        let first = self.byte()?;
        let mut size = u64::from(first & 0x0f);
        let mut shift = 4;
        let mut last = first;
        while last & 0x80 != 0 {
            last = self.byte()?;
            let bits = u64::from(last & 0x7f);
            if shift > 60 || (bits << shift) >> shift != bits {
                return Err(IngestError::Malformed("an entry's size is out of range"));
            }
            size |= bits << shift;
            shift += 7;
        }
        Ok(((first >> 4) & 7, size))
    }

    /// The number of the entry that an offset delta points back at.
    fn offset_base(&mut self, offset: u64, before: &[ScannedEntry]) -> Result<u32, IngestError> {
        let outside = IngestError::Malformed("a delta points at no entry before it");
        let mut byte = self.byte()?;
        let mut distance = u64::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            if distance >= 1 << 56 {
                return Err(outside);
            }
            distance = ((distance + 1) << 7) | u64::from(byte & 0x7f);
        }
        let found = offset
            .checked_sub(distance)
            .and_then(|base| before.binary_search_by_key(&base, |entry| entry.offset).ok());
        found.and_then(|number| u32::try_from(number).ok()).ok_or(outside)
    }

    /// Hashes an object while it is inflated. Blobs are never held whole; the others are, to be
    /// checked.
    fn whole_object(
        &mut self,
        kind: Kind,
        size: u64,
        budget: &mut Budget<'_>,
        named: &mut Named,
    ) -> Result<ObjectId, IngestError> {
        budget.object(kind, size)?;
        let mut hasher = ForeignHasher::object(kind, size);
        let mut content = Vec::new();
        self.inflate(size, |part| {
            hasher.update(part);
            if kind != Kind::Blob {
                content.extend_from_slice(part);
            }
        })?;
        let id = hasher.finish()?;
        check_into(kind, &content, named).map_err(|fault| IngestError::Object { id, kind, fault })?;
        Ok(id)
    }

    /// Inflates one stream of exactly `size` bytes, handing its parts to `take`.
    fn inflate(&mut self, size: u64, mut take: impl FnMut(&[u8])) -> Result<(), IngestError> {
        let broken = IngestError::Malformed("an entry does not inflate to the size it declares");
        self.inflate.reset(true);
        loop {
            let input = self.input.fill_buf().map_err(IngestError::Read)?;
            if input.is_empty() {
                return Err(IngestError::Truncated);
            }
            let (fed, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, &mut self.out, FlushDecompress::None)
                .map_err(|_| IngestError::Malformed("an entry is no zlib stream"))?;
            let used = usize::try_from(self.inflate.total_in() - fed).expect("no more than was given");
            let made = usize::try_from(self.inflate.total_out() - made).expect("no more than fits");
            if self.inflate.total_out() > size {
                return Err(broken);
            }
            take(&self.out[..made]);
            self.consume(used)?;
            match status {
                Status::StreamEnd if self.inflate.total_out() == size => return Ok(()),
                Status::StreamEnd => return Err(broken),
                _ if used == 0 && made == 0 => return Err(broken),
                _ => {}
            }
        }
    }

    fn trailer(&mut self) -> Result<ObjectId, IngestError> {
        let computed = std::mem::replace(&mut self.pack_hash, ForeignHasher::new()).finish()?;
        let mut stated = [0; 20];
        self.read_exact(&mut stated)?;
        if computed.as_slice() != stated {
            return Err(IngestError::Checksum);
        }
        if !self.input.fill_buf().map_err(IngestError::Read)?.is_empty() {
            return Err(IngestError::Malformed("something follows its end"));
        }
        self.copy.flush().map_err(|error| IngestError::disk("write", self.copy_path, error))?;
        Ok(computed)
    }

    fn byte(&mut self) -> Result<u8, IngestError> {
        let mut byte = [0];
        self.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn read_exact(&mut self, into: &mut [u8]) -> Result<(), IngestError> {
        let mut filled = 0;
        while filled < into.len() {
            let input = self.input.fill_buf().map_err(IngestError::Read)?;
            if input.is_empty() {
                return Err(IngestError::Truncated);
            }
            let part = input.len().min(into.len() - filled);
            into[filled..filled + part].copy_from_slice(&input[..part]);
            self.consume(part)?;
            filled += part;
        }
        Ok(())
    }

    /// Takes `count` buffered bytes as part of the pack.
    fn consume(&mut self, count: usize) -> Result<(), IngestError> {
        let bytes = &self.input.fill_buf().map_err(IngestError::Read)?[..count];
        self.pack_hash.update(bytes);
        self.crc.update(bytes);
        self.copy.write_all(bytes).map_err(|error| IngestError::disk("write", self.copy_path, error))?;
        self.input.consume(count);
        self.offset += count as u64;
        Ok(())
    }
}
