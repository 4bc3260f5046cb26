//! A creator's second machine: real `git clone` and `git fetch` from a source, in every version of
//! the protocol, with `git fsck --strict` after each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(clippy::format_collect, reason = "short texts, made once")]

mod source;

use source::Work;
use source::server::Server;

const VERSIONS: [&str; 3] = ["protocol.version=0", "protocol.version=1", "protocol.version=2"];

/// A source with branches, a merge, a tag of a tag, files in folders, pushed to a server.
fn history(steps: usize) -> (Work, Server) {
    let (work, server) = (Work::repo(), Server::start());
    for step in 0..steps {
        let lines: String =
            (0..80).map(|line| format!("line {line} {}\n", if line == step { "!" } else { "" })).collect();
        work.write("docs/guide.md", lines);
        work.write(&format!("skills/s{}/SKILL.md", step % 4), format!("skill {step}\n"));
        commit_at(&work, &format!("step {step}"), step);
        if step == steps / 2 {
            work.git(["branch", "side"]);
            work.git(["tag", "-a", "-m", "half", "v0.5"]);
        }
    }
    work.git(["checkout", "-q", "side"]);
    work.write("side.md", "beside\n");
    commit_at(&work, "beside", steps);
    work.git(["checkout", "-q", "main"]);
    let date = date(steps + 1);
    let merged = source::git(work.path())
        .args(["merge", "-q", "--no-ff", "-m", "merge", "side"])
        .env("GIT_COMMITTER_DATE", &date)
        .env("GIT_AUTHOR_DATE", &date)
        .status();
    assert!(merged.unwrap().success());
    work.git(["tag", "-a", "-m", "whole", "v1.0"]);
    work.git(["tag", "light"]);
    work.git(["push", "-q", &server.url(), "--all"]);
    work.git(["push", "-q", &server.url(), "--tags"]);
    (work, server)
}

fn date(step: usize) -> String {
    format!("{} +0000", 1_700_000_000 + 86_400 * step)
}

fn commit_at(work: &Work, message: &str, step: usize) {
    work.git(["add", "-A"]);
    let status = source::git(work.path())
        .args(["commit", "-q", "-m", message])
        .env("GIT_COMMITTER_DATE", date(step))
        .env("GIT_AUTHOR_DATE", date(step))
        .status();
    assert!(status.unwrap().success());
}

fn clone(server: &Server, version: &str, options: &[&str]) -> Work {
    let work = Work::empty();
    let url = server.url();
    let args = [&["-c", version, "clone", "-q"], options, &[url.as_str(), "."]].concat();
    work.git(args);
    work.git(["config", "protocol.version", version.rsplit('=').next().unwrap()]);
    check(&work);
    work
}

fn check(work: &Work) {
    work.git(["fsck", "--full", "--strict", "--no-dangling"]);
    assert_eq!(work.git(["status", "--porcelain"]), "");
}

fn commits(work: &Work, of: &str) -> usize {
    work.git(["rev-list", "--count", of]).parse().unwrap()
}

#[test]
fn a_full_clone_is_the_source() {
    let (work, server) = history(12);
    for version in VERSIONS {
        let copy = clone(&server, version, &[]);
        for name in ["main", "origin/side", "v0.5", "v1.0", "light"] {
            let origin = name.strip_prefix("origin/").unwrap_or(name);
            assert_eq!(copy.id(name), work.id(origin), "{version} {name}");
        }
        assert_eq!(commits(&copy, "main"), commits(&work, "main"));
        assert_eq!(copy.git(["symbolic-ref", "refs/remotes/origin/HEAD"]), "refs/remotes/origin/main");
    }
}

#[test]
fn a_clone_of_one_branch_brings_its_tags() {
    let (_, server) = history(12);
    for version in VERSIONS {
        let copy = clone(&server, version, &["--single-branch", "--branch", "side"]);
        assert_eq!(copy.git(["tag", "-l"]), "v0.5", "{version}");
    }
}

