//! What the operator does: listings and grants, by the same use cases as the command line, on a store
//! beside the nodes'.

#![expect(clippy::return_self_not_must_use, reason = "a sentence of a story may end anywhere")]

use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{
    Actor, App, Error, Kind, Store, grants, listings, operators, second_factor, suspension, users,
};
use skaas_domain::entitlement::{Access, GrantKind};
use skaas_domain::id::PasskeyId;
use skaas_domain::listing::ListingState;
use skaas_domain::money::{Interval, Price};
use skaas_store::passkeys::{self, PasskeyRecord};
use skaas_store::steps::{self, Repo, Step};

use super::TestApp;

/// Access as it is given: until when, and to which releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Why.
    pub kind: GrantKind,
    /// When it ends; `None` is never (for a trial: as long as the listing says).
    pub until: Option<Timestamp>,
    /// Releases published later are not covered.
    pub updates_until: Option<Timestamp>,
}

impl Given {
    /// A reason without end that covers everything.
    pub fn of(kind: GrantKind) -> Self {
        Self { kind, until: None, updates_until: None }
    }

    /// The same until a moment.
    #[must_use]
    pub fn until(self, moment: Timestamp) -> Self {
        Self { until: Some(moment), ..self }
    }

    /// The same for releases published by a moment.
    #[must_use]
    pub fn updates_until(self, moment: Timestamp) -> Self {
        Self { updates_until: Some(moment), ..self }
    }
}

/// A listing in the operator's hands.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    app: &'a TestApp,
    skill: &'a str,
}

impl Offer<'_> {
    #[track_caller]
    fn set(self, change: &listings::Change) -> Self {
        self.try_set(change).unwrap_or_else(|error| panic!("{}: {error}", self.skill));
        self
    }

    /// Changes it, where that may be refused.
    ///
    /// # Errors
    /// The use case's.
    pub fn try_set(self, change: &listings::Change) -> Result<(), Error> {
        self.app.run(listings::set(&self.app.operator, &self.app.actor, self.skill, change)).map(drop)
    }

    /// Offers it to everybody.
    #[track_caller]
    pub fn published(self) -> Self {
        self.in_state(ListingState::Published)
    }

    /// No longer offers it; who has it keeps it.
    #[track_caller]
    pub fn withdrawn(self) -> Self {
        self.in_state(ListingState::Withdrawn)
    }

    /// Holds it back.
    #[track_caller]
    pub fn quarantined(self) -> Self {
        self.try_quarantine(self.app.actor()).unwrap_or_else(|error| panic!("{}: {error}", self.skill));
        self
    }

    /// Holds it back as somebody who may not be allowed to.
    ///
    /// # Errors
    /// The use case's.
    pub fn try_quarantine(self, actor: &Actor) -> Result<(), Error> {
        self.app.run(listings::quarantine(&self.app.operator, actor, self.skill, "under review")).map(drop)
    }

    /// Ends that.
    #[track_caller]
    pub fn released(self) -> Self {
        let released = self.app.run(listings::release(&self.app.operator, &self.app.actor, self.skill));
        released.unwrap_or_else(|error| panic!("{}: {error}", self.skill));
        self
    }

    /// Any state, released from quarantine for it.
    #[track_caller]
    pub fn in_state(self, state: ListingState) -> Self {
        match (self.details().listing.state, state) {
            (ListingState::Quarantined, ListingState::Quarantined) => return self,
            (_, ListingState::Quarantined) => return self.quarantined(),
            (ListingState::Quarantined, _) => drop(self.released()),
            _ => {}
        }
        self.set(&listings::Change { state: Some(state), ..listings::Change::default() })
    }

    /// Sold once, in US cents.
    #[track_caller]
    pub fn priced(self, cents: i64) -> Self {
        let price = Price::new(cents, "USD", Interval::Once).expect("a price of the test is one");
        self.set(&listings::Change {
            price: Some(listings::PriceChange::Only(price)),
            ..listings::Change::default()
        })
    }

    /// Sold at this price too, beside those of other currencies and intervals.
    #[track_caller]
    pub fn also_priced(self, minor: i64, currency: &str, interval: Interval) -> Self {
        let price = Price::new(minor, currency, interval).expect("a price of the test is one");
        self.set(&listings::Change {
            price: Some(listings::PriceChange::Set(price)),
            ..listings::Change::default()
        })
    }

    /// Given to everybody.
    #[track_caller]
    pub fn free(self) -> Self {
        self.set(&listings::Change {
            price: Some(listings::PriceChange::Only(Price::Free)),
            ..listings::Change::default()
        })
    }

    /// With a trial of so many days.
    #[track_caller]
    pub fn with_trial(self, days: u16) -> Self {
        self.set(&listings::Change { trial_days: Some(days), ..listings::Change::default() })
    }

    /// On a shelf.
    #[track_caller]
    pub fn on_shelf(self, category: &str) -> Self {
        self.set(&listings::Change { category: Some(category.to_owned()), ..listings::Change::default() })
    }

    /// Everything that is known of it, as `admin listing show` has it.
    #[track_caller]
    pub fn details(self) -> listings::Details {
        let found = self.app.run(listings::find(&self.app.operator, &self.app.actor, self.skill));
        found.unwrap_or_else(|error| panic!("{}: {error}", self.skill))
    }

    /// The versions released, oldest first.
    #[track_caller]
    pub fn versions(self) -> Vec<String> {
        self.details().releases.into_iter().map(|release| release.version).collect()
    }
}

