//! The worker: claims due jobs, runs them, and writes down how they ended.
//!
//! Reading comes first: a worker begins a transaction only if there is something to write, so an idle one never holds
//! the writer's lock of SQLite. What ended and what is claimed next share one transaction.

use std::{collections::HashMap, sync::Arc, time::Duration};

use skaas_domain::id::JobId;
use skaas_store::{
    Mark, StoreError, Tx,
    jobs::{self as rows, Candidate, Claimed, Due, Held, Lease},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{
    Failure, KINDS, Kind, kept,
    leases::{LOOKS, LOOKS_PER_BEAT, Watch},
    running::{Ended, start},
    schedule::Schedule,
};
use crate::{
    app::App,
    error::{Result, causes},
    quiet::Quiet,
};

/// How many jobs a worker runs at a time, of whatever kind.
const PLACES: usize = 32;
/// How long a worker waits before it looks again: at first, and at most.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);
/// How much longer than a round that wrote the rest after it is, and its limit: the writer's lock of SQLite is free for
/// others most of the time, and so is the CPU, however many jobs wait.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_millis(50);
/// How often a worker looks for scheduled runs.
const SCHEDULE_EVERY: Duration = Duration::from_secs(15);

/// How a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// For how long a worker may be silent before another takes its jobs over.
    pub lease: Duration,
    /// How long running jobs may take to end once the worker is told to stop.
    pub grace: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), grace: Duration::from_secs(30) }
    }
}

/// A job that this worker runs.
struct Current {
    lease: Lease,
    kind: &'static str,
    task: AbortHandle,
}

/// What one round found to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Round {
    /// How many jobs it started.
    started: usize,
    /// How many ends of jobs it wrote down.
    settled: usize,
}

/// Runs jobs. Dropped, it leaves what is running to other workers.
pub struct Worker {
    app: App,
    kinds: Arc<[Kind]>,
    terms: Terms,
    /// Its name in the rows of the jobs that it runs.
    name: String,
    running: HashMap<JobId, Current>,
    ended: UnboundedReceiver<Ended>,
    ending: UnboundedSender<Ended>,
    /// What ended and is not yet written down.
    unsettled: Vec<Ended>,
    watch: Watch,
    schedule: Schedule,
    /// The database as it was when nothing was found to claim, and when the next job is due.
    idle: Option<(Mark, Option<Due>)>,
    failures: Quiet,
}

impl Worker {
    /// A worker for every kind of this program.
    pub fn new(app: &App, terms: Terms) -> Self {
        Self::with_kinds(app, terms, KINDS)
    }

    /// A worker for these kinds only.
    pub fn with_kinds(app: &App, terms: Terms, kinds: &[Kind]) -> Self {
        let (ending, ended) = unbounded_channel();
        let name = app.with_rng(|rng| format!("{:016x}", rng.next_u64()));
        Self {
            app: app.clone(),
            kinds: kinds.into(),
            terms,
            name,
            running: HashMap::new(),
            ended,
            ending,
            unsettled: Vec::new(),
            watch: Watch::default(),
            schedule: Schedule::default(),
            idle: None,
            failures: Quiet::default(),
        }
    }

