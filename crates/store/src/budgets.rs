//! Owns tries that all nodes count together: passwords per account and address, guesses at user codes.
//! Refuses to keep whose they were: a key is a hash. For rates, where exactness matters less than speed, see
//! [`crate::rate`].

use jiff::{SignedDuration, Timestamp};
use skaas_domain::secret::SecretHash;

use crate::{
    column::Value,
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_optional, sql},
};

sql! {
    /// One statement, so that of many at once no more than the limit get through.
    SPEND = "INSERT INTO budgets (key, window_start, ends_at, used) VALUES ($1, $2, $3, 1)
        ON CONFLICT (key, window_start) DO UPDATE SET used = budgets.used + 1
            WHERE budgets.used < $4
        RETURNING used AS value";
    USED = "SELECT used AS value FROM budgets WHERE key = $1 AND window_start = $2";
    CLEAR = "DELETE FROM budgets WHERE key = $1";
    FORGET = "DELETE FROM budgets WHERE ends_at < $1";
}

/// How often something may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What is tried: a word in snake case, part of the key.
    pub name: &'static str,
    /// How many tries in one window; at least one.
    pub limit: u32,
    /// How long a window is. Windows begin at multiples of it since 1970.
    pub window: SignedDuration,
}

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The try may be made; so many more may follow it.
    Left(u32),
    /// There were enough.
    Exhausted {
        /// When the next window begins.
        until: Timestamp,
    },
}

impl Budget {
    fn key(&self, subject: &str) -> String {
        let SecretHash(hash) = SecretHash::of(&format!("budget:{}:{subject}", self.name));
        let half = hash.first_chunk::<16>().expect("a SHA-256 has 32 bytes");
        format!("{}:{:032x}", self.name, u128::from_be_bytes(*half))
    }

    /// The window that `now` lies in.
    fn window_at(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let length = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX).max(1);
        let start = now.as_microsecond() - now.as_microsecond().rem_euclid(length);
        let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        (at(start), at(start.saturating_add(length)))
    }

    fn after(&self, used: i64) -> u32 {
        u32::try_from(i64::from(self.limit) - used).unwrap_or(0)
    }
}

/// Spends one try of `subject` (an account, an address). Spend before trying, and commit that in a separate transaction,
/// so that failed tries count.
pub async fn spend(tx: &mut Tx, budget: &Budget, subject: &str, now: Timestamp) -> Result<Spent> {
    let (start, end) = budget.window_at(now);
    let limit = i64::from(budget.limit.max(1));
    let row: Option<Value<i64>> = fetch_optional!(tx, SPEND, [budget.key(subject), start, end, limit])?;
    Ok(match row {
        Some(Value(used)) => Spent::Left(budget.after(used)),
        None => Spent::Exhausted { until: end },
    })
}

/// What [`spend`] would say, without spending; [`Spent::Left`] counts the try that may be made.
pub async fn left(conn: &mut Conn, budget: &Budget, subject: &str, now: Timestamp) -> Result<Spent> {
    let (start, end) = budget.window_at(now);
    let row: Option<Value<i64>> = fetch_optional!(conn, USED, [budget.key(subject), start])?;
    Ok(match budget.after(row.map_or(0, |Value(used)| used)) {
        0 => Spent::Exhausted { until: end },
        left => Spent::Left(left),
    })
}

/// Gives all tries back: the right password was among them.
pub async fn clear(tx: &mut Tx, budget: &Budget, subject: &str) -> Result<()> {
    execute!(tx, CLEAR, [budget.key(subject)])?;
    Ok(())
}

/// Drops windows that ended before then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
