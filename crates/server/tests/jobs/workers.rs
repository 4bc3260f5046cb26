//! Workers that fail, fall silent, are stopped, and whose clocks differ.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{
    App, AppConfig, Limits, Parts, Rate, Voice,
    jobs::{self, JobRecord, JobState, Terms, Worker},
};
use skaas_domain::{clock::ManualClock, id::JobId, master_key::Keyring};
use skaas_testkit::app::{PUBLIC_URL, TestApp, story};

use crate::kinds::{Fails, Hangs, Notes, Panics, Waits, add, add_adds, effects, kinds};

/// More looks than it takes to give a worker up.
const LOOKS: usize = 8;

pub(crate) fn worker(app: &App) -> Worker {
    Worker::with_kinds(app, Terms { grace: Duration::ZERO, ..Terms::default() }, &kinds())
}

fn find(app: &TestApp, id: JobId) -> Option<JobRecord> {
    app.run(jobs::find(app.operator(), app.actor(), id)).ok()
}

fn attempts(key: &str) -> Vec<i64> {
    effects(key).into_iter().map(|(_, attempt)| attempt).collect()
}

/// Drains until nothing is left for `by`.
fn passes(app: &TestApp, worker: &mut Worker, by: SignedDuration) {
    let step = SignedDuration::from_mins(1);
    for _ in 0..by.as_mins() {
        app.pass(step);
        app.run(worker.drain()).unwrap();
    }
}

