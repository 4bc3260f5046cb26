//! Packs taken in without a network: those of real git, and those no git would write.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(clippy::format_collect, reason = "short texts, made once")]

mod source;

use source::hand_pack::{HandPack, tree};
use source::{Work, fsck};

use std::io::BufReader;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use proptest::prelude::*;
use skaas_git::delta::DeltaBuilder;
use skaas_git::object::{Kind, ObjectId, hash_object};
use skaas_git::source_repo::{
    EntryMode, Fault, IngestError, IngestLimits, Ingested, Phase, SnapshotError, SnapshotLimits, SourceRepo,
};

/// Bytes that nothing makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(word).take(length / 8).flatten().collect()
}

struct Repo {
    repo: SourceRepo,
    _dir: tempfile::TempDir,
}

impl Repo {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { repo: SourceRepo::open(dir.path().join("packs")).unwrap(), _dir: dir }
    }

    fn ingest(&self, pack: &[u8]) -> Result<Ingested, IngestError> {
        self.repo.ingest(pack, &IngestLimits::default(), &mut |_| ())
    }

    fn accept(&self, pack: &[u8]) -> Ingestion {
        let ingested = self.ingest(pack).unwrap();
        let ingestion = Ingestion { objects: ingested.objects(), borrowed: ingested.borrowed() };
        self.repo.accept(ingested).unwrap();
        ingestion
    }

    /// The error, with the certainty that nothing was left behind.
    fn refuses(&self, pack: &[u8], limits: &IngestLimits) -> IngestError {
        let before = self.files();
        let error = self.repo.ingest(pack, limits, &mut |_| ()).unwrap_err();
        assert_eq!(self.files(), before);
        assert!(!error.is_internal(), "{error:?}");
        error
    }

    fn files(&self) -> Vec<std::ffi::OsString> {
        let mut names: Vec<_> =
            std::fs::read_dir(self.repo.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }
}

struct Ingestion {
    objects: u32,
    borrowed: u32,
}

fn refuses(pack: &[u8]) -> IngestError {
    Repo::new().refuses(pack, &IngestLimits::default())
}

fn blob_id(data: &[u8]) -> ObjectId {
    hash_object(Kind::Blob, data)
}

/// A delta that makes `result` of `base` by brute insertion.
fn insertion(base: &[u8], result: &[u8]) -> Vec<u8> {
    let mut builder = DeltaBuilder::new(base.len() as u64, result.len() as u64);
    builder.insert(result);
    builder.finish()
}

