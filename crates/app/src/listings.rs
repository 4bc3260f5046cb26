//! Use cases about listings: show them, change how a skill is offered.

use skaas_domain::{
    entitlement::Access,
    id::PriceId,
    listing::{
        InvalidLabel, InvalidTransition, Listing, ListingState, MAX_TRIAL_DAYS, check_label, check_tags,
    },
    money::Price,
    prices::{InvalidPrices, Prices},
    reason::check_reason,
    scope::Need,
};
use skaas_store::{
    Tx, catalogue,
    listings::{self, ListingSearch},
    prices, releases,
};

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    grants::{self, Standing},
    operators::{Found, PAGE_ROWS},
    publication::{Revision, store_contents, write},
};

pub use skaas_store::{prices::PriceRecord, releases::Release};

/// What is to change of a listing; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// What becomes of its prices. Those who paid one keep what they bought.
    pub price: Option<PriceChange>,
    /// Length of the trial in days; 0 is none.
    pub trial_days: Option<u16>,
    /// The shelf it stands on.
    pub category: Option<String>,
    /// Words to find it by, in place of those it has.
    pub tags: Option<Vec<String>>,
    /// Whether it is offered. Quarantine has use cases of its own: [`quarantine`] and [`release`].
    pub state: Option<ListingState>,
}

/// A change of a listing's prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceChange {
    /// The only price from now on: archives all others.
    Only(Price),
    /// A price beside those of other currencies and intervals: archives the one of the same currency and interval.
    Set(Price),
    /// Archives the price of this ID.
    Archive(PriceId),
}

/// A listing with its releases, oldest first.
#[derive(Debug, Clone)]
pub struct Details {
    /// The listing.
    pub listing: Listing,
    /// Everything released of it.
    pub releases: Vec<Release>,
}

/// A skill as somebody who opens its page may see it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The listing and its releases.
    pub details: Details,
    /// How the person stands to it; `None` for a stranger.
    pub standing: Option<Standing>,
}

/// A skill as `visitor` may see it: everybody sees what is published, and people see what is theirs.
///
/// # Errors
/// [`crate::Kind::NotFound`] in the same words for a skill that does not exist and one that this visitor may not know of.
pub async fn seen_by(app: &App, visitor: Option<&Actor>, name: &str) -> Result<Seen> {
    let nobody = || Error::refused(Code::NoSuchSkill, "this skill does not exist");
    let user = visitor.map(|visitor| visitor.require(&Need::Myself)).transpose()?;
    let mut conn = app.store.snapshot().await?;
    let listing = listings::find_by_name(&mut conn, name).await?.ok_or_else(nobody)?;
    let releases = releases::list(&mut conn, listing.skill).await?;
    let standing = match user {
        Some(user) => Some(grants::standing(app, &mut conn, user.id, &listing, &releases).await?),
        None => None,
    };
    let is_theirs = standing.is_some_and(|standing| standing.access != Access::Hidden);
    if listing.is_offered() || is_theirs {
        Ok(Seen { details: Details { listing, releases }, standing })
    } else {
        Err(nobody())
    }
}

/// One listing, for operators.
pub async fn find(app: &App, actor: &Actor, name: &str) -> Result<Details> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    let listing = listings::find_by_name(&mut conn, name).await?.ok_or_else(|| absent(name))?;
    let releases = releases::list(&mut conn, listing.skill).await?;
    Ok(Details { listing, releases })
}

/// All listings, in the order in which they came.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Details>> {
    actor.require_operator()?;
    let mut conn = app.store.snapshot().await?;
    let mut all = Vec::new();
    for listing in listings::all(&mut conn).await? {
        let releases = releases::list(&mut conn, listing.skill).await?;
        all.push(Details { listing, releases });
    }
    Ok(all)
}

/// The listings whose name or creator contains `text`, by name, for operators.
pub async fn search(
    app: &App,
    actor: &Actor,
    text: &str,
    state: Option<ListingState>,
    page: usize,
) -> Result<Found<Listing>> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    let search = ListingSearch { text, state };
    let all = listings::count(&mut conn, &ListingSearch { text: "", state: None }).await?;
    let matching = listings::count(&mut conn, &search).await?;
    let (page, skipped) = Found::<Listing>::page(page, matching);
    let rows = listings::search(&mut conn, &search, skipped, PAGE_ROWS).await?;
    Ok(Found { rows, page, matching, all })
}

