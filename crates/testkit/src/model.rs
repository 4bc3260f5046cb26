//! What everybody should see: the entitlement rules written a second time, as plainly as they can be,
//! so that the server is judged by something that shares no code with it.
//!
//! Owns: worlds (everything that is true at one moment) and the line of them. Refuses: git, HTTP, ids.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

/// Whether a skill is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    Draft,
    /// To everybody.
    Published,
    /// No longer.
    Withdrawn,
    /// Held back.
    Quarantined,
}

/// One version of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its number.
    pub version: String,
    /// When it came.
    pub at: Timestamp,
}

/// A skill as it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Who made it.
    pub creator: String,
    /// Whether it is offered.
    pub state: State,
    /// In US cents; 0 is free, `None` is not said.
    pub price: Option<i64>,
    /// What its listing says.
    pub description: String,
    /// Its shelf.
    pub category: Option<String>,
    /// Oldest first.
    pub releases: Vec<Release>,
}

/// Access that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub user: String,
    /// To what.
    pub skill: String,
    /// Whether it was a trial.
    pub trial: bool,
    /// Whether it came from adding or fetching what was free.
    pub free: bool,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Which releases it covers.
    pub updates_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl Grant {
    /// When it ended or will end, and whether because it was revoked.
    fn end(&self) -> Option<(Timestamp, bool)> {
        match (self.until, self.revoked) {
            (None, None) => None,
            (Some(until), None) => Some((until, false)),
            (Some(until), Some(revoked)) if until < revoked => Some((until, false)),
            (_, Some(revoked)) => Some((revoked, true)),
        }
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && self.end().is_none_or(|(end, _)| now < end)
    }
}

/// What somebody is shown of a skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// As if it were not there.
    Nothing,
    /// How to get it; the words in brackets say why.
    Stub(&'static str),
    /// The release at this place, and by their tags those before it.
    Whole(usize),
}

/// One entry of a marketplace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The version where it is owned; a stub's is the server's affair.
    pub version: Option<String>,
    /// The whole description.
    pub description: String,
    /// The shelf.
    pub category: Option<String>,
}

/// Everything that is true at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// Skills by name.
    pub skills: BTreeMap<String, Skill>,
    /// All grants ever.
    pub grants: Vec<Grant>,
}

impl World {
    /// Nothing, at a moment.
    pub fn empty(now: Timestamp) -> Self {
        Self { now, skills: BTreeMap::new(), grants: Vec::new() }
    }

    fn of<'a>(&'a self, user: &'a str, name: &'a str) -> impl Iterator<Item = &'a Grant> {
        self.grants.iter().filter(move |grant| grant.user == user && grant.skill == name)
    }

    /// Lets `user` keep the skill `name`, as adding it or fetching it does: only while it is free, and once.
    pub fn keep_free(&mut self, user: &str, name: &str) {
        let skill = &self.skills[name];
        let is_free = skill.price == Some(0) && skill.state == State::Published && skill.creator != user;
        if is_free && !self.of(user, name).any(|grant| grant.free) {
            self.grants.push(Grant {
                user: user.to_owned(),
                skill: name.to_owned(),
                trial: false,
                free: true,
                from: self.now,
                until: None,
                updates_until: None,
                revoked: None,
            });
        }
    }

    /// What `user` is shown of the skill `name` now.
    pub fn sight(&self, user: &str, name: &str) -> Sight {
        let Some(skill) = self.skills.get(name).filter(|skill| !skill.releases.is_empty()) else {
            return Sight::Nothing;
        };
        let owner = skill.creator == user;
        let ever = owner || self.of(user, name).any(|grant| grant.from <= self.now);
        let last = skill.releases.len() - 1;
        if owner {
            return Sight::Whole(last);
        }
        if skill.state == State::Quarantined {
            return if ever { Sight::Stub("[HELD BACK FOR REVIEW]") } else { Sight::Nothing };
        }
        if skill.price == Some(0) && skill.state == State::Published {
            return Sight::Whole(last);
        }
        let mut best = None;
        for grant in self.of(user, name).filter(|grant| grant.holds(self.now)) {
            let covered = |release: &Release| grant.updates_until.is_none_or(|until| release.at <= until);
            // Who paid has something, if only the first release.
            let newest = (0..=last).rev().find(|at| covered(&skill.releases[*at])).unwrap_or(0);
            best = best.max(Some(newest));
        }
        match (best, skill.state) {
            (Some(newest), _) => Sight::Whole(newest),
            (None, State::Published) => Sight::Stub(self.why(user, name)),
            (None, State::Withdrawn) if ever => Sight::Stub("[NO LONGER OFFERED]"),
            (None, State::Draft) if ever => Sight::Stub(self.why(user, name)),
            (None, _) => Sight::Nothing,
        }
    }

    /// The words for what ended last.
    fn why(&self, user: &str, name: &str) -> &'static str {
        let mut latest: Option<(Timestamp, &'static str)> = None;
        for grant in self.of(user, name).filter(|grant| grant.from <= self.now) {
            let Some((end, revoked)) = grant.end().filter(|(end, _)| *end <= self.now) else { continue };
            let words = if grant.trial && !revoked {
                "[TRIAL ENDED - PURCHASE REQUIRED]"
            } else {
                "[ACCESS ENDED] [PURCHASE REQUIRED]"
            };
            // Of two that end together the later given one speaks.
            if latest.is_none_or(|(known, _)| known <= end) {
                latest = Some((end, words));
            }
        }
        latest.map_or("[PURCHASE REQUIRED]", |(_, words)| words)
    }

    /// Whether `user` may have this release of a skill now.
    pub fn permits(&self, user: &str, name: &str, version: &str) -> bool {
        match self.sight(user, name) {
            Sight::Whole(newest) => {
                self.skills[name].releases[..=newest].iter().any(|r| r.version == version)
            }
            Sight::Nothing | Sight::Stub(_) => false,
        }
    }

    /// The marketplace of `user` now.
    pub fn marketplace(&self, user: &str) -> BTreeMap<String, Line> {
        let mut lines = BTreeMap::new();
        for (name, skill) in &self.skills {
            let price = skill.price.map(|cents| match cents {
                0 => "(free) ".to_owned(),
                cents if cents % 100 == 0 => format!("(${}) ", cents / 100),
                cents => format!("(${}.{:02}) ", cents / 100, cents % 100),
            });
            let (version, description) = match self.sight(user, name) {
                Sight::Nothing => continue,
                Sight::Whole(at) => (Some(skill.releases[at].version.clone()), skill.description.clone()),
                Sight::Stub(words @ ("[NO LONGER OFFERED]" | "[HELD BACK FOR REVIEW]")) => {
                    (None, format!("{} {words}", skill.description))
                }
                Sight::Stub(_) => {
                    let price = price.unwrap_or_default();
                    (None, format!("{} {price}[NOT PURCHASED - run /buy to unlock]", skill.description))
                }
            };
            lines.insert(name.clone(), Line { version, description, category: skill.category.clone() });
        }
        lines
    }
}

