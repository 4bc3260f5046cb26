//! One job while it runs: bounded in time, and its panics caught.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use skaas_store::jobs::{Claimed, Lease};
use tokio::{sync::mpsc::UnboundedSender, task::AbortHandle};

use super::{Attempt, Failure, Kind};
use crate::app::App;

/// A job that ended, in whatever way.
pub(super) struct Ended {
    pub(super) lease: Lease,
    pub(super) kind: Kind,
    pub(super) unique_key: Option<String>,
    pub(super) outcome: Result<(), Failure>,
    pub(super) took: Duration,
}

/// Starts a job. How it ends is told to `ended`, unless it is aborted.
pub(super) fn start(app: &App, kind: Kind, claimed: Claimed, ended: UnboundedSender<Ended>) -> AbortHandle {
    let app = app.clone();
    let task = tokio::spawn(async move {
        let began = tokio::time::Instant::now();
        let Claimed { lease, payload, unique_key, created_at, .. } = claimed;
        let attempt = Attempt { lease: lease.clone(), created_at };
        let work = AssertUnwindSafe(async { (kind.run)(app, payload, attempt).await }).catch_unwind();
        let outcome = match tokio::time::timeout(kind.spec.time_limit, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Failure::Again(format!("it panicked: {}", message(&*panic)))),
            Err(_) => Err(Failure::Again(format!("it didn't finish within {:?}", kind.spec.time_limit))),
        };
        // A worker that has ended needs no word.
        let _ = ended.send(Ended { lease, kind, unique_key, outcome, took: began.elapsed() });
    });
    task.abort_handle()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
