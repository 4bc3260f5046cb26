//! Owns how many large requests are in memory at one moment. Refuses to wait: whoever finds no place is told
//! to come back.
//!
//! Nearly every request is small, and the rate of a token bounds those. One that fills its limit is four
//! mebibytes, and hundreds of them at once would be more than a node has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use skaas_app::Error;
use skaas_domain::id::UserId;

/// Bytes up to which a request is small.
pub(crate) const SMALL: usize = 64 * 1024;
/// Large requests in memory at one moment.
const PLACES: usize = 16;
/// Those of one user.
const SHARE: usize = PLACES / 2;

/// Who has how many large requests in memory.
#[derive(Default)]
pub(crate) struct LargeRequests(Mutex<HashMap<UserId, usize>>);

/// A place for one; given back when it is dropped.
pub(crate) struct LargeRequest {
    all: Arc<LargeRequests>,
    user: UserId,
}

impl LargeRequests {
    /// A place for a large request of `user`.
    ///
    /// # Errors
    /// [`Error::Busy`] when all places, or all that one user may have, are taken.
    pub(crate) fn take(self: &Arc<Self>, user: UserId) -> Result<LargeRequest, Error> {
        let mut held = self.0.lock().expect("no one panics while counting");
        let (own, sum) = (held.get(&user).copied().unwrap_or(0), held.values().sum::<usize>());
        if own >= SHARE || sum >= PLACES {
            return Err(Error::Busy { retry_after: Duration::from_secs(5) });
        }
        held.insert(user, own + 1);
        Ok(LargeRequest { all: Arc::clone(self), user })
    }
}

impl Drop for LargeRequest {
    fn drop(&mut self) {
        let mut held = self.all.0.lock().expect("no one panics while counting");
        if let Some(own) = held.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn large_requests_are_counted_for_all_and_for_each_and_forgotten() {
        let all = Arc::new(LargeRequests::default());
        let [ann, bob, carol] =
            [1, 2, 3].map(|seed| UserId::new(Timestamp::UNIX_EPOCH, &mut StdRng::seed_from_u64(seed)));
        let anns: Vec<_> = (0..SHARE).map(|_| all.take(ann).unwrap()).collect();
        assert!(matches!(all.take(ann), Err(Error::Busy { .. })));
        let bobs: Vec<_> = (0..SHARE).map(|_| all.take(bob).unwrap()).collect();
        assert!(matches!(all.take(carol), Err(Error::Busy { .. })), "all are taken");
        drop(anns);
        all.take(carol).unwrap();
        drop(bobs);
        assert!(all.0.lock().unwrap().is_empty());
    }
}
