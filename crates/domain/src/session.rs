//! Owns browser logins: how long one lasts and when it is too old for dangerous acts. Refuses the secret in
//! the cookie: what is stored and looked up is its hash.
//!
//! The rule of rotation: every sign-in makes a new session with a new secret and ends the one that the
//! browser had; a changed password ends all others and gives the remaining one a new secret.

use jiff::{SignedDuration, Timestamp};

use crate::{
    device::Place,
    id::{SessionId, UserId},
};

/// How long a session lasts that nobody uses.
pub const IDLE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a session lasts at most.
pub const ABSOLUTE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long after signing in no password is asked for again before a dangerous act.
pub const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Use is noted no more often than this.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// A browser's login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Names this session.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last used, to within a minute or so.
    pub seen_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
    /// Since when it has been refused.
    pub revoked_at: Option<Timestamp>,
    /// Where it was made.
    pub place: Place,
}

impl Session {
    /// Begins a session at `now`.
    pub fn begin(id: SessionId, user: UserId, place: Place, now: Timestamp) -> Self {
        Self {
            id,
            user,
            created_at: now,
            seen_at: now,
            expires_at: now.saturating_add(ABSOLUTE).unwrap_or(Timestamp::MAX),
            revoked_at: None,
            place,
        }
    }

    /// The first moment at which it no longer works if it is not used again.
    pub fn ends_at(&self) -> Timestamp {
        let idle = self.seen_at.saturating_add(IDLE).unwrap_or(Timestamp::MAX);
        self.expires_at.min(idle)
    }

    /// Whether it opens anything at `now`.
    pub fn works(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.ends_at()
    }

    /// Whether its use at `now` is worth noting.
    pub fn needs_touch(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at) >= NOTED_EVERY
    }

    /// Whether the person at it showed who they are so shortly before `now` that a dangerous act asks for
    /// nothing more.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.created_at) < FRESH
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn hours(count: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + count * 3600).unwrap()
    }

    fn session() -> Session {
        let mut rng = StdRng::seed_from_u64(1);
        let (id, user) = (SessionId::new(hours(0), &mut rng), UserId::new(hours(0), &mut rng));
        Session::begin(id, user, Place::default(), hours(0))
    }

    #[test]
    fn a_session_ends_unused_after_14_days_and_used_after_90() {
        let mut session = session();
        assert!(session.works(hours(14 * 24 - 1)) && !session.works(hours(14 * 24)));
        for day in 0..90 {
            session.seen_at = hours(day * 24);
            assert!(session.works(hours(day * 24)), "day {day}");
        }
        assert_eq!(session.ends_at(), hours(90 * 24));
        session.seen_at = hours(90 * 24 - 1);
        assert!(!session.works(hours(90 * 24)));
        session.seen_at = hours(1);
        session.revoked_at = Some(hours(1));
        assert!(!session.works(hours(1)));
    }

    #[test]
    fn use_is_noted_by_the_minute_and_freshness_is_lost_with_time_not_with_use() {
        let mut session = session();
        let later = |seconds| hours(0) + SignedDuration::from_secs(seconds);
        assert!(!session.needs_touch(later(59)) && session.needs_touch(later(60)));
        assert!(session.is_fresh(later(899)));
        session.seen_at = later(899);
        assert!(!session.is_fresh(later(900)));
    }
}
