//! What a listing is: its states, quarantine, and the form of its labels. What a state means for access is decided in
//! [`crate::entitlement`].

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    entitlement::Terms,
    id::{SkillId, SourceId, UserId},
    money::UnknownWord,
    prices::Prices,
};

/// Whether a skill is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListingState {
    /// Known to its creator only.
    Draft,
    /// Offered to everybody.
    Published,
    /// No longer offered; whoever has it keeps it.
    Withdrawn,
    /// Held back by an operator: its content reaches nobody but its creator.
    Quarantined,
}

impl ListingState {
    /// The word used in columns, options and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Withdrawn => "withdrawn",
            Self::Quarantined => "quarantined",
        }
    }
}

impl FromStr for ListingState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Draft, Self::Published, Self::Withdrawn, Self::Quarantined]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownWord {
                text: text.chars().take(64).collect(),
                expected: "draft, published, withdrawn, quarantined",
            })
    }
}

/// Why a listing is in quarantine, and what it returns to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Since when.
    pub at: Timestamp,
    /// Why, for operators.
    pub reason: String,
    /// The state that a release from quarantine restores. Never [`ListingState::Quarantined`].
    pub before: ListingState,
}

/// Why a listing cannot enter or leave quarantine, or change state in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// It is in quarantine already.
    #[error("it is already in quarantine")]
    Quarantined,
    /// There is nothing to release.
    #[error("it is not in quarantine")]
    NotQuarantined,
    /// Its state can't be set while it is in quarantine, nor set to that.
    #[error("it is in quarantine; release it first")]
    Held,
}

/// A skill as offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which skill.
    pub skill: SkillId,
    /// Its name, the same in URLs, entries and manifests. Unique on the platform.
    pub name: String,
    /// Who made it.
    pub creator: UserId,
    /// The creator's username.
    pub creator_name: String,
    /// Whether the creator's account is suspended. Their skills aren't offered until it is not.
    pub creator_suspended: bool,
    /// Where its content comes from.
    pub source: SourceId,
    /// Its place in every marketplace file; given once, never reused.
    pub position: i64,
    /// Whether it is offered.
    pub state: ListingState,
    /// Present while the state is [`ListingState::Quarantined`].
    pub quarantine: Option<Quarantine>,
    /// What it does, in the creator's words; from the manifest.
    pub description: String,
    /// Headings of the manifest that a stub shows as features.
    pub features: Vec<String>,
    /// One word for the shelf it stands on.
    pub category: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What it costs. None: it is not for sale and can only be granted.
    pub prices: Prices,
    /// Length of the trial in days; 0 is none.
    pub trial_days: u16,
    /// What kept the newest push from becoming a release, for the creator.
    pub problems: Vec<String>,
    /// When the skill was first pushed.
    pub created_at: Timestamp,
    /// When it was first offered.
    pub published_at: Option<Timestamp>,
    /// When anything here last changed.
    pub updated_at: Timestamp,
}

impl Listing {
    /// What of it bears on access.
    pub fn terms(&self) -> Terms {
        Terms {
            skill: self.skill,
            creator: self.creator,
            creator_suspended: self.creator_suspended,
            state: self.state,
            free: self.prices.is_free(),
        }
    }

    /// Whether everybody is offered it now.
    pub fn is_offered(&self) -> bool {
        self.terms().is_offered()
    }

    /// Moves it to a state other than quarantine.
    ///
    /// # Errors
    /// [`InvalidTransition::Held`] in quarantine, which only [`Listing::release`] ends, and for
    /// [`ListingState::Quarantined`], which needs a reason.
    pub fn set_state(&mut self, state: ListingState, now: Timestamp) -> Result<(), InvalidTransition> {
        if self.state == ListingState::Quarantined || state == ListingState::Quarantined {
            return Err(InvalidTransition::Held);
        }
        self.state = state;
        if state == ListingState::Published {
            self.published_at = self.published_at.or(Some(now));
        }
        Ok(())
    }

    /// Puts it into quarantine.
    ///
    /// # Errors
    /// [`InvalidTransition::Quarantined`] if it is there already.
    pub fn quarantine(&mut self, reason: &str, now: Timestamp) -> Result<(), InvalidTransition> {
        if self.state == ListingState::Quarantined {
            return Err(InvalidTransition::Quarantined);
        }
        self.quarantine = Some(Quarantine { at: now, reason: reason.to_owned(), before: self.state });
        self.state = ListingState::Quarantined;
        Ok(())
    }

