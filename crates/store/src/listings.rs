//! Owns the rows of skills as offered. Refuses rows that are impossible, and to decide anything more: what a
//! state means for access is the domain's to say.

use std::collections::HashMap;

use jiff::Timestamp;
use skaas_domain::{
    id::{SkillId, SourceId, UserId},
    listing::{Listing, ListingState, Quarantine},
    prices::Prices,
};

use crate::{
    column::{Fields, Record, Value, impossible, record},
    connection::{Conn, Tx},
    error::{Result, StoreError},
    names::{self, Kind},
    prices,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
    users,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.name, s.creator_id, u.username AS creator_name,
                u.suspended_at AS creator_suspended_at, s.source_id, s.position,
                s.state, s.quarantined_at, s.quarantine_reason, s.quarantined_from, s.description, s.features, s.category, s.tags, s.trial_days, s.problems, s.created_at, s.published_at, s.updated_at
            FROM skills AS s JOIN users AS u ON u.id = s.creator_id WHERE s.deleted_at IS NULL ",
            $rest
        )
    };
}

sql! {
    NEXT_POSITION = "UPDATE counters SET value = value + 1 WHERE name = 'position' RETURNING value";
    ADD = "INSERT INTO skills (id, name, creator_id, source_id, folder, position, state, description,
            features, category, tags, trial_days, problems, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'draft', $7, $8, $9, $10, 0, $11, $12, $12)";
    /// Nodes of the previous release read the first price here.
    UPDATE = "UPDATE skills SET state = $2, description = $3, features = $4, category = $5, tags = $6,
            price_minor = $7, price_currency = $8, price_interval = $9, trial_days = $10, problems = $11,
            published_at = $12, updated_at = $13, quarantined_at = $14, quarantine_reason = $15,
            quarantined_from = $16
        WHERE id = $1 AND deleted_at IS NULL";
    MOVE_TO = "UPDATE skills SET source_id = $2, folder = $3 WHERE id = $1 AND deleted_at IS NULL";
    FIND_BY_ID = select!("AND s.id = $1");
    FIND_BY_NAME = select!("AND s.name = $1");
    ALL = select!("ORDER BY s.position");
    LIST = select!("AND s.position > $1 AND s.state = coalesce($2, s.state) ORDER BY s.position LIMIT $3");
    /// By itself, so that an index finds them: every push and every profile asks this.
    LIST_OF_CREATOR = select!("AND s.position > $1 AND s.state = coalesce($2, s.state) AND s.creator_id = $4
        ORDER BY s.position LIMIT $3");
    /// A page of those whose name or creator contains a text: `%` for all.
    SEARCH = select!("AND (s.name LIKE $1 ESCAPE '!' OR u.username LIKE $1 ESCAPE '!')
        AND s.state = coalesce($2, s.state) ORDER BY s.name LIMIT $3 OFFSET $4");
    COUNT = "SELECT count(*) AS value FROM skills AS s JOIN users AS u ON u.id = s.creator_id
        WHERE s.deleted_at IS NULL AND (s.name LIKE $1 ESCAPE '!' OR u.username LIKE $1 ESCAPE '!')
            AND s.state = coalesce($2, s.state)";
    FOLDERS = "SELECT id, name, folder FROM skills
        WHERE source_id = $1 AND deleted_at IS NULL ORDER BY folder, name";
    DELETE = "UPDATE skills SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
}

/// A skill that is about to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewListing {
    /// Which skill.
    pub skill: SkillId,
    /// Its name, to be claimed.
    pub name: String,
    /// Who made it.
    pub creator: UserId,
    /// Where its content comes from.
    pub source: SourceId,
    /// Its folder in the source; empty is the root.
    pub folder: String,
    /// What it does, in the creator's words.
    pub description: String,
    /// Headings of the manifest.
    pub features: Vec<String>,
    /// The shelf it stands on.
    pub category: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What keeps it from being released as it is.
    pub problems: Vec<String>,
    /// When it was first pushed.
    pub created_at: Timestamp,
}

/// Which listings to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingFilter {
    /// Only this creator's.
    pub creator: Option<UserId>,
    /// Only in this state.
    pub state: Option<ListingState>,
    /// Only those at positions after this one; -1 begins at the first.
    pub after: i64,
    /// At most this many.
    pub limit: u32,
}

impl Default for ListingFilter {
    /// The first hundred of all.
    fn default() -> Self {
        Self { creator: None, state: None, after: -1, limit: 100 }
    }
}

