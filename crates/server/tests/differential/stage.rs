//! Who takes part, what they keep, and the order of a round.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand::Rng as _;
use rand::rngs::StdRng;
use skaas_testkit::app::{Copy, Front, Node, Person, TestApp};
use skaas_testkit::model::{Timeline, World};

use crate::gate::Gate;
use crate::judge::Judge;
use crate::visits::Visit;

pub(crate) const CREATORS: [&str; 2] = ["ann", "abe"];
/// Few, so that much happens to each.
pub(crate) const BUYERS: [&str; 3] = ["bob", "bea", "ben"];
pub(crate) const SKILLS: [&str; 4] = ["lint-pro", "deep-review", "sql-coach", "log-reader"];

/// A copy that somebody keeps.
pub(crate) struct Kept<'a> {
    pub(crate) user: &'static str,
    pub(crate) repo: &'static str,
    pub(crate) copy: Copy<'a>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) clones: AtomicUsize,
    pub(crate) pulls: AtomicUsize,
    pub(crate) lies: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) told_to_clone_again: AtomicUsize,
    pub(crate) gated: AtomicUsize,
    pub(crate) changes: AtomicUsize,
}

/// Counts one.
pub(crate) fn one(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The whole of a life.
pub(crate) struct Stage<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) front: Front,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) judge: Mutex<Judge>,
    pub(crate) copies: Mutex<Vec<Kept<'a>>>,
    pub(crate) counts: Counts,
}

impl<'a> Stage<'a> {
    pub(crate) fn set(app: &'a TestApp, nodes: &[Arc<Node>]) -> Self {
        let timeline = Arc::new(Timeline::new(World::empty(app.now())));
        let gate = Arc::new(Gate::default());
        let (line, at_gate) = (Arc::clone(&timeline), Arc::clone(&gate));
        let nodes: Vec<&Node> = nodes.iter().map(AsRef::as_ref).collect();
        let front = app.front(&nodes, move |path, before| {
            if before && path.starts_with("/me/") && path.ends_with("/git-upload-pack") {
                at_gate.pass();
            }
            if before { line.oldest() } else { line.newest() }
        });
        let (judge, copies, counts) = Default::default();
        Self { app, front, timeline, gate, judge, copies, counts }
    }

    /// Somebody, at the front.
    pub(crate) fn person(&self, name: &str) -> Person<'a> {
        self.app.person(name).at_base(&self.front.url())
    }

    /// The first skills, and everybody's admission.
    pub(crate) fn open(&self, rng: &mut StdRng) {
        for name in CREATORS.iter().chain(&BUYERS) {
            self.person(name);
        }
        for at in 0..3 {
            self.releases(SKILLS[at], CREATORS[at % 2]);
            self.is_published(SKILLS[at], rng.random_range(1..50) * 100);
        }
        self.judge();
    }

    /// Some visits at once, and changes while they last.
    pub(crate) fn round(&self, rng: &mut StdRng, round: u64) {
        let visits: Vec<Visit<'a>> = (0..rng.random_range(1..=3)).map(|_| self.visit(rng)).collect();
        let changes = rng.random_range(0..=2);
        let keeper = rng.random_bool(0.5).then(|| self.gate.arm(rng.random_range(0..3)));
        let plans: Vec<_> = visits.iter().map(|visit| format!("{visit}")).collect();
        let done = std::thread::scope(|scope| {
            let visitors: Vec<_> = visits.into_iter().map(|visit| scope.spawn(|| self.go(visit))).collect();
            let watch = scope.spawn(|| {
                let ended: Vec<_> = visitors.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
                // Whoever waits at the gate for somebody waits in vain.
                self.gate.disarm();
                ended
            });
            if let Some(keeper) = keeper
                && keeper.wait()
            {
                one(&self.counts.gated);
                self.change(rng);
            }
            for _ in 0..changes {
                self.change(rng);
            }
            watch.join().expect("it only waits")
        });
        for (ended, plan) in done.into_iter().zip(plans) {
            assert!(ended.is_ok(), "round {round}: {plan}");
        }
        self.judge();
    }

    /// Judges every pack that was sent since the last time.
    pub(crate) fn judge(&self) {
        let exchanges = self.front.take_exchanges();
        let mut judge = self.judge.lock().unwrap();
        for exchange in &exchanges {
            judge.judge(exchange, &self.timeline);
        }
    }

    /// At the end, in peace: everybody sees exactly what is true now. And that something has happened.
    pub(crate) fn close(self) {
        for user in CREATORS.iter().chain(&BUYERS) {
            for repo in SKILLS.iter().copied().chain(["marketplace"]) {
                self.looks(user, repo);
            }
        }
        self.judge();
        let n = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let c = &self.counts;
        eprintln!("{} changes, {} of them between two requests of a fetch", n(&c.changes), n(&c.gated));
        eprintln!("{} clones, {} pulls, {} lies", n(&c.clones), n(&c.pulls), n(&c.lies));
        eprintln!("{} refused, {} told to clone again", n(&c.refused), n(&c.told_to_clone_again));
        let judge = self.judge.into_inner().unwrap();
        let Judge { packs, objects, differences, .. } = judge;
        eprintln!("{packs} packs with {objects} objects judged, {differences} of them differences");
        self.app.take_away(self.front);
    }
}