#[test]
fn an_empty_source_clones_and_can_be_pushed_to() {
    for version in VERSIONS {
        let server = Server::start();
        let copy = Work::empty();
        copy.git(["-c", version, "clone", "-q", &server.url(), "."]);
        copy.write("SKILL.md", "first\n");
        copy.commit("first");
        copy.git(["push", "-q", "origin", "HEAD:main"]);
        server.fsck();
    }
}

#[test]
fn a_pull_sends_only_what_is_new() {
    for version in VERSIONS {
        let (work, server) = history(12);
        let copy = clone(&server, version, &[]);
        let all = server.state.sent.lock().unwrap()[0];
        work.write("skills/s1/SKILL.md", "changed\n");
        work.commit("one more");
        work.git(["push", "-q", &server.url(), "main"]);
        copy.git(["pull", "-q", "--ff-only"]);
        check(&copy);
        assert_eq!(copy.id("main"), work.id("main"));
        // One commit, one file, and the three folders above it.
        assert_eq!(server.state.sent.lock().unwrap()[1], 5, "{version}: of {all}");
        copy.git(["fetch", "-q"]);
        assert_eq!(server.state.sent.lock().unwrap().len(), 2, "nothing to fetch");
    }
}

#[test]
fn a_diverged_copy_fetches_the_other_side() {
    for version in VERSIONS {
        let (work, server) = history(6);
        let copy = clone(&server, version, &[]);
        // More own commits than git names in its first rounds of negotiation.
        let mut own = String::new();
        for number in 0..70 {
            let from = if number == 0 { "from refs/heads/main^0" } else { "" };
            let date = 1_800_000_000 + number;
            let line = format!("committer A <a@b> {date} +0000");
            own += &["commit refs/heads/main", &line, "data 3", "own", from, ""].join("\n");
        }
        copy.feed(["fast-import", "--quiet"], own.as_bytes());
        work.git(["commit", "-q", "--amend", "-m", "another merge"]);
        work.git(["push", "-q", "--force", &server.url(), "main"]);
        copy.git(["fetch", "-q"]);
        check(&copy);
        assert_eq!(copy.id("origin/main"), work.id("main"));
    }
}

#[test]
fn depths_are_those_of_git() {
    let (work, server) = history(12);
    let local = format!("file://{}", work.path().display());
    for version in VERSIONS {
        for depth in ["1", "2", "3", "7", "100"] {
            let copy = clone(&server, version, &["--depth", depth]);
            let theirs = Work::empty();
            theirs.git(["clone", "-q", "--depth", depth, &local, "."]);
            assert_eq!(
                copy.git(["rev-list", "main"]),
                theirs.git(["rev-list", "main"]),
                "{version} --depth {depth}"
            );
            let shallow = |work: &Work| std::fs::read_to_string(work.path().join(".git/shallow")).ok();
            assert_eq!(sorted(shallow(&copy)), sorted(shallow(&theirs)), "{version} --depth {depth}");
        }
    }
}

fn sorted(text: Option<String>) -> Option<Vec<String>> {
    let mut lines: Vec<String> = text?.lines().map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}

#[test]
fn a_shallow_copy_deepens_pulls_and_becomes_whole() {
    for version in VERSIONS {
        let (work, server) = history(12);
        let local = format!("file://{}", work.path().display());
        let theirs = Work::empty();
        // Without tags: git 2.39 over v0 stores a tag that came with a deepening only at the next fetch, and
        // then asks for that tag alone, of git's own server as well.
        theirs.git(["clone", "-q", "--no-tags", "--depth", "1", &local, "."]);
        let copy = clone(&server, version, &["--no-tags", "--depth", "1"]);
        let step = |args: &[&str]| {
            theirs.git(args);
            copy.git(args);
            check(&copy);
            assert_eq!(
                copy.git(["rev-list", "main"]),
                theirs.git(["rev-list", "main"]),
                "{version} {args:?}"
            );
        };
        step(&["fetch", "-q", "--deepen", "2"]);
        step(&["fetch", "-q", "--depth", "2"]);
        work.write("new.md", "new\n");
        commit_at(&work, "new", 20);
        work.git(["push", "-q", &server.url(), "main"]);
        step(&["pull", "-q", "--ff-only"]);
        step(&["fetch", "-q", "--deepen", "3"]);
        step(&["fetch", "-q", "--shallow-since", &date(4)]);
        step(&["fetch", "-q", "--unshallow"]);
        assert_eq!(commits(&copy, "main"), commits(&work, "main"));
        step(&["fetch", "-q", "--depth", "1"]);
    }
}

