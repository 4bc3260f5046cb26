//! The rows of the audit log and the ends of its chains. What hashes are made of is in [`skaas_domain::audit`]; triggers
//! in the schema refuse to change or delete an entry.

use jiff::Timestamp;
use skaas_domain::{
    audit::{Address, Entry, Head, NewEntry, Seal, Subject, Who},
    id::UserId,
};

use crate::{
    column::{Fields, Record, Value, impossible},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_one, fetch_optional, sql},
};

macro_rules! select {
    ($($rest:literal)*) => {
        concat!(
            "SELECT id, happened_at, subject, actor_kind, actor_user, actor_id, address, action, thing, outcome,
                position, salt, address_digest, hash FROM audit ",
            $($rest),*
        )
    };
}

/// The filters that every list has. An action can also be named by the part before its dot.
macro_rules! filtered {
    ($rest:literal) => {
        select!(
            "WHERE id < $1 AND happened_at >= $2
                AND ($3 = '' OR action = $3 OR substr(action, 1, length($3) + 1) = $3 || '.') "
            $rest
        )
    };
}

sql! {
    ADD = "INSERT INTO audit (happened_at, subject, actor_kind, actor_user, actor_id, address, action, thing, outcome)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    LIST = filtered!("ORDER BY id DESC LIMIT $4");
    LIST_OF = filtered!("AND subject = $5 ORDER BY id DESC LIMIT $4");
    PAGE = select!("WHERE id > $1 ORDER BY id LIMIT $2");
    UNSEALED = select!("WHERE position IS NULL AND id > $1 ORDER BY id LIMIT $2");
    WAITING = "SELECT count(*) AS value FROM audit WHERE position IS NULL";
    CHAIN = select!("WHERE subject = $1 AND position > $2 ORDER BY position LIMIT $3");
    SUBJECTS = "SELECT subject AS value FROM audit_heads WHERE subject > $1
        UNION SELECT DISTINCT subject FROM audit WHERE position IS NOT NULL AND subject > $1
        ORDER BY value LIMIT $2";
    HEAD = "SELECT position, hash FROM audit_heads WHERE subject = $1";
    FIRST_HEAD = "INSERT INTO audit_heads (subject, position, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    MOVE_HEAD = "UPDATE audit_heads SET position = $4, hash = $5 WHERE subject = $1 AND position = $2 AND hash = $3";
    /// No row if the entry is sealed already, or its address was erased since it was read.
    SEAL = "UPDATE audit SET position = $3, salt = $4, address_digest = $5, hash = $6
        WHERE id = $1 AND position IS NULL AND address IS NOT DISTINCT FROM $2";
    ERASE_ABOUT = "UPDATE audit SET address = NULL, salt = NULL WHERE subject = $1 AND address <> ''";
    ERASE_BY = "UPDATE audit SET address = NULL, salt = NULL
        WHERE actor_user = $1 AND actor_user <> subject AND address <> ''";
    IS_DELETED = "SELECT count(*) AS value FROM users WHERE (id = $1 OR id = $2) AND deleted_at IS NOT NULL";
}

impl Record for Entry {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let address: Option<String> = row.get("address")?;
        Ok(Self {
            id: row.get("id")?,
            at: row.get("happened_at")?,
            subject: row.get("subject")?,
            actor: Who {
                kind: row.get("actor_kind")?,
                user: row.get("actor_user")?,
                id: row.get("actor_id")?,
            },
            address: match address {
                None => Address::Erased,
                Some(none) if none.is_empty() => Address::None,
                Some(address) => Address::Known(address),
            },
            action: row.get("action")?,
            thing: row.get("thing")?,
            outcome: row.get("outcome")?,
            seal: seal_of(row)?,
        })
    }
}

fn seal_of(row: &impl Fields) -> sqlx::Result<Option<Seal>> {
    let Some(position) = row.get::<Option<i64>>("position")? else { return Ok(None) };
    let salt = row.get("salt")?;
    Ok(Some(Seal {
        position,
        salt,
        address_digest: digest(row, "address_digest")?,
        hash: digest(row, "hash")?,
    }))
}

fn digest(row: &impl Fields, column: &str) -> sqlx::Result<[u8; 32]> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| impossible(column, "a digest has 32 bytes"))
}

impl Record for Head {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self { position: row.get("position")?, hash: digest(row, "hash")? })
    }
}

