//! Real git against a real server process: clones, pulls, and what must never come with them.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::collections::BTreeSet;
use std::path::Path;

use skaas_testkit::git::{Git, Protocol, Ran};
use story::{House, Person, SKILL, Sight, entries, full, locked, sight};

const EVERY_PROTOCOL: [Protocol; 3] = [Protocol::V0, Protocol::V1, Protocol::V2];

/// The ids of all objects that a repository holds.
fn objects(git: &Git, repo: &Path) -> BTreeSet<String> {
    let listed =
        git.ok(repo, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered"]);
    listed.lines().map(str::to_owned).collect()
}

/// The trees and blobs of the checkout at HEAD.
fn content(git: &Git, repo: &Path) -> BTreeSet<String> {
    let listed = git.ok(repo, &["ls-tree", "-r", "-t", "--format=%(objectname)", "HEAD"]);
    let root = git.ok(repo, &["rev-parse", "HEAD^{tree}"]);
    listed.lines().map(str::to_owned).chain([root]).collect()
}

/// Fast-forwards, and checks every object that came.
#[track_caller]
fn pull(git: &Git, repo: &Path) {
    git.ok(repo, &["pull", "-q", "--ff-only"]);
    git.ok(repo, &["fsck", "--strict", "--no-dangling"]);
}

/// One person's copies, each taken in another way.
struct Copies<'a> {
    house: &'a House,
    person: Person,
    protocol: Protocol,
    git: Git,
    folders: Vec<std::path::PathBuf>,
}

impl<'a> Copies<'a> {
    fn new(house: &'a House, protocol: Protocol) -> Self {
        let person = house.person(&format!("bob-{protocol:?}").to_lowercase());
        let git = person.git.speaking(protocol);
        Self { house, person, protocol, git, folders: Vec::new() }
    }

    /// Takes a full and a depth-1 clone, and pulls all those taken before; all show the same.
    #[track_caller]
    fn all_show(&mut self, expected: &Sight) {
        for folder in &self.folders {
            pull(&self.git, folder);
        }
        let number = self.folders.len();
        for (name, options) in [("full", &[][..]), ("shallow", &["--depth", "1"])] {
            let into = format!("{name}-{number}");
            let taken = self.person.try_clone(&self.git, &self.house.server, SKILL, &into, options);
            let folder = match taken {
                Ok(folder) => folder,
                Err(ran) => {
                    self.assert_cannot_be_told(&ran, options, expected);
                    continue;
                }
            };
            self.git.ok(&folder, &["fsck", "--strict", "--no-dangling"]);
            self.folders.push(folder);
        }
        for folder in &self.folders {
            assert_eq!(&sight(folder), expected, "{}", folder.display());
        }
    }

    /// Before protocol v2 a server can name a boundary only to a client that asks for a depth. Where
    /// steps that may not be seen lie below the tip, a clone without one is told so.
    #[track_caller]
    fn assert_cannot_be_told(&self, ran: &Ran, options: &[&str], expected: &Sight) {
        assert!(self.protocol != Protocol::V2 && options.is_empty() && *expected == Sight::Stub, "{ran}");
        assert!(ran.stderr.contains("--depth 1"), "{ran}");
    }

    fn newest(&self) -> &Path {
        self.folders.last().unwrap()
    }
}

#[test]
fn every_copy_fast_forwards_from_stub_to_full_to_release_to_lapse_to_renewal() {
    let house = House::new();
    let mut buyers: Vec<Copies<'_>> = EVERY_PROTOCOL.map(|protocol| Copies::new(&house, protocol)).into();
    for buyer in &mut buyers {
        buyer.all_show(&Sight::Stub);
        house.grant(&buyer.person);
        buyer.all_show(&full("1.2.0"));
    }
    house.release("1.3.0");
    for buyer in &mut buyers {
        buyer.all_show(&full("1.3.0"));
        house.revoke(&buyer.person);
        buyer.all_show(&Sight::Stub);
        house.grant(&buyer.person);
        buyer.all_show(&full("1.3.0"));
    }
}