/// Every price that a skill ever had, archived ones included, oldest first.
pub async fn price_history(app: &App, actor: &Actor, name: &str) -> Result<Vec<PriceRecord>> {
    actor.require_operator()?;
    let mut conn = app.store.snapshot().await?;
    let listing = listings::find_by_name(&mut conn, name).await?.ok_or_else(|| absent(name))?;
    Ok(prices::history(&mut conn, listing.skill).await?)
}

/// Changes how a skill is offered; the listing as it is afterwards.
pub async fn set(app: &App, actor: &Actor, name: &str, change: &Change) -> Result<Details> {
    loop {
        let prepared = prepare(app, actor, name, change).await?;
        let mut tx = app.store.begin().await?;
        if prepared.write_in(app, &mut tx).await? {
            tx.commit().await?;
            let Listing { skill, state, .. } = &prepared.after.listing;
            tracing::info!(event = "listing_set", skill_id = %skill, state = state.as_str());
            return Ok(prepared.after);
        }
    }
}

/// A change of a listing whose contents are stored and which takes effect once it is written.
pub struct Prepared {
    revisions: [Revision; 1],
    actor: Actor,
    action: Action,
    /// The listing as it will be.
    pub after: Details,
}

/// Prepares what [`set`] does, for a caller with a transaction: object storage is written here, so that no transaction
/// waits for it.
pub async fn prepare(app: &App, actor: &Actor, name: &str, change: &Change) -> Result<Prepared> {
    actor.require_operator()?;
    let change = checked(change)?;
    let Details { listing: before, releases } = find(app, actor, name).await?;
    if change.state == Some(ListingState::Published) && releases.is_empty() {
        return Err(Error::refused(Code::NothingToPublish, nothing_to_publish(&before)));
    }
    let after = applied(app, &before, &change)?;
    let action = action(&before, &change);
    Prepared::new(app, actor, action, before, Details { listing: after, releases }).await
}

/// What the audit log calls a change: by what it means to buyers first.
fn action(before: &Listing, change: &Change) -> Action {
    match (change.state.filter(|state| *state != before.state), change.price) {
        (Some(ListingState::Published), _) => Action::ListingPublish,
        (Some(ListingState::Withdrawn), _) => Action::ListingWithdraw,
        (_, Some(PriceChange::Archive(_))) => Action::PriceArchive,
        (_, Some(_)) => Action::PriceSet,
        _ => Action::ListingChange,
    }
}

/// Puts a skill into quarantine: from the next request on nobody but its creator is served it, and whoever has it gets a
/// preview that says so.
///
/// # Errors
/// [`crate::Kind::Invalid`] without a reason; [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if it is there already.
pub async fn quarantine(app: &App, actor: &Actor, name: &str, reason: &str) -> Result<Details> {
    let reason =
        check_reason(reason).map_err(|error| Error::refused(Code::InvalidValue, error.to_string()))?;
    let after =
        review(app, actor, name, Action::ListingQuarantine, |listing| listing.quarantine(&reason, app.now()))
            .await?;
    tracing::info!(event = "listing_quarantined", skill_id = %after.listing.skill, %actor);
    Ok(after)
}

/// Releases a skill from quarantine: it is again what it was before, and whoever has it is served it.
///
/// # Errors
/// [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if it is not in quarantine.
pub async fn release(app: &App, actor: &Actor, name: &str) -> Result<Details> {
    let after = review(app, actor, name, Action::ListingRestore, Listing::release).await?;
    tracing::info!(event = "listing_released", skill_id = %after.listing.skill, %actor);
    Ok(after)
}

async fn review(
    app: &App,
    actor: &Actor,
    name: &str,
    action: Action,
    change: impl Fn(&mut Listing) -> Result<(), InvalidTransition>,
) -> Result<Details> {
    loop {
        let Details { listing: before, releases } = find(app, actor, name).await?;
        let mut after = before.clone();
        change(&mut after).map_err(|error| unmoved(name, error))?;
        after.updated_at = app.now();
        let prepared =
            Prepared::new(app, actor, action, before, Details { listing: after, releases }).await?;
        let mut tx = app.store.begin().await?;
        actor.require_desk(&mut tx, app.now()).await?;
        if prepared.write_in(app, &mut tx).await? {
            tx.commit().await?;
            return Ok(prepared.after);
        }
    }
}

/// Why a listing stays in its state.
fn unmoved(name: &str, error: InvalidTransition) -> Error {
    let code = match error {
        InvalidTransition::Quarantined | InvalidTransition::Held => Code::InQuarantine,
        InvalidTransition::NotQuarantined => Code::NotInQuarantine,
    };
    Error::refused(code, format!("{name} stays as it is: {error}"))
}

