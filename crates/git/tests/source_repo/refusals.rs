//! Packs that are refused: damaged, lying, bombs, and objects that git would not accept.

use proptest::prelude::*;
use skaas_git::delta::DeltaBuilder;
use skaas_git::object::{Kind, ObjectId, hash_object};
use skaas_git::source_repo::{Fault, IngestError, IngestLimits};

use crate::source::hand_pack::{HandPack, tree};
use crate::source::{Work, fsck};
use crate::{Repo, blob_id, collection, insertion, refuses};

#[test]
fn every_truncation_is_refused() {
    let work = Work::repo();
    work.write("a", "one\n");
    work.commit("one");
    let pack = work.pack(&["main"], &[]);
    for end in 0..pack.len() {
        let error = refuses(&pack[..end]);
        assert!(matches!(error, IngestError::Truncated), "{end}: {error}");
    }
    let longer = [&pack[..], b"x"].concat();
    assert!(matches!(refuses(&longer), IngestError::Malformed(_)));
}

#[test]
fn a_wrong_trailer_is_refused() {
    let work = collection();
    let mut pack = work.pack(&["main"], &[]);
    let last = pack.len() - 1;
    pack[last] ^= 1;
    assert!(matches!(refuses(&pack), IngestError::Checksum));
}

#[test]
fn a_count_that_lies_is_refused() {
    for claimed in [0, 1, 3, 400_000] {
        let mut pack = HandPack::default();
        pack.whole(Kind::Blob, b"one");
        pack.whole(Kind::Blob, b"two");
        refuses(&pack.finish_claiming(claimed));
    }
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, b"one");
    let error = refuses(&pack.finish_claiming(u32::MAX));
    assert!(matches!(error, IngestError::TooLarge { what: "objects", .. }), "{error}");
}

#[test]
fn a_size_that_lies_is_refused() {
    for declared in [0, 2, 4, 70_000] {
        let mut pack = HandPack::default();
        pack.entry(3, declared, &[], b"abc");
        let error = refuses(&pack.finish());
        assert!(matches!(error, IngestError::Malformed(_)), "{declared}: {error}");
    }
    let mut pack = HandPack::default();
    pack.entry(3, u64::MAX, &[], b"abc");
    assert!(matches!(refuses(&pack.finish()), IngestError::TooLarge { .. }));
}

#[test]
fn a_zlib_bomb_is_refused_before_it_is_inflated() {
    let zeros = vec![0; 32 << 20];
    let mut honest = HandPack::default();
    honest.whole(Kind::Blob, &zeros);
    let honest = honest.finish();
    assert!(honest.len() < 40_000, "it is a bomb: {}", honest.len());
    let limits = IngestLimits { blob_bytes: 1 << 20, ..IngestLimits::default() };
    assert!(matches!(Repo::new().refuses(&honest, &limits), IngestError::TooLarge { .. }));
    let limits = IngestLimits { inflated_bytes: 1 << 20, ..IngestLimits::default() };
    assert!(matches!(Repo::new().refuses(&honest, &limits), IngestError::TooLarge { .. }));
    let mut lying = HandPack::default();
    lying.entry(3, 1_000, &[], &zeros);
    assert!(matches!(refuses(&lying.finish()), IngestError::Malformed(_)));
    let mut delta = HandPack::default();
    delta.entry(7, 1_000, blob_id(b"").as_slice(), &zeros);
    assert!(matches!(refuses(&delta.finish()), IngestError::Malformed(_)));
}

#[test]
fn a_delta_bomb_is_refused() {
    // Each delta doubles its base by two copies: 4 KB becomes 4 GB in twenty steps.
    let base = vec![b'x'; 4_096];
    let mut pack = HandPack::default();
    let mut at = pack.whole(Kind::Blob, &base);
    for step in 0..20 {
        let length = 4_096_u64 << step;
        let mut delta = DeltaBuilder::new(length, 2 * length);
        delta.copy(0, length).copy(0, length);
        at = pack.offset_delta(at, &delta.finish());
    }
    let pack = pack.finish();
    assert!(pack.len() < 10_000);
    let error = refuses(&pack);
    assert!(matches!(error, IngestError::Delta(_)), "{error}");
    let limits = IngestLimits { blob_bytes: u64::MAX, inflated_bytes: 10 << 20, ..IngestLimits::default() };
    let error = Repo::new().refuses(&pack, &limits);
    assert!(matches!(error, IngestError::TooLarge { .. }), "{error}");
}

