//! What changes in a life: the model's world and the real one, in the same words.

use jiff::{SignedDuration, Timestamp};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use skaas_domain::entitlement::GrantKind;
use skaas_domain::listing::ListingState;
use skaas_testkit::app::{Given, Source};
use skaas_testkit::model::{Grant, Release, Sight, Skill, State, World};

use crate::stage::{BUYERS, CREATORS, SKILLS, Stage, one};

fn days(now: Timestamp, count: i64) -> Timestamp {
    now + SignedDuration::from_hours(24 * count)
}

/// What a skill's manifest says of it.
fn description(skill: &str, version: &str) -> String {
    format!("What {skill} does as of {version}.")
}

fn writes(source: &Source<'_>, skill: &str, version: &str) {
    source.holds(skill, version);
    let manifest = std::fs::read_to_string(source.folder().join("SKILL.md")).unwrap();
    let said = format!("description: What {skill} does.");
    assert!(manifest.contains(&said), "{manifest}");
    source
        .writes("SKILL.md", manifest.replace(&said, &format!("description: {}", description(skill, version))))
        // The same in every version, and in every skill.
        .writes("scripts/same.sh", format!("#!/bin/sh\n# {skill}\n"))
        .writes("references/licence.md", "Do what you like.\n");
}

fn everybody() -> impl Iterator<Item = &'static str> {
    BUYERS.iter().chain(&CREATORS).copied()
}

fn keep_free(world: &mut World, skill: &str) {
    everybody().for_each(|user| world.keep_free(user, skill));
}

