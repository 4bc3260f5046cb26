//! How long a push of a large collection takes on our side, and how much memory.
//!
//! `cargo run --release -p skaas-git --example source_ingest` makes 560 skills of 2 800 files and
//! about 41 MB, packs them with real git, and times each step. Give it a repository's folder to
//! measure that one instead.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool, run by hand")]

use std::fmt::Write as _;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use skaas_git::object::ObjectId;
use skaas_git::source_repo::{IngestLimits, SnapshotLimits, SourceRepo};

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let work = std::env::args_os().nth(1).map_or_else(|| collection(folder.path()), PathBuf::from);
    let tip = ObjectId::from_hex(git(&work, &["rev-parse", "HEAD"], b"").trim_ascii()).unwrap();
    let pack = git(&work, &["pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset"], b"HEAD\n");
    println!("pack of {} KB", pack.len() / 1024);
    let repo = SourceRepo::open(folder.path().join("packs")).unwrap();
    let before = resident();

    let start = Instant::now();
    let ingested = repo.ingest(BufReader::new(&pack[..]), &IngestLimits::default(), &mut |_| ()).unwrap();
    println!(
        "ingest     {:>7.0?}  {} objects, {} KB inflated",
        start.elapsed(),
        ingested.objects(),
        ingested.inflated_bytes() / 1024
    );
    println!("           peak memory +{} KB over the pack itself", resident() - before);
    let start = Instant::now();
    repo.accept(ingested).unwrap();
    println!("accept     {:>7.0?}", start.elapsed());
    let start = Instant::now();
    let snapshot = repo.snapshot(tip, &SnapshotLimits::default()).unwrap();
    println!("list       {:>7.0?}  {} files", start.elapsed(), snapshot.entries().len());
    let start = Instant::now();
    let bytes: usize = snapshot.entries().iter().map(|entry| snapshot.read(&entry.id).unwrap().len()).sum();
    println!("read all   {:>7.0?}  {} KB", start.elapsed(), bytes / 1024);
    let start = Instant::now();
    let merged = repo.consolidate(&[tip]).unwrap();
    println!("merge      {:>7.0?}  {:?}", start.elapsed(), merged.name());
    println!("           peak memory +{} KB in all", resident() - before);
}

/// Five files a skill, of which two are of a size that matters; text that compresses like text.
fn collection(folder: &Path) -> PathBuf {
    let work = folder.join("work");
    std::fs::create_dir(&work).unwrap();
    git(&work, &["init", "-q", "."], b"");
    let mut seed = 1_u64;
    let mut number = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 52
    };
    for skill in 0..560 {
        for (name, size) in [
            ("SKILL.md", 6_000),
            ("reference.md", 40_000),
            ("run.py", 18_000),
            ("data.json", 9_000),
            ("LICENSE", 1_100),
        ] {
            let mut text = format!("skill {skill}\n");
            while text.len() < size {
                write!(text, "w{} ", number()).unwrap();
                if text.len() % 11 == 0 {
                    text.push('\n');
                }
            }
            let path = work.join(format!("skills/s{skill}/{name}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    git(&work, &["add", "-A"], b"");
    git(&work, &["-c", "user.name=Ann", "-c", "user.email=a@b", "commit", "-q", "-m", "all"], b"");
    work
}

fn git(work: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("git")
        .current_dir(work)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The most memory this process has had, in KB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
