//! A bounded number of places for one kind of work, shared fairly among users: nobody has more than half, and
//! when places are short, whoever has the most gives way to whoever has fewer.
//!
//! Slow readers are why: a pack keeps its place until the last byte is taken, and a reader that takes a few
//! kilobytes a second keeps it for as long as it likes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use skaas_domain::id::UserId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::error::{Error, Result};

/// A place held for less than this is never taken away for being one of many.
const YOUNG: Duration = Duration::from_secs(5);
/// A place held for longer than this gives way to anybody who waits.
const OLD: Duration = Duration::from_mins(1);
/// How often somebody who waits looks for a place that should give way.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What ends the work in a place.
type Ending = Box<dyn FnOnce() + Send>;

/// The places.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    share: usize,
    patience: Duration,
    young: Duration,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    shares: HashMap<UserId, Weak<Semaphore>>,
    held: HashMap<u64, Held>,
    next: u64,
}

struct Held {
    user: UserId,
    since: Instant,
    /// Set once the work can be ended from outside; taken when it was told to.
    ending: Option<Ending>,
}

/// A place: given back, to its user's share and to all, when it is dropped.
pub(crate) struct Place {
    id: u64,
    table: Arc<Mutex<Table>>,
    _of_share: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(count: u32, patience: Duration) -> Self {
        let count = count as usize;
        let (free, share) = (Arc::new(Semaphore::new(count)), count.div_ceil(2));
        Self { free, share, patience, young: YOUNG, table: Arc::default() }
    }

    /// A place for `user`, at once or after a bounded wait.
    pub(crate) async fn take(&self, user: UserId) -> Result<Place> {
        match self.try_take(user) {
            Some(place) => Ok(place),
            // Boxed, since it is rare and its future large.
            None => Box::pin(self.wait(user)).await,
        }
    }

    async fn wait(&self, user: UserId) -> Result<Place> {
        let share = self.share_of(user);
        let both = async {
            // The share first: whoever waits for their own keeps no place of all.
            let of_share = share.acquire_owned().await.ok()?;
            let of_all = self.one_of_all(user).await?;
            Some((of_share, of_all))
        };
        let permits = tokio::time::timeout(self.patience, both).await.ok().flatten();
        let (of_share, of_all) = permits.ok_or(Error::Busy { retry_after: self.patience })?;
        Ok(self.give(user, of_share, of_all))
    }