impl Prepared {
    async fn new(app: &App, actor: &Actor, action: Action, before: Listing, after: Details) -> Result<Self> {
        let latest = after.releases.last().map(|release| release.version.as_str());
        let listing = after.listing.clone();
        let revisions = [Revision::render(app.voice(), Some(before), listing, None, latest, Vec::new())?];
        store_contents(app, &revisions).await?;
        Ok(Self { revisions, actor: actor.clone(), action, after })
    }

    /// Writes the change inside the caller's transaction; `false` if the listing changed since it was prepared, and
    /// then the transaction must be dropped.
    pub async fn write_in(&self, app: &App, tx: &mut Tx) -> Result<bool> {
        if !write(app, tx, &self.revisions).await? {
            return Ok(false);
        }
        let listing = &self.after.listing;
        let act = Act::done(self.action, listing.creator, &listing.name);
        audit::record(tx, &self.actor, app.now(), act).await?;
        Ok(true)
    }
}

/// Deletes a skill: nobody receives it any more, holders included, and its name is never given again. What was
/// sold stays on record.
pub async fn delete(app: &App, actor: &Actor, name: &str) -> Result<Listing> {
    let mut tx = app.store.begin().await?;
    let listing = delete_in(app, actor, &mut tx, name).await?;
    tx.commit().await?;
    tracing::info!(event = "listing_deleted", skill_id = %listing.skill);
    Ok(listing)
}

/// Like [`delete`], inside the caller's transaction.
pub async fn delete_in(app: &App, actor: &Actor, tx: &mut Tx, name: &str) -> Result<Listing> {
    actor.require_operator()?;
    tx.bump_catalogue().await?;
    let listing = listings::find_by_name(tx, name).await?.ok_or_else(|| absent(name))?;
    catalogue::put_entry(tx, listing.position, listing.skill, None).await?;
    let now = app.now();
    listings::delete(tx, listing.skill, now).await?;
    let act = Act::done(Action::ListingDelete, listing.creator, &listing.name);
    audit::record(tx, actor, now, act).await?;
    Ok(listing)
}

fn checked(change: &Change) -> Result<Change> {
    let invalid =
        |error: InvalidLabel| Error::refused(Code::InvalidValue, format!("{error}; nothing was changed"));
    let mut change = change.clone();
    if let Some(days) = change.trial_days.filter(|days| *days > MAX_TRIAL_DAYS) {
        return Err(invalid(InvalidLabel::Trial(days)));
    }
    if let Some(category) = &change.category {
        check_label(category).map_err(invalid)?;
    }
    if let Some(tags) = change.tags.take() {
        change.tags = Some(check_tags(&tags).map_err(invalid)?);
    }
    Ok(change)
}

fn applied(app: &App, before: &Listing, change: &Change) -> Result<Listing> {
    let now = app.now();
    let mut after = before.clone();
    after.updated_at = now;
    if let Some(change) = change.price {
        after.prices = repriced(app, &before.prices, change)?;
    }
    after.trial_days = change.trial_days.unwrap_or(after.trial_days);
    after.category = change.category.clone().or(after.category);
    after.tags = change.tags.clone().unwrap_or(after.tags);
    if let Some(state) = change.state {
        after.set_state(state, now).map_err(|error| unmoved(&before.name, error))?;
    }
    Ok(after)
}

fn repriced(app: &App, before: &Prices, change: PriceChange) -> Result<Prices> {
    let id = app.with_rng(|rng| PriceId::new(app.now(), rng));
    let after = match change {
        PriceChange::Only(price) => Ok(before.only(id, price)),
        PriceChange::Set(price) => before.with(id, price),
        PriceChange::Archive(id) => before.without(id),
    };
    after.map_err(|error| match error {
        InvalidPrices::Absent(_) => {
            Error::refused(Code::NoSuchPrice, format!("{error}; nothing was changed"))
        }
        _ => Error::refused(Code::PriceConflict, format!("{error}; nothing was changed")),
    })
}

fn nothing_to_publish(listing: &Listing) -> String {
    let mut text = format!("{} has no release yet, so there is nothing to publish", listing.name);
    for problem in &listing.problems {
        text.push_str("\n  ");
        text.push_str(problem);
    }
    text + "\nmend what is named above, if anything, and push again"
}

pub(crate) fn absent(name: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    Error::refused(
        Code::NoSuchSkill,
        format!("there is no skill {name:?}; `skaas-server admin listing show` lists all"),
    )
}
