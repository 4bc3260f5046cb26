//! Partial clones: they end soon, they check out, and they see nothing more.

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

const FILTERS: [&str; 6] = [
    "--filter=blob:none",
    "--filter=blob:limit=100",
    "--filter=tree:0",
    "--filter=tree:1",
    "--filter=tree:2",
    "--filter=combine:blob:none+tree:3",
];

/// Enough for a clone that fetches folder by folder; a loop runs out of it at once.
const BUDGET: usize = 40;

fn fresh() -> World {
    let mut world = World::new(true, "stub");
    world.show("r1", &["stub", "r1"]);
    world
}

fn lapsed() -> World {
    let mut world = fresh();
    world.show("stub", &["stub"]);
    world
}

fn renewed() -> World {
    let mut world = lapsed();
    world.show("r1", &["stub", "r1"]);
    world
}

#[test]
fn partial_clones_at_a_depth_end_and_check_out_everywhere() {
    for protocol in [2, 0] {
        for (world, state) in [(fresh(), "r1"), (lapsed(), "stub"), (renewed(), "r1")] {
            let server = Server::start(world);
            for filter in FILTERS {
                server.world().budget = BUDGET;
                let copy = Client::clone(&server, protocol, &[filter, "--depth", "1"]).unwrap();
                copy.sees(state);
                assert_eq!(copy.depth(), 1);
            }
        }
    }
}

#[test]
fn partial_clones_without_a_depth_end_and_check_out_where_all_steps_may_be_seen() {
    // Steps, and the root of r1; the stub's is the first step.
    for (world, commits) in [(fresh(), 3), (renewed(), 5)] {
        let server = Server::start(world);
        for filter in FILTERS {
            server.world().budget = BUDGET;
            let copy = Client::clone(&server, 2, &[filter]).unwrap();
            copy.sees("r1");
            assert_eq!(copy.depth(), commits);
        }
    }
}

#[test]
fn partial_clones_without_a_depth_over_a_lapse_end_with_a_sentence() {
    let server = Server::start(lapsed());
    for filter in FILTERS {
        server.world().budget = 5;
        let refused = Client::clone(&server, 2, &[filter]).map(drop).unwrap_err();
        refused.says("add --depth 1");
    }
}

#[test]
fn partial_clones_over_the_older_protocol_are_whole_or_end_at_the_boundary() {
    for (world, state, commits) in [(fresh(), "r1", 3), (lapsed(), "stub", 1), (renewed(), "r1", 5)] {
        let server = Server::start(world);
        for filter in FILTERS {
            server.world().budget = BUDGET;
            let copy = Client::clone(&server, 0, &[filter]).unwrap();
            copy.sees(state);
            assert_eq!(copy.depth(), commits);
        }
    }
}

#[test]
fn a_partial_clone_follows_purchase_lapse_and_renewal() {
    for protocol in [2, 0] {
        let partial = "--filter=blob:limit=100";
        for args in [&["--filter=blob:none"][..], &[partial], &["--filter=tree:0", "--depth", "1"]] {
            let server = Server::start(World::new(true, "stub"));
            let copy = Client::clone(&server, protocol, args).unwrap();
            for (state, permitted) in
                [("r1", &["stub", "r1"][..]), ("stub", &["stub"]), ("r2", &["stub", "r1", "r2"])]
            {
                server.world().budget = BUDGET;
                server.world().show(state, permitted);
                copy.pull(&[]).unwrap();
                copy.sees(state);
            }
            assert!(server.world().bases.is_empty(), "a partial clone may lack what a delta leans on");
        }
    }
}

#[test]
fn a_late_want_of_what_has_lapsed_is_refused() {
    for protocol in [2, 0] {
        let server = Server::start(fresh());
        let copy = Client::clone(&server, protocol, &["--filter=blob:none", "--no-checkout", "--depth", "1"])
            .unwrap();
        server.world().show("stub", &["stub"]);
        let sent = server.world().sent.len();
        copy.git(&["checkout", "-q", "HEAD"]).unwrap_err().says("not our ref");
        assert_eq!(server.world().sent.len(), sent, "no pack went out");
    }
}

#[test]
fn a_filter_leaves_out_what_it_names() {
    let server = Server::start(fresh());
    let blob = server.world().blob("r1", "README.md");
    let tree = server.world().tree("r1");
    for (filter, has_tree) in [("--filter=blob:none", true), ("--filter=tree:0", false)] {
        Client::clone(&server, 2, &[filter, "--no-checkout", "--depth", "1"]).unwrap();
        let sent = server.world().sent.pop().unwrap();
        assert!(!sent.contains(&blob));
        assert_eq!(sent.contains(&tree), has_tree);
    }
}

#[test]
fn a_filter_that_is_not_served_is_refused_by_name() {
    let server = Server::start(fresh());
    let refused = Client::clone(&server, 2, &["--filter=object:type=commit"]).map(drop).unwrap_err();
    refused.says("the filter 'object:type=commit' is not served here");
}
