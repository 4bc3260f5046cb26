//! Owns fragments and the deflated form of one piece of text.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use zlib_rs::adler32::adler32;

use crate::deflate::{ADLER_START, SegmentDeflater};

/// The text of one slot, in one variant. Shared by all bases and documents that show it.
#[derive(Debug)]
pub struct Fragment {
    /// Separator and body.
    text: Bytes,
    separator: usize,
    following: OnceLock<Segment>,
    leading: OnceLock<Segment>,
}

impl Fragment {
    /// A fragment: `separator` is what parts it from the fragment before it, and is dropped where
    /// there is none.
    pub fn new(separator: &str, body: &str) -> Self {
        let mut text = Vec::with_capacity(separator.len() + body.len());
        text.extend_from_slice(separator.as_bytes());
        text.extend_from_slice(body.as_bytes());
        Self {
            text: Bytes::from(text),
            separator: separator.len(),
            following: OnceLock::new(),
            leading: OnceLock::new(),
        }
    }

    /// The text, without the separator where it is the first of its document.
    pub(super) fn text(&self, first: bool) -> &[u8] {
        if first { &self.text[self.separator..] } else { &self.text }
    }

    /// The deflated form, made at first use.
    pub(super) fn segment(&self, first: bool, deflater: &mut LazyDeflater) -> &Segment {
        let kept = if first { &self.leading } else { &self.following };
        kept.get_or_init(|| deflater.segment(self.text(first)))
    }
}

/// A fragment as it stands in a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) fragment: &'a Arc<Fragment>,
    /// Whether it is the first one present, so that its separator is dropped.
    pub(super) first: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn text(self) -> &'a [u8] {
        self.fragment.text(self.first)
    }

    /// Whether both show the same text.
    pub(super) fn same(self, other: Self) -> bool {
        let one = self.first == other.first && Arc::ptr_eq(self.fragment, other.fragment);
        one || self.text() == other.text()
    }
}

/// A piece of text as raw deflate blocks that can stand anywhere in a stream.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) raw: Bytes,
    /// Adler-32 of the text.
    pub(super) adler: u32,
    /// Length of the text.
    pub(super) len: u64,
}

/// A compressor that is made when something has to be deflated, which is seldom.
#[derive(Default)]
pub(super) struct LazyDeflater(Option<SegmentDeflater>);

impl LazyDeflater {
    pub(super) fn segment(&mut self, text: &[u8]) -> Segment {
        let deflater = self.0.get_or_insert_with(SegmentDeflater::new);
        Segment {
            raw: Bytes::from(deflater.segment(text)),
            adler: adler32(ADLER_START, text),
            len: text.len() as u64,
        }
    }
}
