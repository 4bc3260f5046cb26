//! Many packs become one, or a few, and nothing that is reachable is lost.

use skaas_git::object::Kind;
use skaas_git::source_repo::SnapshotLimits;

use crate::source::hand_pack::HandPack;
use crate::source::{Work, fsck};
use crate::{Repo, blob_id, collection, noise};

#[test]
fn merged_packs_hold_what_is_reachable_and_nothing_else() {
    let work = collection();
    let repo = Repo::new();
    repo.accept(&work.pack(&["main~8"], &[]));
    for step in (0..8).rev() {
        let (from, to) = (format!("^main~{}", step + 1), format!("main~{step}"));
        repo.accept(&work.pack(&[&to, &from], &["--thin", "--delta-base-offset"]));
    }
    let secret = b"a password that was pushed over".as_slice();
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, secret);
    repo.accept(&pack.finish());
    assert!(!repo.repo.wants_consolidation());
    let open = repo.repo.snapshot(work.id("main"), &SnapshotLimits::default()).unwrap();
    let before = repo.repo.packs();
    let merged = repo.repo.consolidate(&[work.id("main")]).unwrap();
    assert_eq!(merged.replaces(), before);
    assert!(repo.repo.contains(&blob_id(secret)), "nothing changes before it is accepted");
    let name = repo.repo.accept_consolidated(merged).unwrap().unwrap();
    assert_eq!(repo.repo.packs(), [name]);
    assert_eq!(repo.files().len(), 2);
    assert!(!repo.repo.contains(&blob_id(secret)));
    for entry in open.entries() {
        assert_eq!(open.read(&entry.id).unwrap().len() as u64, entry.size, "an open snapshot stays");
    }
    let bare = fsck(repo.repo.dir(), &[name], &[("refs/heads/main".into(), work.id("main"))]);
    let objects = bare.git(["cat-file", "--batch-check", "--batch-all-objects"]).lines().count();
    assert_eq!(objects, work.git(["rev-list", "--objects", "main"]).lines().count());
    let again = repo.repo.consolidate(&[work.id("main")]).unwrap();
    assert_eq!((again.name(), again.replaces().len()), (Some(name), 0), "the same bytes again");
    repo.repo.accept_consolidated(again).unwrap();
    assert_eq!(repo.repo.packs(), [name]);
}

#[test]
fn recent_packs_are_merged_without_the_large_one_and_nothing_is_lost() {
    let work = Work::repo();
    work.write("large.bin", noise(600_000));
    work.commit("large");
    let repo = Repo::new();
    repo.accept(&work.pack(&["main"], &[]));
    let large = repo.repo.packs();
    for number in 0..21 {
        work.write("small.md", number.to_string());
        work.commit("small");
        repo.accept(&work.pack(&["main", "^main~1"], &["--thin", "--delta-base-offset"]));
    }
    assert!(repo.repo.wants_consolidation());
    let merged = repo.repo.consolidate_recent().unwrap().expect("they are a small part of all");
    assert_eq!(merged.replaces().len(), 21);
    let name = repo.repo.accept_consolidated(merged).unwrap().unwrap();
    let mut left = [large[0], name];
    left.sort_unstable();
    assert_eq!(repo.repo.packs(), left);
    let bare = fsck(repo.repo.dir(), &left, &[("refs/heads/main".into(), work.id("main"))]);
    assert_eq!(bare.git(["rev-list", "--count", "main"]), "22");
}

#[test]
fn a_repository_without_refs_merges_to_nothing() {
    let work = collection();
    let repo = Repo::new();
    repo.accept(&work.pack(&["main"], &[]));
    let merged = repo.repo.consolidate(&[]).unwrap();
    assert_eq!(repo.repo.accept_consolidated(merged).unwrap(), None);
    assert!(repo.files().is_empty());
}