/// `count` deltas, each on the one before, and an entry beside each one (so that none of them is
/// done with when the next begins).
fn caterpillar(count: u32, size: usize) -> (Vec<u8>, u32) {
    let mut pack = HandPack::default();
    let content = |mark: u32| {
        let mut data = vec![b'x'; size];
        data[..4].copy_from_slice(&mark.to_be_bytes());
        data
    };
    let step = |mark: u32| {
        let mut delta = DeltaBuilder::new(size as u64, size as u64);
        delta.insert(&mark.to_be_bytes()).copy(4, size as u64 - 4);
        delta.finish()
    };
    let mut at = pack.whole(Kind::Blob, &content(0));
    for number in 1..=count {
        let next = pack.offset_delta(at, &step(number));
        pack.offset_delta(at, &step(1_000_000 + number));
        at = next;
    }
    (pack.finish(), 2 * count + 1)
}

#[test]
fn long_chains_are_bounded_in_depth() {
    let (pack, count) = caterpillar(250, 100);
    assert_eq!(Repo::new().accept(&pack).objects, count);
    let (pack, _) = caterpillar(251, 100);
    assert!(matches!(refuses(&pack), IngestError::TooLarge { what: "deltas on one another", .. }));
}

#[test]
fn dropped_objects_are_made_again() {
    let (pack, count) = caterpillar(40, 10_000);
    let small = IngestLimits { resident_bytes: 25_000, ..IngestLimits::default() };
    let repo = Repo::new();
    let ingested = repo.repo.ingest(pack.as_slice(), &small, &mut |_| ()).unwrap();
    assert_eq!(ingested.objects(), count);
    let name = repo.repo.accept(ingested).unwrap().unwrap();
    fsck(repo.repo.dir(), &[name], &[]);
    // Making them again is work, and work is bounded too.
    let stingy = IngestLimits { inflated_bytes: 900_000, ..small };
    let error = Repo::new().refuses(&pack, &stingy);
    assert!(matches!(error, IngestError::TooLarge { what: "bytes of work on deltas", .. }), "{error}");
}

#[test]
fn deltas_in_a_circle_are_refused() {
    let (a, b) = (b"content a".as_slice(), b"content b".as_slice());
    let mut pack = HandPack::default();
    pack.ref_delta(blob_id(b), &insertion(b, a));
    pack.ref_delta(blob_id(a), &insertion(a, b));
    assert!(matches!(refuses(&pack.finish()), IngestError::UnresolvedDeltas(2)));
    let mut own = HandPack::default();
    own.ref_delta(blob_id(a), &insertion(a, a));
    assert!(matches!(refuses(&own.finish()), IngestError::UnresolvedDeltas(1)));
}

#[test]
fn a_delta_may_name_a_base_that_comes_later() {
    let (a, b, c) = (b"content a".as_slice(), b"content b".as_slice(), b"content c".as_slice());
    let mut pack = HandPack::default();
    pack.ref_delta(blob_id(b), &insertion(b, c));
    pack.ref_delta(blob_id(a), &insertion(a, b));
    pack.whole(Kind::Blob, a);
    let repo = Repo::new();
    assert_eq!(repo.accept(&pack.finish()).objects, 3);
    for content in [a, b, c] {
        assert_eq!(repo.repo.find(&blob_id(content)).unwrap(), Some((Kind::Blob, content.to_vec())));
    }
}

#[test]
fn a_base_that_is_both_here_and_in_the_pack_is_not_added_twice() {
    let (a, b, c) = (b"content a".as_slice(), b"content b".as_slice(), b"content c".as_slice());
    let repo = Repo::new();
    let mut first = HandPack::default();
    first.whole(Kind::Blob, a);
    first.whole(Kind::Blob, b);
    repo.accept(&first.finish());
    let mut second = HandPack::default();
    second.ref_delta(blob_id(b), &insertion(b, c));
    second.ref_delta(blob_id(a), &insertion(a, b));
    let ingestion = repo.accept(&second.finish());
    assert_eq!((ingestion.objects, ingestion.borrowed), (3, 1));
    fsck(repo.repo.dir(), &repo.repo.packs(), &[]);
}

#[test]
fn deltas_that_do_not_apply_are_refused() {
    let base = b"content a".as_slice();
    let outside = [9, 4, 0x91, 200, 4];
    let wrong_base = insertion(b"another length", b"x");
    for delta in [&outside[..], &wrong_base, &[9, 4, 0], &[9], &[]] {
        let mut pack = HandPack::default();
        let at = pack.whole(Kind::Blob, base);
        pack.offset_delta(at, delta);
        let error = refuses(&pack.finish());
        assert!(matches!(error, IngestError::Delta(_)), "{delta:?}: {error}");
    }
}