#[test]
fn a_copy_taken_after_the_lapse_holds_no_paid_object_however_it_asks() {
    let house = House::new();
    for protocol in EVERY_PROTOCOL {
        let mut copies = Copies::new(&house, protocol);
        copies.all_show(&Sight::Stub);
        let stub = content(&copies.git, copies.newest());
        house.grant(&copies.person);
        copies.all_show(&full("1.2.0"));
        let paid: BTreeSet<String> =
            content(&copies.git, copies.newest()).difference(&stub).cloned().collect();
        let paid_tip = copies.git.ok(copies.newest(), &["rev-parse", "HEAD"]);
        assert!(paid.len() > 5, "{paid:?}");
        house.revoke(&copies.person);

        let (git, server) = (&copies.git, &house.server);
        for (into, options) in [
            ("late", &[][..]),
            ("late-shallow", &["--depth", "1"]),
            ("late-deep", &["--depth", "50"]),
            ("late-single", &["--no-single-branch", "--depth", "3"]),
            ("late-mirror", &["--mirror"]),
        ] {
            let folder = match copies.person.try_clone(git, server, SKILL, into, options) {
                Ok(folder) => folder,
                Err(ran) => {
                    assert!(protocol != Protocol::V2 && ran.stderr.contains("--depth 1"), "{into}: {ran}");
                    continue;
                }
            };
            // Each of these may fail; none may bring anything.
            for request in [
                &["fetch", "-q", "--unshallow"][..],
                &["fetch", "-q", "--deepen=5"],
                &["fetch", "-q", "--depth=100"],
                &["fetch", "-q", "--tags", "--force"],
                &["fetch", "-q", "--shallow-since=2000-01-01"],
                &["fetch", "-q", "origin", "+refs/*:refs/all/*"],
            ] {
                git.run(&folder, request);
            }
            for id in paid.iter().chain([&paid_tip]) {
                let answer = git.fails(&folder, &["fetch", "-q", "--depth=1", "origin", id]);
                // Over v0 and v1 git itself refuses to ask for what was not advertised.
                let refused = answer.contains("not our ref") || answer.contains("unadvertised object");
                assert!(refused, "{answer}");
            }
            let leaked: Vec<_> = objects(git, &folder).intersection(&paid).cloned().collect();
            assert!(leaked.is_empty(), "{into} over {protocol:?}: {leaked:?}");
        }
    }
}

#[test]
fn a_copy_that_never_saw_the_paid_step_is_told_to_clone_again() {
    let house = House::new();
    for protocol in EVERY_PROTOCOL {
        let copies = Copies::new(&house, protocol);
        let (git, server) = (&copies.git, &house.server);
        let old = [
            copies.person.clone(git, server, SKILL, "asleep", &[]),
            copies.person.clone(git, server, SKILL, "asleep-shallow", &["--depth", "1"]),
        ];
        house.grant(&copies.person);
        let witness = copies.person.clone(git, server, SKILL, "witness", &[]);
        let paid: BTreeSet<String> =
            content(git, &witness).difference(&content(git, &old[0])).cloned().collect();
        house.revoke(&copies.person);
        for folder in &old {
            let pulled = git.run(folder, &["pull", "-q", "--ff-only"]);
            if !pulled.succeeded() {
                assert!(pulled.stderr.contains("clone"), "{pulled}");
                assert!(!pulled.stderr.contains("shallow roots"), "{pulled}");
            }
            assert_eq!(sight(folder), Sight::Stub);
            assert!(objects(git, folder).is_disjoint(&paid));
        }
        let again = copies.person.clone(git, server, SKILL, "again", &["--depth", "1"]);
        assert_eq!(sight(&again), Sight::Stub);
    }
}

