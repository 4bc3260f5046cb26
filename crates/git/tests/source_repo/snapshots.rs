//! What a commit contains, as releases are cut from it.

use skaas_git::object::{Kind, hash_object};
use skaas_git::source_repo::{EntryMode, SnapshotError, SnapshotLimits};

use crate::source::fsck;
use crate::source::hand_pack::{HandPack, tree};
use crate::{Repo, blob_id, collection};

#[test]
fn a_snapshot_lists_what_git_lists() {
    let work = collection();
    let repo = Repo::new();
    repo.accept(&work.pack(&["--all"], &["--delta-base-offset"]));
    let tag = repo.repo.snapshot(work.id("v1-again"), &SnapshotLimits::default()).unwrap();
    let snapshot = repo.repo.snapshot(work.id("main"), &SnapshotLimits::default()).unwrap();
    assert_eq!(tag.commit, snapshot.commit);
    assert_eq!(snapshot.tree, work.id("main^{tree}"));
    assert_eq!(snapshot.message, "link\n");
    assert_eq!((snapshot.author.name.as_str(), snapshot.author_date), ("Ann", 1_700_000_000));
    let listed: Vec<String> = snapshot
        .entries()
        .iter()
        .map(|entry| {
            let mode = match entry.mode {
                EntryMode::Regular => "100644",
                EntryMode::Executable => "100755",
                EntryMode::Symlink => "120000",
                EntryMode::Submodule => "160000",
            };
            let path = String::from_utf8_lossy(&entry.path);
            format!("{mode} blob {} {:>7}\t{path}", entry.id, entry.size)
        })
        .collect();
    assert_eq!(listed.join("\n"), work.git(["ls-tree", "-r", "-l", "main"]));
    let link = snapshot.entry(b"AGENTS.md").unwrap();
    assert_eq!(link.mode, EntryMode::Symlink);
    assert_eq!(snapshot.read(&link.id).unwrap(), b"skills/s0/SKILL.md");
    let entry = snapshot.entry(b"skills/s1/run.sh").unwrap();
    assert_eq!(entry.mode, EntryMode::Executable);
    assert!(snapshot.entry(b"skills").is_none());
    for entry in snapshot.entries() {
        assert_eq!(snapshot.read(&entry.id).unwrap().len() as u64, entry.size);
    }
}

#[test]
fn a_tree_bomb_is_cut_short() {
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, b"x");
    let mut lower = ("100644", blob_id(b"x"));
    for _ in 0..12 {
        let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let lines: Vec<_> = names.iter().map(|name| (lower.0, name.as_bytes(), lower.1)).collect();
        let data = tree(&lines);
        pack.whole(Kind::Tree, &data);
        lower = ("40000", hash_object(Kind::Tree, &data));
    }
    let root = lower.1;
    let commit = format!("tree {root}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
    pack.whole(Kind::Commit, commit.as_bytes());
    let repo = Repo::new();
    repo.accept(&pack.finish());
    let id = hash_object(Kind::Commit, commit.as_bytes());
    for limits in [
        SnapshotLimits::default(),
        SnapshotLimits { depth: 3, ..SnapshotLimits::default() },
        SnapshotLimits { total_bytes: 3, ..SnapshotLimits::default() },
    ] {
        let error = repo.repo.snapshot(id, &limits).unwrap_err();
        assert!(matches!(error, SnapshotError::TooLarge { .. }), "{error}");
    }
    assert!(matches!(
        repo.repo.snapshot(root, &SnapshotLimits::default()),
        Err(SnapshotError::NotACommit(_))
    ));
    assert!(matches!(
        repo.repo.snapshot(blob_id(b"absent"), &SnapshotLimits::default()),
        Err(SnapshotError::NotFound(_))
    ));
}

#[test]
fn files_of_old_histories_that_their_group_may_write_to_are_taken_and_counted() {
    let file = b"#!/bin/sh\n".as_slice();
    let tree = [b"100664 run.sh\0".as_slice(), blob_id(file).as_slice()].concat();
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, file);
    pack.whole(Kind::Tree, &tree);
    let root = hash_object(Kind::Tree, &tree);
    let commit = format!("tree {root}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nold\n");
    pack.whole(Kind::Commit, commit.as_bytes());
    let repo = Repo::new();
    let ingested = repo.ingest(&pack.finish()).unwrap();
    assert_eq!(ingested.old_modes(), 1);
    repo.repo.accept(ingested).unwrap();
    let id = hash_object(Kind::Commit, commit.as_bytes());
    let snapshot = repo.repo.snapshot(id, &SnapshotLimits::default()).unwrap();
    assert_eq!(snapshot.entries()[0].mode, EntryMode::Regular, "a release lays it out as 100644");
    // What is kept is the history as it was pushed, which git takes as well.
    let merged = repo.repo.consolidate(&[id]).unwrap();
    let name = repo.repo.accept_consolidated(merged).unwrap().unwrap();
    fsck(repo.repo.dir(), &[name], &[("refs/heads/main".into(), id)]);
}
