//! Owns one user as seen through one token, with everything of theirs that decides what they are served.
//! Refuses to change: when the user's revision moves, a new viewer takes its place.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use skaas_domain::{
    entitlement::Grant,
    id::SkillId,
    scope::Need,
    user::{TokenRecord, User},
};
use skaas_store::{Mark, steps::Repo, tokens::Bearer};

use crate::{
    code::Code,
    error::{Error, Result},
    lineage::{Decided, Served},
};

/// A signed-in user at one revision of theirs.
pub struct Viewer {
    bearer: Bearer,
    grants: HashMap<SkillId, Vec<Grant>>,
    seen: Mutex<Option<Mark>>,
    used_at: AtomicI64,
    served: Mutex<HashMap<Repo, Arc<Served>>>,
    decided: Mutex<HashMap<Repo, Arc<Decided>>>,
}

impl Viewer {
    pub(crate) fn new(bearer: Bearer, grants: Vec<Grant>) -> Self {
        let mut by_skill: HashMap<SkillId, Vec<Grant>> = HashMap::new();
        for grant in grants {
            by_skill.entry(grant.skill).or_default().push(grant);
        }
        Self {
            bearer,
            grants: by_skill,
            seen: Mutex::new(None),
            used_at: AtomicI64::new(i64::MIN),
            served: Mutex::default(),
            decided: Mutex::default(),
        }
    }

    /// Takes over what was decided for the same user, if it was decided from the same grants. A step that was
    /// written moves the user's revision, and nothing else about them.
    pub(crate) fn inherit(&self, earlier: &Self) {
        if earlier.user().id == self.user().id && earlier.grants == self.grants {
            let decided = earlier.decided.lock().expect("no one panics while holding it").clone();
            *self.decided.lock().expect("no one panics while holding it") = decided;
        }
    }

    /// Who.
    pub fn user(&self) -> &User {
        &self.bearer.user
    }

    /// Through which token.
    pub fn token(&self) -> &TokenRecord {
        &self.bearer.token
    }

    /// Whether the token was made for this.
    ///
    /// # Errors
    /// [`crate::Code::OutOfScope`], never [`Error::Unauthenticated`]: the token works, and git would erase it.
    pub(crate) fn allow(&self, need: &Need<'_>) -> Result<()> {
        if self.bearer.token.scopes.permits(need) {
            return Ok(());
        }
        Err(Error::refused(
            Code::OutOfScope,
            format!(
                "this API token may not {need}: its scopes are `{}`; use a token that allows it",
                self.bearer.token.scopes
            ),
        ))
    }

    /// The user's revision that all of this is of.
    pub(crate) fn revision(&self) -> i64 {
        self.bearer.revision
    }

    /// Everything ever granted for a skill.
    pub(crate) fn grants(&self, skill: SkillId) -> &[Grant] {
        self.grants.get(&skill).map_or(&[], Vec::as_slice)
    }

    /// The skills for which anything was ever granted.
    pub(crate) fn granted(&self) -> impl Iterator<Item = SkillId> {
        self.grants.keys().copied()
    }

    /// The database's mark at which this was last known to be true.
    pub(crate) fn seen(&self) -> Option<Mark> {
        *self.seen.lock().expect("no one panics while holding it")
    }

    pub(crate) fn see(&self, mark: Option<Mark>) {
        *self.seen.lock().expect("no one panics while holding it") = mark;
    }

    /// Remembers a use; whether it is worth writing down.
    pub(crate) fn note_use(&self, now: Timestamp, grain: i64) -> bool {
        let second = now.as_second();
        let before = self.used_at.load(Ordering::Relaxed);
        // In either direction: a clock that was ahead must not hide every use until then.
        let due = second.saturating_sub(before).unsigned_abs() >= grain.unsigned_abs();
        if due {
            self.used_at.store(second, Ordering::Relaxed);
        }
        due
    }

    pub(crate) fn served(&self, key: Repo) -> Option<Arc<Served>> {
        self.served.lock().expect("no one panics while holding it").get(&key).cloned()
    }

    pub(crate) fn keep_served(&self, key: Repo, served: Arc<Served>) {
        self.served.lock().expect("no one panics while holding it").insert(key, served);
    }

    pub(crate) fn decided(&self, key: Repo) -> Option<Arc<Decided>> {
        self.decided.lock().expect("no one panics while holding it").get(&key).cloned()
    }

    pub(crate) fn keep_decided(&self, key: Repo, decided: Arc<Decided>) {
        self.decided.lock().expect("no one panics while holding it").insert(key, decided);
    }
}
