//! Whether queued work gets done: a worker takes it, and none of it has failed for good.

use jiff::SignedDuration;
use skaas_app::jobs::backlog;
use skaas_domain::clock::Clock as _;

use super::{Finding, Patient};
use crate::installation::SystemClock;

/// How long a job may have been due before something is wrong.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

pub(super) async fn look(patient: &Patient) -> Option<Finding> {
    // If the database can't be read, another check says so.
    let backlog = backlog(patient.store()?, SystemClock.now()).await.ok()?;
    Some(if backlog.oldest > PATIENCE {
        let minutes = backlog.oldest.as_mins();
        Finding::fault(
            "jobs",
            format!("{} jobs are waiting; the oldest has been due for {minutes} minutes", backlog.waiting),
            "check that the server is running with jobs.in_serve (SKAAS_JOBS_IN_SERVE), or start \
             `skaas-server worker`; its log says why jobs fail",
        )
    } else if backlog.dead > 0 {
        Finding::advice(
            "jobs",
            format!("{} jobs failed for good", backlog.dead),
            "see why: skaas-server admin job list --state dead; then `admin job retry` or `admin job cancel`",
        )
    } else {
        Finding::fine("jobs", format!("{} waiting, none failed for good", backlog.waiting))
    })
}