impl Stage<'_> {
    /// One change, whatever it is.
    pub(crate) fn change(&self, rng: &mut StdRng) {
        one(&self.counts.changes);
        let world = self.timeline.world();
        let names: Vec<&'static str> =
            SKILLS.iter().copied().filter(|name| world.skills.contains_key(*name)).collect();
        let skill = *names.choose(rng).unwrap();
        let mut user = *BUYERS.choose(rng).unwrap();
        let mut skill = skill;
        // Mostly it happens to those who keep a copy and will come again.
        if let Some((keeper, kept)) = self.keeper(rng) {
            (user, skill) = (keeper, kept);
        }
        match rng.random_range(0..100) {
            0..8 => self.release_next(skill, &world, rng),
            8..11 => self.same_version_again(skill, &world),
            11..15 if names.len() < SKILLS.len() => {
                self.releases(SKILLS[names.len()], CREATORS[names.len() % 2]);
            }
            15..47 => self.gives(user, skill, &world, rng),
            47..70 => self.takes_back(user, skill, &world),
            70..86 => self.time_passes(rng),
            _ => self.offers(skill, &world, rng),
        }
    }

    /// A buyer with a copy of a skill.
    fn keeper(&self, rng: &mut StdRng) -> Option<(&'static str, &'static str)> {
        let copies = self.copies.lock().unwrap();
        let kept: Vec<_> = copies.iter().filter(|kept| kept.repo != "marketplace").collect();
        let kept = kept.choose(rng).filter(|kept| BUYERS.contains(&kept.user))?;
        rng.random_bool(0.7).then_some((kept.user, kept.repo))
    }

    fn next(&self, edit: impl FnOnce(&mut World)) -> World {
        let mut next = World::clone(&self.timeline.world());
        edit(&mut next);
        next
    }

    /// A first or further release, pushed with real git through the front.
    pub(crate) fn releases(&self, skill: &'static str, creator: &'static str) {
        let world = self.timeline.world();
        let known = world.skills.get(skill);
        let version = format!("1.{}.0", known.map_or(0, |known| known.releases.len()));
        let person = self.person(creator);
        let source = person.source(skill);
        writes(&source, skill, &version);
        source.commits("Next");
        let now = self.app.now();
        let next = self.next(|world| {
            let new = Skill {
                creator: creator.to_owned(),
                state: State::Draft,
                price: None,
                description: String::new(),
                category: None,
                releases: Vec::new(),
            };
            let known = world.skills.entry(skill.to_owned()).or_insert(new);
            known.description = description(skill, &version);
            known.releases.push(Release { version: version.clone(), at: now });
        });
        self.timeline.change(next, || {
            source.pushes_refs(&["--force", "main"]).is_taken().says(&format!("released {skill} {version}"));
        });
        let copy = person.clones_with(skill, &["--no-checkout"]);
        copy.git(&["checkout", "-q", "HEAD"]).expect_success();
        copy.sees_full(&version);
        self.judge.lock().unwrap().learn(skill, &version, &copy);
    }

    fn release_next(&self, skill: &'static str, world: &World, rng: &mut StdRng) {
        let creator = CREATORS.iter().copied().find(|name| *name == world.skills[skill].creator).unwrap();
        if matches!(world.sight(creator, skill), Sight::Whole(_)) && world.skills[skill].releases.len() < 6 {
            self.releases(skill, creator);
        } else {
            self.time_passes(rng);
        }
    }

    /// A push that must change nothing: another content under a version that is out.
    fn same_version_again(&self, skill: &'static str, world: &World) {
        let creator = world.skills[skill].creator.clone();
        let version = &world.skills[skill].releases.last().unwrap().version;
        let source = self.person(&creator).source(skill);
        let manifest = std::fs::read_to_string(source.folder().join("SKILL.md")).unwrap();
        source.writes("SKILL.md", manifest.replace("description: What", "description: Whatever"));
        source.writes("references/notes.md", "quietly changed\n").commits("Quietly");
        self.timeline.change(self.next(|_| {}), || {
            let said = format!("version {version} is released already");
            source.pushes_refs(&["--force", "main"]).is_taken().says(&said);
        });
    }

    fn gives(&self, user: &str, skill: &str, world: &World, rng: &mut StdRng) {
        let now = self.app.now();
        let trial_before = world.grants.iter().any(|g| g.user == user && g.skill == skill && g.trial);
        let kinds = [GrantKind::Purchase, GrantKind::Subscription, GrantKind::Gift, GrantKind::Seat];
        let kind =
            if trial_before || rng.random_bool(0.7) { *kinds.choose(rng).unwrap() } else { GrantKind::Trial };
        let ends = kind == GrantKind::Trial || rng.random_bool(0.6);
        let until = ends.then(|| days(now, rng.random_range(1..20)));
        let updates_until = rng.random_bool(0.3).then(|| days(now, rng.random_range(-10..20)));
        let next = self.next(|world| {
            world.grants.push(Grant {
                user: user.to_owned(),
                skill: skill.to_owned(),
                trial: kind == GrantKind::Trial,
                free: false,
                from: now,
                until,
                updates_until,
                revoked: None,
            });
        });
        self.timeline.change(next, || self.app.give(user, skill, Given { kind, until, updates_until }));
    }

    fn takes_back(&self, user: &str, skill: &str, world: &World) {
        // Somebody who has something, rather than anybody.
        let now = self.app.now();
        let holds = |grant: &&Grant| grant.revoked.is_none() && grant.until.is_none_or(|end| end > now);
        let mut held = world.grants.iter().filter(holds).rev();
        let theirs = held.clone().find(|grant| grant.user == user && grant.skill == skill);
        let grant = theirs.or_else(|| held.next());
        let (user, skill) = grant.map_or((user, skill), |grant| (&*grant.user, &*grant.skill));
        let next = self.next(|world| {
            for grant in world.grants.iter_mut().filter(|g| g.user == user && g.skill == skill) {
                if grant.revoked.is_none() && grant.until.is_none_or(|end| end > now) {
                    grant.revoked = Some(now);
                }
            }
        });
        self.timeline.change(next, || self.app.revoke(user, skill));
    }

    fn time_passes(&self, rng: &mut StdRng) {
        let by = SignedDuration::from_mins(rng.random_range(1..(60 * 24 * 4)));
        let next = self.next(|world| world.now += by);
        self.timeline.change(next, || self.app.pass(by));
    }

    pub(crate) fn is_published(&self, skill: &str, cents: i64) {
        let next = self.next(|world| {
            let listing = world.skills.get_mut(skill).unwrap();
            listing.price = Some(cents);
        });
        self.timeline.change(next, || self.app.offer(skill).priced(cents));
        self.moves(skill, State::Published);
    }

    fn moves(&self, skill: &str, state: State) {
        let real = match state {
            State::Draft => ListingState::Draft,
            State::Published => ListingState::Published,
            State::Withdrawn => ListingState::Withdrawn,
            State::Quarantined => ListingState::Quarantined,
        };
        let next = self.next(|world| {
            world.skills.get_mut(skill).unwrap().state = state;
            keep_free(world, skill);
        });
        self.timeline.change(next, || {
            self.app.offer(skill).in_state(real);
            self.everybody_adds(skill);
        });
    }

    /// Everybody adds what is free at once, so that the model need not know whose fetch came first.
    fn everybody_adds(&self, skill: &str) {
        let world = self.timeline.world();
        if world.skills[skill].price == Some(0) && world.skills[skill].state == State::Published {
            for user in everybody() {
                self.app.person(user).tries_to_add(skill).unwrap();
            }
        }
    }

    fn offers(&self, skill: &str, world: &World, rng: &mut StdRng) {
        if world.skills[skill].state != State::Published && rng.random_bool(0.7) {
            return self.moves(skill, State::Published);
        }
        match rng.random_range(0..10) {
            0..3 => self.is_published(skill, rng.random_range(1..50) * 100),
            3 => {
                let next = self.next(|world| {
                    world.skills.get_mut(skill).unwrap().price = Some(0);
                    keep_free(world, skill);
                });
                self.timeline.change(next, || {
                    self.app.offer(skill).free();
                    self.everybody_adds(skill);
                });
            }
            4..6 => {
                let category = *["testing", "writing", "data"].choose(rng).unwrap();
                let next =
                    self.next(|w| w.skills.get_mut(skill).unwrap().category = Some(category.to_owned()));
                self.timeline.change(next, || self.app.offer(skill).on_shelf(category));
            }
            6 => self.moves(skill, State::Quarantined),
            7 => self.moves(skill, State::Draft),
            _ => self.moves(skill, State::Withdrawn),
        }
    }
}
