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
            let whole = kind == "full" && server.world().whole();
            let commits = if whole { server.world().commits() } else { 1 };
            assert_eq!(
                client.depth(),
                commits,
                "a new copy is whole where it may be, and ends at the tip else"
            );
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

/// Every way of asking for a new copy, other than `clone`, without naming a depth.
const OTHER_WAYS: [&[&str]; 5] = [
    &["fetch", "-q", "origin"],
    &["pull", "-q", "origin", "main"],
    &["fetch", "-q", "origin", "refs/heads/*:refs/heads/copied-*"],
    &["-c", "fetch.negotiationAlgorithm=noop", "fetch", "-q", "origin"],
    &["fetch", "-q", "--tags", "origin", "main"],
];

#[test]
fn a_fetch_into_an_empty_repository_brings_the_whole_lineage_while_all_of_it_is_permitted() {
    for protocol in [2, 1, 0] {
        for with_roots in [true, false] {
            let mut world = World::new(with_roots, "stub");
            for state in ["r1", "r2"] {
                world.show(state, &["stub", "r1", "r2"]);
            }
            let (tip, commits) = (world.tip().to_string(), world.commits());
            let server = Server::start(world);
            let by_id = ["fetch", "-q", "origin", tip.as_str()];
            for way in OTHER_WAYS.into_iter().chain([&by_id[..]]) {
                let copy = Client::fetched(&server, protocol, way).unwrap();
                copy.git(&["reset", "-q", "--hard", &tip]).unwrap();
                copy.sees("r2");
                assert_eq!(copy.depth(), commits, "{way:?} over v{protocol}");
            }
            let folder = tempfile::tempdir().unwrap();
            let bare = Client::new(protocol);
            bare.run_in(folder.path(), &["init", "-q", "--bare"]).unwrap();
            let heads = ["fetch", "-q", &server.url(), "refs/heads/*:refs/heads/*"];
            bare.run_in(folder.path(), &heads).unwrap();
            assert_eq!(bare.run_in(folder.path(), &["rev-parse", "main"]).unwrap(), tip);
            let count = bare.run_in(folder.path(), &["rev-list", "--count", "main"]).unwrap();
            assert_eq!(count, commits.to_string());
        }
    }
}

#[test]
fn a_fetch_that_git_refuses_after_a_lapse_says_which_command_works() {
    for protocol in [2, 1, 0] {
        let server = Server::start(lapsed());
        let paid = server.world().blob("r1", "README.md");
        for way in OTHER_WAYS {
            let refused = Client::fetched(&server, protocol, way).map(drop).unwrap_err();
            assert!(refused.0.contains("remote:     git fetch --depth=1 "), "{way:?}: {refused:?}");
        }
        let copy = Client::fetched(&server, protocol, &["fetch", "-q", "--depth=1", "origin"]).unwrap();
        copy.git(&["reset", "-q", "--hard", "origin/main"]).unwrap();
        copy.sees("stub");
        assert!(!copy.holds(&paid));
        let cloned = Client::new(protocol);
        let said = cloned.said(
            std::path::Path::new("/"),
            &["clone", "-q", &server.url(), cloned.path().to_str().unwrap()],
        );
        assert!(said.unwrap().contains("without history"), "a clone that has no history is told so");
    }
}

#[test]
fn a_lineage_that_is_too_long_is_not_sent_to_a_new_copy() {
    for protocol in [2, 0] {
        let mut world = World::new(true, "stub");
        world.most_steps = 2;
        let server = Server::start(world);
        let old = Client::clone(&server, protocol, &[]).unwrap();
        for (state, steps) in [("r1", 2), ("r2", 3)] {
            server.world().show(state, &["stub", "r1", "r2"]);
            let new = Client::clone(&server, protocol, &[]).unwrap();
            new.sees(state);
            assert_eq!(new.depth(), if steps == 2 { 3 } else { 1 });
            let fetched = Client::fetched(&server, protocol, &["fetch", "-q", "origin"]);
            assert_eq!(fetched.is_ok(), steps == 2);
        }
        old.pull(&[]).unwrap();
        old.sees("r2");
        assert_eq!(old.depth(), 5, "a copy that follows gets what it lacks, however much");
    }
}

#[test]
fn a_copy_that_names_nothing_it_has_is_brought_on_or_told_what_works() {
    let noop = ["-c", "fetch.negotiationAlgorithm=noop", "pull", "-q", "--ff-only"];
    for protocol in [2, 0] {
        let server = Server::start(World::new(true, "stub"));
        let copies = [&[][..], &["--depth", "1"]].map(|args| Client::clone(&server, protocol, args).unwrap());
        server.world().show("r1", &["stub", "r1"]);
        for copy in &copies {
            copy.git(&noop).unwrap();
            copy.sees("r1");
        }
        server.world().show("stub", &["stub"]);
        for copy in &copies {
            copy.pull(&[]).unwrap();
            copy.sees("stub");
        }
    }
}

#[test]
fn git_before_1_9_gets_every_permitted_step_or_a_sentence() {
    let old = "git/1.8.5.6";
    let server = Server::start(World::new(true, "stub"));
    server.world().show("r1", &["stub", "r1"]);
    let copy = Client::clone_as(old, &server, 0, &[]).unwrap();
    copy.sees("r1");
    assert_eq!(copy.depth(), 3);
    server.world().show("stub", &["stub"]);
    copy.pull(&[]).unwrap();
    copy.sees("stub");
    let refused = Client::clone_as(old, &server, 0, &[]).map(drop).unwrap_err();
    refused.says("clone it with --depth 1");
    assert!(refused.0.contains("git 1.9"), "{refused:?}");
    Client::clone_as(old, &server, 0, &["--depth", "1"]).unwrap().sees("stub");
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
