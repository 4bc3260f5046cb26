//! The access decision: may this user have this skill now? A pure function, without IO; the time is an argument.
//!
//! Every channel (git, REST, MCP, pages, the command line) asks [`decide`], and none adds rules.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{GrantId, ReleaseId, SkillId, UserId},
    listing::ListingState,
    money::UnknownWord,
};

/// Why access was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantKind {
    /// A one-time price was paid.
    Purchase,
    /// A recurring price is being paid.
    Subscription,
    /// Tried before buying: one per user and skill, ever.
    Trial,
    /// Given by the creator or the operator.
    Gift,
    /// A place in an organisation's plan.
    Seat,
    /// The user made the skill.
    Ownership,
    /// The skill was free when the user added or fetched it: one per user and skill, ever.
    Free,
}

impl GrantKind {
    /// Every kind there is.
    pub const ALL: [Self; 7] = [
        Self::Purchase,
        Self::Subscription,
        Self::Trial,
        Self::Gift,
        Self::Seat,
        Self::Ownership,
        Self::Free,
    ];

    /// The word used in columns, options and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Subscription => "subscription",
            Self::Trial => "trial",
            Self::Gift => "gift",
            Self::Seat => "seat",
            Self::Ownership => "ownership",
            Self::Free => "free",
        }
    }
}

impl FromStr for GrantKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownWord {
            text: text.chars().take(64).collect(),
            expected: "purchase, subscription, trial, gift, seat, ownership, free",
        })
    }
}

/// A stored reason for access, with its period. Several may stand side by side for one user and skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Names this grant.
    pub id: GrantId,
    /// Who has it.
    pub user: UserId,
    /// For what.
    pub skill: SkillId,
    /// Why.
    pub kind: GrantKind,
    /// The first moment at which it holds.
    pub starts_at: Timestamp,
    /// The first moment at which it no longer holds; `None` means never.
    pub until: Option<Timestamp>,
    /// Releases published after this are not covered; `None` covers all.
    pub updates_until: Option<Timestamp>,
    /// When it was revoked. It does not hold any more, whatever its period says.
    pub revoked_at: Option<Timestamp>,
    /// When it was made, by the clock of that moment.
    pub made_at: Timestamp,
}

impl Grant {
    /// Whether its period has begun at `now`.
    ///
    /// A grant that starts when it is made has always begun. Otherwise a clock that was ahead for an hour would
    /// lock out whoever bought something in that hour, until the real time catches up.
    pub fn has_begun(&self, now: Timestamp) -> bool {
        self.starts_at <= now || self.starts_at <= self.made_at
    }

    /// The first moment at which the grant no longer holds, if there is one. A revocation counts at once, also
    /// one whose stamp is later than `now`: nobody revokes in advance, so a clock was ahead then.
    pub fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        match (self.until, self.revoked_at.map(|revoked| revoked.min(now))) {
            (Some(until), Some(revoked)) => Some(until.min(revoked)),
            (end, None) | (None, end) => end,
        }
    }

    /// Whether it holds at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.has_begun(now) && self.ends_at(now).is_none_or(|end| now < end)
    }

    fn covers(&self, release: &ReleaseRef) -> bool {
        self.updates_until.is_none_or(|until| release.published_at <= until)
    }
}

/// What a listing says that bears on access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which skill.
    pub skill: SkillId,
    /// Who made it.
    pub creator: UserId,
    /// Whether the creator's account is suspended.
    pub creator_suspended: bool,
    /// The state of its listing.
    pub state: ListingState,
    /// Everybody may have it.
    pub free: bool,
}

impl Terms {
    /// Whether everybody is offered it: it is published, and its creator's account is not suspended.
    pub fn is_offered(&self) -> bool {
        self.effective_state() == ListingState::Published
    }

    /// The state that counts. What a suspended creator published is treated as withdrawn: people keep what they have,
    /// and nobody else is offered it.
    fn effective_state(&self) -> ListingState {
        match self.state {
            ListingState::Published if self.creator_suspended => ListingState::Withdrawn,
            state => state,
        }
    }
}

/// What the decision needs to know of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseRef {
    /// Which.
    pub id: ReleaseId,
    /// When it was published.
    pub published_at: Timestamp,
}

/// Why someone receives a stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StubReason {
    /// Never had it.
    NotPurchased,
    /// The trial is over.
    TrialEnded,
    /// What was paid or given for a time is over.
    Lapsed,
    /// It was revoked: refund, dispute, operator.
    Revoked,
    /// No longer offered, and this user's grants have ended.
    Withdrawn,
    /// Held back while it is reviewed; grants are kept.
    Quarantined,
}

impl StubReason {
    /// Every reason there is.
    pub const ALL: [Self; 6] = [
        Self::NotPurchased,
        Self::TrialEnded,
        Self::Lapsed,
        Self::Revoked,
        Self::Withdrawn,
        Self::Quarantined,
    ];

    /// The word used in columns and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotPurchased => "not_purchased",
            Self::TrialEnded => "trial_ended",
            Self::Lapsed => "lapsed",
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
            Self::Quarantined => "quarantined",
        }
    }
}

impl FromStr for StubReason {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| UnknownWord {
            text: text.chars().take(64).collect(),
            expected: "not_purchased, trial_ended, lapsed, revoked, withdrawn, quarantined",
        })
    }
}

