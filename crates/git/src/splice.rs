//! Owns the splicing of one long text out of parts that many readers share: a head, slots with
//! fragments, a tail. A reader's document is a base with few slots changed; its id costs one
//! hash of the text, its pack entry no deflating at all, and the way from one document to the next
//! no look at what stayed.
//! Refuses to know what the text says.
//!
//! Fragments carry the separator that stands before them, and the first one present drops it. A
//! base keeps its slots in blocks of 256, and each block keeps, made at first use, the deflated
//! form of itself and of its aligned parts of 64, 16 and 4 slots. Each form is a run of raw deflate
//! blocks that refers to nothing before it and ends on a byte, so that any row of them, closed by
//! an empty final block and the combined checksum, is a zlib stream.

mod base;
mod block;
mod difference;
mod document;
mod fragment;

pub use base::Base;
pub use document::Document;
pub use fragment::Fragment;

#[cfg(test)]
mod tests;
