//! Two server processes on one PostgreSQL and one bucket, as strangers see them: one service.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use skaas_testkit::app::TestDatabase;
use skaas_testkit::process::{Installation, Server};
use skaas_testkit::wire::Connection;
use story::{House, Person, SKILL, Sight, full, own, refs, sight};
use tempfile::TempDir;

/// Two nodes on shared services; the house is the first one's.
struct Nodes {
    house: House,
    second: Server,
    spare: Installation,
    _folder: TempDir,
    _database: TestDatabase,
}

/// Two nodes; `None`, with a line that says so, where there are no services.
fn nodes() -> Option<Nodes> {
    let database = TestDatabase::postgres()?.with_s3()?;
    let node = |installation: Installation| {
        let named = installation.with_variable("SKAAS_PUBLIC_URL", "https://skills.example.test");
        named.as_node_of(database.config())
    };
    let house = House::configured(&[SKILL], node);
    let folder = tempfile::tempdir().unwrap();
    let spare = node(story::installation(folder.path()));
    Some(Nodes { house, second: spare.serve(), spare, _folder: folder, _database: database })
}

/// The commit that a node gives as the tip of a person's skill.
#[track_caller]
fn tip(person: &Person, node: &Server) -> String {
    person.git.remember(&node.url(), &person.name, &person.token);
    let line = person.git.ok(&person.folder, &["ls-remote", &node.at(&own(SKILL)), "HEAD"]);
    line.split('\t').next().unwrap().to_owned()
}

#[test]
fn both_nodes_tell_one_story() {
    let Some(Nodes { house, second, _folder, _database, .. }) = nodes() else { return };
    let bob = house.person("bob");
    let nodes = [&house.server, &second];
    let stub = tip(&bob, nodes[0]);
    assert_eq!(tip(&bob, nodes[1]), stub);

    // One copy that pulls from the two in turn.
    let copy = bob.clone(&bob.git, nodes[1], SKILL, "copy", &[]);
    let pulled_from = |node: &Server| {
        bob.git.remember(&node.url(), &bob.name, &bob.token);
        bob.git.ok(&copy, &["pull", "-q", "--ff-only", &node.at(&own(SKILL)), "main"]);
        bob.git.ok(&copy, &["fsck", "--strict", "--no-dangling"]);
        assert_eq!(bob.git.ok(&copy, &["rev-parse", "HEAD"]), tip(&bob, nodes[0]));
        assert_eq!(tip(&bob, nodes[0]), tip(&bob, nodes[1]));
        sight(&copy)
    };
    assert_eq!(pulled_from(nodes[0]), Sight::Stub);
    house.grant(&bob);
    assert_eq!(pulled_from(nodes[1]), full("1.2.0"));
    house.release("1.3.0");
    assert_eq!(pulled_from(nodes[1]), full("1.3.0"));
    house.revoke(&bob);
    assert_eq!(pulled_from(nodes[1]), Sight::Stub);
    house.grant(&bob);
    assert_eq!(pulled_from(nodes[0]), full("1.3.0"));
}

#[test]
fn a_revocation_reaches_the_open_connections_of_every_node() {
    let Some(Nodes { house, second, _folder, _database, .. }) = nodes() else { return };
    let bob = house.person("bob");
    let path = refs("me/marketplace.git");
    let open = |node: &Server| Connection::open(node.port()).basic(&bob.name, &bob.token);
    let mut lines = [open(&house.server), open(&second)];
    for line in &mut lines {
        assert_eq!(line.get(&path).status, 200);
    }
    house.admin(&["token", "revoke", "bob"]);
    for line in &mut lines {
        assert_eq!(line.get(&path).status, 401);
    }
}

#[test]
fn a_node_may_die_and_another_take_its_place() {
    let Some(Nodes { house, second, spare, _folder, _database }) = nodes() else { return };
    let bob = house.person("bob");
    house.grant(&bob);
    let before = tip(&bob, &second);
    second.kill();
    house.release("1.3.0");
    let third = spare.serve();
    let after = tip(&bob, &third);
    assert_ne!(after, before);
    assert_eq!(after, tip(&bob, &house.server));
    bob.git.remember(&third.url(), &bob.name, &bob.token);
    assert_eq!(sight(&bob.clone(&bob.git, &third, SKILL, "copy", &["--depth", "1"])), full("1.3.0"));
}
