//! Scheduled kinds: one job for each period, however many workers there are.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use skaas_domain::id::JobId;
use skaas_store::jobs::{self as rows, Due, NewJob};

use super::{Kind, Spec};
use crate::{app::App, error::Result};

/// The unique key of scheduled jobs: if a run still waits when the next is due, one of them is enough.
const KEY: &str = "schedule";
/// How far ahead a run that was added before may be. More than that, and a clock was wrong when it was added: without
/// this limit nothing would run until that time comes.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(24);

/// The runs that were added already, as far as this worker knows.
#[derive(Default)]
pub(super) struct Schedule(HashMap<&'static str, Timestamp>);

/// Returns the beginning of the period that `now` is in.
fn slot(now: Timestamp, every: SignedDuration) -> Timestamp {
    let period = i64::try_from(every.as_micros()).unwrap_or(i64::MAX).max(1);
    let now = now.as_microsecond();
    Timestamp::from_microsecond(now - now.rem_euclid(period)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns whether the run of `slot` is yet to be added.
fn is_due(added: Option<Timestamp>, slot: Timestamp) -> bool {
    added.is_none_or(|added| added < slot || added.duration_since(slot) > CLOCKS_DIFFER)
}

impl Schedule {
    /// Adds the runs that are due.
    pub(super) async fn add_due(&mut self, app: &App, kinds: &[Kind]) -> Result<()> {
        for Kind { spec, .. } in kinds {
            let Some(every) = spec.every else { continue };
            let slot = slot(app.now(), every);
            if is_due(self.0.get(spec.name).copied(), slot) {
                add(app, spec, slot).await?;
                self.0.insert(spec.name, slot);
            }
        }
        Ok(())
    }
}

/// Adds the run of `slot`, unless another worker has done so.
async fn add(app: &App, spec: &Spec, slot: Timestamp) -> Result<()> {
    let mut conn = app.store.read().await?;
    let added = rows::slot(&mut conn, spec.name).await?;
    drop(conn);
    if !is_due(added, slot) {
        return Ok(());
    }
    let now = app.now();
    let mut tx = app.store.begin_lazy().await?;
    if !rows::advance(&mut tx, spec.name, added, slot).await? {
        return Ok(());
    }
    let new = NewJob {
        id: app.with_rng(|rng| JobId::new(now, rng)),
        kind: spec.name,
        payload: "null",
        user: None,
        unique_key: Some(KEY),
        priority: spec.priority,
        due: Due::Now,
        created_at: now,
    };
    rows::add(&mut tx, &new).await?;
    tx.commit().await?;
    app.jobs.ring();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_due_once_in_each_period_even_for_a_clock_that_is_behind() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a constant");
        let hour = SignedDuration::from_hours(1);
        let slot = |text: &str| slot(at(text), hour);
        assert_eq!(slot("2026-11-20T12:34:56.789Z"), at("2026-11-20T12:00:00Z"));
        assert_eq!(slot("1969-12-31T23:59:59Z"), at("1969-12-31T23:00:00Z"));
        assert!(is_due(None, slot("2026-11-20T12:00:00Z")));
        let added = Some(slot("2026-11-20T12:00:00Z"));
        assert!(!is_due(added, slot("2026-11-20T12:59:59Z")));
        assert!(is_due(added, slot("2026-11-20T13:00:00Z")));
        assert!(!is_due(added, slot("2026-11-20T11:59:00Z")), "the other worker's clock is ahead");
        assert!(is_due(added, slot("2026-11-18T12:00:00Z")), "a clock was wrong by days, and no longer is");
    }
}
