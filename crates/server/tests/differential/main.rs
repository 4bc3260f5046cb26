//! Random lives, judged by a model: users, skills, purchases, trials, lapses, revocations, releases and
//! changes of listings, while real git clones and pulls, and liars ask for what is not theirs.
//!
//! - Every checkout is what the model says of some moment between the fetch's beginning and end.
//! - Every pack is decoded: it holds and names no object that its receiver may not have at some moment
//!   of that very request.
//! - A copy always fast-forwards, but in the one documented case, which is told in words.
//!
//! Several nodes take turns, request by request, and changes fall between refs and pack. `SKAAS_TEST_SEED`
//! repeats the choices of a run (not the threads' interleaving), `SKAAS_TEST_ROUNDS` says how long it is.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod changes;
mod gate;
mod judge;
mod stage;
mod visits;

use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use skaas_testkit::app::{TestApp, TestDatabase};
use stage::Stage;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Lives on `database`, with so many nodes taking turns.
fn live(database: TestDatabase, nodes: usize, rounds: u64) {
    let seed = setting("SKAAS_TEST_SEED").unwrap_or_else(|| u64::from(StdRng::from_os_rng().next_u32()));
    let rounds = setting("SKAAS_TEST_ROUNDS").unwrap_or(rounds);
    eprintln!("SKAAS_TEST_SEED={seed} SKAAS_TEST_ROUNDS={rounds}");
    let app = TestApp::new(database, seed);
    let mut all = vec![app.node()];
    all.extend((1..nodes).map(|_| app.another_node()));
    let stage = Stage::set(&app, &all);
    let mut rng = StdRng::seed_from_u64(seed);
    stage.open(&mut rng);
    for round in 0..rounds {
        stage.round(&mut rng, round);
    }
    stage.close();
    app.finish();
}

#[test]
fn two_nodes_on_one_postgresql_serve_what_the_model_says_and_nothing_more() {
    let Some(database) = TestDatabase::postgres() else { return };
    live(database, 2, 240);
}

#[test]
fn the_embedded_default_serves_what_the_model_says_and_nothing_more() {
    live(TestDatabase::sqlite(), 1, 150);
}
