//! Owns `Rope`, a long byte string made of shared slices, in the form in which a body is sent.
//! Refuses to copy what is large and to know what the bytes mean.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// Slices shorter than this are copied together: a piece costs a reference count and a place in
/// the vectored write, which is more than a copy of so few bytes.
const COPY_BELOW: usize = 256;

/// An immutable byte string in shared pieces. A clone costs one reference count.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: Arc<[Bytes]>,
    len: u64,
}

impl Rope {
    /// The rope with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order; none of them is empty.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// All bytes in one vector: a copy, for tests and small ropes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(usize::try_from(self.len).unwrap_or(0));
        for piece in self.pieces.iter() {
            out.extend_from_slice(piece);
        }
        out
    }

    /// The same bytes in one piece: copied unless they are so already.
    pub fn flatten(&self) -> Bytes {
        match &*self.pieces {
            [] => Bytes::new(),
            [only] => only.clone(),
            _ => Bytes::from(self.to_vec()),
        }
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        let pieces: Arc<[Bytes]> = if bytes.is_empty() { Arc::default() } else { Arc::new([bytes]) };
        Self { pieces, len }
    }
}

impl From<Vec<u8>> for Rope {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl PartialEq for Rope {
    /// Equal bytes, however they are cut.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self
                .pieces
                .iter()
                .flat_map(|piece| piece.iter())
                .eq(other.pieces.iter().flat_map(|piece| piece.iter()))
    }
}

impl Eq for Rope {}

/// Yields the pieces of a rope one by one, for streaming.
#[derive(Clone, Debug)]
pub struct Pieces {
    all: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl Pieces {
    /// Bytes that are still to come.
    pub fn bytes_left(&self) -> u64 {
        self.left
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.all.get(self.next)?.clone();
        self.next += 1;
        self.left -= piece.len() as u64;
        Some(piece)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.all.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pieces {}

impl IntoIterator for Rope {
    type Item = Bytes;
    type IntoIter = Pieces;

    fn into_iter(self) -> Pieces {
        Pieces { left: self.len, all: self.pieces, next: 0 }
    }
}

/// Puts a rope together; small slices are joined, large ones shared.
#[derive(Debug, Default)]
pub struct RopeBuilder {
    pieces: Vec<Bytes>,
    /// Small bytes not yet made a piece.
    pending: BytesMut,
    len: u64,
}

impl RopeBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty builder with room for that many pieces.
    pub fn with_capacity(pieces: usize) -> Self {
        Self { pieces: Vec::with_capacity(pieces), ..Self::default() }
    }

    /// Length so far in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was put in yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends shared bytes.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            self.push_slice(&bytes);
            return;
        }
        self.len += bytes.len() as u64;
        self.seal();
        self.pieces.push(bytes);
    }

    /// Appends a copy of `bytes`; for what is small.
    pub fn push_slice(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
    }

    /// Appends a rope, sharing its pieces.
    pub fn push_rope(&mut self, rope: &Rope) {
        for piece in rope.pieces() {
            if piece.len() < COPY_BELOW {
                self.push_slice(piece);
            } else {
                self.push(piece.clone());
            }
        }
    }

    /// Shows all bytes so far, in order.
    pub(crate) fn for_each_piece(&self, mut see: impl FnMut(&[u8])) {
        self.pieces.iter().for_each(|piece| see(piece));
        if !self.pending.is_empty() {
            see(&self.pending);
        }
    }

    /// The rope.
    pub fn finish(mut self) -> Rope {
        self.seal();
        Rope { pieces: self.pieces.into(), len: self.len }
    }

    fn seal(&mut self) {
        if !self.pending.is_empty() {
            self.pieces.push(self.pending.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rope_is_the_concatenation_of_what_was_pushed(
            parts in prop::collection::vec((0..3u8, prop::collection::vec(any::<u8>(), 0..600)), 0..12)
        ) {
            let mut builder = RopeBuilder::new();
            let mut plain = Vec::new();
            for (how, bytes) in &parts {
                plain.extend_from_slice(bytes);
                match how {
                    0 => builder.push(Bytes::from(bytes.clone())),
                    1 => builder.push_slice(bytes),
                    _ => builder.push_rope(&Rope::from(bytes.clone())),
                }
            }
            let rope = builder.finish();
            prop_assert_eq!(rope.len(), plain.len() as u64);
            prop_assert_eq!(rope.to_vec(), plain.clone());
            prop_assert_eq!(&rope, &Rope::from(plain.clone()));
            prop_assert!(rope.pieces().iter().all(|piece| !piece.is_empty()));
            let mut pieces = rope.into_iter();
            prop_assert_eq!(pieces.bytes_left(), plain.len() as u64);
            while pieces.next().is_some() {}
            prop_assert_eq!(pieces.bytes_left(), 0);
        }
    }

    #[test]
    fn large_pieces_are_shared_and_not_copied() {
        let big = Bytes::from(vec![7u8; 4096]);
        let mut builder = RopeBuilder::new();
        builder.push_slice(b"head");
        builder.push(big.clone());
        let rope = builder.finish();
        assert_eq!(rope.pieces()[1].as_ptr(), big.as_ptr());
    }
}