    /// Releases it from quarantine: its state is again what it was before.
    ///
    /// # Errors
    /// [`InvalidTransition::NotQuarantined`] if it is not there.
    pub fn release(&mut self) -> Result<(), InvalidTransition> {
        if self.state != ListingState::Quarantined {
            return Err(InvalidTransition::NotQuarantined);
        }
        let before = self.quarantine.take().map(|quarantine| quarantine.before);
        self.state = before.unwrap_or(ListingState::Withdrawn);
        Ok(())
    }
}

/// The most tags a listing may have.
pub const MAX_TAGS: usize = 12;
/// The longest trial, in days.
pub const MAX_TRIAL_DAYS: u16 = 90;

/// A label that cannot stand on a shelf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// A tag or category is not a short lower-case word.
    #[error("{0:?} is not a tag or category: 1 to 32 of a-z, 0-9 and single hyphens, such as code-review")]
    Word(String),
    /// More than [`MAX_TAGS`].
    #[error("a listing has at most {MAX_TAGS} tags; {0} were given")]
    TooMany(usize),
    /// Longer than [`MAX_TRIAL_DAYS`].
    #[error("a trial lasts 0 to {MAX_TRIAL_DAYS} days; {0} were given")]
    Trial(u16),
}

/// Checks a tag or a category: `^[a-z0-9]+(-[a-z0-9]+)*$`, at most 32 letters.
pub fn check_label(text: &str) -> Result<(), InvalidLabel> {
    if text.len() <= 32 && crate::name::is_kebab(text) {
        Ok(())
    } else {
        Err(InvalidLabel::Word(text.chars().take(64).collect()))
    }
}

/// Checks tags for form and number; returns them sorted, each once.
pub fn check_tags(tags: &[String]) -> Result<Vec<String>, InvalidLabel> {
    for tag in tags {
        check_label(tag)?;
    }
    let mut tags = tags.to_vec();
    tags.sort();
    tags.dedup();
    if tags.len() > MAX_TAGS { Err(InvalidLabel::TooMany(tags.len())) } else { Ok(tags) }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn listing(state: ListingState) -> Listing {
        let mut rng = StdRng::seed_from_u64(1);
        Listing {
            skill: SkillId::new(NOW, &mut rng),
            name: "lint-pro".to_owned(),
            creator: UserId::new(NOW, &mut rng),
            creator_name: "ann".to_owned(),
            creator_suspended: false,
            source: SourceId::new(NOW, &mut rng),
            position: 0,
            state,
            quarantine: None,
            description: String::new(),
            features: Vec::new(),
            category: None,
            tags: Vec::new(),
            prices: Prices::default(),
            trial_days: 0,
            problems: Vec::new(),
            created_at: NOW,
            published_at: (state == ListingState::Published).then_some(NOW),
            updated_at: NOW,
        }
    }

    #[test]
    fn a_release_restores_the_state_from_before_the_quarantine() {
        for state in [ListingState::Draft, ListingState::Published, ListingState::Withdrawn] {
            let before = listing(state);
            let mut after = before.clone();
            assert_eq!(after.release(), Err(InvalidTransition::NotQuarantined));
            after.quarantine("malware", NOW).unwrap();
            assert!(!after.is_offered() && after.state == ListingState::Quarantined);
            assert_eq!(after.quarantine("again", NOW), Err(InvalidTransition::Quarantined));
            assert_eq!(after.set_state(ListingState::Published, NOW), Err(InvalidTransition::Held));
            assert_eq!(
                after.quarantine.as_ref().map(|quarantine| quarantine.reason.as_str()),
                Some("malware")
            );
            after.release().unwrap();
            assert_eq!(after, before);
            assert_eq!(after.set_state(ListingState::Quarantined, NOW), Err(InvalidTransition::Held));
        }
        // A node of the previous release leaves no word of what was before: it is not offered by mistake.
        let mut old = listing(ListingState::Quarantined);
        old.release().unwrap();
        assert_eq!(old.state, ListingState::Withdrawn);
    }

    #[test]
    fn what_a_suspended_creator_published_is_not_offered() {
        let mut published = listing(ListingState::Published);
        assert!(published.is_offered());
        published.creator_suspended = true;
        assert!(!published.is_offered());
    }
}
