//! Owns who has taken which name. Refuses to judge a name's form: that is the domain's.

use jiff::Timestamp;
use skaas_domain::{id::UserId, name};

use crate::{
    column::record,
    connection::Tx,
    error::{Conflict, Result},
    statement::{execute, fetch_optional, sql},
};

sql! {
    FIND_NAME = "SELECT name, tombstoned_at FROM taken_names WHERE kind = $1 AND name = $2";
    /// A user's look-alike of their own name exists only as a tombstone; it too stays taken.
    FIND_USER_LIKE = "SELECT name, tombstoned_at FROM taken_names
        WHERE kind = 'user' AND skeleton = $1 LIMIT 1";
    FIND_SKILL_LIKE = "SELECT name, tombstoned_at FROM taken_names
        WHERE kind = 'skill' AND skeleton = $1 AND owner_id <> $2 ORDER BY name LIMIT 1";
    ADD_NAME = "INSERT INTO taken_names (kind, name, skeleton, owner_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    RETIRE_NAME = "UPDATE taken_names SET tombstoned_at = $3
        WHERE kind = $1 AND name = $2 AND tombstoned_at IS NULL";
}

/// What a name is for.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    User,
    Skill,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Skill => "skill",
        }
    }
}

struct Taken {
    name: String,
    tombstoned_at: Option<Timestamp>,
}
record!(Taken { name: String, tombstoned_at: Option<Timestamp> });

/// Why `name` cannot be claimed by `owner`, if so.
async fn obstacle(tx: &mut Tx, kind: Kind, name: &str, owner: UserId) -> Result<Option<Conflict>> {
    let same: Option<Taken> = fetch_optional!(tx, FIND_NAME, [kind.as_str(), name])?;
    if let Some(taken) = same {
        let name = taken.name;
        return Ok(Some(match taken.tombstoned_at {
            Some(_) => Conflict::NameRetired { name },
            None => Conflict::NameTaken { name },
        }));
    }
    let skeleton = name::skeleton(name);
    let like: Option<Taken> = match kind {
        Kind::User => fetch_optional!(tx, FIND_USER_LIKE, [skeleton])?,
        Kind::Skill => fetch_optional!(tx, FIND_SKILL_LIKE, [skeleton, owner])?,
    };
    Ok(like.map(|taken| Conflict::LookAlike { name: name.to_owned(), of: taken.name }))
}

/// Whether `owner` could claim `name` now.
pub(crate) async fn check(tx: &mut Tx, kind: Kind, name: &str, owner: UserId) -> Result<()> {
    match obstacle(tx, kind, name, owner).await? {
        Some(conflict) => Err(conflict.into()),
        None => Ok(()),
    }
}

/// Claims `name` for `owner`, who must exist, if nothing is in the way. Skill names are claimed under the
/// catalogue's lock, so that two look-alikes cannot be claimed side by side; usernames have a unique index
/// for that.
pub(crate) async fn claim(tx: &mut Tx, kind: Kind, name: &str, owner: UserId) -> Result<()> {
    check(tx, kind, name, owner).await?;
    enter(tx, kind, name, owner).await
}

/// The second half of [`claim`], for whoever has checked. When somebody else was quicker, nothing of the
/// transaction is kept: it may hold what was written for the name.
pub(crate) async fn enter(tx: &mut Tx, kind: Kind, name: &str, owner: UserId) -> Result<()> {
    if execute!(tx, ADD_NAME, [kind.as_str(), name, name::skeleton(name), owner])? == 1 {
        return Ok(());
    }
    let conflict = obstacle(tx, kind, name, owner).await?;
    tx.spoil();
    Err(conflict.unwrap_or_else(|| Conflict::NameTaken { name: name.to_owned() }).into())
}

/// Marks `name` as never to be given again.
pub(crate) async fn retire(tx: &mut Tx, kind: Kind, name: &str, at: Timestamp) -> Result<()> {
    execute!(tx, RETIRE_NAME, [kind.as_str(), name, at])?;
    Ok(())
}