/// The entitlement: what this user receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The whole content of `release`, and of every release before it.
    Full {
        /// The newest that is covered.
        release: ReleaseId,
        /// When the last of the grants that hold now ends; `None` is never.
        until: Option<Timestamp>,
    },
    /// What someone without entitlement receives.
    Stub {
        /// Why.
        reason: StubReason,
    },
    /// As if it did not exist.
    Hidden,
}

/// An answer of [`decide`], and how long it stays true if nothing is written in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the user receives.
    pub access: Access,
    /// The first moment at which time alone may change the answer; `None` is never.
    pub changes_at: Option<Timestamp>,
}

/// Decides what `user` may have of a skill at `now`.
///
/// `grants` are this user's for this skill, in any order; others are passed over. `releases` are the
/// skill's, oldest first. Total: every combination has an answer, and without a reason it is not `Full`.
pub fn decide(
    user: UserId,
    terms: &Terms,
    grants: &[Grant],
    releases: &[ReleaseRef],
    now: Timestamp,
) -> Decision {
    let mine = || grants.iter().filter(|g| g.user == user && g.skill == terms.skill);
    let changes_at = mine()
        .flat_map(|g| [Some(g.starts_at), g.ends_at(now)])
        .flatten()
        .filter(|moment| *moment > now)
        .min();
    let access = access(user, terms, mine, releases, now);
    Decision { access, changes_at }
}

fn access<'a, I: Iterator<Item = &'a Grant>>(
    user: UserId,
    terms: &Terms,
    mine: impl Fn() -> I,
    releases: &[ReleaseRef],
    now: Timestamp,
) -> Access {
    let Some(latest) = releases.last() else { return Access::Hidden };
    let owner = user == terms.creator;
    let known = owner || mine().any(|g| g.has_begun(now));
    let state = terms.effective_state();
    if owner || (terms.free && state == ListingState::Published) {
        return Access::Full { release: latest.id, until: None };
    }
    if state == ListingState::Quarantined {
        return if known { Access::Stub { reason: StubReason::Quarantined } } else { Access::Hidden };
    }
    if let Some(release) = newest_covered(mine().filter(|g| g.is_active(now)), releases) {
        return Access::Full { release: release.id, until: covered_until(mine, now) };
    }
    match state {
        ListingState::Published => Access::Stub { reason: why_not(mine(), now) },
        ListingState::Withdrawn if known => Access::Stub { reason: StubReason::Withdrawn },
        ListingState::Draft if known => Access::Stub { reason: why_not(mine(), now) },
        ListingState::Draft | ListingState::Withdrawn | ListingState::Quarantined => Access::Hidden,
    }
}

/// The newest release that any of `active` covers. Someone whose updates ended before the first release
/// was published has the first: they were sold something.
fn newest_covered<'a, 'r>(
    active: impl Iterator<Item = &'a Grant>,
    releases: &'r [ReleaseRef],
) -> Option<&'r ReleaseRef> {
    active
        .map(|grant| releases.iter().rposition(|r| grant.covers(r)).unwrap_or(0))
        .max()
        .and_then(|index| releases.get(index))
}

/// When the last of the grants that hold at `now` ends.
fn covered_until<'a, I: Iterator<Item = &'a Grant>>(
    mine: impl Fn() -> I,
    now: Timestamp,
) -> Option<Timestamp> {
    let ends: Option<Vec<Timestamp>> = mine().filter(|g| g.is_active(now)).map(|g| g.ends_at(now)).collect();
    ends.and_then(|ends| ends.into_iter().max())
}

/// The reason, by the grant that ended last. Which one that is follows from the stamps alone, also from those that
/// are later than `now`: otherwise the reason would change with time, and [`Decision::changes_at`] would not tell.
fn why_not<'a>(mine: impl Iterator<Item = &'a Grant>, now: Timestamp) -> StubReason {
    let ended = mine
        .filter(|g| g.has_begun(now) && g.ends_at(now).is_some_and(|end| end <= now))
        .filter_map(|g| g.ends_at(Timestamp::MAX).map(|end| (end, g)))
        .max_by_key(|(end, g)| (*end, g.id));
    match ended {
        None => StubReason::NotPurchased,
        Some((end, g)) if g.revoked_at == Some(end) => StubReason::Revoked,
        Some((_, g)) if g.kind == GrantKind::Trial => StubReason::TrialEnded,
        Some(_) => StubReason::Lapsed,
    }
}

/// The releases that someone with `access` may go back to: the one they have and all before it.
pub fn permitted_releases(access: Access, releases: &[ReleaseRef]) -> &[ReleaseRef] {
    let Access::Full { release, .. } = access else { return &[] };
    match releases.iter().position(|r| r.id == release) {
        Some(index) => &releases[..=index],
        None => &[],
    }
}

/// Whether a trial may begin: one per user and skill, ever.
pub fn may_start_trial(user: UserId, skill: SkillId, grants: &[Grant]) -> bool {
    !grants.iter().any(|g| g.user == user && g.skill == skill && g.kind == GrantKind::Trial)
}

/// Whether `user` gains a lasting grant by adding or fetching the skill: it is free for everyone now, and they
/// never had such a grant. A revoked one is not given again.
pub fn may_keep_free(user: UserId, terms: &Terms, grants: &[Grant]) -> bool {
    terms.free
        && terms.is_offered()
        && user != terms.creator
        && !grants.iter().any(|g| g.user == user && g.skill == terms.skill && g.kind == GrantKind::Free)
}

#[cfg(test)]
#[path = "entitlement_tests.rs"]
mod tests;