impl TestApp {
    /// Removes every second factor of a user.
    #[track_caller]
    pub fn resets_second_factor(&self, username: &str) {
        let reset = self.run(second_factor::reset(&self.operator, &self.actor, username));
        reset.unwrap_or_else(|error| panic!("{username}: {error}"));
    }

    /// A listing, to be changed or looked at.
    pub fn offer<'a>(&'a self, skill: &'a str) -> Offer<'a> {
        Offer { app: self, skill }
    }

    /// Whether there is a listing of that name.
    pub fn is_listed(&self, skill: &str) -> bool {
        match self.run(listings::find(&self.operator, &self.actor, skill)) {
            Ok(_) => true,
            Err(error) if error.kind() == Kind::NotFound => false,
            Err(error) => panic!("{skill}: {error}"),
        }
    }

    /// Gives somebody access.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn give(&self, username: &str, skill: &str, given: Given) {
        self.try_give(username, skill, given).unwrap_or_else(|error| panic!("{username}, {skill}: {error}"));
    }

    /// The same, where it may be refused.
    ///
    /// # Errors
    /// The use case's.
    pub fn try_give(&self, username: &str, skill: &str, given: Given) -> Result<(), Error> {
        let Given { kind, until, updates_until } = given;
        let (username, skill, note) = (username.to_owned(), skill.to_owned(), String::new());
        let new = grants::NewGrant { username, skill, kind, until, updates_until, note };
        self.run(grants::add(&self.operator, &self.actor, new)).map(drop)
    }

    /// Takes back what somebody has of a skill; how many grants that ended.
    #[track_caller]
    pub fn revoke(&self, username: &str, skill: &str) -> usize {
        self.run(grants::revoke(&self.operator, &self.actor, username, Some(skill)))
            .expect("it can be revoked")
            .len()
    }

    /// What the decision says now, asked as the operator asks.
    #[track_caller]
    pub fn access(&self, username: &str, skill: &str) -> Access {
        self.run(grants::access(&self.operator, &self.actor, username, skill)).expect("both are there")
    }

    /// Suspends somebody's account.
    #[track_caller]
    pub fn suspend(&self, username: &str) {
        self.run(suspension::suspend(&self.operator, &self.actor, username, "under review"))
            .expect("it works");
    }

    /// Lifts that.
    #[track_caller]
    pub fn unsuspend(&self, username: &str) {
        self.run(suspension::unsuspend(&self.operator, &self.actor, username)).expect("it is suspended");
    }

    /// Makes somebody an operator.
    #[track_caller]
    pub fn appoint(&self, username: &str) {
        self.run(operators::add(&self.operator, &self.actor, username)).expect("they are there");
    }

    /// Gives somebody a passkey that nobody can sign in with: for the role of an operator, which requires a second factor.
    #[track_caller]
    pub fn protect(&self, username: &str) {
        let user = self.run(users::find(&self.operator, &self.actor, username)).expect("they are there").id;
        let seed = username.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
        let passkey = PasskeyRecord {
            id: PasskeyId::new(self.now(), &mut StdRng::seed_from_u64(seed)),
            user,
            credential_id: username.as_bytes().to_vec(),
            credential: "{}".to_owned(),
            label: "Laptop".to_owned(),
            created_at: self.now(),
            last_used_at: None,
        };
        let added = self.run(async {
            let mut tx = self.operator_store().begin().await?;
            let added = passkeys::add(&mut tx, &passkey).await?;
            tx.commit().await.map(|()| added)
        });
        assert!(added.expect("it works"), "{username} has one already");
    }

    /// Takes the role away.
    #[track_caller]
    pub fn dismiss(&self, username: &str) {
        self.run(operators::remove(&self.operator, &self.actor, username)).expect("they are an operator");
    }

    /// Deletes somebody.
    #[track_caller]
    pub fn delete_user(&self, username: &str) {
        self.run(users::delete(&self.operator, &self.actor, username)).expect("they are there");
    }

    /// A moment some days from now; before, when negative.
    pub fn in_days(&self, days: i64) -> Timestamp {
        self.now() + SignedDuration::from_hours(24 * days)
    }

    /// The steps of somebody's lineage of a skill, oldest first: commit and tree of each, as hexadecimal.
    #[track_caller]
    pub fn steps(&self, username: &str, skill: &str) -> Vec<(String, String)> {
        let skill = self.offer(skill).details().listing.skill;
        let user = self.run(users::find(&self.operator, &self.actor, username)).expect("they are there").id;
        let steps = self.run(async {
            let mut conn = self.beside.read().await?;
            steps::list(&mut conn, user, Repo::Skill(skill)).await
        });
        let pair = |step: &Step| (step.commit.to_string(), step.tree.to_string());
        steps.expect("they can be listed").iter().map(pair).collect()
    }

    /// A number that moves whenever something of somebody's tokens, grants or steps is written.
    #[track_caller]
    pub fn revision_of(&self, username: &str) -> i64 {
        let user = self.run(users::find(&self.operator, &self.actor, username)).expect("they are there").id;
        self.run(self.beside.revisions(user)).expect("it can be read").user
    }

    /// How many packs a source consists of.
    #[track_caller]
    pub fn packs_of(&self, source: skaas_domain::id::SourceId) -> usize {
        let packs = self.run(async {
            let mut conn = self.beside.read().await?;
            skaas_store::sources::packs(&mut conn, source).await
        });
        packs.expect("they can be listed").len()
    }

    /// Deletes a listing; its name is given to nobody again.
    #[track_caller]
    pub fn delete_listing(&self, skill: &str) {
        let listing = self.offer(skill).details().listing;
        let deleted = self.run(async {
            let mut tx = self.beside.begin().await?;
            skaas_store::listings::delete(&mut tx, listing.skill, self.now()).await?;
            skaas_store::catalogue::put_entry(&mut tx, listing.position, listing.skill, None).await?;
            tx.commit().await
        });
        deleted.unwrap_or_else(|error| panic!("{skill}: {error}"));
    }

    /// The store beside the nodes', for transactions that a story composes.
    pub fn operator_store(&self) -> &Store {
        &self.beside
    }

    /// The operator, as use cases know them.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The use cases as the operator calls them, beside the nodes.
    pub fn operator(&self) -> &App {
        &self.operator
    }
}
