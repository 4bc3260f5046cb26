//! The rows of prices. A row is written once; later only `archived_at` is set. What a listing's prices may be is
//! decided in [`skaas_domain::prices`].

use jiff::Timestamp;
use skaas_domain::{
    id::SkillId,
    money::{Interval, Price},
    prices::{ListedPrice, Prices},
};

use crate::{
    column::{Fields, Record, impossible},
    connection::{Conn, Tx},
    error::{Result, StoreError},
    statement::{execute, fetch_all, sql},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, skill_id, price_minor, price_currency, price_interval, created_at, archived_at
            FROM prices WHERE ",
            $rest
        )
    };
}

sql! {
    ADD = "INSERT INTO prices (id, skill_id, price_minor, price_currency, price_interval, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    ARCHIVE = "UPDATE prices SET archived_at = $2 WHERE id = $1 AND archived_at IS NULL";
    ACTIVE = select!("skill_id = $1 AND archived_at IS NULL");
    ALL_ACTIVE = select!("archived_at IS NULL ORDER BY skill_id");
    HISTORY = select!("skill_id = $1 ORDER BY created_at, id");
}

/// A price as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRecord {
    /// Whose price.
    pub skill: SkillId,
    /// The price and its ID.
    pub listed: ListedPrice,
    /// When it was set.
    pub created_at: Timestamp,
    /// When it was archived; `None` while it is active.
    pub archived_at: Option<Timestamp>,
}

impl Record for PriceRecord {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self {
            skill: row.get("skill_id")?,
            listed: ListedPrice { id: row.get("id")?, price: read_price(row)? },
            created_at: row.get("created_at")?,
            archived_at: row.get("archived_at")?,
        })
    }
}

fn read_price(row: &impl Fields) -> sqlx::Result<Price> {
    let minor: i64 = row.get("price_minor")?;
    let currency: Option<String> = row.get("price_currency")?;
    let interval: Option<String> = row.get("price_interval")?;
    let mismatch = || impossible("price_minor", "an amount, a currency and an interval that do not fit");
    match (minor, currency, interval) {
        (0, None, None) => Ok(Price::Free),
        (minor, Some(currency), Some(interval)) => {
            let interval: Interval = interval.parse().map_err(|_| mismatch())?;
            match Price::new(minor, &currency, interval) {
                Ok(price @ Price::Paid { .. }) => Ok(price),
                _ => Err(mismatch()),
            }
        }
        _ => Err(mismatch()),
    }
}

/// The three columns of a price.
pub(crate) fn columns(price: Price) -> (i64, Option<&'static str>, Option<&'static str>) {
    match price {
        Price::Free => (0, None, None),
        Price::Paid { amount, interval } => {
            (amount.minor, Some(amount.currency.code()), Some(interval.as_str()))
        }
    }
}

/// Active prices that were read, checked against the rules.
pub(crate) fn checked(rows: impl IntoIterator<Item = PriceRecord>) -> Result<Prices> {
    let listed = rows.into_iter().map(|row| row.listed).collect();
    Prices::new(listed).map_err(|error| StoreError::corrupt("the prices of a listing", error))
}

/// The active prices of a skill.
pub(crate) async fn active(conn: &mut Conn, skill: SkillId) -> Result<Prices> {
    let rows: Vec<PriceRecord> = fetch_all!(conn, ACTIVE, [skill])?;
    checked(rows)
}

/// The active prices of every skill, by skill.
pub(crate) async fn all_active(conn: &mut Conn) -> Result<Vec<PriceRecord>> {
    fetch_all!(conn, ALL_ACTIVE, [])
}

/// Every price that a skill ever had, oldest first.
pub async fn history(conn: &mut Conn, skill: SkillId) -> Result<Vec<PriceRecord>> {
    fetch_all!(conn, HISTORY, [skill])
}

/// Makes `prices` the active ones of a skill: archives the others, and adds those that are new. The caller holds the
/// catalogue's lock.
pub(crate) async fn replace(tx: &mut Tx, skill: SkillId, prices: &Prices, at: Timestamp) -> Result<()> {
    let before = active(tx, skill).await?;
    for old in before.iter().filter(|old| !prices.iter().any(|new| new == *old)) {
        execute!(tx, ARCHIVE, [old.id, at])?;
    }
    for new in prices.iter().filter(|new| !before.iter().any(|old| old == *new)) {
        let (minor, currency, interval) = columns(new.price);
        execute!(tx, ADD, [new.id, skill, minor, currency, interval, at])?;
    }
    Ok(())
}
