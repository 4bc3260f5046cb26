//! Owns the release contents held in memory: bundles by the id of their tree. Refuses to hold more bytes
//! than it was given, counting those that slow readers still keep alive.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use moka::future::Cache;
use skaas_git::{ObjectId, bundle::Bundle};
use skaas_store::{NewContent, Store, StoreError, contents};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};
use crate::oid::stored;

/// The budget is counted in blocks of this many bytes: a semaphore counts to 2^29 at least.
const BLOCK: u64 = 4096;
/// How often somebody who waits for a part of it looks after what could be let go.
const SWEEP_EVERY: Duration = Duration::from_millis(5);

/// Bundles, loaded once and shared by all requests.
pub(crate) struct Contents {
    store: Store,
    kept: Cache<ObjectId, Bundle>,
    budget: Arc<Semaphore>,
    total: u64,
    patience: Duration,
}

/// Stored bytes together with their part of the budget, which is given back with the last slice.
struct Held {
    bytes: Bytes,
    _part: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Contents {
    pub(crate) fn new(store: Store, total: u64, patience: Duration) -> Self {
        let kept = Cache::builder()
            .max_capacity(total / 2)
            .weigher(|_, bundle: &Bundle| u32::try_from(bundle.weight()).unwrap_or(u32::MAX))
            .build();
        let blocks = usize::try_from(total / BLOCK).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { store, kept, budget: Arc::new(Semaphore::new(blocks)), total, patience }
    }

    /// The bundle of `tree`, from memory or from object storage.
    pub(crate) async fn get(&self, tree: ObjectId) -> Result<Bundle> {
        if let Some(bundle) = self.kept.get(&tree).await {
            return Ok(bundle);
        }
        // Everyone who waited for the same content gets the same answer: when the storage is away for a moment,
        // that is "try again" for all of them. Boxed, since it is rare and its future large.
        let loaded = Box::pin(self.kept.try_get_with(tree, self.load(tree))).await;
        loaded.map_err(|shared: Arc<Error>| Arc::try_unwrap(shared).unwrap_or_else(|shared| shared.again()))
    }

    async fn load(&self, tree: ObjectId) -> Result<Bundle> {
        // Its part of the budget first: whoever waits for that must not hold the bytes already.
        let part = self.reserve(tree).await?;
        let bytes = self.store.get_content(stored(tree)).await.map_err(|error| match error {
            // Its row exists, so this is our fault and not a wrong address.
            StoreError::Missing(_) => {
                Error::internal(format!("the content of {tree} is missing from object storage"))
            }
            error => error.into(),
        })?;
        let bytes = Bytes::from_owner(Held { bytes, _part: part });
        let bundle = Bundle::decode(bytes)
            .map_err(|error| Error::internal(format!("the content of {tree} is damaged: {error}")))?;
        if bundle.tree() != tree {
            return Err(Error::internal(format!("content of {tree} is that of {}", bundle.tree())));
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge of memory")]
        metrics::gauge!("skaas_content_bytes").set(self.used() as f64);
        Ok(bundle)
    }

    /// Takes a content's part of the budget, waiting for slow readers for a while.
    async fn reserve(&self, tree: ObjectId) -> Result<OwnedSemaphorePermit> {
        let mut conn = self.store.read().await?;
        let known = contents::find(&mut conn, stored(tree)).await?;
        drop(conn);
        let content = known.ok_or_else(|| Error::internal(format!("the content of {tree} is not stored")))?;
        let blocks = u32::try_from(content.bytes.unsigned_abs().div_ceil(BLOCK)).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budget);
        if let Ok(part) = Arc::clone(&budget).try_acquire_many_owned(blocks) {
            return Ok(part);
        }
        let mut part = pin!(budget.acquire_many_owned(blocks));
        let mut patience = pin!(tokio::time::sleep(self.patience));
        loop {
            // What the cache has put out is let go by and by, as others use it: here somebody waits for that.
            self.kept.run_pending_tasks().await;
            tokio::select! {
                part = &mut part => return part.map_err(Error::internal),
                () = &mut patience => return Err(Error::Busy { retry_after: self.patience }),
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }

    /// Bytes of the budget in use.
    pub(crate) fn used(&self) -> u64 {
        self.total.saturating_sub(self.budget.available_permits() as u64 * BLOCK)
    }

    /// Writes a bundle to object storage. Equal content is stored once.
    pub(crate) async fn put(&self, bundle: &Bundle, now: Timestamp) -> Result<()> {
        self.put_all([bundle], now).await
    }

    /// Writes many bundles, several at once.
    pub(crate) async fn put_all(
        &self,
        bundles: impl IntoIterator<Item = &Bundle>,
        now: Timestamp,
    ) -> Result<()> {
        let contents = bundles.into_iter().map(|bundle| NewContent {
            tree: stored(bundle.tree()),
            objects: i64::try_from(bundle.objects().len()).unwrap_or(i64::MAX),
            data: bundle.encode().into(),
        });
        self.store.put_contents(contents.collect(), now).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use skaas_store::{Oid, testing::TestDatabase};

    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_for_a_content_is_told_to_try_again_while_the_storage_is_away() {
        let database = TestDatabase::sqlite();
        let store = database.store().await;
        let tree = Oid([7; 20]);
        store.put_content(tree, 1, Bytes::from_static(b"x"), Timestamp::UNIX_EPOCH).await.unwrap();
        let skaas_store::ObjectsConfig::Folder { path } = database.config().objects.clone() else {
            unreachable!()
        };
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, "not a folder").unwrap();
        let contents = Contents::new(store, 64 << 20, Duration::from_secs(1));
        let tree = crate::oid::oid(tree);
        let waiting = futures_util::future::join_all((0..8).map(|_| contents.get(tree)));
        for outcome in waiting.await {
            let Err(Error::Store(fault)) = outcome else { panic!("{:?}", outcome.err()) };
            assert!(fault.is_transient(), "{fault:?}");
        }
    }
}
