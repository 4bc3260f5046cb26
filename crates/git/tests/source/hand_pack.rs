//! Packs no git would write.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest as _, Sha1};
use skaas_git::object::{Kind, ObjectId};

/// A pack built entry by entry; nothing is checked.
#[derive(Default)]
pub(crate) struct HandPack {
    body: Vec<u8>,
    count: u32,
}

impl HandPack {
    /// A whole object; returns where it begins.
    pub(crate) fn whole(&mut self, kind: Kind, data: &[u8]) -> u64 {
        self.entry(kind.pack_type(), data.len() as u64, &[], data)
    }

    pub(crate) fn ref_delta(&mut self, base: ObjectId, delta: &[u8]) -> u64 {
        self.entry(7, delta.len() as u64, base.as_slice(), delta)
    }

    /// A delta on the entry that begins at `base`.
    pub(crate) fn offset_delta(&mut self, base: u64, delta: &[u8]) -> u64 {
        let mut distance = self.offset() - base;
        let mut bytes = vec![u8::try_from(distance & 0x7f).unwrap()];
        distance >>= 7;
        while distance > 0 {
            distance -= 1;
            bytes.insert(0, 0x80 | u8::try_from(distance & 0x7f).unwrap());
            distance >>= 7;
        }
        self.entry(6, delta.len() as u64, &bytes, delta)
    }

    /// An entry of any type that declares any size.
    pub(crate) fn entry(&mut self, number: u8, declared: u64, base: &[u8], data: &[u8]) -> u64 {
        let at = self.offset();
        let mut rest = declared >> 4;
        let low = |value: u64, mask: u64| u8::try_from(value & mask).unwrap();
        let more = |rest: u64| if rest > 0 { 0x80 } else { 0 };
        self.body.push((number << 4) | low(declared, 0x0f) | more(rest));
        while rest > 0 {
            let byte = low(rest, 0x7f);
            rest >>= 7;
            self.body.push(byte | more(rest));
        }
        self.body.extend_from_slice(base);
        let mut encoder = ZlibEncoder::new(&mut self.body, Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap();
        self.count += 1;
        at
    }

    pub(crate) fn offset(&self) -> u64 {
        12 + self.body.len() as u64
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let count = self.count;
        self.finish_claiming(count)
    }

    /// With a wrong number of objects in its header.
    pub(crate) fn finish_claiming(self, count: u32) -> Vec<u8> {
        let mut out = b"PACK\0\0\0\x02".to_vec();
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&self.body);
        let sum = Sha1::digest(&out);
        out.extend_from_slice(&sum);
        out
    }
}

/// A tree of (mode, name, id), written as given.
pub(crate) fn tree(entries: &[(&str, &[u8], ObjectId)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (mode, name, id) in entries {
        out.extend_from_slice(mode.as_bytes());
        out.push(b' ');
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(id.as_slice());
    }
    out
}