#[test]
fn the_marketplace_follows_every_change_by_fast_forward() {
    let house = House::with(&[SKILL, "writing-desk", "release-desk", "flaky-test-hunter"]);
    for protocol in EVERY_PROTOCOL {
        let copies = Copies::new(&house, protocol);
        let (git, server) = (&copies.git, &house.server);
        let folders = [
            copies.person.clone(git, server, "marketplace", "market", &[]),
            copies.person.clone(git, server, "marketplace", "market-shallow", &["--depth", "1"]),
        ];
        let seen = |folder: &Path| {
            let entries = entries(folder);
            assert_eq!(entries.len(), 5, "{:?}", entries.keys());
            assert!(entries.iter().all(|(name, entry)| name == SKILL || locked(entry)));
            let entry = &entries[SKILL];
            let version = entry["version"].as_str().unwrap().to_owned();
            assert_eq!(locked(entry), version.starts_with("0.0.0-stub."), "{entry}");
            version
        };
        let stub = seen(&folders[0]);
        assert_ne!(stub, "1.2.0");
        house.grant(&copies.person);
        for folder in &folders {
            pull(git, folder);
            assert_eq!(seen(folder), "1.2.0");
        }
        house.revoke(&copies.person);
        for folder in &folders {
            pull(git, folder);
            // A stub of its own: it says that access ended.
            assert!(![stub.as_str(), "1.2.0"].contains(&seen(folder).as_str()));
        }
        let fresh = copies.person.clone(git, server, "marketplace", "market-fresh", &["--depth", "1"]);
        assert_eq!(seen(&fresh), seen(&folders[0]));
        assert_eq!(
            git.ok(&fresh, &["rev-parse", "HEAD"]),
            git.ok(&folders[0], &["rev-parse", "HEAD"]),
            "one tip, however it was reached"
        );
    }
}

#[test]
fn a_fetch_into_an_empty_repository_brings_a_marketplace_with_all_of_its_steps() {
    let house = House::new();
    for protocol in EVERY_PROTOCOL {
        let copies = Copies::new(&house, protocol);
        let (git, person) = (&copies.git, &copies.person);
        let follower = person.clone(git, &house.server, "marketplace", "follower", &[]);
        for (change, steps) in
            [(House::grant as fn(&House, &Person), 2), (House::revoke, 3), (House::grant, 4)]
        {
            change(&house, person);
            pull(git, &follower);
            let folder = person.folder.join(format!("fetched-{steps}"));
            git.ok(&person.folder, &["init", "-q", "-b", "main", &folder.to_string_lossy()]);
            git.ok(&folder, &["pull", "-q", &house.server.at(&story::own("marketplace")), "main"]);
            git.ok(&folder, &["fsck", "--strict", "--no-dangling"]);
            assert_eq!(git.ok(&folder, &["rev-list", "--count", "HEAD"]), steps.to_string());
            let head = |folder: &Path| git.ok(folder, &["rev-parse", "HEAD"]);
            assert_eq!(head(&folder), head(&follower));
            assert_eq!(entries(&folder), entries(&follower));
        }
    }
}

#[test]
fn git_archive_is_refused_in_a_sentence() {
    let house = House::new();
    let bob = house.person("bob");
    for repo in ["marketplace", SKILL] {
        let url = house.server.at(&story::own(repo));
        let said = bob.git.fails(&bob.folder, &["archive", "--remote", &url, "HEAD"]);
        // git before 2.44 does not even ask.
        let unasked = said.contains("not supported by protocol");
        assert!(unasked || said.contains("remote error: git archive is not supported over HTTP"), "{said}");
    }
    let asked = house.connect(&bob).get("/me/marketplace.git/info/refs?service=git-upload-archive");
    assert_eq!(asked.status, 403);
    assert!(asked.text().contains("git clone --depth=1"), "{}", asked.text());
}

#[test]
fn a_release_is_reachable_by_its_tag_only_while_it_is_owned() {
    let house = House::new();
    let bob = house.person("bob");
    let server = &house.server;
    let url = server.at(&story::own(SKILL));
    let tags = || bob.git.ok(&bob.folder, &["ls-remote", "--tags", &url]);
    assert_eq!(tags(), "");
    house.grant(&bob);
    assert!(tags().ends_with("refs/tags/v1.2.0"), "{}", tags());
    let tagged = bob.clone(&bob.git, server, SKILL, "tagged", &["--depth", "1", "--branch", "v1.2.0"]);
    assert_eq!(sight(&tagged), full("1.2.0"));
    house.release("1.3.0");
    let older = bob.clone(&bob.git, server, SKILL, "older", &["--branch", "v1.2.0"]);
    assert_eq!(sight(&older), full("1.2.0"));
    house.revoke(&bob);
    assert_eq!(tags(), "");
}

