//! Counts requests to object storage and to Redis, and how long they take. Labels name the kind and the outcome,
//! never what it was about.

use std::time::Instant;

use crate::error::{Result, StoreError};

/// Does some work of object storage, and counts it.
pub(crate) async fn storage<T>(op: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let outcome = work.await;
    let how = match &outcome {
        Ok(_) => "ok",
        Err(StoreError::Missing(_)) => "missing",
        Err(_) => "failed",
    };
    metrics::counter!("skaas_storage_requests_total", "op" => op, "outcome" => how).increment(1);
    metrics::histogram!("skaas_storage_seconds", "op" => op).record(started.elapsed().as_secs_f64());
    outcome
}

/// Counts a question to Redis that began at `started`.
pub(crate) fn redis(started: Instant, outcome: &'static str) {
    metrics::counter!("skaas_redis_requests_total", "outcome" => outcome).increment(1);
    metrics::histogram!("skaas_redis_seconds").record(started.elapsed().as_secs_f64());
}