#[test]
fn offsets_that_point_nowhere_are_refused() {
    for distance in
        [&[1_u8][..], &[0], &[0x7f], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]
    {
        let mut pack = HandPack::default();
        pack.whole(Kind::Blob, b"base");
        pack.entry(6, 3, distance, &[4, 1, 1]);
        let error = refuses(&pack.finish());
        assert!(matches!(error, IngestError::Malformed(_)), "{distance:?}: {error}");
    }
}

#[test]
fn reserved_types_and_doubled_objects_are_refused() {
    for number in [0, 5] {
        let mut pack = HandPack::default();
        pack.entry(number, 3, &[], b"abc");
        assert!(matches!(refuses(&pack.finish()), IngestError::Malformed(_)));
    }
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, b"abc");
    pack.whole(Kind::Blob, b"abc");
    assert!(matches!(refuses(&pack.finish()), IngestError::Duplicate(_)));
}

#[test]
fn trees_that_git_cannot_push_are_refused_too() {
    let blob = blob_id(b"x");
    for (mode, name) in [("100644", &b""[..]), ("", b"a"), ("100644", b"a\\.git"), ("100648", b"a")] {
        let mut pack = HandPack::default();
        pack.whole(Kind::Blob, b"x");
        pack.whole(Kind::Tree, &tree(&[(mode, name, blob)]));
        let error = refuses(&pack.finish());
        assert!(matches!(error, IngestError::Object { kind: Kind::Tree, .. }), "{name:?}: {error}");
    }
}

#[test]
fn a_bad_tree_hidden_in_a_delta_is_refused() {
    let blob = blob_id(b"x");
    let good = tree(&[("100644", b"good", blob)]);
    let bad = tree(&[("40000", b".git", hash_object(Kind::Tree, b""))]);
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, b"x");
    let at = pack.whole(Kind::Tree, &good);
    pack.offset_delta(at, &insertion(&good, &bad));
    let error = refuses(&pack.finish());
    assert!(matches!(error, IngestError::Object { fault: Fault::Entry { .. }, .. }), "{error}");
}

#[test]
fn an_old_blob_under_a_new_dangerous_name_is_judged() {
    let evil = b"[submodule \"../../x\"]\n\turl = a\n".as_slice();
    let repo = Repo::new();
    let mut first = HandPack::default();
    first.whole(Kind::Blob, evil);
    repo.accept(&first.finish());
    let mut second = HandPack::default();
    second.whole(Kind::Tree, &tree(&[("100644", b".gitmodules", blob_id(evil))]));
    let error = repo.refuses(&second.finish(), &IngestLimits::default());
    assert!(error.to_string().contains("unsafe submodule name"), "{error}");
}

#[test]
fn an_object_named_as_another_kind_is_refused() {
    let blob = blob_id(b"x");
    for mode in ["40000", "120000"] {
        let mut pack = HandPack::default();
        pack.whole(Kind::Blob, b"x");
        pack.whole(Kind::Tree, &tree(&[(mode, b"a", blob)]));
        let outcome = Repo::new().ingest(&pack.finish());
        assert_eq!(outcome.is_err(), mode == "40000");
    }
    let commit = format!("tree {blob}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, b"x");
    pack.whole(Kind::Commit, commit.as_bytes());
    assert!(matches!(refuses(&pack.finish()), IngestError::Missing { kind: Kind::Tree, .. }));
}

#[test]
fn a_flood_of_dead_links_is_cut_short() {
    let entries: Vec<(Vec<u8>, ObjectId)> = (0..10_000_u32)
        .map(|number| (format!("{number:08}").into_bytes(), blob_id(&number.to_be_bytes())))
        .collect();
    let lines: Vec<_> = entries.iter().map(|(name, id)| ("100644", name.as_slice(), *id)).collect();
    let mut pack = HandPack::default();
    pack.whole(Kind::Tree, &tree(&lines));
    let error = refuses(&pack.finish());
    assert!(matches!(error, IngestError::Missing { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_pack_is_refused_or_says_the_same(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let mut pack = HandPack::default();
        pack.whole(Kind::Blob, b"some content");
        let base = pack.whole(Kind::Blob, b"more content");
        pack.offset_delta(base, &insertion(b"more content", b"other content"));
        let mut bytes = pack.finish();
        let place = at.index(bytes.len());
        bytes[place] ^= flip;
        prop_assert!(Repo::new().ingest(&bytes).is_err());
    }

    #[test]
    fn foreign_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200), count in 0_u32..5) {
        let bytes = [b"PACK\0\0\0\x02", &count.to_be_bytes()[..], &body].concat();
        prop_assert!(Repo::new().ingest(&bytes).is_err());
    }
}
