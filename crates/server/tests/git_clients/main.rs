//! Every way of asking for a repository, with git and with the libraries that programs embed, at every stage of a
//! purchase. `git http-backend` is asked the same with equal content. docs/git-clients.md holds the outcomes as a
//! table, and these tests hold the table.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod client;
mod cost;
mod outcome;
#[path = "../story/mod.rs"]
mod story;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use client::{Client, LIBRARIES, Way, gits};
use outcome::{Outcome, Table};
use skaas_testkit::git_backend::GitBackend;
use story::{House, Person, SKILL};

/// What happens to a buyer, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Stub,
    Granted,
    Release,
    Lapsed,
    Renewed,
}

const STAGES: [Stage; 5] = [Stage::Stub, Stage::Granted, Stage::Release, Stage::Lapsed, Stage::Renewed];

/// A client with a token, and what its owner keeps.
struct Visitor {
    client: Client,
    person: Person,
    /// git's own full copy: it has every step, whatever the client under test can do.
    witness: PathBuf,
}

/// The two servers of one stage, and where the copies go.
struct Round<'a> {
    visitor: &'a Visitor,
    ours: String,
    backend: &'a GitBackend,
    stage: usize,
    folder: PathBuf,
}

impl Round<'_> {
    /// What a new copy can hold, on git's own server. After the lapse that is a shallow repository.
    fn fresh(&self) -> String {
        format!("fresh-{}-{}.git", self.visitor.person.name, self.stage)
    }

    /// Every step, on git's own server.
    fn followed(&self) -> String {
        format!("followed-{}-{}.git", self.visitor.person.name, self.stage)
    }

    /// Gives git's own server what ours has now.
    fn copy_to_backend(&self) {
        let git = &self.visitor.person.git;
        git.ok(&self.visitor.witness, &["pull", "-q", "--ff-only"]);
        let mirror = self.backend.folder(&self.fresh());
        git.ok(&self.folder, &["clone", "-q", "--mirror", &self.ours, &mirror.to_string_lossy()]);
        let bare = self.backend.folder(&self.followed());
        let from = self.visitor.witness.to_string_lossy();
        git.ok(&self.folder, &["clone", "-q", "--bare", "--no-local", &from, &bare.to_string_lossy()]);
        for repo in [mirror, bare] {
            git.ok(&repo, &["config", "uploadpack.allowReachableSHA1InWant", "true"]);
        }
    }

    /// Asks both servers in one way.
    fn ask(&self, way: Way) -> (Outcome, Outcome) {
        let name = format!("{way:?}-{}", self.stage).to_lowercase();
        let at = |server: &str| self.folder.join(format!("{name}-{server}"));
        let Visitor { client, person, .. } = self.visitor;
        match way.kept() {
            None => {
                let backend = self.backend.url(&self.fresh());
                let tip = person.git.ok(&self.visitor.witness, &["rev-parse", "HEAD"]);
                let ask = |url: &str, into: &Path| client.ask(way, person, url, into, &tip);
                (ask(&self.ours, &at("ours")), ask(&backend, &at("backend")))
            }
            Some(kept) => {
                let kept = self.folder.join(kept);
                let twin = at("backend");
                duplicate(&kept, &twin);
                let git = &person.git;
                git.ok(&twin, &["remote", "set-url", "origin", &self.backend.url(&self.followed())]);
                let asked = if way == Way::Noop {
                    duplicate(&kept, &at("ours"));
                    at("ours")
                } else {
                    kept
                };
                (client.follow(way, person, &asked), client.follow(way, person, &twin))
            }
        }
    }
}

fn duplicate(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Lives through all stages with these clients, and compares what comes of it with the table.
fn live(clients: Vec<Client>) {
    let house = House::new();
    let served = house.folder.path().join("served");
    std::fs::create_dir_all(&served).unwrap();
    let backend = GitBackend::start(&served);
    let visitors: Vec<Visitor> = clients.into_iter().map(|client| arrive(&house, client)).collect();
    let mut table = Table::read();
    for (stage, what) in STAGES.into_iter().enumerate() {
        if what == Stage::Release {
            house.release("1.3.0");
        }
        for visitor in &visitors {
            match what {
                Stage::Granted | Stage::Renewed => house.grant(&visitor.person),
                Stage::Lapsed => house.revoke(&visitor.person),
                Stage::Stub | Stage::Release => {}
            }
            visit(&house, &backend, visitor, stage, &mut table);
        }
    }
    table.assert_right();
}

fn arrive(house: &House, client: Client) -> Visitor {
    let person = house.person(&client.username());
    let witness = person.clone(&person.git, &house.server, SKILL, "witness", &[]);
    Visitor { client, person, witness }
}

fn visit(house: &House, backend: &GitBackend, visitor: &Visitor, stage: usize, table: &mut Table) {
    let ours = house.server.at(&story::own(SKILL));
    let folder = visitor.person.folder.clone();
    let round = Round { visitor, ours, backend, stage, folder };
    round.copy_to_backend();
    let lapsed = STAGES[stage] == Stage::Lapsed;
    for way in visitor.client.ways() {
        let name = &visitor.client.name;
        if let (Some(kept), 0) = (way.kept(), stage) {
            let into = round.folder.join(kept);
            if !into.exists() {
                let taking = if kept == "kept-full" { Way::Clone } else { Way::CloneDepth1 };
                let taken = visitor.client.ask(taking, &visitor.person, &round.ours, &into, "");
                assert!(taken.holds_anything(), "{name}: {taken:?}");
            }
        }
        let (found, expected) = round.ask(way);
        match (&found, &expected) {
            (Outcome::Refused(said), _) => assert!(
                lapsed && said.contains("--depth"),
                "{name}, {way:?}, {:?}: refused without a word that helps: {said}",
                STAGES[stage]
            ),
            // A copy that names nothing that it has is a new one to the server, which cannot know better.
            _ if lapsed && way == Way::Noop => panic!("{name}: {found:?}"),
            // libgit2 takes from us what it cannot take from a shallow repository of git's.
            (_, Outcome::Refused(_)) if lapsed => {}
            _ => assert_eq!(found, expected, "{name}, {way:?}, {:?}", STAGES[stage]),
        }
        table.note(&visitor.client.row, way.title(), stage, &found);
    }
}

#[test]
fn every_way_of_asking_with_git_ends_as_the_table_says() {
    live(gits());
}

#[test]
fn dulwich_ends_as_the_table_says() {
    live(Client::library(LIBRARIES[0]));
}

#[test]
fn libgit2_ends_as_the_table_says() {
    live(Client::library(LIBRARIES[1]));
}

#[test]
fn isomorphic_git_ends_as_the_table_says() {
    live(Client::library(LIBRARIES[2]));
}

#[test]
fn jgit_ends_as_the_table_says() {
    live(Client::library(LIBRARIES[3]));
}

#[test]
fn the_table_holds_every_client_and_way_and_nothing_else() {
    let expected: BTreeSet<(String, &str)> = gits()
        .iter()
        .take(1)
        .flat_map(|git| git.ways().into_iter().map(|way| ("git".to_owned(), way.title())))
        .chain(LIBRARIES.iter().flat_map(|library| {
            library.ways().into_iter().map(|way| (library.name().to_owned(), way.title()))
        }))
        .collect();
    let table = Table::read();
    let found: BTreeSet<(String, &str)> = table.rows().collect();
    assert_eq!(found, expected);
}
