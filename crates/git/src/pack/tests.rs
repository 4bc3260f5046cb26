use super::*;
use crate::bundle::BundleFile;
use crate::object::hash_object;
use crate::pack_entry::{parse_header, read_object};
use proptest::prelude::*;

fn bundle(files: &[(&str, &[u8])]) -> Bundle {
    Bundle::build(files.iter().map(|(path, content)| BundleFile { path, executable: false, content }))
        .unwrap()
}

/// The ids of a pack that holds the entries of these bundles and nothing else.
fn ids(pack: &Pack, bundles: &[&Bundle]) -> Vec<ObjectId> {
    let bytes = pack.rope().to_vec();
    let mut rest = &bytes[12..bytes.len() - 20];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (object, len) = bundles
            .iter()
            .flat_map(|bundle| (0..bundle.objects().len()).map(move |at| (bundle, at)))
            .find_map(|(bundle, at)| {
                let entry = bundle.entry(at);
                rest.starts_with(&entry).then(|| (bundle.objects()[at].id, entry.len()))
            })
            .expect("every entry is one of the bundles'");
        found.push(object);
        rest = &rest[len..];
    }
    assert_eq!(found.len(), pack.objects() as usize);
    found
}

#[test]
fn an_empty_pack_is_header_and_trailer() {
    let pack = write_pack(&[]);
    let bytes = pack.rope().to_vec();
    assert_eq!(pack.len(), 32);
    assert_eq!(&bytes[..12], b"PACK\0\0\0\x02\0\0\0\0");
    assert_eq!(&bytes[12..], pack.checksum().as_slice());
}

#[test]
fn an_object_in_two_bundles_is_written_once() {
    let one = bundle(&[("a", b"shared"), ("b", b"one")]);
    let two = bundle(&[("a", b"shared"), ("b", b"two")]);
    let pack = write_pack(&[PackItem::Bundle(&one), PackItem::Bundle(&two)]);
    let found = ids(&pack, &[&one, &two]);
    assert_eq!(found.len(), 5);
    let shared = hash_object(Kind::Blob, b"shared");
    assert_eq!(found.iter().filter(|id| **id == shared).count(), 1);
    let everything: Vec<usize> = (0..two.objects().len()).collect();
    let again = write_pack(&[PackItem::Bundle(&one), PackItem::BundleSubset(&two, &everything)]);
    assert_eq!(again.rope(), pack.rope());
}

#[test]
fn the_bundle_s_bytes_are_shared_with_the_pack() {
    let big = vec![b'x'; 100_000];
    let noise: Vec<u8> = (0..20_000u32)
        .flat_map(|n| hash_object(Kind::Blob, &n.to_be_bytes()).as_slice()[..4].to_vec())
        .collect();
    let bundle = bundle(&[("big", &big), ("noise", &noise)]);
    let pack = write_pack(&[PackItem::Bundle(&bundle)]).rope();
    let entries = bundle.entries();
    assert!(pack.pieces().iter().any(|piece| piece.as_ptr() == entries.as_ptr()));
}

#[test]
fn filters_choose_by_size_and_depth() {
    let bundle = bundle(&[("top", b"12345"), ("x/y/low", b"1234567890")]);
    let kept = |filter: ObjectFilter| -> Vec<(Kind, u64)> {
        let objects = bundle.objects();
        let kept = filter.select(&bundle).into_iter();
        kept.map(|at| (objects[at].kind, u64::from(objects[at].depth))).collect()
    };
    let none = ObjectFilter::default();
    assert_eq!(kept(none).len(), 5);
    let blobless = ObjectFilter { blob_limit: Some(0), ..none };
    assert_eq!(kept(blobless), [(Kind::Tree, 0), (Kind::Tree, 1), (Kind::Tree, 2)]);
    let small = ObjectFilter { blob_limit: Some(10), ..none };
    assert_eq!(kept(small).len(), 4);
    let treeless = ObjectFilter { tree_depth: Some(0), ..none };
    assert!(kept(treeless).is_empty());
    let top = ObjectFilter { tree_depth: Some(2), ..none };
    assert_eq!(kept(top), [(Kind::Tree, 0), (Kind::Tree, 1), (Kind::Blob, 1)]);
}

#[test]
#[should_panic(expected = "the prefix counts what follows it")]
fn a_prefix_with_the_wrong_number_of_items_is_not_a_pack() {
    let bundle = bundle(&[("a", b"a")]);
    let _ = Pack::from_prefix(&bundle.prefix(1), &[PackItem::Bundle(&bundle)]);
}

#[test]
fn entries_of_every_kind_can_be_read() {
    let entry = object_entry(Kind::Blob, b"blob");
    assert_eq!(read_object(&entry), Some((Kind::Blob, b"blob".to_vec())));
    let base = hash_object(Kind::Blob, b"base");
    let delta = delta_entry(base, b"delta");
    let (number, size, header) = parse_header(&delta).unwrap();
    assert_eq!((number, size), (7, 5));
    assert_eq!(&delta[header..header + 20], base.as_slice());
}

/// Removes the framing of `side-band-64k`.
fn unframed(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let len = usize::from_str_radix(std::str::from_utf8(&bytes[..4]).unwrap(), 16).unwrap();
        assert_eq!(bytes[4], 1);
        out.extend_from_slice(&bytes[5..len]);
        bytes = &bytes[len..];
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_shortcut_writes_what_the_long_way_writes(
        sizes in prop::collection::vec(0usize..300_000, 1..4), commit in "[a-z]{1,300}",
    ) {
        let contents: Vec<Vec<u8>> = sizes
            .iter()
            .map(|size| (0..*size).map(|n| (n * n % 251).to_le_bytes()[0]).collect())
            .collect();
        let names: Vec<String> = (0..sizes.len()).map(|n| format!("f{n}")).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
        let bundle = bundle(&files);
        let short = clone_pack(&bundle, commit.as_bytes());
        let raw = PackItem::Raw { kind: Kind::Commit, data: commit.as_bytes() };
        let long = write_pack(&[PackItem::Bundle(&bundle), raw]);
        prop_assert_eq!(short.rope(), long.rope());
        prop_assert_eq!(short.checksum(), long.checksum());
        prop_assert_eq!(short.len(), long.rope().len());
        let whole = long.rope().to_vec();
        prop_assert_eq!(finish_id(Sha1::new_with_prefix(&whole[..whole.len() - 20])), long.checksum());
        for mode in [SideBand::Small, SideBand::Large] {
            prop_assert_eq!(unframed(&short.framed(mode).to_vec()), whole.clone());
        }
    }
}
