//! Use cases about grants: give access, keep what is free, list it, revoke it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use skaas_domain::{
    entitlement::{Access, Grant, GrantKind, ReleaseRef, decide, may_keep_free},
    id::{GrantId, OrderId, SkillId, UserId},
    listing::Listing,
    scope::Need,
};
use skaas_store::{
    Conn, Tx, grants,
    grants::GrantRecord,
    listings,
    releases::{self, Release},
};

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    listings::absent,
    users,
};

/// Access to be given.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// To whom, by username.
    pub username: String,
    /// To what, by name.
    pub skill: String,
    /// Why.
    pub kind: GrantKind,
    /// When it ends. A trial without one lasts as long as the listing says.
    pub until: Option<Timestamp>,
    /// Releases published later are not covered.
    pub updates_until: Option<Timestamp>,
    /// Why it was made, for people.
    pub note: String,
}

/// A grant with the name of its skill.
#[derive(Debug, Clone)]
pub struct Named {
    /// The grant.
    pub record: GrantRecord,
    /// What it is for.
    pub skill: String,
}

/// Gives access.
pub async fn add(app: &App, actor: &Actor, new: NewGrant) -> Result<Named> {
    let mut tx = app.store.begin().await?;
    let named = add_in(app, actor, &mut tx, new).await?;
    tx.commit().await?;
    let Grant { user, skill, id, .. } = &named.record.grant;
    tracing::info!(event = "grant_added", user_id = %user, skill_id = %skill, grant_id = %id);
    Ok(named)
}

/// Like [`add`], inside the caller's transaction.
pub async fn add_in(app: &App, actor: &Actor, tx: &mut Tx, new: NewGrant) -> Result<Named> {
    actor.require_operator()?;
    let user = users::by_name_in(tx, &new.username).await?;
    let now = app.now();
    let listing = listings::find_by_name(tx, &new.skill).await?.ok_or_else(|| absent(&new.skill))?;
    let until = match (new.kind, new.until) {
        (GrantKind::Trial, None) => Some(trial_end(&listing, now)?),
        (_, until) => until,
    };
    let grant = Grant {
        id: app.with_rng(|rng| GrantId::new(now, rng)),
        user: user.id,
        skill: listing.skill,
        kind: new.kind,
        starts_at: now,
        until,
        updates_until: new.updates_until,
        revoked_at: None,
        made_at: now,
    };
    let record = GrantRecord { grant, note: new.note, order: None };
    grants::add(tx, &record).await?;
    audit::record(tx, actor, now, Act::done(Action::GrantAdd, user.id, &listing.name)).await?;
    Ok(Named { record, skill: listing.name })
}

/// What became of adding a free skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeSkill {
    /// It is the user's from now on.
    Added,
    /// They had it before: nothing was written.
    AlreadyTheirs,
}

/// How a person stands to a skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What they may have now.
    pub access: Access,
    /// Whether adding it would leave a grant: it is free, and not theirs yet.
    pub may_add_free: bool,
}

/// How `user` stands to a skill with these releases.
pub(crate) async fn standing(
    app: &App,
    conn: &mut Conn,
    user: UserId,
    listing: &Listing,
    releases: &[Release],
) -> Result<Standing> {
    let grants = grants::list_for(conn, user, listing.skill).await?;
    let terms = listing.terms();
    Ok(Standing {
        access: decide(user, &terms, &grants, &refs(releases), app.now()).access,
        may_add_free: may_keep_free(user, &terms, &grants),
    })
}

/// Adds a free skill to what the actor has: a later price or withdrawal does not take it away again.
///
/// # Errors
/// [`crate::Kind::NotFound`] in the same words for a skill that does not exist and one that this user may not know of,
/// [`crate::Kind::Conflict`] for one that is not free.
pub async fn add_free(app: &App, actor: &Actor, skill: &str) -> Result<FreeSkill> {
    let user = actor.require(&Need::Account { write: true })?.id;
    let mut conn = app.store.snapshot().await?;
    let absent = || Error::refused(Code::NoSuchSkill, "this skill does not exist");
    let listing = listings::find_by_name(&mut conn, skill).await?.ok_or_else(absent)?;
    let grants = grants::list_for(&mut conn, user, listing.skill).await?;
    let releases = release_refs(&mut conn, listing.skill).await?;
    drop(conn);
    let terms = listing.terms();
    match decide(user, &terms, &grants, &releases, app.now()).access {
        Access::Hidden => Err(absent()),
        _ if may_keep_free(user, &terms, &grants) => {
            let now = app.now();
            let mut tx = app.store.begin().await?;
            let added = keep_free_in(app, &mut tx, user, listing.skill).await?;
            if added == FreeSkill::Added {
                audit::record(&mut tx, actor, now, Act::done(Action::GrantAdd, user, &listing.name)).await?;
                tx.commit().await?;
            }
            Ok(added)
        }
        Access::Full { .. } => Ok(FreeSkill::AlreadyTheirs),
        Access::Stub { .. } => {
            let why = format!("{} is not free; nothing was added", listing.name);
            Err(Error::refused(Code::NotFree, why).with_action(format!("/skills/{}", listing.name)))
        }
    }
}

/// Writes down that `user` keeps a skill that was free when they fetched it; once, ever. Nobody asked for it, so the
/// audit log says nothing of it.
pub(crate) async fn keep_free(app: &App, user: UserId, skill: SkillId) -> Result<FreeSkill> {
    let mut tx = app.store.begin().await?;
    let added = keep_free_in(app, &mut tx, user, skill).await?;
    if added == FreeSkill::Added {
        tx.commit().await?;
    }
    Ok(added)
}

