//! A job that does nothing: it shows that a worker is running, and how long a job waits for it.

use serde::{Deserialize, Serialize};
use skaas_domain::id::JobId;

use super::{Attempt, Failure, Job, Order, Spec, add};
use crate::{app::App, error::Result};

/// Does nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Probe {}

impl Job for Probe {
    const SPEC: Spec = Spec { priority: -20, concurrency: 16, ..Spec::new("probe") };

    async fn run(self, _: App, _: Attempt) -> Result<(), Failure> {
        Ok(())
    }
}

/// Adds so many jobs that do nothing.
pub async fn probe(app: &App, count: u32) -> Result<Vec<JobId>> {
    let mut tx = app.store.begin().await?;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.extend(add(app, &mut tx, &Probe {}, &Order::default()).await?);
    }
    tx.commit().await?;
    Ok(ids)
}