/// The worlds one after the other. A change begins (from then on the next world may be seen) and is
/// completed (from then on none before it may).
#[derive(Debug)]
pub struct Timeline(Mutex<Moments>);

#[derive(Debug)]
struct Moments {
    worlds: Vec<Arc<World>>,
    completed: u64,
}

impl Timeline {
    /// Begins with one world.
    pub fn new(world: World) -> Self {
        Self(Mutex::new(Moments { worlds: vec![Arc::new(world)], completed: 0 }))
    }

    fn moments(&self) -> std::sync::MutexGuard<'_, Moments> {
        self.0.lock().expect("nobody panics while looking at the time")
    }

    /// The oldest world that may still be seen.
    pub fn oldest(&self) -> u64 {
        self.moments().completed
    }

    /// The newest world that may be seen already.
    pub fn newest(&self) -> u64 {
        self.moments().worlds.len() as u64 - 1
    }

    /// The newest world.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(self.moments().worlds.last().expect("there is always a world"))
    }

    /// The worlds of two moments and all between.
    pub fn between(&self, from: u64, to: u64) -> Vec<Arc<World>> {
        let number = |moment| usize::try_from(moment).expect("worlds fit into memory");
        self.moments().worlds[number(from)..=number(to)].to_vec()
    }

    /// Makes a change true: in the model first, then by `act`, whose end completes it. One at a time.
    pub fn change<T>(&self, next: World, act: impl FnOnce() -> T) -> T {
        let number = {
            let mut moments = self.moments();
            moments.worlds.push(Arc::new(next));
            moments.worlds.len() as u64 - 1
        };
        let outcome = act();
        self.moments().completed = number;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let now: Timestamp = crate::app::BEGINNING.parse().unwrap();
        let mut world = World::empty(now);
        let skill = Skill {
            creator: "ann".into(),
            state: State::Published,
            price: Some(900),
            description: "Checks.".into(),
            category: None,
            releases: vec![Release { version: "1.0.0".into(), at: now }],
        };
        world.skills.insert("lint".into(), skill);
        world
    }

    #[test]
    fn a_stranger_sees_a_stub_with_its_price_and_the_creator_everything() {
        let world = world();
        assert_eq!(world.sight("bob", "lint"), Sight::Stub("[PURCHASE REQUIRED]"));
        assert_eq!(world.sight("ann", "lint"), Sight::Whole(0));
        let line = &world.marketplace("bob")["lint"];
        assert_eq!(line.description, "Checks. ($9) [NOT PURCHASED - run /buy to unlock]");
        assert!(world.permits("ann", "lint", "1.0.0") && !world.permits("bob", "lint", "1.0.0"));
    }

    #[test]
    fn while_a_change_is_under_way_both_worlds_may_be_seen() {
        let timeline = Timeline::new(world());
        let next = World { now: world().now, ..World::empty(world().now) };
        timeline.change(next, || assert_eq!((timeline.oldest(), timeline.newest()), (0, 1)));
        assert_eq!((timeline.oldest(), timeline.newest()), (1, 1));
    }
}
