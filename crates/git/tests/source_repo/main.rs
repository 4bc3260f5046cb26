//! A creator's repository without a network: packs arrive, are refused, listed and merged. Packs of real git, and packs
//! that no git would write.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(clippy::format_collect, reason = "short texts, made once")]

mod arrival;
mod merging;
mod refusals;
mod snapshots;
#[path = "../source/mod.rs"]
mod source;

use source::Work;

use std::os::unix::fs::PermissionsExt as _;

use skaas_git::delta::DeltaBuilder;
use skaas_git::object::{Kind, ObjectId, hash_object};
use skaas_git::source_repo::{IngestError, IngestLimits, Ingested, SourceRepo};

/// Bytes that nothing makes smaller.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(word).take(length / 8).flatten().collect()
}

pub(crate) struct Repo {
    pub(crate) repo: SourceRepo,
    _dir: tempfile::TempDir,
}

impl Repo {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { repo: SourceRepo::open(dir.path().join("packs")).unwrap(), _dir: dir }
    }

    pub(crate) fn ingest(&self, pack: &[u8]) -> Result<Ingested, IngestError> {
        self.repo.ingest(pack, &IngestLimits::default(), &mut |_| ())
    }

    pub(crate) fn accept(&self, pack: &[u8]) -> Ingestion {
        let ingested = self.ingest(pack).unwrap();
        let ingestion = Ingestion { objects: ingested.objects(), borrowed: ingested.borrowed() };
        self.repo.accept(ingested).unwrap();
        ingestion
    }

    /// The error, with the certainty that nothing was left behind.
    pub(crate) fn refuses(&self, pack: &[u8], limits: &IngestLimits) -> IngestError {
        let before = self.files();
        let error = self.repo.ingest(pack, limits, &mut |_| ()).unwrap_err();
        assert_eq!(self.files(), before);
        assert!(!error.is_internal(), "{error:?}");
        error
    }

    pub(crate) fn files(&self) -> Vec<std::ffi::OsString> {
        let mut names: Vec<_> =
            std::fs::read_dir(self.repo.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }
}

pub(crate) struct Ingestion {
    pub(crate) objects: u32,
    pub(crate) borrowed: u32,
}

pub(crate) fn refuses(pack: &[u8]) -> IngestError {
    Repo::new().refuses(pack, &IngestLimits::default())
}

pub(crate) fn blob_id(data: &[u8]) -> ObjectId {
    hash_object(Kind::Blob, data)
}

/// A delta that makes `result` of `base` by brute insertion.
pub(crate) fn insertion(base: &[u8], result: &[u8]) -> Vec<u8> {
    let mut builder = DeltaBuilder::new(base.len() as u64, result.len() as u64);
    builder.insert(result);
    builder.finish()
}

/// A repository with folders, many versions and a merge, for packs with real deltas.
pub(crate) fn collection() -> Work {
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
