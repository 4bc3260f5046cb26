//! Takes a pack apart with nothing but zlib and gitformat-pack: what is in it, and on what it leans.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::bufread::ZlibDecoder;
use gix_hash::ObjectId;
use skaas_git::delta;
use skaas_git::object::{Kind, hash_object};

/// What a pack holds.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// The id of every object, deltas resolved.
    pub(crate) objects: Vec<ObjectId>,
    /// The named bases of deltas.
    pub(crate) bases: Vec<ObjectId>,
}

/// An object, read.
pub(crate) type Object = (Kind, Vec<u8>);

/// Lists a pack; `outside` finds objects that thin packs lean on.
pub(crate) fn list(pack: &[u8], outside: &dyn Fn(&ObjectId) -> Option<Object>) -> Listed {
    assert_eq!(&pack[..8], b"PACK\0\0\0\x02");
    let count = u32::from_be_bytes(pack[8..12].try_into().unwrap());
    let mut rest = &pack[12..pack.len() - 20];
    let mut listed = Listed::default();
    let mut inside: HashMap<ObjectId, Object> = HashMap::new();
    for _ in 0..count {
        let kind = entry_kind(&mut rest);
        let base = (kind == 7).then(|| {
            let (id, after) = rest.split_at(20);
            rest = after;
            ObjectId::from_bytes_or_panic(id)
        });
        let mut data = Vec::new();
        let mut decoder = ZlibDecoder::new(rest);
        decoder.read_to_end(&mut data).unwrap();
        rest = decoder.into_inner();
        let (kind, data) = match base {
            None => (kind_of(kind), data),
            Some(base) => {
                let (kind, text) = inside.get(&base).cloned().or_else(|| outside(&base)).unwrap();
                listed.bases.push(base);
                (kind, delta::apply(&text, &data, 1 << 20).unwrap())
            }
        };
        let id = hash_object(kind, &data);
        listed.objects.push(id);
        inside.insert(id, (kind, data));
    }
    assert!(rest.is_empty(), "the count covers every entry");
    listed
}

fn entry_kind(rest: &mut &[u8]) -> u8 {
    let first = rest[0];
    let mut byte = first;
    while byte & 0x80 != 0 {
        *rest = &rest[1..];
        byte = rest[0];
    }
    *rest = &rest[1..];
    (first >> 4) & 7
}

fn kind_of(number: u8) -> Kind {
    match number {
        1 => Kind::Commit,
        2 => Kind::Tree,
        3 => Kind::Blob,
        _ => panic!("entry of kind {number}"),
    }
}