/// Where in its source a skill lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillFolder {
    /// Which skill.
    pub skill: SkillId,
    /// Its name.
    pub name: String,
    /// Its folder; empty is the root.
    pub folder: String,
}
record!(SkillFolder { skill: SkillId = "id", name: String, folder: String });

impl Record for Listing {
    /// Reads everything but the prices, which are rows of their own.
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let trial_days: i64 = row.get("trial_days")?;
        let creator_suspended_at: Option<Timestamp> = row.get("creator_suspended_at")?;
        let state: ListingState = row.get("state")?;
        let listing = Self {
            skill: row.get("id")?,
            name: row.get("name")?,
            creator: row.get("creator_id")?,
            creator_name: row.get("creator_name")?,
            creator_suspended: creator_suspended_at.is_some(),
            source: row.get("source_id")?,
            position: row.get("position")?,
            state,
            quarantine: quarantine(row, state)?,
            description: row.get("description")?,
            features: row.get("features")?,
            category: row.get("category")?,
            tags: row.get("tags")?,
            prices: Prices::default(),
            trial_days: u16::try_from(trial_days)
                .map_err(|_| impossible("trial_days", "a trial of fewer than 0 or more than 65535 days"))?,
            problems: row.get("problems")?,
            created_at: row.get("created_at")?,
            published_at: row.get("published_at")?,
            updated_at: row.get("updated_at")?,
        };
        if listing.state == ListingState::Published && listing.published_at.is_none() {
            return Err(impossible("published_at", "a published listing that was never published"));
        }
        Ok(listing)
    }
}

/// The quarantine of a row in this state. A node of the previous release ends one without clearing its columns, and
/// begins one without setting them.
fn quarantine(row: &impl Fields, state: ListingState) -> sqlx::Result<Option<Quarantine>> {
    let at: Option<Timestamp> = row.get("quarantined_at")?;
    let reason: Option<String> = row.get("quarantine_reason")?;
    let before: Option<ListingState> = row.get("quarantined_from")?;
    Ok(match (state, at, before) {
        (ListingState::Quarantined, Some(at), Some(before)) => {
            Some(Quarantine { at, reason: reason.unwrap_or_default(), before })
        }
        _ => None,
    })
}

/// A listing that was read, with its active prices.
async fn priced(conn: &mut Conn, listing: Option<Listing>) -> Result<Option<Listing>> {
    let Some(mut listing) = listing else { return Ok(None) };
    listing.prices = prices::active(conn, listing.skill).await?;
    Ok(Some(listing))
}

/// Adds a draft: claims its name and gives it the next position. Bumps the catalogue.
///
/// # Errors
/// [`crate::Conflict::NameTaken`], [`crate::Conflict::NameRetired`], or [`crate::Conflict::LookAlike`] when
/// another creator's skill looks like it; one's own may.
pub async fn add(tx: &mut Tx, new: &NewListing) -> Result<Listing> {
    tx.bump_catalogue().await?;
    names::claim(tx, Kind::Skill, &new.name, new.creator).await?;
    let Value(position) = fetch_one!(tx, NEXT_POSITION, [])?;
    let position: i64 = position;
    execute!(
        tx,
        ADD,
        [
            new.skill,
            new.name,
            new.creator,
            new.source,
            new.folder,
            position,
            new.description,
            new.features,
            new.category,
            new.tags,
            new.problems,
            new.created_at,
        ]
    )?;
    fetch_one!(tx, FIND_BY_ID, [new.skill])
}

/// Writes everything that may change of a listing: all but skill, name, creator, source, position and
/// `created_at`. Bumps the catalogue. To change what was read, call [`Tx::bump_catalogue`] before reading:
/// nobody else changes it from then on.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such listing.
pub async fn update(tx: &mut Tx, listing: &Listing) -> Result<()> {
    tx.bump_catalogue().await?;
    let (minor, currency, interval) = listing
        .prices
        .first()
        .map(prices::columns)
        .map_or((None, None, None), |(minor, currency, interval)| (Some(minor), currency, interval));
    let quarantine = listing.quarantine.as_ref();
    let changed = execute!(
        tx,
        UPDATE,
        [
            listing.skill,
            listing.state,
            listing.description,
            listing.features,
            listing.category,
            listing.tags,
            minor,
            currency,
            interval,
            i64::from(listing.trial_days),
            listing.problems,
            listing.published_at,
            listing.updated_at,
            quarantine.map(|quarantine| quarantine.at),
            quarantine.map(|quarantine| quarantine.reason.as_str()),
            quarantine.map(|quarantine| quarantine.before),
        ]
    )?;
    if changed == 0 {
        return Err(StoreError::Missing("skill"));
    }
    prices::replace(tx, listing.skill, &listing.prices, listing.updated_at).await
}