async fn keep_free_in(app: &App, tx: &mut Tx, user: UserId, skill: SkillId) -> Result<FreeSkill> {
    let now = app.now();
    let grant = Grant {
        id: app.with_rng(|rng| GrantId::new(now, rng)),
        user,
        skill,
        kind: GrantKind::Free,
        starts_at: now,
        until: None,
        updates_until: None,
        revoked_at: None,
        made_at: now,
    };
    let record = GrantRecord { grant, note: String::new(), order: None };
    if !grants::add_free(tx, &record).await? {
        return Ok(FreeSkill::AlreadyTheirs);
    }
    tracing::info!(event = "grant_added", user_id = %user, skill_id = %skill, grant_id = %record.grant.id);
    Ok(FreeSkill::Added)
}

fn trial_end(listing: &Listing, now: Timestamp) -> Result<Timestamp> {
    if listing.trial_days == 0 {
        return Err(Error::refused(
            Code::NoTrial,
            format!(
                "{name} offers no trial; say how long with --until, or `listing set {name} --trial-days 14`",
                name = listing.name
            ),
        ));
    }
    let length = SignedDuration::from_hours(24 * i64::from(listing.trial_days));
    now.checked_add(length).map_err(Error::internal)
}

/// A user's grants, oldest first; only those for `skill` when it is given.
pub async fn list(app: &App, actor: &Actor, username: &str, skill: Option<&str>) -> Result<Vec<Named>> {
    let user = users::find(app, actor, username).await?;
    let mut conn = app.store.snapshot().await?;
    let only = match skill {
        None => None,
        Some(name) => Some(listings::find_by_name(&mut conn, name).await?.ok_or_else(|| absent(name))?.skill),
    };
    let mut named = Vec::new();
    for record in grants::records(&mut conn, user.id).await? {
        if only.is_none_or(|only| only == record.grant.skill) {
            let skill = skill_name(&mut conn, &record.grant).await?;
            named.push(Named { record, skill });
        }
    }
    Ok(named)
}

async fn skill_name(conn: &mut Conn, grant: &Grant) -> Result<String> {
    let listing = listings::find_by_id(conn, grant.skill).await?;
    Ok(listing.map_or_else(|| grant.skill.to_string(), |listing| listing.name))
}

/// Revokes the grants of a user that are still in force, for one skill or for all; returns those it revoked.
pub async fn revoke(app: &App, actor: &Actor, username: &str, skill: Option<&str>) -> Result<Vec<Named>> {
    let mut tx = app.store.begin().await?;
    let ended = revoke_in(app, actor, &mut tx, username, skill).await?;
    tx.commit().await?;
    let user_id = ended.first().map(|named| tracing::field::display(named.record.grant.user));
    tracing::info!(event = "grants_revoked", user_id, count = ended.len());
    Ok(ended)
}

/// Like [`revoke`], inside the caller's transaction.
pub async fn revoke_in(
    app: &App,
    actor: &Actor,
    tx: &mut Tx,
    username: &str,
    skill: Option<&str>,
) -> Result<Vec<Named>> {
    actor.require_operator()?;
    let user = users::by_name_in(tx, username).await?;
    let now = app.now();
    // From here on nobody gives this user anything: what is read below is all there is.
    tx.bump_user(user.id).await?;
    let skills: BTreeSet<SkillId> = match skill {
        Some(name) => [listings::find_by_name(tx, name).await?.ok_or_else(|| absent(name))?.skill].into(),
        None => grants::list(tx, user.id).await?.into_iter().map(|grant| grant.skill).collect(),
    };
    let mut ended = Vec::new();
    for skill in skills {
        for grant in grants::revoke_all(tx, user.id, skill, now).await? {
            let skill = skill_name(tx, &grant).await?;
            audit::record(tx, actor, now, Act::done(Action::GrantRevoke, user.id, &skill)).await?;
            let record = grants::find(tx, grant.id).await?;
            ended.extend(record.map(|record| Named { record, skill }));
        }
    }
    Ok(ended)
}

/// Revokes the grants of an order, and no others, within the caller's transaction: a refund or a lost dispute is written
/// with what it revokes. Returns the grants that were not revoked before.
pub async fn revoke_order(app: &App, tx: &mut Tx, order: OrderId) -> Result<Vec<Grant>> {
    let now = app.now();
    let ended = grants::revoke_order(tx, order, now).await?;
    for grant in &ended {
        let skill = skill_name(tx, grant).await?;
        audit::record_of_server(tx, now, Act::done(Action::GrantRevoke, grant.user, &skill)).await?;
    }
    tracing::info!(event = "order_grants_revoked", order_id = %order, count = ended.len());
    Ok(ended)
}

/// What a user may have of a skill now: the same decision as every channel's.
pub async fn access(app: &App, actor: &Actor, username: &str, skill: &str) -> Result<Access> {
    let user = users::find(app, actor, username).await?;
    let mut conn = app.store.snapshot().await?;
    let listing = listings::find_by_name(&mut conn, skill).await?.ok_or_else(|| absent(skill))?;
    let grants = grants::list_for(&mut conn, user.id, listing.skill).await?;
    let releases = release_refs(&mut conn, listing.skill).await?;
    Ok(decide(user.id, &listing.terms(), &grants, &releases, app.now()).access)
}

async fn release_refs(conn: &mut Conn, skill: SkillId) -> Result<Vec<ReleaseRef>> {
    Ok(refs(&releases::list(conn, skill).await?))
}

fn refs(releases: &[Release]) -> Vec<ReleaseRef> {
    let refs = releases.iter();
    refs.map(|release| ReleaseRef { id: release.id, published_at: release.published_at }).collect()
}
