//! Real `git push` against this crate over HTTP; what it stored is then read by real git.

#![allow(clippy::format_collect, reason = "short texts, made once")]

mod source;

use source::server::Server;
use source::{Work, fsck};

use std::process::Output;

use skaas_git::source_repo::IngestLimits;

fn push(work: &Work, server: &Server, args: &[&str]) -> Output {
    let url = server.url();
    let args = [&["push"][..], args].concat();
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "@" { url.as_str() } else { *arg }).collect();
    work.try_git(args)
}

fn pushed(work: &Work, server: &Server, args: &[&str]) -> String {
    let output = push(work, server, args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn refused(work: &Work, server: &Server, args: &[&str]) -> String {
    let before = (server.refs(), server.files());
    let output = push(work, server, args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert_eq!((server.refs(), server.files()), before, "nothing of a refused push stays");
    text
}

/// Text that deltas well against its neighbours and is different for each seed.
fn text(seed: usize, lines: usize) -> String {
    (0..lines).map(|line| format!("line {line} of {}\n", if line % 10 == 0 { seed } else { 0 })).collect()
}

#[test]
fn a_first_push_is_stored_as_git_sent_it() {
    let (work, server) = (Work::repo(), Server::start());
    work.write("SKILL.md", "hello\n");
    work.write("scripts/run.sh", "#!/bin/sh\n");
    work.commit("one");
    let shown = pushed(&work, &server, &["@", "main"]);
    assert!(shown.contains("remote: kept as a draft"), "{shown}");
    assert!(shown.contains("remote: see the list"), "{shown}");
    assert_eq!(server.refs(), [("refs/heads/main".to_owned(), work.id("main"))]);
    let bare = server.fsck();
    assert_eq!(bare.git(["show", "main:SKILL.md"]), "hello");
}

#[test]
fn an_incremental_push_is_thin_and_made_whole() {
    let (work, server) = (Work::repo(), Server::start());
    work.write("big.md", text(1, 400));
    work.commit("one");
    pushed(&work, &server, &["@", "main"]);
    let first = server.state.pushes.lock().unwrap()[0].1;
    for seed in 2..6 {
        work.write("big.md", text(seed, 400));
        work.commit("more");
        pushed(&work, &server, &["--thin", "@", "main"]);
    }
    let later = server.state.pushes.lock().unwrap()[1].1;
    assert!(later < first / 2, "the pack was thin: {later} against {first}");
    assert_eq!(server.state.repo.packs().len(), 5);
    // Each pack stands alone, which `verify-pack` inside looks at.
    let bare = server.fsck();
    assert_eq!(bare.git(["show", "main:big.md"]) + "\n", text(5, 400));
}

#[test]
fn force_push_tags_and_deletion_do_what_they_say() {
    let (work, server) = (Work::repo(), Server::start());
    work.commit("one");
    work.git(["tag", "light"]);
    work.git(["tag", "-a", "-m", "notes", "v1.0.0"]);
    pushed(&work, &server, &["@", "main", "light", "v1.0.0"]);
    work.git(["commit", "-q", "--amend", "--allow-empty", "-m", "other"]);
    work.git(["branch", "side"]);
    let text = refused(&work, &server, &["@", "main"]);
    assert!(text.contains("fetch first") || text.contains("non-fast-forward"), "{text}");
    pushed(&work, &server, &["--force", "@", "main", "side"]);
    pushed(&work, &server, &["@", "--delete", "side", "light"]);
    let names: Vec<String> = server.refs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["refs/heads/main", "refs/tags/v1.0.0"]);
    assert_eq!(server.refs()[0].1, work.id("main"));
    let text = refused(&work, &server, &["@", "--delete", "main"]);
    assert!(text.contains("cannot be deleted"), "{text}");
    assert_eq!(server.fsck().git(["cat-file", "-t", "v1.0.0"]), "tag");
}

#[test]
fn an_atomic_push_is_all_or_nothing() {
    let (work, server) = (Work::repo(), Server::start());
    work.commit("one");
    pushed(&work, &server, &["@", "main"]);
    work.commit("two");
    work.git(["update-ref", "refs/notes/x", "HEAD"]);
    let text = refused(&work, &server, &["--atomic", "@", "main", "refs/notes/x"]);
    assert!(text.contains("refs/notes/x"), "{text}");
    let output = push(&work, &server, &["@", "main", "refs/notes/x"]);
    assert!(!output.status.success());
    assert_eq!(server.refs(), [("refs/heads/main".to_owned(), work.id("main"))]);
    work.git(["tag", "a"]);
    work.git(["branch", "b"]);
    pushed(&work, &server, &["--atomic", "@", "a", "b"]);
    assert_eq!(server.refs().len(), 3);
}

#[test]
fn a_large_push_comes_in_chunks_after_a_probe() {
    let (work, server) = (Work::repo(), Server::start());
    // Does not compress: the pack is larger than the buffer git keeps.
    let noise: Vec<u8> = (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    work.write("noise.bin", noise);
    work.commit("one");
    pushed(&work, &server, &["@", "main"]);
    assert!(*server.state.chunked.lock().unwrap());
    work.write("more.bin", vec![7; 100_000]);
    work.commit("two");
    let url = server.url();
    work.git(["-c", "http.postBuffer=1", "push", &url, "main"]);
    assert_eq!(server.state.pushes.lock().unwrap().len(), 2, "probes are not pushes");
    server.fsck();
}

#[test]
fn push_options_and_quietness_arrive() {
    let (work, server) = (Work::repo(), Server::start());
    work.commit("one");
    let shown = pushed(&work, &server, &["--quiet", "-o", "release=no", "-o", "note=a b", "@", "main"]);
    assert!(shown.contains("remote: kept as a draft") && !shown.contains("Progress"), "{shown}");
    let pushes = server.state.pushes.lock().unwrap();
    assert_eq!(pushes[0].0.push_options, ["release=no", "note=a b"]);
    assert!(pushes[0].0.capabilities.quiet);
}

#[test]
fn a_push_that_lost_a_race_is_told_so() {
    let (work, server) = (Work::repo(), Server::start());
    work.commit("one");
    pushed(&work, &server, &["@", "main"]);
    let seen = server.refs();
    work.commit("two");
    pushed(&work, &server, &["@", "main"]);
    *server.state.stale_refs.lock().unwrap() = Some(seen);
    work.commit("three");
    let text = refused(&work, &server, &["--force", "@", "main"]);
    assert!(text.contains("stale info"), "{text}");
}

#[test]
fn a_push_from_a_shallow_clone_works_when_its_boundary_is_known() {
    let (work, server) = (Work::repo(), Server::start());
    for message in ["one", "two", "three"] {
        work.write("file", message);
        work.commit(message);
    }
    pushed(&work, &server, &["@", "main"]);
    let shallow = Work::empty();
    let from = format!("file://{}", work.path().display());
    shallow.git(["clone", "-q", "--depth", "1", &from, "."]);
    shallow.write("file", "four");
    shallow.commit("four");
    pushed(&shallow, &server, &["@", "main"]);
    let stranger = Server::start();
    let text = refused(&shallow, &stranger, &["@", "main"]);
    assert!(text.contains("missing necessary objects"), "{text}");
    server.fsck();
}

#[test]
fn one_thousand_branches_are_one_push() {
    let (work, server) = (Work::repo(), Server::start());
    work.commit("one");
    let main = work.id("main");
    let lines: String = (0..999).map(|n| format!("create refs/heads/b{n} {main}\n")).collect();
    work.feed(["update-ref", "--stdin"], lines.as_bytes());
    pushed(&work, &server, &["@", "--all"]);
    assert_eq!(server.refs().len(), 1_000);
}

#[test]
fn hostile_trees_are_refused_by_name() {
    let server = Server::start();
    for (name, mode) in [
        (&b".git"[..], "40000"),
        (b".GIT", "40000"),
        (b".git ", "40000"),
        (b"git~1", "40000"),
        (".g\u{200c}it".as_bytes(), "40000"),
        (b"..", "40000"),
        (b".", "40000"),
        (b"a/b", "100644"),
        (b".gitmodules", "120000"),
        (b"padded", "0100644"),
        (b"odd", "100600"),
    ] {
        let work = Work::repo();
        let folder = mode == "40000";
        let target = if folder { work.raw_object("tree", b"") } else { work.raw_object("blob", b"x") };
        let tree = source::hand_pack::tree(&[(mode, name, target)]);
        let id = work.raw_object("tree", &tree);
        work.commit_tree(id);
        let text = refused(&work, &server, &["@", "main"]);
        assert!(text.contains("remote: refused: tree") && text.contains(&id.to_string()), "{name:?}: {text}");
    }
}

#[test]
fn unsorted_and_doubled_entries_are_refused() {
    let server = Server::start();
    let work = Work::repo();
    let blob = work.raw_object("blob", b"x");
    for names in [[&b"b"[..], b"a"], [b"a", b"a"]] {
        let tree = source::hand_pack::tree(&names.map(|name| ("100644", name, blob)));
        let id = work.raw_object("tree", &tree);
        work.commit_tree(id);
        let text = refused(&work, &server, &["@", "main"]);
        assert!(text.contains("the tree "), "{text}");
    }
}

#[test]
fn a_submodule_that_runs_commands_is_refused_and_a_plain_one_kept() {
    let server = Server::start();
    let work = Work::repo();
    work.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch${IFS}/tmp/x\n");
    work.commit("evil");
    let text = refused(&work, &server, &["@", "main"]);
    assert!(text.contains("unsafe url"), "{text}");
    let work = Work::repo();
    work.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = https://example.com/x.git\n");
    work.git(["update-index", "--add", "--cacheinfo", "160000,1111111111111111111111111111111111111111,x"]);
    work.commit("plain");
    pushed(&work, &server, &["@", "main"]);
    fsck(server.state.repo.dir(), &server.state.repo.packs(), &server.refs());
}

#[test]
fn a_bad_commit_behind_a_good_tip_is_refused() {
    let (work, server) = (Work::repo(), Server::start());
    let tree = work.raw_object("tree", b"");
    let bad = format!("tree {tree}\nauthor Ann <a@b> 1\ncommitter Ann <a@b> 1 +0000\n\nx\n");
    let bad = work.raw_object("commit", bad.as_bytes());
    work.git(["update-ref", "refs/heads/main", &bad.to_string()]);
    work.commit("fine");
    let text = refused(&work, &server, &["@", "main"]);
    assert!(text.contains("a date has no time zone"), "{text}");
}

#[test]
fn limits_are_named_to_the_pusher() {
    let limits = IngestLimits { blob_bytes: 1_000, objects: 10, ..IngestLimits::default() };
    let server = Server::with_limits(limits);
    let work = Work::repo();
    work.write("big", [b'x'; 1_001]);
    work.commit("big");
    let text = refused(&work, &server, &["@", "main"]);
    assert!(text.contains("bytes of one file over the limit of 1000"), "{text}");
    let work = Work::repo();
    for number in 0..10 {
        work.write(&format!("f{number}"), number.to_string());
    }
    work.commit("many");
    let text = refused(&work, &server, &["@", "main"]);
    assert!(text.contains("objects over the limit of 10"), "{text}");
}

#[test]
fn a_branch_points_at_a_commit() {
    let (work, server) = (Work::repo(), Server::start());
    work.write("a", "x");
    work.commit("one");
    let text = refused(&work, &server, &["@", "HEAD^{tree}:refs/heads/tree"]);
    assert!(text.contains("a branch cannot point at a tree"), "{text}");
    pushed(&work, &server, &["@", "HEAD:refs/heads/main", "HEAD^{tree}:refs/tags/tree"]);
}