#[test]
fn a_partial_clone_ends_and_leaks_nothing() {
    let house = House::new();
    for protocol in [Protocol::V0, Protocol::V2] {
        let copies = Copies::new(&house, protocol);
        partial(&copies, "fresh", &Sight::Stub);
        let fresh = copies.person.folder.join("fresh---depth=1-blob-none");
        let stub = content(&copies.git, &fresh);
        house.grant(&copies.person);
        partial(&copies, "granted", &full("1.2.0"));
        let witness = copies.person.clone(&copies.git, &house.server, SKILL, "witness", &["--depth=1"]);
        let paid: BTreeSet<String> = content(&copies.git, &witness).difference(&stub).cloned().collect();
        house.revoke(&copies.person);
        for lapsed in partial(&copies, "lapsed", &Sight::Stub) {
            assert!(objects(&copies.git, &lapsed).is_disjoint(&paid), "{}", lapsed.display());
        }
        house.grant(&copies.person);
        partial(&copies, "renewed", &full("1.2.0"));
    }
}

/// Partial clones of each kind; those taken show what is expected. One without a depth may be
/// refused with the advice to give one.
#[track_caller]
fn partial(copies: &Copies<'_>, state: &str, expected: &Sight) -> Vec<std::path::PathBuf> {
    let mut taken = Vec::new();
    for depth in [None, Some("--depth=1")] {
        for filter in ["blob:none", "blob:limit=100", "tree:0"] {
            let into = format!("{state}-{}-{}", depth.unwrap_or("full"), filter.replace(':', "-"));
            let option = format!("--filter={filter}");
            let options: Vec<&str> = depth.into_iter().chain([option.as_str()]).collect();
            match copies.person.try_clone(&copies.git, &copies.house.server, SKILL, &into, &options) {
                Ok(folder) => {
                    assert_eq!(&sight(&folder), expected, "{into}");
                    taken.push(folder);
                }
                Err(ran) => assert!(depth.is_none() && ran.stderr.contains("--depth 1"), "{into}: {ran}"),
            }
        }
    }
    assert!(taken.len() >= 3, "{state}: {taken:?}");
    taken
}

#[test]
fn every_spelling_of_a_repository_names_the_same_commit() {
    let house = House::new();
    let bob = house.person("bob");
    house.grant(&bob);
    for (repo, spelled) in [
        ("me/marketplace", ["me/marketplace.git", "u/bob/marketplace", "u/bob/marketplace.git"]),
        (
            "me/skills/migration-guard",
            [
                "me/skills/migration-guard.git",
                "u/bob/skills/migration-guard",
                "u/bob/skills/migration-guard.git",
            ],
        ),
    ] {
        let head = |path: &str| bob.git.ok(&bob.folder, &["ls-remote", "--symref", &house.server.at(path)]);
        let expected = head(repo);
        assert!(expected.starts_with("ref: refs/heads/main\tHEAD"), "{expected}");
        for path in spelled {
            assert_eq!(head(path), expected, "{path}");
        }
    }
}

#[test]
fn a_restart_changes_no_commit() {
    let house = House::new();
    let bob = house.person("bob");
    house.grant(&bob);
    let folder = bob.clone(&bob.git, &house.server, SKILL, "kept", &[]);
    let before = bob.git.ok(&folder, &["rev-parse", "HEAD"]);
    let (port, installation) = (house.server.port(), house.server.installation().clone());
    assert_eq!(house.server.stop(), Some(0));
    let server = installation.serve_on(port);
    pull(&bob.git, &folder);
    assert_eq!(bob.git.ok(&folder, &["rev-parse", "HEAD"]), before);
    let fresh = bob.clone(&bob.git, &server, SKILL, "fresh", &["--depth", "1"]);
    assert_eq!(bob.git.ok(&fresh, &["rev-parse", "HEAD"]), before);
}

#[test]
fn a_killed_server_comes_back_with_all_that_was_acknowledged() {
    let house = House::new();
    let bob = house.person("bob");
    house.grant(&bob);
    house.release("1.4.0");
    let (port, installation) = (house.server.port(), house.server.installation().clone());
    house.server.kill();
    let server = installation.serve_on(port);
    let folder = bob.clone(&bob.git, &server, SKILL, "after", &[]);
    assert_eq!(sight(&folder), full("1.4.0"));
}