    /// Works until `stop`. Then it starts nothing more, lets running jobs end within the grace period, and gives the
    /// others back.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let beat_every = self.terms.lease * LOOKS_PER_BEAT / LOOKS;
        let [mut beats, mut looks, mut schedules] = [beat_every, self.terms.lease / LOOKS, SCHEDULE_EVERY]
            .map(|period| {
                let mut ticks = interval(period.max(Duration::from_millis(1)));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks
            });
        tracing::info!(event = "worker_started", worker = self.name);
        let mut pause = SHORTEST;
        loop {
            let began = Instant::now();
            let round = self.round().await;
            if matches!(&round, Ok(round) if *round != Round::default()) {
                sleep((began.elapsed() * REST).min(LONGEST_REST)).await;
            }
            let wait = match &round {
                Ok(_) => pause.min(self.until_due()),
                Err(_) => LONGEST,
            };
            self.report(round);
            tokio::select! {
                biased;
                () = &mut stop => break,
                _ = beats.tick() => { let beaten = self.beat().await; self.report(beaten); }
                _ = looks.tick() => { let looked = self.look().await; self.report(looked); }
                _ = schedules.tick() => { let added = self.schedule().await; self.report(added); }
                Some(ended) = self.ended.recv() => { self.unsettled.push(ended); pause = SHORTEST; }
                () = self.app.jobs.rung() => pause = SHORTEST,
                () = sleep(wait) => pause = (pause * 2).min(LONGEST),
            }
        }
        self.wind_down().await;
    }

    /// Runs every job that is due, and those that they add, until none is left. Waits for nothing that is due later,
    /// and adds no scheduled runs.
    pub async fn drain(&mut self) -> Result<()> {
        loop {
            let round = self.round().await?;
            if self.running.is_empty() && round == Round::default() {
                return Ok(());
            }
            if !self.running.is_empty()
                && let Some(ended) = self.ended.recv().await
            {
                self.unsettled.push(ended);
            }
        }
    }

    /// Claims and starts due jobs without waiting for them.
    pub async fn start_due(&mut self) -> Result<usize> {
        Ok(self.round().await?.started)
    }

    /// Adds the scheduled runs that are due.
    pub async fn schedule(&mut self) -> Result<()> {
        self.schedule.add_due(&self.app, &self.kinds).await
    }

    /// Writes down what ended, claims what is due, and starts it.
    async fn round(&mut self) -> Result<Round> {
        while let Ok(ended) = self.ended.try_recv() {
            self.unsettled.push(ended);
        }
        let candidates = self.candidates().await?;
        if self.unsettled.is_empty() && candidates.is_empty() {
            return Ok(Round::default());
        }
        let now = self.app.now();
        // A power cut may undo this: then the job is done once more, which every job has to bear.
        let mut tx = self.app.store.begin_lazy().await?;
        for ended in &self.unsettled {
            settle(&self.app, &mut tx, ended).await?;
        }
        let mut claimed = Vec::new();
        for (candidate, kind) in candidates {
            if let Some(job) = rows::claim(&mut tx, candidate.id, &self.name, now).await? {
                claimed.push((kind, job));
            }
        }
        tx.commit().await?;
        let round = Round { started: claimed.len(), settled: self.unsettled.len() };
        for ended in std::mem::take(&mut self.unsettled) {
            self.running.remove(&ended.lease.job);
            tell(&ended);
        }
        for (kind, job) in claimed {
            self.start(kind, job);
        }
        Ok(round)
    }

    fn start(&mut self, kind: Kind, job: Claimed) {
        metrics::gauge!("skaas_jobs_running", "kind" => kind.spec.name).increment(1.0);
        let lease = job.lease.clone();
        let task = start(&self.app, kind, job, self.ending.clone());
        self.running.insert(lease.job, Current { lease, kind: kind.spec.name, task });
    }

    /// The jobs to claim next, the most urgent first, for as many places as are free.
    async fn candidates(&mut self) -> Result<Vec<(Candidate, Kind)>> {
        // What ended gives its place back in the transaction that claims the next.
        let busy = self.running.len().saturating_sub(self.unsettled.len());
        let places = PLACES.saturating_sub(busy);
        if places == 0 || self.is_idle() {
            return Ok(Vec::new());
        }
        let mark = self.app.store.mark();
        let now = self.app.now();
        let mut conn = self.app.store.read().await?;
        let next = rows::next_due(&mut conn).await?;
        let mut found = Vec::new();
        if next.is_some_and(|next| next <= Due::At(now)) {
            for kind in self.kinds.iter() {
                let room = i64::try_from(self.room(kind).min(places)).unwrap_or(0);
                if room > 0 {
                    let some = rows::candidates(&mut conn, kind.spec.name, now, room).await?;
                    found.extend(some.into_iter().map(|candidate| (candidate, *kind)));
                }
            }
        }
        found.sort_by_key(|(candidate, _)| candidate.order());
        found.truncate(places);
        self.idle = mark.filter(|_| found.is_empty()).map(|mark| (mark, next));
        Ok(found)
    }

    /// How many more jobs of a kind may run.
    fn room(&self, kind: &Kind) -> usize {
        let name = kind.spec.name;
        let running = self.running.values().filter(|current| current.kind == name).count();
        let ended = self.unsettled.iter().filter(|ended| ended.kind.spec.name == name).count();
        kind.spec.concurrency.saturating_sub(running.saturating_sub(ended))
    }

    /// Whether nothing was committed since nothing was found, and nothing has become due.
    fn is_idle(&self) -> bool {
        let Some((mark, next)) = &self.idle else { return false };
        self.app.store.mark().as_ref() == Some(mark) && next.is_none_or(|next| next > Due::At(self.app.now()))
    }

    /// How long until the next job is due that waits for its time.
    fn until_due(&self) -> Duration {
        let Some((_, Some(Due::At(at)))) = &self.idle else { return LONGEST };
        Duration::try_from(at.duration_since(self.app.now())).unwrap_or(SHORTEST).max(SHORTEST)
    }

    /// Shows others that this worker is at work, and stops the jobs that it lost.
    pub async fn beat(&mut self) -> Result<()> {
        if self.running.is_empty() {
            return Ok(());
        }
        let mut leases: Vec<&Lease> = self.running.values().map(|current| &current.lease).collect();
        leases.sort_by_key(|lease| lease.job);
        let mut lost = Vec::new();
        let mut tx = self.app.store.begin_lazy().await?;
        for lease in leases {
            if !rows::beat(&mut tx, lease).await? {
                lost.push(lease.job);
            }
        }
        tx.commit().await?;
        while let Ok(ended) = self.ended.try_recv() {
            self.unsettled.push(ended);
        }
        for job in lost {
            // One that has ended by now is written down as usual, which finds that it is not ours.
            if !self.unsettled.iter().any(|ended| ended.lease.job == job)
                && let Some(current) = self.running.remove(&job)
            {
                current.task.abort();
                metrics::gauge!("skaas_jobs_running", "kind" => current.kind).decrement(1.0);
                tracing::warn!(event = "job_lost", job_id = %job, kind = current.kind);
            }
        }
        Ok(())
    }

    /// Looks for signs of other workers, and has jobs of silent ones begin anew.
    pub async fn look(&mut self) -> Result<()> {
        let mut conn = self.app.store.read().await?;
        let mut held = rows::held(&mut conn).await?;
        drop(conn);
        let is_mine = |held: &Held| {
            self.running.get(&held.lease.job).is_some_and(|current| current.lease == held.lease)
        };
        held.retain(|held| !is_mine(held));
        let mut silent = self.watch.look(held);
        if silent.is_empty() {
            return Ok(());
        }
        // In one order for all workers, so that none waits for another that waits for it.
        silent.sort_by_key(|held| held.lease.job);
        let mut tx = self.app.store.begin_lazy().await?;
        for held in &silent {
            if rows::is_silent(&mut tx, held).await? {
                take_over(&self.app, &mut tx, held, &self.kinds).await?;
            }
        }
        tx.commit().await?;
        self.app.jobs.ring();
        Ok(())
    }

    /// Lets running jobs end within the grace period, then gives the others back.
    async fn wind_down(mut self) {
        let end = Instant::now() + self.terms.grace;
        let mut beats = interval((self.terms.lease / LOOKS).max(Duration::from_millis(1)));
        while self.running.len() > self.unsettled.len() {
            tokio::select! {
                Some(ended) = self.ended.recv() => self.unsettled.push(ended),
                _ = beats.tick() => { let beaten = self.beat().await; self.report(beaten); }
                () = sleep_until(end) => break,
            }
        }
        let abandoned = self.running.len().saturating_sub(self.unsettled.len());
        if let Err(error) = self.give_back().await {
            // Others take these jobs over once this worker has been silent for long enough.
            tracing::warn!(event = "jobs_not_given_back", reason = %causes(&error));
        }
        tracing::info!(event = "worker_stopped", worker = self.name, given_back = abandoned);
    }

    async fn give_back(&mut self) -> Result<()> {
        if self.running.is_empty() {
            return Ok(());
        }
        let now = self.app.now();
        let mut tx = self.app.store.begin().await?;
        for ended in &self.unsettled {
            settle(&self.app, &mut tx, ended).await?;
        }
        for ended in std::mem::take(&mut self.unsettled) {
            self.running.remove(&ended.lease.job);
            tell(&ended);
        }
        for current in self.running.values() {
            current.task.abort();
            rows::release(&mut tx, &current.lease, now).await?;
        }
        Ok(tx.commit().await?)
    }

    fn report<T>(&self, outcome: Result<T>) {
        if let Err(error) = outcome
            && let Some(more) = self.failures.say(Instant::now())
        {
            tracing::warn!(event = "worker_failed", reason = %causes(&error), more);
        }
    }
}

