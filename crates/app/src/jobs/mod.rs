//! Queued work: what a kind of job is, and how one is added.
//!
//! A [`Job`] is a value that survives in the database until it is done. A [`Worker`] claims due jobs and runs them,
//! inside `serve` or alone. Every kind is in [`KINDS`].
//!
//! Invariants
//! - A job runs at least once: its row goes only after it has ended. So what it does must be safe to do twice.
//! - A job is added in the transaction of the change that wants it: both are committed, or neither.
//! - No transaction is open while a job waits for anything outside the database.
//! - Nothing compares the clocks of two nodes to decide who runs a job.

mod backoff;
mod desk;
mod housekeeping;
mod leases;
mod probe;
mod running;
mod schedule;
mod worker;

use std::{pin::Pin, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use skaas_domain::id::{JobId, UserId};
use skaas_store::{
    StoreError, Tx,
    jobs::{self as rows, Lease, NewJob},
};
use tokio::sync::Notify;

use crate::{
    accounts::{Mail, ResetRequest},
    app::App,
    audit::SealAudit,
    error::{Error, Result, causes},
};

pub use backoff::Backoff;
pub use desk::{Backlog, Retried, backlog, cancel, find, list, measure, retry, retry_dead};
pub use probe::{Probe, probe};
pub use skaas_store::jobs::{Due, JobState, desk::Job as JobRecord};
pub use worker::{Terms, Worker};

/// Every kind of job that this program runs.
pub const KINDS: &[Kind] = &[
    Kind::of::<Mail>(),
    Kind::of::<ResetRequest>(),
    Kind::of::<Probe>(),
    Kind::of::<housekeeping::Forget>(),
    Kind::of::<housekeeping::DeleteRetiredPacks>(),
    Kind::of::<housekeeping::SweepStorage>(),
    Kind::of::<SealAudit>(),
];

/// How much of an error a job's row keeps.
const ERROR_CHARS: usize = 500;

/// A kind of job, with the input of one. It is stored as JSON, so an older program's jobs must still be readable:
/// add fields as `Option`s.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// How jobs of this kind are run.
    const SPEC: Spec;

    /// Does the work. It may be done twice: after a crash, or when this worker was silent for so long that another
    /// took the job over.
    fn run(self, app: App, attempt: Attempt) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// How jobs of a kind are run.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its name in the database, in metrics and on the command line.
    pub name: &'static str,
    /// The highest goes first.
    pub priority: i64,
    /// How many one worker runs at a time.
    pub concurrency: usize,
    /// How often one is tried before it becomes a dead letter.
    pub max_attempts: i64,
    /// How long one may take.
    pub time_limit: Duration,
    /// How long one waits after a failure.
    pub backoff: Backoff,
    /// How often one is added, for scheduled kinds. A scheduled kind is a unit struct.
    pub every: Option<SignedDuration>,
}

impl Spec {
    /// A kind with the usual terms: four at a time, ten attempts of a minute each.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            priority: 0,
            concurrency: 4,
            max_attempts: 10,
            time_limit: Duration::from_mins(1),
            backoff: Backoff::new(Duration::from_secs(10), Duration::from_mins(30)),
            every: None,
        }
    }

    /// A kind of which one job is added in each period: one at a time, three attempts, half an hour each.
    pub const fn scheduled(name: &'static str, every: SignedDuration) -> Self {
        Self {
            priority: -10,
            concurrency: 1,
            max_attempts: 3,
            time_limit: Duration::from_mins(30),
            backoff: Backoff::new(Duration::from_mins(1), Duration::from_mins(5)),
            every: Some(every),
            ..Self::new(name)
        }
    }
}

/// One run of a job.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The right to run it.
    pub lease: Lease,
    /// When the job was added.
    pub created_at: Timestamp,
}

impl Attempt {
    /// The job. The same for every attempt, so that effects outside the database can be told apart by it.
    pub const fn job(&self) -> JobId {
        self.lease.job
    }

    /// Ends the job in the transaction of its effect: both are committed, or neither, so the effect happens once.
    ///
    /// # Errors
    /// [`Failure::Again`] if the job is no longer this worker's. Nothing may be committed then.
    pub async fn finish(&self, tx: &mut Tx) -> Result<(), Failure> {
        if rows::finish(tx, &self.lease, "", None).await? {
            Ok(())
        } else {
            Err(Failure::Again("another worker took the job over".to_owned()))
        }
    }
}

/// Why a job wasn't done. The text is the operator's: no address, no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A later attempt may succeed.
    Again(String),
    /// No attempt can succeed: the job becomes a dead letter at once.
    Final(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Again(causes(&error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Again(causes(&error))
    }
}

type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A kind of job as a worker sees it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    spec: Spec,
    run: fn(App, String, Attempt) -> Running,
}

impl Kind {
    /// The kind of `J`.
    pub const fn of<J: Job>() -> Self {
        Self { spec: J::SPEC, run: run::<J> }
    }
}

fn run<J: Job>(app: App, payload: String, attempt: Attempt) -> Running {
    Box::pin(async move {
        let job: J = serde_json::from_str(&payload)
            .map_err(|error| Failure::Final(format!("its payload can't be read: {error}")))?;
        job.run(app, attempt).await
    })
}

/// What is said of a job when it is added. The default: about nobody, not unique, due now.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// Whom it is about. It is deleted with them.
    pub user: Option<UserId>,
    /// While a job of the same kind and key waits, no second one is added.
    pub unique_key: Option<String>,
    /// The moment before which it does not begin.
    pub not_before: Option<Timestamp>,
}

impl Order {
    /// A job about a user.
    pub fn about(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }
}

/// Adds a job in the caller's transaction. Returns its id, or `None` if one with its unique key is waiting.
pub async fn add<J: Job>(app: &App, tx: &mut Tx, job: &J, order: &Order) -> Result<Option<JobId>> {
    let payload = serde_json::to_string(job).map_err(Error::internal)?;
    let now = app.now();
    let id = app.with_rng(|rng| JobId::new(now, rng));
    let new = NewJob {
        id,
        kind: J::SPEC.name,
        payload: &payload,
        user: order.user,
        unique_key: order.unique_key.as_deref(),
        priority: J::SPEC.priority,
        due: order.not_before.map_or(Due::Now, Due::At),
        created_at: now,
    };
    let added = rows::add(tx, &new).await?;
    // The worker looks again and again for a moment, so it doesn't matter that the commit is yet to come.
    app.jobs.ring();
    Ok(added.then_some(id))
}

/// Wakes the worker of this process.
#[derive(Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }

    async fn rung(&self) {
        self.0.notified().await;
    }
}

/// The beginning of an error's text.
fn kept(error: &str) -> String {
    error.chars().take(ERROR_CHARS).collect()
}