    /// A place for `user` that is free now.
    pub(crate) fn try_take(&self, user: UserId) -> Option<Place> {
        let of_share = self.share_of(user).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.give(user, of_share, of_all))
    }

    fn give(&self, user: UserId, of_share: OwnedSemaphorePermit, of_all: OwnedSemaphorePermit) -> Place {
        let mut table = locked(&self.table);
        let id = table.next;
        table.next += 1;
        table.held.insert(id, Held { user, since: Instant::now(), ending: None });
        Place { id, table: Arc::clone(&self.table), _of_share: of_share, _of_all: of_all }
    }

    /// Waits for one of all places, and has others give way meanwhile.
    async fn one_of_all(&self, user: UserId) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let mut place = std::pin::pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            // In the queue first: the place that is freed is for whoever waits longest.
            tokio::select! {
                biased;
                place = &mut place => return place.ok(),
                () = std::future::ready(()) => {}
            }
            let ending = locked(&self.table).who_gives_way(user, Instant::now(), self.young);
            if let Some(ending) = ending {
                metrics::counter!("skaas_packs_cut_total").increment(1);
                ending();
            }
            tokio::select! {
                place = &mut place => return place.ok(),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn share_of(&self, user: UserId) -> Arc<Semaphore> {
        let shares = &mut locked(&self.table).shares;
        if let Some(share) = shares.get(&user).and_then(Weak::upgrade) {
            return share;
        }
        // No more stay behind than there are places, and as many waiting.
        if shares.len() > 2 * self.share {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(user, Arc::downgrade(&share));
        share
    }
}

fn locked(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // Every change is of one entry: a panic leaves nothing half done.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    /// What ends the work that has to give way to one of `user`'s, if any has to: of those with the most places
    /// the one that has kept its place longest.
    fn who_gives_way(&mut self, user: UserId, now: Instant, young: Duration) -> Option<Ending> {
        let mut counts: HashMap<UserId, usize> = HashMap::new();
        for held in self.held.values() {
            *counts.entry(held.user).or_default() += 1;
        }
        let own = counts.get(&user).copied().unwrap_or(0);
        let gives_way = |held: &Held| {
            let (theirs, age) = (counts[&held.user], now.saturating_duration_since(held.since));
            held.ending.is_some() && ((theirs > own + 1 && age >= young) || (theirs > own && age >= OLD))
        };
        let candidates = self.held.iter().filter(|(_, held)| gives_way(held));
        let (id, _) =
            candidates.max_by_key(|(_, held)| (counts[&held.user], std::cmp::Reverse(held.since)))?;
        let id = *id;
        self.held.get_mut(&id)?.ending.take()
    }
}

impl Place {
    /// Says how the work in this place is ended from outside. Work that does not say so is never ended.
    pub(crate) fn ends_by(&self, ending: impl FnOnce() + Send + 'static) {
        if let Some(held) = locked(&self.table).held.get_mut(&self.id) {
            held.ending = Some(Box::new(ending));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is dropped with the entry must not come back here for the lock.
        let held = locked(&self.table).held.remove(&self.id);
        drop(held);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn user(number: u8) -> UserId {
        let mut rng = rand::rngs::StdRng::seed_from_u64(number.into());
        UserId::new(jiff::Timestamp::UNIX_EPOCH, &mut rng)
    }

    #[tokio::test]
    async fn nobody_has_more_than_half_of_the_places_and_all_come_back() {
        let places = Places::new(4, Duration::from_millis(20));
        let (ann, bob, carol) = (user(1), user(2), user(3));
        let first = places.take(ann).await.unwrap();
        let _second = places.take(ann).await.unwrap();
        assert!(matches!(places.take(ann).await, Err(Error::Busy { .. })));
        let _third = places.take(bob).await.unwrap();
        let _fourth = places.take(bob).await.unwrap();
        assert!(matches!(places.take(carol).await, Err(Error::Busy { .. })), "all are taken");
        drop(first);
        places.take(carol).await.unwrap();
        places.take(ann).await.unwrap();
    }

    #[tokio::test]
    async fn one_place_is_for_one_and_shares_are_forgotten() {
        let places = Places::new(1, Duration::from_millis(1));
        for number in 0..100 {
            places.take(user(number)).await.unwrap();
        }
        let table = locked(&places.table);
        assert!(table.shares.len() < 5 && table.held.is_empty());
    }

    /// Places whose work ends when it is told to.
    async fn fill(places: &Places, who: UserId, count: usize) -> Vec<Arc<Mutex<Option<Place>>>> {
        let mut all = Vec::new();
        for _ in 0..count {
            let place = places.take(who).await.unwrap();
            let kept = Arc::new(Mutex::new(None));
            let ended = Arc::clone(&kept);
            place.ends_by(move || drop(ended.lock().unwrap().take()));
            *kept.lock().unwrap() = Some(place);
            all.push(kept);
        }
        all
    }

    fn left(places: &[Arc<Mutex<Option<Place>>>]) -> usize {
        places.iter().filter(|place| place.lock().unwrap().is_some()).count()
    }

    #[tokio::test]
    async fn two_accounts_with_slow_readers_leave_places_for_everybody_else() {
        let places = Places { young: Duration::ZERO, ..Places::new(8, Duration::from_millis(20)) };
        let (ann, bob) = (fill(&places, user(1), 4).await, fill(&places, user(2), 4).await);
        let mut others = Vec::new();
        for number in 3..7 {
            others.push(places.take(user(number)).await.unwrap());
        }
        assert_eq!((left(&ann), left(&bob)), (2, 2), "those with the most gave way, in turn");
        // Now nobody has clearly more than a newcomer would.
        assert!(matches!(places.take(user(3)).await, Err(Error::Busy { .. })));
    }

    #[tokio::test]
    async fn a_place_is_taken_away_from_the_old_and_the_many_and_never_from_work_that_cannot_end() {
        let places = Places::new(4, Duration::from_millis(20));
        let many = fill(&places, user(1), 2).await;
        let _push = places.take(user(2)).await.unwrap();
        let now = Instant::now();
        let gives_way = |who, after| locked(&places.table).who_gives_way(who, now + after, YOUNG);
        assert!(gives_way(user(3), Duration::ZERO).is_none(), "nobody waits for less than that");
        assert!(gives_way(user(2), YOUNG).is_none(), "one is about as many as two");
        gives_way(user(3), YOUNG).unwrap()();
        assert_eq!(left(&many), 1);
        assert!(gives_way(user(3), YOUNG).is_none(), "each has one");
        gives_way(user(3), OLD).unwrap()();
        assert_eq!(left(&many), 0);
        assert!(gives_way(user(3), OLD).is_none(), "what is left does not say how it ends");
    }
}
