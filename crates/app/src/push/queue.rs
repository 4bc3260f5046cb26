//! Places for pushes, and the bounded queue in front of them. Whoever waits is told so in git's progress.

use std::time::Duration;

use skaas_domain::id::UserId;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::line::Line;
use crate::{
    code::Code,
    error::{Error, Result},
    limits::{Limits, Place, Places},
};

/// How often a waiting pusher reads how long they have waited.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// The places for pushes of one node.
pub(crate) struct PushQueue {
    places: Places,
    waiting: Places,
    /// For pushes of very many refs: their commands are in memory while they wait, megabytes of them.
    many_refs: Places,
    patience: Duration,
}

impl PushQueue {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            places: Places::new(limits.concurrent_pushes, limits.push_patience),
            waiting: Places::new(limits.queued_pushes, Duration::ZERO),
            many_refs: Places::new(limits.concurrent_pushes + limits.queued_pushes, Duration::ZERO),
            patience: limits.push_patience,
        }
    }

    /// A place for the commands of a push of very many refs.
    ///
    /// # Errors
    /// [`Error::Busy`] when others have them all.
    pub(super) fn take_for_many_refs(&self, user: UserId) -> Result<Place> {
        self.many_refs.try_take(user).ok_or(Error::Busy { retry_after: self.patience })
    }

    /// A place for a push of `user`: at once, or after a wait in the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, or the wait was too long; [`crate::Kind::Invalid`] when the pusher left.
    pub(super) async fn take(&self, user: UserId, line: &Line) -> Result<PushPlace> {
        if let Some(place) = self.places.try_take(user) {
            return Ok(PushPlace::new(place));
        }
        let Some(_waiting) = self.waiting.try_take(user) else {
            return Err(Error::Busy { retry_after: self.patience });
        };
        let _counted = Counted::in_gauge("skaas_pushes_waiting");
        let began = Instant::now();
        let mut tick = interval(TOLD_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut taking = std::pin::pin!(self.places.take(user));
        loop {
            tokio::select! {
                place = &mut taking => {
                    line.progress("Waiting for other pushes to finish, done.\n");
                    return place.map(PushPlace::new);
                }
                () = line.closed() => return Err(Error::refused(Code::Incomplete, "the pusher left the queue")),
                _ = tick.tick() => {
                    let seconds = began.elapsed().as_secs();
                    line.waiting(&format!("Waiting for other pushes to finish ({seconds} s)\r"));
                }
            }
        }
    }
}

/// A place for a push, until it is dropped.
pub(super) struct PushPlace {
    _place: Place,
    _counted: Counted,
}

impl PushPlace {
    fn new(place: Place) -> Self {
        Self { _place: place, _counted: Counted::in_gauge("skaas_pushes_in_flight") }
    }
}

/// One more in a gauge, until it is dropped.
struct Counted(&'static str);

impl Counted {
    fn in_gauge(name: &'static str) -> Self {
        metrics::gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1.0);
    }
}
