//! Holds the data plane to the only judge there is: what we write, real git indexes, checks and
//! reads back. Refuses to look inside our own types.
#![expect(clippy::unwrap_used, reason = "a test that cannot run git is to fail loudly")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use proptest::prelude::*;
use skaas_git::bundle::{Bundle, BundleFile};
use skaas_git::object::{CommitSpec, Kind, ObjectId, RawCommit, Signature, hash_object};
use skaas_git::pack::{Pack, PackItem, PackPrefix, clone_pack, delta_entry, object_entry, write_pack};
use skaas_git::rope::Rope;
use skaas_git::splice::{Base, Document, Fragment};
use skaas_git::tree_build::{Leaf, LeafMode, TreeSet, build_trees};

/// A repository of real git, without any configuration of the person who runs the tests.
struct Repo(tempfile::TempDir);

impl Repo {
    fn new() -> Self {
        let repo = Self(tempfile::tempdir().unwrap());
        repo.git(&["init", "--quiet", "--bare"], b"");
        repo
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn try_git(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // fsck reports some things on stderr and ends well nevertheless.
        if output.status.success() && !said.contains("error") && !said.contains("missing") {
            Ok(output.stdout)
        } else {
            Err(format!("git {args:?}: {said}"))
        }
    }

    fn git(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        self.try_git(args, input).unwrap()
    }

    /// Takes a pack as a fetch does, with all checks, and completes a thin one.
    fn take(&self, pack: &Pack) {
        let args = ["index-pack", "--strict", "--stdin", "--fix-thin"];
        let said = self.git(&args, &pack.rope().to_vec());
        // With bases from outside the completed pack has another name.
        assert!(!said.is_empty());
    }

    fn fsck(&self, tip: ObjectId) {
        self.git(&["update-ref", "refs/heads/main", &tip.to_string()], b"");
        self.git(&["fsck", "--strict", "--full"], b"");
    }

    fn read(&self, kind: &str, name: &str) -> Vec<u8> {
        self.git(&["cat-file", kind, name], b"")
    }
}

fn commit(tree: ObjectId, parents: &[ObjectId], message: &str) -> RawCommit {
    let author = Signature { name: "Ann \"the <creator>\"".into(), email: "ann@example.com".into() };
    CommitSpec { tree, parents, author: &author, date: 1_700_000_000, message }.encode()
}

fn raw(kind: Kind, data: &[u8]) -> PackItem<'_> {
    PackItem::Raw { kind, data }
}

type Files = BTreeMap<String, (bool, Vec<u8>)>;

fn bundle_of(files: &Files) -> Bundle {
    Bundle::build(files.iter().map(|(path, (executable, content))| BundleFile {
        path,
        executable: *executable,
        content,
    }))
    .unwrap()
}

fn assert_shows(repo: &Repo, commit: ObjectId, files: &Files) {
    let listed = repo.git(&["ls-tree", "-r", "-z", &commit.to_string()], b"");
    let listed = String::from_utf8(listed).unwrap();
    let lines: Vec<&str> = listed.split_terminator('\0').collect();
    assert_eq!(lines.len(), files.len());
    for (path, (executable, content)) in files {
        let mode = if *executable { "100755" } else { "100644" };
        let id = hash_object(Kind::Blob, content);
        assert!(lines.contains(&format!("{mode} blob {id}\t{path}").as_str()), "{path} in {lines:?}");
        assert_eq!(&repo.read("blob", &id.to_string()), content);
    }
}

