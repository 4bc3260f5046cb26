//! Clients that ask for what they may not have, or lie about what they have.

use gix_hash::ObjectId;
use proptest::prelude::*;
use skaas_git::sideband::SideBand;
use skaas_git::upload_pack::{Deepen, FetchRequest, Version};

use crate::client::Client;
use crate::server::{Server, fetch};
use crate::world::World;

/// stub, r1, r2, stub: the paid states are behind a lapse.
fn lapsed() -> World {
    let mut world = World::new(true, "stub");
    world.tag("r1");
    world.show("r1", &["stub", "r1"]);
    world.show("r2", &["stub", "r1", "r2"]);
    world.show("stub", &["stub"]);
    world
}

fn paid_ids(world: &World) -> Vec<ObjectId> {
    let steps = world.steps();
    let mut ids = vec![steps[1], steps[2]];
    for state in ["r1", "r2"] {
        ids.extend([world.root(state), world.tree(state), world.blob(state, "README.md")]);
    }
    ids
}

#[test]
fn nothing_paid_can_be_fetched_by_its_id() {
    for protocol in [2, 0] {
        let server = Server::start(lapsed());
        let copy = Client::clone(&server, protocol, &["--depth", "1"]).unwrap();
        let paid = paid_ids(&server.world());
        for id in paid {
            let id = id.to_string();
            for args in [&[][..], &["--depth", "1"], &["--filter=blob:none"]] {
                let refused = copy.git(&[&["fetch", "-q"], args, &["origin", &id]].concat()).unwrap_err();
                refused.says(&format!("not our ref {id}"));
            }
        }
        let unknown = "1234567890123456789012345678901234567890";
        let refused = copy.git(&["fetch", "-q", "origin", unknown]).unwrap_err();
        refused.says(&format!("not our ref {unknown}"));
    }
}

#[test]
fn own_steps_roots_and_objects_can_be_fetched_by_their_id_while_permitted() {
    for protocol in [2, 0] {
        let server = Server::start(lapsed());
        server.world().show("r2", &["stub", "r1", "r2"]);
        let (steps, root, tree, blob) = {
            let world = server.world();
            (world.steps(), world.root("r1"), world.tree("r1"), world.blob("r1", "README.md"))
        };
        for id in steps.into_iter().chain([root, tree, blob]) {
            let copy = Client::clone(&server, protocol, &["--depth", "1"]).unwrap();
            copy.git(&["fetch", "-q", "--depth", "1", "origin", &id.to_string()]).unwrap();
            copy.git(&["cat-file", "-e", &id.to_string()]).unwrap();
            copy.is_sound();
        }
    }
}

#[test]
fn a_commit_pin_is_cloned_as_agents_do_it() {
    let mut world = World::new(true, "stub");
    world.show("r1", &["stub", "r1"]);
    world.show("r2", &["stub", "r1", "r2"]);
    let pin = world.steps()[1].to_string();
    let server = Server::start(world);
    let copy = Client::clone(&server, 2, &["--no-checkout"]).unwrap();
    copy.git(&["fetch", "-q", "--depth", "1", "origin", &pin]).unwrap();
    copy.git(&["checkout", "-q", &pin]).unwrap();
    copy.sees("r1");
}

#[test]
fn thin_packs_lean_on_permitted_objects_only() {
    let server = Server::start(World::new(true, "stub"));
    let copy = Client::clone(&server, 2, &[]).unwrap();
    server.world().show("r1", &["stub", "r1"]);
    copy.pull(&[]).unwrap();
    copy.sees("r1");
    let deltas = server.world().bases.len();
    assert!(deltas > 0, "a release is sent as a delta to the state before it");
    server.world().show("stub2", &["stub2"]);
    copy.pull(&[]).unwrap();
    copy.sees("stub2");
    assert_eq!(server.world().bases.len(), deltas, "nothing of a lapsed state serves as a base");
}

/// A request as a program of one's own would send it.
fn arbitrary_request(ids: Vec<ObjectId>) -> impl Strategy<Value = FetchRequest> {
    let some = proptest::sample::subsequence(ids.clone(), 0..=ids.len().min(6));
    let deepen = prop_oneof![
        Just(None),
        (1_u32..6, any::<bool>()).prop_map(|(depth, relative)| Some(Deepen::Depth { depth, relative })),
        Just(Some(Deepen::Depth { depth: u32::MAX >> 1, relative: false })),
        Just(Some(Deepen::Excluding { since: Some(0), not: Vec::new() })),
    ];
    let version = prop_oneof![Just(Version::V0), Just(Version::V2)];
    let filter = prop_oneof![Just(None), Just(Some("blob:none")), Just(Some("tree:0")), Just(Some("tree:1"))];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let want = proptest::sample::select(ids);
    (some.clone(), some.clone(), some, want, deepen, version, filter, flags).prop_map(
        |(mut wants, haves, shallow, want, deepen, version, filter, (done, thin_pack, no_done, by_name))| {
            // Most requests of many wants hold a forbidden one; one want gets farther.
            if done {
                wants = vec![want];
            }
            FetchRequest {
                version,
                wants,
                want_refs: if by_name { vec!["HEAD".to_owned()] } else { Vec::new() },
                haves,
                shallow,
                deepen,
                done,
                thin_pack,
                no_done,
                negotiating: true,
                side_band: SideBand::None,
                filter: filter.map(|filter| skaas_git::upload_pack::parse_filter(filter).unwrap()),
                ..FetchRequest::default()
            }
        },
    )
}

fn every_id() -> Vec<ObjectId> {
    let world = lapsed();
    let mut ids = paid_ids(&world);
    ids.extend([world.steps()[0], world.steps()[3], world.tree("stub"), world.blob("stub", "README.md")]);
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_request_whatever_draws_out_a_forbidden_object(request in arbitrary_request(every_id())) {
        let mut world = lapsed();
        fetch(&mut world, &request);
        prop_assert!(world.leaks.is_empty(), "{:?}", world.leaks);
        // And with more permitted, but not all.
        world.show("r2", &["stub", "r2"]);
        fetch(&mut world, &request);
        prop_assert!(world.leaks.is_empty(), "{:?}", world.leaks);
    }
}
