//! Kinds of jobs that misbehave, each in one way. What they did is kept by a key that no other test uses.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use skaas_app::{
    App, Store,
    jobs::{self, Attempt, Backoff, Failure, Job, Kind, Order, Spec},
};
use skaas_domain::id::JobId;
use skaas_testkit::app::TestApp;

/// All of them, and those of the program.
pub(crate) fn kinds() -> Vec<Kind> {
    let own = [
        Kind::of::<Notes>(),
        Kind::of::<Panics>(),
        Kind::of::<Hangs>(),
        Kind::of::<Fails>(),
        Kind::of::<Waits>(),
        Kind::of::<Adds>(),
    ];
    jobs::KINDS.iter().copied().chain(own).collect()
}

/// The job, and its attempt.
type Effect = (JobId, i64);

/// The effects so far, by key.
static EFFECTS: LazyLock<Mutex<HashMap<String, Vec<Effect>>>> = LazyLock::new(Mutex::default);

/// Where [`Adds`] of a key has its effect.
static STORES: LazyLock<Mutex<HashMap<String, Store>>> = LazyLock::new(Mutex::default);

/// Adds an [`Adds`].
pub(crate) fn add_adds(app: &TestApp, key: &str) -> JobId {
    STORES.lock().unwrap().insert(key.to_owned(), app.store().clone());
    add(app, &Adds { key: key.to_owned() })
}

fn note(key: &str, attempt: &Attempt) {
    let effect = (attempt.job(), attempt.lease.attempt);
    EFFECTS.lock().unwrap().entry(key.to_owned()).or_default().push(effect);
}

/// What was done under a key: which job, in which attempt.
pub(crate) fn effects(key: &str) -> Vec<Effect> {
    EFFECTS.lock().unwrap().get(key).cloned().unwrap_or_default()
}

/// Adds a job.
pub(crate) fn add<J: Job>(app: &TestApp, job: &J) -> JobId {
    let (operator, store) = (app.operator(), app.store());
    app.run(async {
        let mut tx = store.begin().await.unwrap();
        let id = jobs::add(operator, &mut tx, job, &Order::default()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        id
    })
}

/// Has an effect outside the database.
#[derive(Serialize, Deserialize)]
pub(crate) struct Notes {
    pub(crate) key: String,
}

impl Job for Notes {
    const SPEC: Spec = Spec::new("test_notes");

    async fn run(self, _: App, attempt: Attempt) -> Result<(), Failure> {
        note(&self.key, &attempt);
        Ok(())
    }
}

/// Panics.
#[derive(Serialize, Deserialize)]
pub(crate) struct Panics {
    pub(crate) key: String,
}

impl Job for Panics {
    const SPEC: Spec = Spec { max_attempts: 3, ..Spec::new("test_panics") };

    async fn run(self, _: App, attempt: Attempt) -> Result<(), Failure> {
        note(&self.key, &attempt);
        panic!("the job's own words");
    }
}

/// Never ends.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hangs {
    pub(crate) key: String,
}

impl Job for Hangs {
    const SPEC: Spec =
        Spec { time_limit: Duration::from_millis(20), max_attempts: 2, ..Spec::new("test_hangs") };

    async fn run(self, _: App, attempt: Attempt) -> Result<(), Failure> {
        note(&self.key, &attempt);
        std::future::pending().await
    }
}

/// Fails as long as nobody has noted a word under its key.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fails {
    pub(crate) key: String,
}

impl Job for Fails {
    const SPEC: Spec = Spec {
        max_attempts: 50,
        backoff: Backoff::new(Duration::from_secs(10), Duration::from_mins(30)),
        ..Spec::new("test_fails")
    };

    async fn run(self, _: App, attempt: Attempt) -> Result<(), Failure> {
        note(&format!("{} tried", self.key), &attempt);
        if effects(&self.key).is_empty() {
            return Err(Failure::Again("the world is not ready".to_owned()));
        }
        Ok(())
    }
}

/// Runs until it is stopped.
#[derive(Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(crate) key: String,
}

impl Job for Waits {
    const SPEC: Spec = Spec { concurrency: 2, max_attempts: 3, ..Spec::new("test_waits") };

    async fn run(self, _: App, attempt: Attempt) -> Result<(), Failure> {
        note(&self.key, &attempt);
        std::future::pending().await
    }
}

/// Adds a [`Notes`] and ends in the same transaction; then its worker is killed, as far as anybody can see.
#[derive(Serialize, Deserialize)]
pub(crate) struct Adds {
    pub(crate) key: String,
}

impl Job for Adds {
    const SPEC: Spec = Spec::new("test_adds");

    async fn run(self, app: App, attempt: Attempt) -> Result<(), Failure> {
        let Self { key } = self;
        note(&format!("{key} tried"), &attempt);
        let store = STORES.lock().unwrap().get(&key).cloned().unwrap();
        let mut tx = store.begin().await?;
        jobs::add(&app, &mut tx, &Notes { key }, &Order::default()).await?;
        attempt.finish(&mut tx).await?;
        tx.commit().await?;
        std::future::pending().await
    }
}