/// Says where the skill's content comes from now on.
pub async fn move_to(tx: &mut Tx, skill: SkillId, source: SourceId, folder: &str) -> Result<()> {
    tx.bump_catalogue().await?;
    if execute!(tx, MOVE_TO, [skill, source, folder])? == 0 {
        return Err(StoreError::Missing("skill"));
    }
    Ok(())
}

/// The listing of this skill, unless deleted.
pub async fn find_by_id(conn: &mut Conn, skill: SkillId) -> Result<Option<Listing>> {
    let listing = fetch_optional!(conn, FIND_BY_ID, [skill])?;
    priced(conn, listing).await
}

/// The listing of this name, unless deleted.
pub async fn find_by_name(conn: &mut Conn, name: &str) -> Result<Option<Listing>> {
    let listing = fetch_optional!(conn, FIND_BY_NAME, [name])?;
    priced(conn, listing).await
}

/// A page of listings by position. The next page begins after the last one's position.
pub async fn list(conn: &mut Conn, filter: &ListingFilter) -> Result<Vec<Listing>> {
    let limit = i64::from(filter.limit);
    let mut page: Vec<Listing> = match filter.creator {
        None => fetch_all!(conn, LIST, [filter.after, filter.state, limit])?,
        Some(creator) => fetch_all!(conn, LIST_OF_CREATOR, [filter.after, filter.state, limit, creator])?,
    };
    for listing in &mut page {
        listing.prices = prices::active(conn, listing.skill).await?;
    }
    Ok(page)
}

/// Every listing by position.
pub async fn all(conn: &mut Conn) -> Result<Vec<Listing>> {
    let mut all: Vec<Listing> = fetch_all!(conn, ALL, [])?;
    let mut rows: HashMap<SkillId, Vec<prices::PriceRecord>> = HashMap::new();
    for row in prices::all_active(conn).await? {
        rows.entry(row.skill).or_default().push(row);
    }
    for listing in &mut all {
        listing.prices = prices::checked(rows.remove(&listing.skill).unwrap_or_default())?;
    }
    Ok(all)
}

/// Which listings to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingSearch<'a> {
    /// What the name or the creator's username contains.
    pub text: &'a str,
    /// Only those in this state.
    pub state: Option<ListingState>,
}

/// Counts the listings that match.
pub async fn count(conn: &mut Conn, search: &ListingSearch<'_>) -> Result<u64> {
    let Value(count) = fetch_one!(conn, COUNT, [users::containing(search.text), search.state])?;
    let count: i64 = count;
    Ok(count.unsigned_abs())
}

/// Lists up to `limit` of the listings that match by name, leaving out the first `skipped`.
pub async fn search(
    conn: &mut Conn,
    search: &ListingSearch<'_>,
    skipped: u64,
    limit: u32,
) -> Result<Vec<Listing>> {
    let skipped = i64::try_from(skipped).unwrap_or(i64::MAX);
    let text = users::containing(search.text);
    let mut page: Vec<Listing> = fetch_all!(conn, SEARCH, [text, search.state, i64::from(limit), skipped])?;
    for listing in &mut page {
        listing.prices = prices::active(conn, listing.skill).await?;
    }
    Ok(page)
}

/// The skills of a source by folder.
pub async fn folders(conn: &mut Conn, source: SourceId) -> Result<Vec<SkillFolder>> {
    fetch_all!(conn, FOLDERS, [source])
}

/// Deletes a skill: it is found no more, and neither its name nor its position is given again. Releases and
/// grants stay as rows. Bumps the catalogue; that its entry becomes a hole is the caller's to write.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such skill, or not any more.
pub async fn delete(tx: &mut Tx, skill: SkillId, at: Timestamp) -> Result<()> {
    tx.bump_catalogue().await?;
    let listing = find_by_id(tx, skill).await?.ok_or(StoreError::Missing("skill"))?;
    names::retire(tx, Kind::Skill, &listing.name, at).await?;
    execute!(tx, DELETE, [skill, at])?;
    Ok(())
}
