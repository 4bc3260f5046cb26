//! Owns the bounds under which use cases run: memory, places, rates. Refuses defaults that a caller might
//! forget: the operator's configuration fills every field.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use skaas_domain::id::TokenId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Bounds of one node.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Git requests of one token that may come at once.
    pub token_burst: NonZeroU32,
    /// Git requests of one token per second after that.
    pub token_per_second: NonZeroU32,
    /// Packs being sent at one moment.
    pub concurrent_packs: u32,
    /// Pushes being received at one moment.
    pub concurrent_pushes: u32,
    /// Bytes of release content in memory: half of it kept, half in use.
    pub content_bytes: u64,
    /// The largest push, in bytes of pack.
    pub push_bytes: u64,
    /// How long a request waits for a place before it is told to come back.
    pub patience: Duration,
}

impl Default for Limits {
    /// What `skaas.default.toml` says.
    fn default() -> Self {
        Self {
            token_burst: NonZeroU32::new(600).expect("not zero"),
            token_per_second: NonZeroU32::new(60).expect("not zero"),
            concurrent_packs: 256,
            concurrent_pushes: 4,
            content_bytes: 512 << 20,
            push_bytes: 256 << 20,
            patience: Duration::from_secs(10),
        }
    }
}

/// Counts requests per token, in this process.
pub(crate) struct TokenRate(DefaultKeyedRateLimiter<TokenId>);

impl TokenRate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.token_per_second).allow_burst(limits.token_burst);
        Self(RateLimiter::keyed(quota))
    }

    /// Takes one request of `token`, or says when to come back.
    pub(crate) fn take(&self, token: &TokenId) -> Result<()> {
        self.0.check_key(token).map_err(|until| Error::RateLimited {
            retry_after: until.wait_time_from(DefaultClock::default().now()),
        })
    }

    /// Forgets tokens that have not been used for long.
    pub(crate) fn sweep(&self) {
        self.0.retain_recent();
    }
}

/// A bounded number of places for one kind of work.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Places {
    pub(crate) fn new(count: u32, patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(count as usize)), patience }
    }

    /// A place, at once or after a bounded wait. It is given back when it is dropped.
    pub(crate) async fn take(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(place);
        }
        let wait = tokio::time::timeout(self.patience, Arc::clone(&self.free).acquire_owned());
        match wait.await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Error::Busy { retry_after: self.patience }),
        }
    }
}

/// A place among the packs in flight; whoever sends the pack keeps it until the last byte.
pub struct PackSlot(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl PackSlot {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("skaas_packs_in_flight").increment(1.0);
        Self(permit)
    }
}

impl Drop for PackSlot {
    fn drop(&mut self) {
        metrics::gauge!("skaas_packs_in_flight").decrement(1.0);
    }
}
