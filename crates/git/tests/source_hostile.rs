//! A law: what is accepted here, `git index-pack --strict` accepts too. Objects and packs are made
//! from the pieces that past attacks on git were made of.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod source;

use source::Work;
use source::hand_pack::{HandPack, tree};

use std::io::Write as _;
use std::process::Stdio;
use std::sync::OnceLock;

use proptest::prelude::*;
use sha1::{Digest as _, Sha1};
use skaas_git::object::{Kind, ObjectId, hash_object};
use skaas_git::source_repo::{IngestError, IngestLimits, SourceRepo};

fn accepted_here(pack: &[u8]) -> Result<(), IngestError> {
    let dir = tempfile::tempdir().unwrap();
    let repo = SourceRepo::open(dir.path()).unwrap();
    repo.ingest(pack, &IngestLimits::default(), &mut |_| ()).map(|_| ())
}

fn accepted_by_git(pack: &[u8]) -> Result<(), String> {
    let work = Work::empty();
    work.git(["init", "-q", "--bare", "."]);
    let mut child = source::git(work.path())
        .args(["index-pack", "--strict", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // git closes its end where it gives up.
    let _ = stdin.write_all(pack);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns whether both accept.
fn law(pack: &[u8]) -> Result<bool, TestCaseError> {
    if accepted_here(pack).is_err() {
        return Ok(false);
    }
    let git = accepted_by_git(pack);
    prop_assert!(git.is_ok(), "git refuses: {git:?}");
    Ok(true)
}

const BLOB: &[u8] = b"x";

fn names() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        ".git",
        ".GIT",
        "git",
        "~1",
        "~",
        "1",
        ".",
        "..",
        " ",
        "\u{200c}",
        "\u{feff}",
        "a",
        "B",
        "modules",
        "attributes",
        "GITMOD",
        "GI7EBA",
        "gi7d29",
        ":",
        "::$DATA",
        "\\",
        "/",
        "\u{7f}",
        "é",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 1..4)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

fn modes() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => prop::sample::select(vec!["100644", "100755", "120000", "40000", "160000"]),
        1 => prop::sample::select(vec!["100666", "040000", "0100644", "100600", "755", "", "170000"]),
    ]
}

/// git's order, by a simpler way than the one under test.
fn sort_key(entry: &(&'static str, Vec<u8>)) -> Vec<u8> {
    let mut key = entry.1.clone();
    if entry.0 == "40000" {
        key.push(b'/');
    }
    key
}

fn pack_with_tree(entries: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    let blob = hash_object(Kind::Blob, BLOB);
    let empty = hash_object(Kind::Tree, b"");
    let lines: Vec<_> = entries
        .iter()
        .map(|(mode, name)| match *mode {
            "40000" | "040000" => (*mode, name.as_slice(), empty),
            "160000" => (*mode, name.as_slice(), ObjectId::from([7; 20])),
            _ => (*mode, name.as_slice(), blob),
        })
        .collect();
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, BLOB);
    if !entries.is_empty() {
        pack.whole(Kind::Tree, b"");
    }
    pack.whole(Kind::Tree, &tree(&lines));
    pack.finish()
}

fn pack_with_blob(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut pack = HandPack::default();
    pack.whole(Kind::Blob, content);
    pack.whole(Kind::Tree, &tree(&[("100644", name, hash_object(Kind::Blob, content))]));
    pack.finish()
}

fn pack_with(kind: Kind, content: &str) -> Vec<u8> {
    let mut pack = HandPack::default();
    pack.whole(Kind::Tree, b"");
    pack.whole(kind, content.as_bytes());
    pack.finish()
}

/// A real pack with deltas, to be damaged.
fn real_pack() -> &'static [u8] {
    static PACK: OnceLock<Vec<u8>> = OnceLock::new();
    PACK.get_or_init(|| {
        let work = Work::repo();
        for version in 0..6 {
            let lines = (0..60).map(|line| if line == version { "changed\n" } else { "the same\n" });
            work.write("a/file", lines.collect::<String>());
            work.commit("version");
        }
        work.pack(&["main"], &["--delta-base-offset"])
    })
}

