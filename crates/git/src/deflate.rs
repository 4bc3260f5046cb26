//! Owns the pieces of zlib streams (RFC 1950, RFC 1951) that pack entries are made of: whole
//! streams, stored streams, raw segments that can be joined, and inflating with a bound.
//! Refuses to know what the bytes are. One fixed level, so that equal input is equal output on
//! every node.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zlib_rs::adler32::adler32;

/// The level of everything we deflate; part of "same inputs, same bytes".
const LEVEL: u32 = 6;
/// First two bytes of a zlib stream with a 32 KiB window at the default level.
pub(crate) const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];
/// An empty final block with fixed codes; ends a stream of raw segments.
pub(crate) const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];
/// Adler-32 of nothing.
pub(crate) const ADLER_START: u32 = 1;
/// Most bytes of one stored block.
const MAX_STORED: usize = 0xffff;

/// Appends `data` as one zlib stream, compressed.
pub(crate) fn deflate_into(compress: &mut Deflater, data: &[u8], out: &mut Vec<u8>) {
    compress.0.reset();
    drive(&mut compress.0, data, FlushCompress::Finish, out);
}

/// A compressor for whole zlib streams, worth keeping: its tables are a quarter of a megabyte.
pub(crate) struct Deflater(Compress);

impl Deflater {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::new(LEVEL), true))
    }
}

/// A compressor for raw segments, worth keeping as well.
pub(crate) struct SegmentDeflater(Compress);

impl SegmentDeflater {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::new(LEVEL), false))
    }

    /// `data` as raw deflate blocks that refer to nothing before them and end on a byte boundary
    /// (sync flush), so that segments may follow each other in one stream.
    pub(crate) fn segment(&mut self, data: &[u8]) -> Vec<u8> {
        self.0.reset();
        let mut out = Vec::with_capacity(data.len() / 4 + 64);
        drive(&mut self.0, data, FlushCompress::Sync, &mut out);
        out.shrink_to_fit();
        out
    }
}

/// Feeds all of `data` and flushes. `compress_vec` writes only into spare capacity and stops
/// without an error where that ends, so room is made until the flush is known to be complete.
fn drive(compress: &mut Compress, data: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let start = compress.total_in();
    loop {
        let fed = usize::try_from(compress.total_in() - start).expect("input is in memory");
        // More than six spare bytes, or zlib may repeat the marker of a sync flush.
        out.reserve((data.len() - fed) / 3 + 64);
        let status =
            compress.compress_vec(&data[fed..], out, flush).expect("deflate in memory has no failing state");
        let all_fed = compress.total_in() - start == data.len() as u64;
        let flushed = match status {
            Status::StreamEnd => true,
            Status::Ok | Status::BufError => flush != FlushCompress::Finish && out.len() < out.capacity(),
        };
        if all_fed && flushed {
            return;
        }
    }
}

/// Appends `data` as a zlib stream of stored blocks: no compression, no tables to clear, which for
/// a few hundred bytes costs a hundredth of deflating them.
pub(crate) fn store_into(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x78, 0x01]);
    let mut rest = data;
    loop {
        let (block, after) = rest.split_at(rest.len().min(MAX_STORED));
        let len = u16::try_from(block.len()).expect("a stored block has at most 65 535 bytes");
        out.push(u8::from(after.is_empty()));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    out.extend_from_slice(&adler32(ADLER_START, data).to_be_bytes());
}

/// The bytes are not one zlib stream of the promised size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadStream;

/// Inflates one zlib stream that must fill `size` bytes exactly and use up `data`.
pub(crate) fn inflate_exact(data: &[u8], size: usize) -> Result<Vec<u8>, BadStream> {
    // A deflate stream shrinks by less than 1 : 1 032, so a larger promise is a lie that is not
    // worth its memory.
    if size / 1032 > data.len() {
        return Err(BadStream);
    }
    let mut inflate = Decompress::new(true);
    // One byte more than promised, so that a longer stream shows itself.
    let mut out = Vec::with_capacity(size + 1);
    let status = inflate.decompress_vec(data, &mut out, FlushDecompress::Finish).map_err(|_| BadStream)?;
    let whole = status == Status::StreamEnd && out.len() == size && inflate.total_in() == data.len() as u64;
    if whole { Ok(out) } else { Err(BadStream) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zlib_rs::adler32::adler32_combine;

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..3000),
            (any::<u8>(), 0usize..200_000).prop_map(|(byte, len)| vec![byte; len]),
            "[a-z {}\":,\n]{0,4000}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn deflated_and_stored_streams_inflate_to_their_input(data in texts(), again in texts()) {
            let mut deflater = Deflater::new();
            for data in [&data, &again] {
                let mut deflated = Vec::new();
                deflate_into(&mut deflater, data, &mut deflated);
                prop_assert_eq!(&inflate_exact(&deflated, data.len()).unwrap(), data);
                let mut fresh = Vec::new();
                deflate_into(&mut Deflater::new(), data, &mut fresh);
                prop_assert_eq!(&fresh, &deflated, "a reused compressor writes the same bytes");
                let mut stored = Vec::new();
                store_into(data, &mut stored);
                prop_assert_eq!(&inflate_exact(&stored, data.len()).unwrap(), data);
            }
        }

        #[test]
        fn segments_join_into_one_stream(parts in prop::collection::vec(texts(), 0..6)) {
            let mut deflater = SegmentDeflater::new();
            let mut stream = ZLIB_HEADER.to_vec();
            let mut adler = ADLER_START;
            for part in &parts {
                stream.extend(deflater.segment(part));
                adler = adler32_combine(adler, adler32(ADLER_START, part), part.len() as u64);
            }
            stream.extend(FINAL_BLOCK);
            stream.extend(adler.to_be_bytes());
            let whole = parts.concat();
            prop_assert_eq!(inflate_exact(&stream, whole.len()).unwrap(), whole);
        }

        #[test]
        fn a_wrong_promise_of_size_is_refused(data in texts(), off in 1usize..50) {
            let mut stream = Vec::new();
            deflate_into(&mut Deflater::new(), &data, &mut stream);
            prop_assert!(inflate_exact(&stream, data.len() + off).is_err());
            prop_assert!(inflate_exact(&stream, data.len().saturating_sub(off)).is_err() || data.is_empty());
            stream.push(0);
            prop_assert!(inflate_exact(&stream, data.len()).is_err());
        }
    }

    #[test]
    fn a_promise_beyond_any_ratio_takes_no_memory() {
        assert_eq!(inflate_exact(&[0x78, 0x9c], usize::MAX - 1), Err(BadStream));
    }
}