#[test]
fn history_is_cut_by_date_and_by_tag() {
    let (work, server) = history(12);
    let local = format!("file://{}", work.path().display());
    for version in VERSIONS {
        for cut in [format!("--shallow-since={}", date(8)), "--shallow-exclude=v0.5".to_owned()] {
            let copy = clone(&server, version, &[&cut]);
            let theirs = Work::empty();
            theirs.git(["clone", "-q", &cut, &local, "."]);
            assert_eq!(copy.git(["rev-list", "main"]), theirs.git(["rev-list", "main"]), "{version} {cut}");
        }
        let copy = Work::empty();
        let late = format!("--shallow-since={}", date(400));
        let output = copy.try_git(["-c", version, "clone", "-q", &late, &server.url(), "."]);
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("no commits selected"), "{version}: {text}");
        let copy = Work::empty();
        let output =
            copy.try_git(["-c", version, "clone", "-q", "--shallow-exclude=none", &server.url(), "."]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("not a ref: none"), "{version}");
    }
}

#[test]
fn objects_by_id_are_old_tips_or_refused() {
    let (work, server) = history(6);
    for version in VERSIONS {
        let copy = Work::repo();
        let old = work.id("main~2").to_string();
        copy.git(["-c", version, "fetch", "-q", &server.url(), &old]);
        assert_eq!(copy.id("FETCH_HEAD").to_string(), old);
        let file = work.id("main:side.md").to_string();
        let output = copy.try_git(["-c", version, "fetch", "-q", &server.url(), &file]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("not our ref"), "{version}: {text}");
    }
}

#[test]
fn a_filter_is_ignored_with_a_warning() {
    let (work, server) = history(6);
    for version in VERSIONS {
        let copy = clone(&server, version, &["--filter=blob:none"]);
        assert_eq!(copy.id("main"), work.id("main"));
    }
}

#[test]
fn tags_of_trees_and_files_are_fetched() {
    let (work, server) = history(4);
    work.git(["tag", "-a", "-m", "a file", "file", "main:side.md"]);
    work.git(["tag", "folder", "main:docs"]);
    work.git(["push", "-q", &server.url(), "--tags"]);
    for version in VERSIONS {
        let copy = clone(&server, version, &[]);
        copy.git(["fetch", "-q", "--tags"]);
        check(&copy);
        assert_eq!(copy.id("file^{}"), work.id("main:side.md"));
        assert_eq!(copy.id("folder"), work.id("main:docs"));
    }
}

#[test]
fn merged_packs_serve_as_well() {
    let (work, server) = history(12);
    for number in 0..22 {
        work.write("more.md", number.to_string());
        work.commit("more");
        work.git(["push", "-q", &server.url(), "main"]);
    }
    let repo = &server.state.repo;
    assert!(repo.wants_consolidation());
    let tips: Vec<_> = server.refs().into_iter().map(|(_, id)| id).collect();
    repo.accept_consolidated(repo.consolidate(&tips).unwrap()).unwrap();
    assert_eq!(repo.packs().len(), 1);
    let copy = clone(&server, VERSIONS[2], &[]);
    assert_eq!(copy.id("main"), work.id("main"));
    copy.write("back.md", "back\n");
    copy.commit("back");
    copy.git(["push", "-q", "origin", "main"]);
    server.fsck();
}
