use jiff::SignedDuration;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;

const DAY: i64 = 86_400;

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + n * DAY).unwrap()
}

struct World {
    buyer: UserId,
    creator: UserId,
    skill: SkillId,
    releases: Vec<ReleaseRef>,
    rng: StdRng,
}

impl World {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(3);
        let buyer = UserId::new(day(0), &mut rng);
        let creator = UserId::new(day(0), &mut rng);
        let skill = SkillId::new(day(0), &mut rng);
        let releases = [1, 10, 20]
            .map(|d| ReleaseRef { id: ReleaseId::new(day(d), &mut rng), published_at: day(d) })
            .to_vec();
        Self { buyer, creator, skill, releases, rng }
    }

    fn terms(&self, state: ListingState) -> Terms {
        let (skill, creator) = (self.skill, self.creator);
        Terms { skill, creator, creator_suspended: false, state, free: false }
    }

    fn grant(&mut self, kind: GrantKind, from: i64, until: Option<i64>) -> Grant {
        Grant {
            id: GrantId::new(day(from), &mut self.rng),
            user: self.buyer,
            skill: self.skill,
            kind,
            starts_at: day(from),
            until: until.map(day),
            updates_until: None,
            revoked_at: None,
            made_at: day(-1),
        }
    }

    fn access(&self, state: ListingState, grants: &[Grant], now: i64) -> Access {
        decide(self.buyer, &self.terms(state), grants, &self.releases, day(now)).access
    }
}

use ListingState::{Draft, Published, Quarantined, Withdrawn};

fn stub(reason: StubReason) -> Access {
    Access::Stub { reason }
}

#[test]
fn without_a_grant_a_published_skill_is_a_stub_and_all_else_is_hidden() {
    let world = World::new();
    assert_eq!(world.access(Published, &[], 30), stub(StubReason::NotPurchased));
    for state in [Draft, Withdrawn, Quarantined] {
        assert_eq!(world.access(state, &[], 30), Access::Hidden);
    }
}

#[test]
fn the_reason_stays_the_same_when_the_clock_reaches_a_stamp_from_the_future() {
    let mut world = World::new();
    let mut grant = world.grant(GrantKind::Purchase, 0, Some(13));
    grant.revoked_at = Some(day(14));
    let grants = [grant];
    assert_eq!(world.access(Published, &grants, 0), stub(StubReason::Lapsed));
    assert_eq!(world.access(Published, &grants, 99), stub(StubReason::Lapsed));
}

#[test]
fn a_period_holds_from_its_first_moment_to_before_its_last() {
    let mut world = World::new();
    let grants = [world.grant(GrantKind::Subscription, 5, Some(8))];
    assert_eq!(world.access(Published, &grants, 4), stub(StubReason::NotPurchased));
    assert!(matches!(world.access(Published, &grants, 5), Access::Full { .. }));
    assert!(matches!(world.access(Published, &grants, 7), Access::Full { .. }));
    assert_eq!(world.access(Published, &grants, 8), stub(StubReason::Lapsed));
}

#[test]
fn grants_stand_side_by_side_and_the_last_one_counts() {
    let mut world = World::new();
    let trial = world.grant(GrantKind::Trial, 1, Some(8));
    let purchase = world.grant(GrantKind::Purchase, 12, None);
    let both = [trial, purchase];
    assert_eq!(world.access(Published, &both, 9), stub(StubReason::TrialEnded));
    let full = Access::Full { release: world.releases[2].id, until: None };
    assert_eq!(world.access(Published, &both, 30), full);
}

#[test]
fn updates_until_ends_updates_but_not_access() {
    let mut world = World::new();
    let mut grant = world.grant(GrantKind::Purchase, 2, None);
    grant.updates_until = Some(day(15));
    let access = world.access(Published, &[grant], 30);
    assert_eq!(access, Access::Full { release: world.releases[1].id, until: None });
    assert_eq!(permitted_releases(access, &world.releases), &world.releases[..2]);
}

#[test]
fn revocation_beats_the_period_and_says_so() {
    let mut world = World::new();
    let mut grant = world.grant(GrantKind::Gift, 2, None);
    assert!(matches!(world.access(Published, std::slice::from_ref(&grant), 5), Access::Full { .. }));
    grant.revoked_at = Some(day(6));
    assert_eq!(world.access(Published, &[grant], 6), stub(StubReason::Revoked));
}

