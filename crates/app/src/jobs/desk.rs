//! What an operator can do about jobs: look at them, retry, cancel.

use jiff::{SignedDuration, Timestamp};
use skaas_domain::id::JobId;
use skaas_store::{Store, jobs::desk};

use super::{JobRecord, JobState};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
};

/// What became of a request to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retried {
    /// How many jobs begin anew, or without further wait.
    pub jobs: u64,
}

fn absent(id: JobId) -> Error {
    Error::refused(Code::NoSuchJob, format!("there is no job {id}; a job that is done is deleted"))
}

/// Lists jobs of a state and kind, or of all, newest first.
pub async fn list(
    app: &App,
    actor: &Actor,
    state: Option<JobState>,
    kind: Option<&str>,
    limit: u32,
) -> Result<Vec<JobRecord>> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    Ok(desk::list(&mut conn, state, kind, limit.into()).await?)
}

/// Finds a job.
///
/// # Errors
/// [`crate::Kind::NotFound`] if there is none, or it is done.
pub async fn find(app: &App, actor: &Actor, id: JobId) -> Result<JobRecord> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    desk::find(&mut conn, id).await?.ok_or_else(|| absent(id))
}

/// Has a dead job begin anew, with all its attempts, or a waiting one begin immediately.
///
/// # Errors
/// [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if it is running.
pub async fn retry(app: &App, actor: &Actor, id: JobId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    actor.require_desk(&mut tx, app.now()).await?;
    if !desk::retry(&mut tx, id, app.now()).await? {
        desk::find(&mut tx, id).await?.ok_or_else(|| absent(id))?;
        return Err(Error::refused(
            Code::JobRunning,
            format!("the job {id} is running; nothing was changed"),
        ));
    }
    let thing = id.to_string();
    let act = Act::on_server(Action::JobRetry, &thing);
    audit::record(&mut tx, actor, app.now(), act).await?;
    tx.commit().await?;
    app.jobs.ring();
    Ok(())
}

/// Has every dead job, or those of one kind, begin anew.
pub async fn retry_dead(app: &App, actor: &Actor, kind: Option<&str>) -> Result<Retried> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    actor.require_desk(&mut tx, app.now()).await?;
    let mut jobs = 0;
    for id in desk::dead(&mut tx, kind).await? {
        if desk::retry(&mut tx, id, now).await? {
            jobs += 1;
            let thing = id.to_string();
            let act = Act::on_server(Action::JobRetry, &thing);
            audit::record(&mut tx, actor, now, act).await?;
        }
    }
    tx.commit().await?;
    app.jobs.ring();
    Ok(Retried { jobs })
}

/// Deletes a job. One that is running is stopped with its worker's next heartbeat; what it did until then stays done.
///
/// # Errors
/// [`crate::Kind::NotFound`].
pub async fn cancel(app: &App, actor: &Actor, id: JobId) -> Result<JobRecord> {
    let mut tx = app.store.begin().await?;
    actor.require_desk(&mut tx, app.now()).await?;
    let job = desk::find(&mut tx, id).await?.ok_or_else(|| absent(id))?;
    if !desk::cancel(&mut tx, id).await? {
        return Err(absent(id));
    }
    let thing = id.to_string();
    let act = Act::on_server(Action::JobCancel, &thing);
    audit::record(&mut tx, actor, app.now(), act).await?;
    tx.commit().await?;
    Ok(job)
}

/// How much is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that wait, due or not.
    pub waiting: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that failed for good.
    pub dead: u64,
    /// How long the oldest job has been due; zero if none is.
    pub oldest: SignedDuration,
}

/// Counts what is to be done.
pub async fn backlog(store: &Store, now: Timestamp) -> Result<Backlog> {
    let mut conn = store.read().await?;
    let since = desk::oldest(&mut conn, now).await?;
    let counts = desk::counts(&mut conn).await?;
    let of = |state: JobState| {
        let jobs = counts.iter().filter(|count| count.state == state).map(|count| count.jobs);
        u64::try_from(jobs.sum::<i64>()).unwrap_or(0)
    };
    let oldest = since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
    Ok(Backlog {
        waiting: of(JobState::Waiting),
        running: of(JobState::Running),
        dead: of(JobState::Dead),
        oldest: oldest.max(SignedDuration::ZERO),
    })
}

/// Publishes the metrics of the queue: how many jobs are in which state, and how long the oldest has been due.
pub async fn measure(app: &App) -> Result<()> {
    let backlog = backlog(&app.store, app.now()).await?;
    metrics::gauge!("skaas_jobs_oldest_seconds").set(backlog.oldest.as_secs_f64());
    for (state, jobs) in [
        (JobState::Waiting, backlog.waiting),
        (JobState::Running, backlog.running),
        (JobState::Dead, backlog.dead),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("skaas_jobs", "state" => state.as_str()).set(jobs as f64);
    }
    Ok(())
}