#[test]
fn the_law_is_not_empty() {
    let plain = [("100644", b"a".to_vec()), ("40000", b"b".to_vec()), ("160000", b"c".to_vec())];
    assert!(law(&pack_with_tree(&plain)).unwrap());
    assert!(law(real_pack()).unwrap());
    let modules = b"[submodule \"x\"]\n\tpath = x\n\turl = ../x\n";
    assert!(law(&pack_with_blob(b".gitmodules", modules)).unwrap());
    let evil = [
        pack_with_tree(&[("40000", b".git".to_vec())]),
        pack_with_blob(b".gitmodules", b"[submodule \"..\"]\n\tpath = x\n\turl = ../x\n"),
        pack_with(Kind::Commit, "tree 0\n"),
    ];
    for pack in evil {
        assert!(!law(&pack).unwrap());
        assert!(accepted_by_git(&pack).is_err(), "the oracle sees it as well");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn trees(mut entries in prop::collection::vec((modes(), names()), 1..5), sorted in prop::bool::weighted(0.8)) {
        if sorted {
            entries.sort_by_key(sort_key);
        }
        law(&pack_with_tree(&entries))?;
    }

    #[test]
    fn commits_and_tags(
        people in prop::collection::vec("[A<> ]{0,3}[<]?[a@]{0,2}[>]?[ ]?[019]{1,3}[ ]?[+-]?[0-9]{4}", 2),
        end in prop_oneof![Just("\n\nmessage\n"), Just("\n"), Just(""), Just("\n\nnul\0\n"), Just("\nencoding x\n\nm")],
    ) {
        let (author, committer) = (&people[0], &people[1]);
        let empty = hash_object(Kind::Tree, b"");
        law(&pack_with(Kind::Commit, &format!("tree {empty}\nauthor {author}\ncommitter {committer}{end}")))?;
        law(&pack_with(Kind::Commit, &format!("tree {empty}\nauthor A <a@b> 1 +0000\ncommitter {committer}{end}")))?;
        law(&pack_with(Kind::Tag, &format!("object {empty}\ntype tree\ntag v1\ntagger {committer}{end}")))?;
    }

    #[test]
    fn submodule_settings(
        lines in prop::collection::vec(
            (
                prop::sample::select(vec!["[submodule \"x\"]", "[submodule \"..\"]", "[submodule \"a/../b\"]",
                    "[Submodule \"a\\\"\"]", "[submodule...]",
                    "[submodule.a]", "[other][submodule \"..\"]", "# c \\", "\u{feff}[submodule \"x\"]", "[submodule]", "[other]", "", "#"]),
                prop::sample::select(vec!["url", "path", "update", "URL", " url ", "ur\\\nl", ";url"]),
                prop::sample::select(vec!["=", " = ", "\t=\t\"", ""]),
                prop::sample::select(vec!["-x", "\"-x\"", "!cmd", "a", "../a", "https://h/%0a", "http::x", "https:///a",
                    "https:a", "-\\\nx", "a\r", "\"a\r\"", "\\x", "a ; -x", "ext::x", "./%0d", "../../:x", "https://:1/"]),
                prop::sample::select(vec!["\n", "\r\n", "\"\n", "", " # c\n"]),
            ),
            1..4,
        ),
    ) {
        let text: String = lines
            .iter()
            .map(|(section, key, equals, value, end)| [*section, "\n", key, equals, value, end].concat())
            .collect();
        law(&pack_with_blob(b".gitmodules", text.as_bytes()))?;
        law(&pack_with_blob(b".GitModules .", text.as_bytes()))?;
    }

    #[test]
    fn damaged_packs_with_a_correct_sum(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut pack = real_pack().to_vec();
        let end = pack.len() - 20;
        for (at, value) in changes {
            pack[at.index(end)] = value;
        }
        let sum = Sha1::digest(&pack[..end]);
        pack[end..].copy_from_slice(&sum);
        law(&pack)?;
    }
}