/// A repository with folders, many versions and a merge, for packs with real deltas.
fn collection() -> Work {
    let work = Work::repo();
    for skill in 0..12 {
        let body: String = (0..60).map(|line| format!("step {line} of skill {}\n", skill % 3)).collect();
        work.write(&format!("skills/s{skill}/SKILL.md"), body);
    }
    work.write("skills/s1/run.sh", "#!/bin/sh\n");
    work.commit("one");
    let script = work.path().join("skills/s1/run.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    work.commit("executable");
    for version in 0..8 {
        let body: String = (0..60)
            .map(|line| format!("step {line} of skill 0{}\n", if line == version { "!" } else { "" }))
            .collect();
        work.write("skills/s0/SKILL.md", body);
        work.commit(&format!("version {version}"));
    }
    std::os::unix::fs::symlink("skills/s0/SKILL.md", work.path().join("AGENTS.md")).unwrap();
    work.commit("link");
    work.git(["tag", "-a", "-m", "notes", "v1"]);
    work.git(["tag", "-a", "-m", "notes of notes", "v1-again", "v1"]);
    work
}

#[test]
fn a_pack_of_real_git_is_indexed_as_git_indexes_it() {
    let work = collection();
    for options in [&[][..], &["--delta-base-offset"][..], &["--depth=1"][..]] {
        let pack = work.pack(&["--all"], options);
        let repo = Repo::new();
        let ingested = repo.ingest(&pack).unwrap();
        let theirs = tempfile::tempdir().unwrap();
        let path = theirs.path().join("x.pack");
        std::fs::write(&path, &pack).unwrap();
        let status = Command::new("git").arg("index-pack").arg(&path).output().unwrap();
        assert!(status.status.success());
        let index = std::fs::read(path.with_extension("idx")).unwrap();
        assert_eq!(std::fs::read(ingested.index_path().unwrap()).unwrap(), index);
        assert_eq!(std::fs::read(ingested.pack_path().unwrap()).unwrap(), pack);
        let name = repo.repo.accept(ingested).unwrap().unwrap();
        fsck(repo.repo.dir(), &[name], &[("refs/heads/main".into(), work.id("main"))]);
    }
}

#[test]
fn a_thin_pack_is_completed_and_a_folder_reopened_finds_all() {
    let work = collection();
    let repo = Repo::new();
    repo.accept(&work.pack(&["main~3"], &[]));
    let thin = work.pack(&["main", "^main~3"], &["--thin", "--delta-base-offset"]);
    let ingestion = repo.accept(&thin);
    assert!(ingestion.borrowed > 0 && ingestion.objects > ingestion.borrowed);
    let again = SourceRepo::open(repo.repo.dir()).unwrap();
    assert_eq!(again.packs(), repo.repo.packs());
    for line in work.git(["rev-list", "--objects", "main"]).lines() {
        let id = source::parse_id(&line[..40]);
        let (_, data) = again.find(&id).unwrap().unwrap();
        let theirs = work.feed(["cat-file", "--batch"], format!("{id}\n").as_bytes());
        let start = theirs.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        assert_eq!(data, theirs[start..theirs.len() - 1]);
    }
    fsck(again.dir(), &again.packs(), &[("refs/heads/main".into(), work.id("main"))]);
}

#[test]
fn a_thin_pack_without_its_base_is_refused() {
    let work = collection();
    let thin = work.pack(&["main", "^main~3"], &["--thin"]);
    let error = refuses(&thin);
    assert!(matches!(error, IngestError::UnresolvedDeltas(_)), "{error}");
    let whole = work.pack(&["main", "^main~3"], &[]);
    let error = refuses(&whole);
    assert!(matches!(error, IngestError::Missing { .. }), "{error}");
}

#[test]
fn tips_must_be_here() {
    let work = collection();
    let repo = Repo::new();
    let ingested = repo.ingest(&work.pack(&["main"], &[])).unwrap();
    let tips = [work.id("main")];
    assert!(repo.repo.check_connected(None, &tips).is_err());
    assert!(repo.repo.check_connected(Some(&ingested), &tips).is_ok());
    assert!(repo.repo.check_connected(Some(&ingested), &[blob_id(b"absent")]).is_err());
    drop(ingested);
    assert!(repo.files().is_empty(), "a quarantine that is dropped is gone");
}

#[test]
fn an_empty_pack_brings_nothing() {
    let repo = Repo::new();
    let ingested = repo.ingest(&HandPack::default().finish()).unwrap();
    assert_eq!(ingested.name(), None);
    assert_eq!(repo.repo.accept(ingested).unwrap(), None);
    assert!(repo.files().is_empty());
}

#[test]
fn the_same_pack_twice_is_one_pack() {
    let work = collection();
    let repo = Repo::new();
    let pack = work.pack(&["main"], &[]);
    repo.accept(&pack);
    repo.accept(&pack);
    assert_eq!(repo.repo.packs().len(), 1);
}

#[test]
fn progress_goes_through_the_phases_in_few_steps() {
    let work = collection();
    let repo = Repo::new();
    let mut seen = Vec::new();
    let pack = work.pack(&["--all"], &["--delta-base-offset"]);
    repo.repo.ingest(pack.as_slice(), &IngestLimits::default(), &mut |step| seen.push(step)).unwrap();
    for phase in [Phase::Receiving, Phase::Resolving, Phase::Checking] {
        let steps: Vec<_> = seen.iter().filter(|step| step.phase == phase).collect();
        assert!(!steps.is_empty() && steps.len() <= 102, "{phase:?}: {}", steps.len());
        assert_eq!(steps.last().unwrap().done, steps.last().unwrap().total);
    }
}

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

#[test]
fn a_repository_without_refs_merges_to_nothing() {
    let work = collection();
    let repo = Repo::new();
    repo.accept(&work.pack(&["main"], &[]));
    let merged = repo.repo.consolidate(&[]).unwrap();
    assert_eq!(repo.repo.accept_consolidated(merged).unwrap(), None);
    assert!(repo.files().is_empty());
}

#[test]
fn a_crash_between_the_files_of_a_pack_leaves_a_working_repository() {
    let work = collection();
    let repo = Repo::new();
    repo.accept(&work.pack(&["main~1"], &[]));
    std::fs::write(repo.repo.dir().join(format!("pack-{}.pack", "1".repeat(40))), "half").unwrap();
    std::fs::write(repo.repo.dir().join(format!("pack-{}.pack.part", "2".repeat(40))), "half a copy")
        .unwrap();
    std::fs::create_dir(repo.repo.dir().join("incoming-left")).unwrap();
    std::fs::write(repo.repo.dir().join("incoming-left/incoming"), "half a push").unwrap();
    let again = SourceRepo::open(repo.repo.dir()).unwrap();
    assert_eq!(again.packs().len(), 1);
    assert!(again.contains(&work.id("main~1")));
    assert_eq!(again.clear_leftovers().unwrap(), 4 + 11 + 11, "bytes that are free again");
    assert_eq!(repo.files().len(), 2, "the pack, its index, and nothing else");
    assert!(again.contains(&work.id("main~1")));
}

#[test]
fn the_size_of_the_pieces_in_which_a_pack_arrives_does_not_matter() {
    let work = collection();
    let pack = work.pack(&["--all"], &["--delta-base-offset"]);
    let whole = Repo::new().ingest(&pack).unwrap().name();
    for size in [1, 2, 3, 19, 1_000] {
        let repo = Repo::new();
        let pieces = BufReader::with_capacity(size, pack.as_slice());
        let ingested = repo.repo.ingest(pieces, &IngestLimits::default(), &mut |_| ()).unwrap();
        assert_eq!(ingested.name(), whole);
    }
}

#[test]
fn pushes_at_the_same_time_do_not_disturb_each_other() {
    let repo = Repo::new();
    let works: Vec<Work> = (0..4)
        .map(|number| {
            let work = Work::repo();
            work.write("file", number.to_string());
            work.commit("one");
            work
        })
        .collect();
    std::thread::scope(|scope| {
        for work in &works {
            scope.spawn(|| repo.accept(&work.pack(&["main"], &[])));
        }
    });
    assert_eq!(repo.repo.packs().len(), 4);
    for work in &works {
        assert!(repo.repo.contains(&work.id("main")));
    }
}

#[test]
fn packs_of_other_nodes_are_taken_up() {
    let work = collection();
    let (one, two) = (Repo::new(), Repo::new());
    one.accept(&work.pack(&["main"], &[]));
    let name = one.repo.packs()[0];
    for file in [name.pack_file(), name.index_file()] {
        std::fs::copy(one.repo.dir().join(&file), two.repo.dir().join(&file)).unwrap();
    }
    two.repo.add_pack(name).unwrap();
    assert!(two.repo.contains(&work.id("main")));
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
