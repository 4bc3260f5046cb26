//! Purchase, release, lapse and renewal, from copies of every age.

use crate::client::{Client, Protocol};
use crate::server::Server;
use crate::world::World;

/// What is served, and what may be, moment by moment.
const STORY: [(&str, &[&str]); 6] = [
    ("stub", &["stub"]),
    ("r1", &["stub", "r1"]),
    ("r2", &["stub", "r1", "r2"]),
    ("stub", &["stub"]),
    ("r2", &["stub", "r1", "r2"]),
    ("r3", &["stub", "r1", "r2", "r3"]),
];

/// A copy and the number of the step it was made or left at.
struct Aged {
    client: Client,
    step: usize,
    kind: &'static str,
}

fn story(protocol: Protocol, with_roots: bool) {
    let server = Server::start(World::new(with_roots, "stub"));
    let mut copies: Vec<Aged> = Vec::new();
    for (now, (state, permitted)) in STORY.into_iter().enumerate() {
        server.world().show(state, permitted);
        for copy in &copies {
            let blocked = STORY[copy.step + 1..now].iter().any(|(state, _)| !permitted.contains(state));
            let twin = copy.client.duplicate();
            match twin.pull(&[]) {
                Ok(()) => {
                    assert!(!blocked, "{} of step {} came through at {now}", copy.kind, copy.step);
                    twin.sees(state);
                }
                Err(refused) => {
                    assert!(blocked, "{} of step {} at {now}: {refused:?}", copy.kind, copy.step);
                    refused.says("clone this repository again");
                    twin.git(&["fetch", "-q", "--depth", "1"]).unwrap();
                    twin.git(&["reset", "-q", "--hard", "@{upstream}"]).unwrap();
                    twin.sees(state);
                }
            }
        }
        // A copy that keeps up never loses the thread.
        for copy in copies.iter_mut().filter(|copy| copy.kind == "follower") {
            copy.client.pull(&[]).unwrap();
            copy.client.sees(state);
            copy.step = now;
        }
        let kinds: [(&str, &[&str]); 3] =
            [("full", &[]), ("depth 1", &["--depth", "1"]), ("follower", &["--depth", "1"])];
        for (kind, args) in kinds {
            let client = Client::clone(&server, protocol, args).unwrap();
            client.sees(state);
            assert_eq!(client.depth(), 1, "a fresh copy ends at the tip");
            copies.push(Aged { client, step: now, kind });
        }
    }
}

#[test]
fn a_skill_repository_lives_through_every_change_in_v2() {
    story(2, true);
}

#[test]
fn a_skill_repository_lives_through_every_change_in_v0() {
    story(0, true);
}

#[test]
fn a_skill_repository_lives_through_every_change_in_v1() {
    story(1, true);
}

#[test]
fn a_marketplace_lives_through_every_change_in_v2() {
    story(2, false);
}

#[test]
fn a_marketplace_lives_through_every_change_in_v0() {
    story(0, false);
}

#[test]
fn a_client_that_reads_no_boundary_gets_every_permitted_step_or_a_sentence() {
    let libgit2 = "git/2.0 (libgit2 1.9.0)";
    let server = Server::start(World::new(true, "stub"));
    let first = Client::clone_as(libgit2, &server, 0, &[]).unwrap();
    server.world().show("r1", &["stub", "r1"]);
    first.pull(&[]).unwrap();
    let second = Client::clone_as(libgit2, &server, 0, &[]).unwrap();
    for copy in [&first, &second] {
        copy.sees("r1");
        assert_eq!(copy.depth(), 3, "two steps and the root of the second");
    }
    server.world().show("stub", &["stub"]);
    first.pull(&[]).unwrap();
    first.sees("stub");
    Client::clone_as(libgit2, &server, 0, &[]).map(drop).unwrap_err().says("clone it with --depth 1");
    Client::clone_as(libgit2, &server, 0, &["--depth", "1"]).unwrap().sees("stub");
    server.world().show("r1", &["stub", "r1"]);
    Client::clone_as(libgit2, &server, 0, &[]).unwrap().sees("r1");
}

/// A world that lapsed: stub, r1, stub.
fn lapsed() -> World {
    let mut world = World::new(true, "stub");
    world.show("r1", &["stub", "r1"]);
    world.show("stub", &["stub"]);
    world
}

#[test]
fn after_a_lapse_fresh_copies_hold_the_stub_alone() {
    let server = Server::start(lapsed());
    let paid = server.world().blob("r1", "README.md");
    for protocol in [2, 1, 0] {
        for args in [&[][..], &["--depth", "1"], &["--depth", "50"], &["--mirror"]] {
            let copy = Client::clone(&server, protocol, args).unwrap();
            assert_eq!(copy.depth(), 1, "{args:?}");
            assert!(!copy.holds(&paid));
        }
    }
}