/// Waits until something was done under a key: by a job that then never ends.
fn begun(key: &str, attempts: usize) {
    for _ in 0..3000 {
        if effects(key).len() >= attempts {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing was done under {key}");
}

fn of_each(name: &str, app: &TestApp) -> String {
    format!("{name} {}", app.database().is_postgres())
}

#[test]
fn a_job_that_panics_or_hangs_is_tried_again_then_a_dead_letter_and_its_worker_goes_on() {
    story(|app| {
        let [panics, hangs, notes] = ["panics", "hangs", "after them"].map(|name| of_each(name, app));
        let mut worker = worker(app.node().app());
        let one = add(app, &Panics { key: panics.clone() });
        let other = add(app, &Hangs { key: hangs.clone() });
        passes(app, &mut worker, SignedDuration::from_mins(3));
        assert_eq!((attempts(&panics), attempts(&hangs)), (vec![1, 2, 3], vec![1, 2]));
        let (one, other) = (find(app, one).unwrap(), find(app, other).unwrap());
        assert_eq!((one.state, other.state), (JobState::Dead, JobState::Dead));
        assert_eq!(one.error.as_deref(), Some("it panicked: the job's own words"));
        assert_eq!(other.error.as_deref(), Some("it didn't finish within 20ms"));
        add(app, &Notes { key: notes.clone() });
        app.run(worker.drain()).unwrap();
        assert_eq!(attempts(&notes), [1]);
        assert!(app.metric("skaas_jobs_running").abs() < f64::EPSILON);
        app.run(jobs::cancel(app.operator(), app.actor(), one.id)).unwrap();
        app.run(jobs::cancel(app.operator(), app.actor(), other.id)).unwrap();
    });
}

#[test]
fn a_job_that_fails_for_a_day_is_a_dead_letter_and_is_done_once_it_is_retried_by_hand() {
    story(|app| {
        let key = of_each("fails for a day", app);
        let mut worker = worker(app.node().app());
        let id = add(app, &Fails { key: key.clone() });
        passes(app, &mut worker, SignedDuration::from_hours(12));
        let waiting = find(app, id).unwrap();
        assert_eq!(waiting.state, JobState::Waiting);
        assert!(waiting.due_at.unwrap().duration_since(app.now()) <= SignedDuration::from_mins(30));
        passes(app, &mut worker, SignedDuration::from_hours(18));
        let dead = find(app, id).unwrap();
        assert_eq!((dead.state, dead.attempts), (JobState::Dead, 50));
        assert_eq!(dead.error.as_deref(), Some("the world is not ready"));
        // The cause is gone, and nothing happens by itself.
        add(app, &Notes { key: key.clone() });
        passes(app, &mut worker, SignedDuration::from_hours(1));
        assert_eq!(find(app, id).unwrap().state, JobState::Dead);
        assert_eq!(app.run(jobs::retry_dead(app.operator(), app.actor(), None)).unwrap().jobs, 1);
        app.run(worker.drain()).unwrap();
        assert_eq!(find(app, id), None);
        assert_eq!(attempts(&format!("{key} tried")).len(), 51);
    });
}

#[test]
fn a_job_whose_worker_dies_before_it_says_so_is_done_again_under_the_same_id() {
    story(|app| {
        let [outside, inside] = ["effect outside", "effect inside"].map(|name| of_each(name, app));
        let mut first = worker(app.node().app());
        let id = add(app, &Notes { key: outside.clone() });
        add_adds(app, &inside);
        app.run(first.start_due()).unwrap();
        begun(&outside, 1);
        begun(&format!("{inside} tried"), 1);
        // A killed worker writes nothing down.
        drop(first);
        let mut second = worker(app.another_node().app());
        app.run(second.drain()).unwrap();
        assert_eq!(effects(&outside), [(id, 1)], "the other may still be at work");
        for _ in 0..LOOKS {
            app.run(second.look()).unwrap();
        }
        app.run(second.drain()).unwrap();
        assert_eq!(effects(&outside), [(id, 1), (id, 2)]);
        // What ended in the transaction of its effect has only one.
        assert_eq!(attempts(&format!("{inside} tried")), [1]);
        assert_eq!(attempts(&inside), [1]);
        assert_eq!(app.run(jobs::list(app.operator(), app.actor(), None, None, 10)).unwrap(), []);
    });
}

#[test]
fn a_job_that_kills_its_worker_each_time_is_a_dead_letter_in_the_end() {
    story(|app| {
        let key = of_each("kills its worker", app);
        let id = add(app, &Waits { key: key.clone() });
        for attempt in 1..=3 {
            let mut killed = worker(app.node().app());
            assert_eq!(app.run(killed.start_due()).unwrap(), 1, "{attempt}");
            drop(killed);
            let mut other = worker(app.node().app());
            for _ in 0..LOOKS {
                app.run(other.look()).unwrap();
            }
        }
        let dead = find(app, id).unwrap();
        assert_eq!((dead.state, dead.attempts), (JobState::Dead, 3));
        assert_eq!(dead.error.as_deref(), Some("the worker that ran it stopped without a word"));
        app.run(jobs::cancel(app.operator(), app.actor(), id)).unwrap();
    });
}

/// A node on the same data whose clock shows another time.
fn node_with_clock(app: &TestApp, ahead: SignedDuration) -> App {
    let clock = Arc::new(ManualClock::new(app.now().saturating_add(ahead).unwrap()));
    let store = app.run(app.database().store());
    let config = AppConfig {
        voice: Voice { public_url: PUBLIC_URL.to_owned(), marketplace_name: "skaas".to_owned() },
        scratch: app.folder().join("apart"),
        limits: Limits::default(),
    };
    let rng = Box::new(StdRng::seed_from_u64(77));
    App::new(config, Parts { store, clock, rng, rate: Rate::in_process(), keyring: Keyring::default() })
}

#[test]
fn workers_whose_clocks_are_a_year_apart_neither_steal_nor_strand_a_job() {
    for ahead in [SignedDuration::from_hours(24 * 365), SignedDuration::from_hours(-24 * 365)] {
        story(|app| {
            let key = format!("{} {ahead}", of_each("clocks apart", app));
            let mut mine = worker(app.node().app());
            let mut other = worker(&node_with_clock(app, ahead));
            let id = add(app, &Waits { key: key.clone() });
            app.run(mine.start_due()).unwrap();
            begun(&key, 1);
            // As long as its worker gives signs a job stays where it is.
            for _ in 0..3 * LOOKS {
                app.run(mine.beat()).unwrap();
                app.run(other.look()).unwrap();
                app.run(other.look()).unwrap();
                assert_eq!(app.run(other.start_due()).unwrap(), 0);
            }
            assert_eq!(attempts(&key), [1]);
            // Then its worker falls silent, for instance because its machine sleeps.
            for _ in 0..LOOKS {
                app.run(other.look()).unwrap();
            }
            assert_eq!(app.run(other.start_due()).unwrap(), 1);
            begun(&key, 2);
            let held = find(app, id).unwrap();
            // It wakes up, learns that it lost the job, and stops it.
            app.run(mine.beat()).unwrap();
            assert!(app.log().lines().iter().any(|line| line.event == "job_lost"));
            assert_eq!(find(app, id).unwrap().holder, held.holder);
            app.run(jobs::cancel(app.operator(), app.actor(), id)).unwrap();
            app.run(other.beat()).unwrap();
            // What a node with the one clock adds, a node with the other does at once.
            let notes = format!("{key} notes");
            add(app, &Notes { key: notes.clone() });
            app.run(other.drain()).unwrap();
            assert_eq!(attempts(&notes), [1]);
        });
    }
}

#[test]
fn a_worker_that_is_told_to_stop_gives_back_what_it_cannot_finish() {
    story(|app| {
        let key = of_each("given back", app);
        let id = add(app, &Waits { key: key.clone() });
        let stopping = worker(app.node().app());
        let watched = key.clone();
        app.run(stopping.run(async move {
            while effects(&watched).is_empty() {
                tokio::task::yield_now().await;
            }
        }));
        let back = find(app, id).unwrap();
        assert_eq!((back.state, back.attempts, back.holder), (JobState::Waiting, 0, None));
        let mut next = worker(app.node().app());
        assert_eq!(app.run(next.start_due()).unwrap(), 1, "nobody has to wait for it");
        begun(&key, 2);
        assert_eq!(attempts(&key), [1, 1]);
        app.run(jobs::cancel(app.operator(), app.actor(), id)).unwrap();
    });
}

#[test]
fn no_more_jobs_of_a_kind_run_at_a_time_than_it_allows_and_a_canceled_one_makes_room() {
    story(|app| {
        let key = of_each("five at once", app);
        let another = |_| {
            app.pass(SignedDuration::from_secs(1));
            add(app, &Waits { key: key.clone() })
        };
        let ids: Vec<JobId> = (0..5).map(another).collect();
        let mut worker = worker(app.node().app());
        assert_eq!(app.run(worker.start_due()).unwrap(), 2);
        assert_eq!(app.run(worker.start_due()).unwrap(), 0);
        begun(&key, 2);
        // Another kind has places of its own.
        let notes = format!("{key} notes");
        add(app, &Notes { key: notes.clone() });
        assert_eq!(app.run(worker.start_due()).unwrap(), 1);
        begun(&notes, 1);
        app.run(jobs::cancel(app.operator(), app.actor(), ids[0])).unwrap();
        app.run(worker.beat()).unwrap();
        app.run(worker.start_due()).unwrap();
        begun(&key, 3);
        // The two that started together may begin in either order.
        let mut begun: Vec<JobId> = effects(&key).into_iter().map(|(job, _)| job).collect();
        begun.sort();
        assert_eq!(begun, ids[..3]);
        for id in &ids[1..] {
            app.run(jobs::cancel(app.operator(), app.actor(), *id)).unwrap();
        }
    });
}

#[test]
fn an_idle_worker_takes_no_writers_lock() {
    story(|app| {
        let mut worker = worker(app.node().app());
        app.run(worker.drain()).unwrap();
        app.run(async {
            let writer = app.store().begin().await.unwrap();
            let began = std::time::Instant::now();
            for _ in 0..10 {
                worker.drain().await.unwrap();
                worker.beat().await.unwrap();
                worker.look().await.unwrap();
            }
            assert!(began.elapsed() < Duration::from_secs(3), "it waited for the lock");
            drop(writer);
        });
    });
}

#[test]
fn a_job_that_cannot_be_read_is_a_dead_letter_at_once_and_one_of_an_unknown_kind_waits() {
    story(|app| {
        let notes = add(app, &Notes { key: "unread".to_owned() });
        let unknown = add(app, &Fails { key: "unknown".to_owned() });
        app.run(async {
            let mut tx = app.store().begin().await.unwrap();
            let text = "UPDATE jobs SET payload = '[]' WHERE kind = 'test_notes'";
            skaas_testkit::app::run_sql(&mut tx, text).await.unwrap();
            let text = "UPDATE jobs SET kind = 'of_a_newer_release' WHERE kind = 'test_fails'";
            skaas_testkit::app::run_sql(&mut tx, text).await.unwrap();
            tx.commit().await.unwrap();
        });
        app.run(worker(app.node().app()).drain()).unwrap();
        let dead = find(app, notes).unwrap();
        assert_eq!((dead.state, dead.attempts), (JobState::Dead, 1));
        assert!(dead.error.unwrap().starts_with("its payload can't be read"));
        assert_eq!(find(app, unknown).unwrap().state, JobState::Waiting);
        app.run(jobs::cancel(app.operator(), app.actor(), notes)).unwrap();
        app.run(jobs::cancel(app.operator(), app.actor(), unknown)).unwrap();
    });
}