/// Which entries a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Only those of one chain.
    pub subject: Option<Subject>,
    /// Only this action, or all that begin with this word and a dot.
    pub action: Option<&'a str>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only those with a smaller number.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: i64,
}

/// Adds an entry. Nothing else is written, so it can be part of any transaction.
pub async fn add(tx: &mut Tx, entry: &NewEntry<'_>) -> Result<()> {
    let NewEntry { at, subject, actor: Who { kind, user, id }, address, action, thing, outcome } = entry;
    let (address, action) = (address.unwrap_or_default(), action.as_str());
    execute!(tx, ADD, [at, subject, kind, user, id, address, action, thing, outcome])?;
    Ok(())
}

/// Lists entries, newest first.
pub async fn list(conn: &mut Conn, filter: &Filter<'_>) -> Result<Vec<Entry>> {
    let Filter { subject, action, since, before, limit } = filter;
    let (before, since) = (before.unwrap_or(i64::MAX), since.unwrap_or(Timestamp::MIN));
    let action = action.unwrap_or_default();
    let Some(subject) = subject else {
        return fetch_all!(conn, LIST, [before, since, action, *limit]);
    };
    fetch_all!(conn, LIST_OF, [before, since, action, *limit, subject])
}

/// Lists all entries from the one after `after` on, in the order of their numbers.
pub async fn page(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<Entry>> {
    fetch_all!(conn, PAGE, [after, limit])
}

/// Lists entries that are not sealed yet, from the one after `after` on, in the order in which they were added.
pub async fn unsealed(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<Entry>> {
    fetch_all!(conn, UNSEALED, [after, limit])
}

/// Counts the entries that are not sealed yet.
pub async fn waiting(conn: &mut Conn) -> Result<i64> {
    let Value(count) = fetch_one!(conn, WAITING, [])?;
    Ok(count)
}

/// Lists the sealed entries of a chain behind a position, in their order.
pub async fn chain(conn: &mut Conn, subject: Subject, after: i64, limit: i64) -> Result<Vec<Entry>> {
    fetch_all!(conn, CHAIN, [subject, after, limit])
}

/// Lists the users who have a chain, or the end of one, behind `after`; the server comes before all of them.
pub async fn subjects(conn: &mut Conn, after: Subject, limit: i64) -> Result<Vec<Subject>> {
    let rows: Vec<Value<Subject>> = fetch_all!(conn, SUBJECTS, [after, limit])?;
    Ok(rows.into_iter().map(|Value(subject)| subject).collect())
}

/// Returns where a chain ends, if anything of it is sealed.
pub async fn head(conn: &mut Conn, subject: Subject) -> Result<Option<Head>> {
    fetch_optional!(conn, HEAD, [subject])
}

/// Moves the end of a chain on from `seen`. Of any number of workers that do so at once, one gets `true`.
pub async fn move_head(tx: &mut Tx, subject: Subject, seen: Option<Head>, to: Head) -> Result<bool> {
    let hash = to.hash.to_vec();
    let changed = match seen {
        None => execute!(tx, FIRST_HEAD, [subject, to.position, hash])?,
        Some(seen) => {
            execute!(tx, MOVE_HEAD, [subject, seen.position, seen.hash.to_vec(), to.position, hash])?
        }
    };
    Ok(changed == 1)
}

/// Stores the seal of an entry. Returns `false` if it is sealed already, or its address was erased since it was read.
pub async fn seal(tx: &mut Tx, entry: &Entry, seal: &Seal) -> Result<bool> {
    let address = match &entry.address {
        Address::Known(address) => Some(address.as_str()),
        Address::None => Some(""),
        Address::Erased => None,
    };
    let Seal { position, salt, address_digest, hash } = seal;
    let (digest, hash) = (address_digest.to_vec(), hash.to_vec());
    Ok(execute!(tx, SEAL, [entry.id, address, *position, salt, digest, hash])? == 1)
}

/// Erases the IP addresses of a user who is being deleted, in their own chain and in those of others.
pub(crate) async fn erase_addresses(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, ERASE_ABOUT, [user])?;
    execute!(tx, ERASE_BY, [user])?;
    Ok(())
}

/// Returns whether an entry's address may be erased: the account that it is about, or that acted, is deleted.
pub async fn may_be_erased(conn: &mut Conn, entry: &Entry) -> Result<bool> {
    let Value(count): Value<i64> = fetch_one!(conn, IS_DELETED, [entry.subject, entry.actor.user])?;
    Ok(count > 0)
}