/// Writes down how a job ended. Of a job that is another worker's by now, nothing is changed.
async fn settle(app: &App, tx: &mut Tx, ended: &Ended) -> Result<(), StoreError> {
    let Ended { lease, kind, unique_key, outcome, .. } = ended;
    let spec = &kind.spec;
    let now = app.now();
    match outcome {
        Ok(()) => rows::finish(tx, lease, spec.name, unique_key.as_deref()).await?,
        Err(Failure::Again(error)) if lease.attempt < spec.max_attempts => {
            let next = app.with_rng(|rng| spec.backoff.next(lease.attempt, now, rng));
            rows::wait_again(tx, lease, Due::At(next), Some(&kept(error)), now).await?
        }
        Err(Failure::Again(error) | Failure::Final(error)) => {
            rows::bury(tx, lease, spec.name, &kept(error), now).await?
        }
    };
    Ok(())
}

/// Tells the operator how a job ended.
fn tell(ended: &Ended) {
    let Ended { lease, kind, outcome, took, .. } = ended;
    let (name, job) = (kind.spec.name, lease.job);
    metrics::gauge!("skaas_jobs_running", "kind" => name).decrement(1.0);
    metrics::histogram!("skaas_job_seconds", "kind" => name).record(took.as_secs_f64());
    let count = |outcome| {
        metrics::counter!("skaas_jobs_ended_total", "kind" => name, "outcome" => outcome).increment(1);
    };
    match outcome {
        Ok(()) => {
            count("done");
            tracing::debug!(event = "job_done", job_id = %job, kind = name);
        }
        Err(Failure::Again(error)) if lease.attempt < kind.spec.max_attempts => {
            count("failed");
            let attempt = lease.attempt;
            tracing::warn!(event = "job_failed", job_id = %job, kind = name, attempt, reason = error);
        }
        Err(Failure::Again(error) | Failure::Final(error)) => {
            count("dead");
            tracing::warn!(event = "job_dead", job_id = %job, kind = name, attempts = lease.attempt, reason = error);
        }
    }
}

/// Has a job of a silent worker begin anew, unless it has cost as many workers as it has attempts.
async fn take_over(app: &App, tx: &mut Tx, held: &Held, kinds: &[Kind]) -> Result<()> {
    let Held { lease, kind, .. } = held;
    let why = "the worker that ran it stopped without a word";
    let now = app.now();
    let known = kinds.iter().find(|known| known.spec.name == kind);
    if known.is_some_and(|known| lease.attempt >= known.spec.max_attempts) {
        rows::bury(tx, lease, kind, why, now).await?;
    } else {
        rows::wait_again(tx, lease, Due::Now, Some(why), now).await?;
    }
    tracing::warn!(event = "job_taken_over", job_id = %lease.job, kind, worker = lease.holder);
    Ok(())
}