#[test]
fn what_was_granted_and_revoked_by_a_clock_that_was_ahead_counts_at_once() {
    let mut world = World::new();
    let mut bought = world.grant(GrantKind::Purchase, 400, None);
    bought.made_at = bought.starts_at;
    let full = Access::Full { release: world.releases[2].id, until: None };
    assert_eq!(world.access(Published, std::slice::from_ref(&bought), 30), full);
    bought.revoked_at = Some(day(401));
    assert_eq!(world.access(Published, &[bought], 30), stub(StubReason::Revoked));
    let planned = world.grant(GrantKind::Seat, 400, None);
    assert_eq!(world.access(Published, &[planned], 30), stub(StubReason::NotPurchased), "it starts later");
}

#[test]
fn a_withdrawn_skill_stays_with_those_who_have_it() {
    let mut world = World::new();
    let grants = [world.grant(GrantKind::Purchase, 2, Some(20))];
    assert!(matches!(world.access(Withdrawn, &grants, 10), Access::Full { .. }));
    assert_eq!(world.access(Withdrawn, &grants, 20), stub(StubReason::Withdrawn));
}

#[test]
fn quarantine_holds_back_content_from_buyers_and_the_listing_from_strangers() {
    let mut world = World::new();
    let grants = [world.grant(GrantKind::Purchase, 2, None)];
    assert_eq!(world.access(Quarantined, &grants, 10), stub(StubReason::Quarantined));
    let terms = world.terms(Quarantined);
    let owner = decide(world.creator, &terms, &[], &world.releases, day(10)).access;
    assert!(matches!(owner, Access::Full { until: None, .. }), "the creator can fix it: {owner:?}");
    let free = Terms { free: true, ..terms };
    assert_eq!(decide(world.buyer, &free, &[], &world.releases, day(10)).access, Access::Hidden);
}

#[test]
fn what_a_suspended_creator_published_stays_with_those_who_have_it_and_is_offered_to_nobody() {
    let mut world = World::new();
    let grants = [world.grant(GrantKind::Purchase, 2, Some(20))];
    let ask = |state, free, grants: &[Grant], now| {
        let terms = Terms { creator_suspended: true, free, ..world.terms(state) };
        assert!(!terms.is_offered());
        decide(world.buyer, &terms, grants, &world.releases, day(now)).access
    };
    assert!(matches!(ask(Published, false, &grants, 10), Access::Full { .. }));
    assert_eq!(ask(Published, false, &grants, 20), stub(StubReason::Withdrawn));
    assert_eq!(ask(Published, false, &[], 10), Access::Hidden);
    assert_eq!(ask(Published, true, &[], 10), Access::Hidden, "free skills are not offered either");
    assert_eq!(ask(Quarantined, false, &grants, 10), stub(StubReason::Quarantined));
}

#[test]
fn a_free_skill_is_everybodys_once_published() {
    let world = World::new();
    let free = |state| Terms { free: true, ..world.terms(state) };
    let ask = |state| decide(world.buyer, &free(state), &[], &world.releases, day(30)).access;
    assert!(matches!(ask(Published), Access::Full { until: None, .. }));
    assert_eq!(ask(Draft), Access::Hidden);
}

#[test]
fn a_free_skill_is_kept_once_by_everyone_but_its_creator() {
    let mut world = World::new();
    let free = |state| Terms { free: true, ..world.terms(state) };
    assert!(may_keep_free(world.buyer, &free(Published), &[]));
    assert!(!may_keep_free(world.creator, &free(Published), &[]));
    assert!(!may_keep_free(world.buyer, &world.terms(Published), &[]), "it has a price");
    for state in [Draft, Withdrawn, Quarantined] {
        assert!(!may_keep_free(world.buyer, &free(state), &[]), "{state:?}");
    }
    let terms = free(Published);
    let purchase = world.grant(GrantKind::Purchase, 1, None);
    assert!(may_keep_free(world.buyer, &terms, std::slice::from_ref(&purchase)), "a refund may end it");
    let mut kept = world.grant(GrantKind::Free, 2, None);
    assert!(!may_keep_free(world.buyer, &terms, std::slice::from_ref(&kept)));
    kept.revoked_at = Some(day(3));
    assert!(!may_keep_free(world.buyer, &terms, &[purchase, kept]), "a revocation lasts");
}