fn file_sets() -> impl Strategy<Value = Files> {
    let content = prop_oneof![
        "[a-z\n ]{0,400}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..400),
        (any::<u8>(), 0usize..90_000).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let name = "[a-zA-Zäß.-]{1,3}[a-z]";
    prop::collection::btree_map(
        prop::collection::vec(name, 1..4).prop_map(|names| names.join("/")),
        (any::<bool>(), content),
        0..8,
    )
    .prop_map(|files: Files| {
        let paths: Vec<String> = files.keys().cloned().collect();
        let is_folder = |path: &str| {
            let folder = format!("{path}/");
            paths.iter().any(|other| other.starts_with(&folder))
        };
        files.into_iter().filter(|(path, _)| !is_folder(path)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn git_takes_a_clone_and_an_update_of_any_files(
        first in file_sets(), second in file_sets(), message in any::<String>(),
    ) {
        let repo = Repo::new();
        let (one, two) = (bundle_of(&first), bundle_of(&second));
        let root = commit(one.tree(), &[], &message);
        repo.take(&clone_pack(&one, &root.data));
        repo.fsck(root.id);
        assert_shows(&repo, root.id, &first);

        // The update brings what the first did not have, and the commits of step and root.
        let missing = two.select(|object| !one.contains(&object.id));
        let release = commit(two.tree(), &[], "release");
        let step = commit(two.tree(), &[root.id, release.id], "step");
        repo.take(&write_pack(&[
            PackItem::BundleSubset(&two, &missing),
            raw(Kind::Commit, &release.data),
            raw(Kind::Commit, &step.data),
        ]));
        repo.fsck(step.id);
        assert_shows(&repo, step.id, &second);
    }
}

#[test]
fn git_takes_two_bundles_that_share_objects_and_one_of_everything_else() {
    let files = |text: &str| -> Files {
        let shared = ("shared".to_owned(), (false, b"shared".to_vec()));
        [shared, ("own".to_owned(), (true, text.as_bytes().to_vec()))].into()
    };
    let (one, two) = (bundle_of(&files("one")), bundle_of(&files("two")));
    let (a, b) = (commit(one.tree(), &[], "a"), commit(two.tree(), &[], "b"));
    let merged = commit(two.tree(), &[a.id, b.id], "both");
    let repo = Repo::new();
    repo.take(&write_pack(&[
        PackItem::Bundle(&one),
        PackItem::Bundle(&two),
        raw(Kind::Commit, &a.data),
        PackItem::Entry(Rope::from(object_entry(Kind::Commit, &b.data))),
        raw(Kind::Commit, &merged.data),
    ]));
    repo.fsck(merged.id);
    assert_shows(&repo, a.id, &files("one"));
    assert_shows(&repo, b.id, &files("two"));
}

#[test]
fn git_takes_a_large_raw_object_and_an_empty_bundle() {
    let empty = bundle_of(&Files::new());
    let big = "x".repeat(200_000);
    let first = commit(empty.tree(), &[], &big);
    let repo = Repo::new();
    repo.take(&clone_pack(&empty, &first.data));
    repo.fsck(first.id);
    assert!(repo.read("commit", "main").ends_with(format!("{big}\n").as_bytes()));
}

/// A marketplace's trees around its one large file.
fn marketplace(document: &Document, readme: &[u8]) -> TreeSet {
    let leaf = |path, id| Leaf { path, mode: LeafMode::Regular, id };
    build_trees([
        leaf(".claude-plugin/marketplace.json", document.id()),
        leaf("README.md", hash_object(Kind::Blob, readme)),
    ])
    .unwrap()
}

fn catalogue(len: usize) -> Vec<Option<Arc<Fragment>>> {
    let fragment = |n: usize| {
        let body = format!(
            "{{\"name\": \"skill-{n}\", \"source\": {{\"source\": \"url\", \
             \"url\": \"https://skaas.example/me/skills/skill-{n}.git\"}}, \"description\": \
             \"Does thing number {} [NOT PURCHASED - run /buy to unlock]\"}}",
            n * 7919 % 1000
        );
        Arc::new(Fragment::new(",\n    ", &body))
    };
    (0..len).map(|n| (n % 11 != 3).then(|| fragment(n))).collect()
}

/// A user's marketplace repository over several states, each fetched from the one before.
#[test]
fn git_follows_a_marketplace_through_purchases_and_a_new_catalogue() {
    const README: &[u8] = b"# Your marketplace\n";
    let repo = Repo::new();
    let bought = |n: usize| Some(Arc::new(Fragment::new(",\n    ", &format!("{{\"bought\": {n}}}"))));
    let first_base = Arc::new(Base::new("{\"plugins\": [\n    ", catalogue(600), "\n]}\n"));
    let later_base = Arc::new(first_base.with_changes(&[(0, None), (599, None), (700, bought(0))]));
    let states = [
        (Arc::clone(&first_base), BTreeMap::new()),
        (Arc::clone(&first_base), [(17, bought(17))].into()),
        (first_base, [(0, bought(0)), (17, bought(17)), (599, bought(599))].into()),
        (Arc::clone(&later_base), [(1, None), (17, bought(17)), (599, bought(599))].into()),
        (later_base, BTreeMap::new()),
    ];
    let mut previous: Option<(Document, ObjectId)> = None;
    for (base, overrides) in states {
        let document = Document::new(base, &overrides);
        let set = marketplace(&document, README);
        let parents: Vec<ObjectId> = previous.iter().map(|(_, tip)| *tip).collect();
        let step = commit(set.root, &parents, "marketplace");
        let mut items: Vec<PackItem<'_>> = set.trees.iter().map(|tree| raw(Kind::Tree, &tree.data)).collect();
        items.push(raw(Kind::Commit, &step.data));
        let delta;
        if let Some((old, _)) = &previous {
            delta = document.delta_from(old).expect("few changes are worth a delta");
            items.push(PackItem::RefDelta { base: old.id(), delta: &delta });
        } else {
            items.push(raw(Kind::Blob, README));
            items.push(PackItem::Entry(document.entry()));
        }
        let pack = write_pack(&items);
        assert!(previous.is_none() || pack.len() < 1500, "{} bytes", pack.len());
        repo.take(&pack);
        repo.fsck(step.id);
        let path = "main:.claude-plugin/marketplace.json";
        assert!(repo.read("blob", path) == document.text());
        previous = Some((document, step.id));
    }
}

#[test]
fn git_takes_a_spliced_document_of_ten_thousand_slots_by_a_kept_prefix() {
    const README: &[u8] = b"# Your marketplace\n";
    let base = Arc::new(Base::new("{\"plugins\": [", catalogue(10_000), "]}\n"));
    let unlocked = Some(Arc::new(Fragment::new(",\n    ", "{\"bought\": true}")));
    let overrides = (0..20).map(|n| (n * 499, unlocked.clone())).collect();
    let document = Document::new(base, &overrides);
    let set = marketplace(&document, README);
    let mut shared: Vec<PackItem<'_>> = set.trees.iter().map(|tree| raw(Kind::Tree, &tree.data)).collect();
    shared.push(raw(Kind::Blob, README));
    shared.push(PackItem::Entry(document.entry()));
    let prefix = PackPrefix::of_items(&shared, 1);
    let tip = commit(set.root, &[], "marketplace");
    let pack = Pack::from_prefix(&prefix, &[raw(Kind::Commit, &tip.data)]);
    let repo = Repo::new();
    repo.take(&pack);
    repo.fsck(tip.id);
    assert!(repo.read("blob", &document.id().to_string()) == document.text());
}

#[test]
fn git_takes_a_stored_delta_entry_and_refuses_a_thin_pack_without_its_base() {
    let base = Arc::new(Base::new("[", catalogue(100), "]"));
    let old = Document::new(Arc::clone(&base), &BTreeMap::new());
    let new = Document::new(base, &[(5, None)].into());
    let delta = new.delta_from(&old).unwrap();
    let entry = || PackItem::Entry(Rope::from(delta_entry(old.id(), &delta)));
    let repo = Repo::new();
    let thin = write_pack(&[entry()]);
    let args = ["index-pack", "--strict", "--stdin", "--fix-thin"];
    assert!(repo.try_git(&args, &thin.rope().to_vec()).is_err());
    repo.take(&write_pack(&[PackItem::Entry(old.entry()), entry()]));
    assert!(repo.read("blob", &new.id().to_string()) == new.text());
}