#[test]
fn a_boundary_copy_gets_nothing_more_by_any_way_of_deepening() {
    for protocol in [2, 0] {
        for world in [lapsed(), {
            let mut world = lapsed();
            world.show("r1", &["stub", "r1"]);
            world
        }] {
            let server = Server::start(world);
            let state = server.world().step_states().last().unwrap().clone();
            for args in [
                &["--unshallow"][..],
                &["--deepen", "5"],
                &["--depth", "7"],
                &["--shallow-since", "1970-01-01"],
                &["--refetch"],
            ] {
                let copy = Client::clone(&server, protocol, &["--depth", "1"]).unwrap();
                server.world().sent.clear();
                copy.git(&[&["fetch", "-q"], args].concat()).unwrap();
                assert_eq!(copy.depth(), 1, "{args:?} over v{protocol}");
                let again = server.world().sent.concat();
                assert!(again.is_empty() || args == ["--refetch"], "{args:?} drew {again:?}");
                copy.sees(&state);
            }
        }
    }
}

#[test]
fn a_deepened_fetch_goes_as_deep_as_the_copy_and_the_request_allow() {
    let server = Server::start(World::new(true, "stub"));
    let copy = Client::clone(&server, 2, &[]).unwrap();
    for state in ["r1", "r2", "r3"] {
        server.world().show(state, &["stub", "r1", "r2", "r3"]);
    }
    for (depth, commits) in [("1", 1), ("2", 3), ("3", 5), ("4", 7), ("9", 7)] {
        let twin = copy.duplicate();
        twin.git(&["fetch", "-q", "--depth", depth]).unwrap();
        twin.git(&["reset", "-q", "--hard", "@{upstream}"]).unwrap();
        assert_eq!(twin.depth(), commits, "depth {depth}");
        twin.sees("r3");
    }
}

#[test]
fn a_copy_at_a_boundary_follows_a_deepened_pull() {
    for protocol in [2, 0] {
        let server = Server::start(World::new(true, "stub"));
        server.world().show("r1", &["stub", "r1"]);
        let copy = Client::clone(&server, protocol, &["--depth", "1"]).unwrap();
        server.world().show("r2", &["stub", "r1", "r2"]);
        copy.pull(&["--depth", "5"]).unwrap();
        copy.sees("r2");
    }
}

#[test]
fn a_lapse_between_the_listing_and_the_fetch_is_told_in_words() {
    let mut world = World::new(true, "stub");
    world.show("r1", &["stub", "r1"]);
    let before = world.refs();
    world.show("stub", &["stub"]);
    world.stale_refs = Some(before);
    let server = Server::start(world);
    for protocol in [2, 0] {
        let refused = Client::clone(&server, protocol, &["--depth", "1"]).map(drop).unwrap_err();
        refused.says("run the same command again");
    }
    server.world().stale_refs = None;
    Client::clone(&server, 2, &["--depth", "1"]).unwrap().sees("stub");
}

#[test]
fn a_change_between_the_listing_and_the_fetch_gives_the_old_state() {
    for protocol in [2, 0] {
        let mut world = World::new(true, "stub");
        let follower_refs = world.refs();
        let server = Server::start(World::new(true, "stub"));
        let follower = Client::clone(&server, protocol, &[]).unwrap();
        server.world().show("r1", &["stub", "r1"]);
        world.show("r1", &["stub", "r1"]);
        let before = world.refs();
        assert_ne!(before, follower_refs);
        server.world().show("r2", &["stub", "r1", "r2"]);
        server.world().stale_refs = Some(before);
        Client::clone(&server, protocol, &[]).unwrap().sees("r1");
        Client::clone(&server, protocol, &["--depth", "1"]).unwrap().sees("r1");
        follower.pull(&[]).unwrap();
        follower.sees("r1");
        server.world().stale_refs = None;
        follower.pull(&[]).unwrap();
        follower.sees("r2");
    }
}

#[test]
fn local_commits_survive_a_pull_by_merge() {
    for protocol in [2, 0] {
        let server = Server::start(World::new(true, "stub"));
        let copy = Client::clone(&server, protocol, &["--depth", "1"]).unwrap();
        for number in 0..40 {
            copy.git(&["commit", "-q", "--allow-empty", "-m", &format!("own {number}")]).unwrap();
        }
        server.world().show("r1", &["stub", "r1"]);
        copy.git(&["pull", "-q", "--no-rebase", "--no-edit"]).unwrap();
        copy.sees("r1");
    }
}

#[test]
fn tags_of_permitted_releases_come_along_and_others_do_not() {
    for protocol in [2, 0] {
        let mut world = World::new(true, "stub");
        world.tag("r1");
        world.tag("r2");
        world.show("r1", &["stub", "r1"]);
        let server = Server::start(world);
        let copy = Client::clone(&server, protocol, &[]).unwrap();
        assert_eq!(copy.git(&["tag"]).unwrap(), "v-r1");
        copy.git(&["checkout", "-q", "v-r1"]).unwrap();
        copy.sees("r1");
        let small = Client::clone(&server, protocol, &["--depth", "1"]).unwrap();
        small.git(&["fetch", "-q", "--tags"]).unwrap();
        assert_eq!(small.git(&["tag"]).unwrap(), "v-r1");
        small.is_sound();
        let pinned = Client::clone(&server, protocol, &["--depth", "1", "--branch", "v-r1"]).unwrap();
        pinned.sees("r1");
        server.world().show("stub", &["stub"]);
        assert_eq!(small.git(&["ls-remote", "--tags"]).unwrap(), "");
    }
}