#[test]
fn a_trial_is_once_per_user_and_skill_ever() {
    let mut world = World::new();
    assert!(may_start_trial(world.buyer, world.skill, &[]));
    let mut old = world.grant(GrantKind::Trial, 1, Some(2));
    old.revoked_at = Some(day(1));
    assert!(!may_start_trial(world.buyer, world.skill, &[old]));
}

fn arbitrary_grant() -> impl Strategy<Value = (u8, i64, Option<i64>, Option<i64>, Option<i64>, bool, bool)> {
    (
        0..6_u8,
        0..40_i64,
        proptest::option::of(0..40_i64),
        proptest::option::of(0..40_i64),
        proptest::option::of(0..40_i64),
        proptest::bool::weighted(0.9),
        proptest::bool::weighted(0.9),
    )
}

fn arbitrary_state() -> impl Strategy<Value = ListingState> {
    proptest::sample::select(vec![Draft, Published, Withdrawn, Quarantined])
}

proptest! {
    #[test]
    fn full_needs_a_reason_that_holds_now(
        parts in proptest::collection::vec(arbitrary_grant(), 0..6),
        state in arbitrary_state(),
        free: bool,
        asker_is_creator in proptest::bool::weighted(0.2),
        creator_suspended in proptest::bool::weighted(0.2),
        released in 0..=3_usize,
        now in 0..45_i64,
    ) {
        let mut world = World::new();
        let kinds = [GrantKind::Purchase, GrantKind::Subscription, GrantKind::Trial, GrantKind::Gift,
            GrantKind::Seat, GrantKind::Ownership];
        let (other_user, other_skill) = (world.creator, SkillId::new(day(0), &mut world.rng));
        let grants: Vec<Grant> = parts.into_iter().map(|(kind, from, until, updates, revoked, mine, this)| {
            let mut grant = world.grant(kinds[usize::from(kind)], from, until);
            grant.updates_until = updates.map(day);
            grant.revoked_at = revoked.map(day);
            if !mine { grant.user = other_user; }
            if !this { grant.skill = other_skill; }
            grant
        }).collect();
        let user = if asker_is_creator { world.creator } else { world.buyer };
        let terms = Terms { creator_suspended, free, ..world.terms(state) };
        let releases = &world.releases[..released];
        let decision = decide(user, &terms, &grants, releases, day(now));

        let active: Vec<&Grant> = grants.iter()
            .filter(|g| g.user == user && g.skill == world.skill && g.is_active(day(now))).collect();
        if let Access::Full { release, until } = decision.access {
            let open = asker_is_creator || (free && state == Published && !creator_suspended);
            prop_assert!(open || !active.is_empty());
            prop_assert!(asker_is_creator || state != Quarantined);
            let index = releases.iter().position(|r| r.id == release).unwrap();
            prop_assert!(open || index == 0 || active.iter().any(|g| g.covers(&releases[index])));
            prop_assert!(until.is_none_or(|end| end > day(now)));
        }
        prop_assert_eq!(permitted_releases(decision.access, releases).is_empty(),
            !matches!(decision.access, Access::Full { .. }));

        // Suspending the creator takes nothing from anybody who has a reason of their own.
        let without = decide(user, &Terms { creator_suspended: false, ..terms }, &grants, releases, day(now));
        if asker_is_creator || (!free && !active.is_empty()) {
            prop_assert_eq!(without, decision);
        }

        // Nothing but a write changes the answer before `changes_at`.
        let horizon = decision.changes_at.unwrap_or(day(100));
        prop_assert!(horizon > day(now));
        let just_before = horizon - SignedDuration::from_micros(1);
        let later = decide(user, &terms, &grants, releases, just_before).access;
        prop_assert_eq!(later, decision.access);

        // The order of the grants does not matter.
        let mut turned = grants.clone();
        turned.reverse();
        prop_assert_eq!(decide(user, &terms, &turned, releases, day(now)), decision);
    }
}
