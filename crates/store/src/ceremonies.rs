//! The rows of sign-ins that wait for a second factor, and of passkeys' challenges. One ends in the browser in which it
//! began, before its time is over, and once.

use std::str::FromStr;

use jiff::Timestamp;
use skaas_domain::{id::UserId, money::UnknownWord, secret::SecretHash};

use crate::{
    column::record,
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "kind, user_id, state, created_at, expires_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO ceremonies (", columns!(), ", hash, browser_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7)");
    FIND = concat!("SELECT ", columns!(), " FROM ceremonies
        WHERE hash = $1 AND browser_hash = $2 AND kind = $3 AND expires_at > $4");
    TAKE = concat!("DELETE FROM ceremonies
        WHERE hash = $1 AND browser_hash = $2 AND kind = $3 AND expires_at > $4 RETURNING ", columns!());
    END_ALL = "DELETE FROM ceremonies WHERE user_id = $1";
    FORGET = "DELETE FROM ceremonies WHERE expires_at < $1";
}

/// What a ceremony is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CeremonyKind {
    /// A person proved their first factor; the second is awaited.
    SecondFactor,
    /// A passkey is asked to sign a challenge.
    Assertion,
    /// An authenticator is asked to make a passkey.
    Registration,
}

impl CeremonyKind {
    /// The word used in columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecondFactor => "second_factor",
            Self::Assertion => "assertion",
            Self::Registration => "registration",
        }
    }
}

impl FromStr for CeremonyKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::SecondFactor, Self::Assertion, Self::Registration]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownWord {
                text: text.chars().take(64).collect(),
                expected: "second_factor, assertion, registration",
            })
    }
}

/// What is stored of a ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// What for.
    pub kind: CeremonyKind,
    /// Whose, where that is known before it ends.
    pub user: Option<UserId>,
    /// What the use case that ends it needs.
    pub state: String,
    /// When it began.
    pub created_at: Timestamp,
    /// The first moment at which it can no longer end.
    pub expires_at: Timestamp,
}

record!(Ceremony {
    kind: CeremonyKind,
    user: Option<UserId> = "user_id",
    state: String,
    created_at: Timestamp,
    expires_at: Timestamp,
});

/// Adds a ceremony under the hash of its secret, for the browser whose cookie has the other hash.
pub async fn add(tx: &mut Tx, ceremony: &Ceremony, hash: &SecretHash, browser: &SecretHash) -> Result<()> {
    let Ceremony { kind, user, state, created_at, expires_at } = ceremony;
    execute!(tx, ADD, [kind, user, state, created_at, expires_at, hash, browser])?;
    Ok(())
}

/// The ceremony of this kind and hash that began in this browser and has not expired.
pub async fn find(
    conn: &mut Conn,
    kind: CeremonyKind,
    hash: &SecretHash,
    browser: &SecretHash,
    now: Timestamp,
) -> Result<Option<Ceremony>> {
    fetch_optional!(conn, FIND, [hash, browser, kind, now])
}

/// As [`find`], and removes it. Of many at once one gets it.
pub async fn take(
    tx: &mut Tx,
    kind: CeremonyKind,
    hash: &SecretHash,
    browser: &SecretHash,
    now: Timestamp,
) -> Result<Option<Ceremony>> {
    fetch_optional!(tx, TAKE, [hash, browser, kind, now])
}

/// Removes every ceremony of a user; how many.
pub async fn end_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.bump_user(user).await?;
    execute!(tx, END_ALL, [user])
}

/// Drops ceremonies that expired before then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
