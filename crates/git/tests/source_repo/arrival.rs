//! Packs that are taken: indexed, completed, found again after a crash and beside other pushes.

use std::io::BufReader;
use std::process::Command;

use skaas_git::source_repo::{IngestError, IngestLimits, Phase, SourceRepo};

use crate::source::hand_pack::HandPack;
use crate::source::{Work, fsck};
use crate::{Repo, blob_id, collection, refuses};

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
        let id = crate::source::parse_id(&line[..40]);
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
