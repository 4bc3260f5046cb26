//! Jobs of workers that have fallen silent.
//!
//! A worker shows that it is at work by raising a count in the job's row. Another worker looks at these counts at its
//! own pace, and takes a job over once it has seen the same count [`LOOKS`] times in a row. No clock of another node
//! is involved, so clocks may differ by any amount; a clock that jumps cannot end a lease either, since looks are
//! paced by the time that passes, not by the time of day.

use std::collections::HashMap;

use skaas_domain::id::JobId;
use skaas_store::jobs::Held;

/// After how many looks without a sign a job is taken over.
pub(super) const LOOKS: u32 = 6;
/// How many looks there are for each sign that a worker gives.
pub(super) const LOOKS_PER_BEAT: u32 = 2;

/// What was seen of the jobs of others.
#[derive(Default)]
pub(super) struct Watch(HashMap<JobId, (Held, u32)>);

impl Watch {
    /// Notes what is seen now. Returns the jobs whose workers have been silent for too long.
    pub(super) fn look(&mut self, held: Vec<Held>) -> Vec<Held> {
        let mut before = std::mem::take(&mut self.0);
        for now in held {
            let unchanged = before.remove(&now.lease.job).filter(|(then, _)| *then == now);
            let looks = unchanged.map_or(1, |(_, looks)| looks + 1);
            self.0.insert(now.lease.job, (now, looks));
        }
        self.0.values().filter(|(_, looks)| *looks > LOOKS).map(|(held, _)| held.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rand::{SeedableRng as _, rngs::StdRng};
    use skaas_store::jobs::Lease;

    use super::*;

    fn held(beat: i64, attempt: i64) -> Held {
        let job = JobId::new(Timestamp::UNIX_EPOCH, &mut StdRng::seed_from_u64(1));
        Held { lease: Lease { job, holder: "other".into(), attempt }, kind: "probe".into(), beat }
    }

    #[test]
    fn a_job_is_taken_over_after_six_looks_without_a_sign_and_not_before() {
        let mut watch = Watch::default();
        for _ in 0..LOOKS {
            assert_eq!(watch.look(vec![held(1, 1)]), []);
        }
        assert_eq!(watch.look(vec![held(1, 1)]), [held(1, 1)]);
    }

    #[test]
    fn every_sign_of_life_begins_the_count_anew() {
        let mut watch = Watch::default();
        for round in 0..50 {
            // A worker shows itself with every second look; even if half of the signs go astray it keeps its job.
            assert_eq!(watch.look(vec![held(round / i64::from(2 * LOOKS_PER_BEAT), 1)]), []);
        }
        assert_eq!(watch.look(Vec::new()), []);
        for _ in 0..LOOKS {
            assert_eq!(
                watch.look(vec![held(12, 2)]),
                [],
                "a job that was not there is seen for the first time"
            );
        }
    }
}
