//! The rows of sealed records and of the master keys that they are sealed with. What is in a record is unknown here:
//! encryption is in [`skaas_domain::envelope`], and the use cases are in the app.

use jiff::Timestamp;
use skaas_domain::master_key::MasterKeyId;

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT kind, id, owner, master_key, wrapped_key, body, sealed_at FROM sealed_records ",
            $rest
        )
    };
}

sql! {
    ADD_KEY = "INSERT INTO master_keys (id, proof_key, proof, added_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    KEYS = "SELECT id, proof_key, proof, added_at FROM master_keys ORDER BY added_at, id";
    PUT = "INSERT INTO sealed_records (kind, id, owner, master_key, wrapped_key, body, sealed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (kind, id) DO UPDATE SET owner = excluded.owner, master_key = excluded.master_key,
            wrapped_key = excluded.wrapped_key, body = excluded.body, sealed_at = excluded.sealed_at";
    FIND = select!("WHERE kind = $1 AND id = $2");
    PAGE = select!("WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT $3");
    OTHERS = select!("WHERE (kind, id) > ($2, $3) AND master_key <> $1 ORDER BY kind, id LIMIT $4");
    /// The wrapped key has a random nonce, so that an equal one is the very one that was read.
    REWRAP = "UPDATE sealed_records SET master_key = $4, wrapped_key = $5
        WHERE kind = $1 AND id = $2 AND wrapped_key = $3";
    REMOVE = "DELETE FROM sealed_records WHERE kind = $1 AND id = $2";
    REMOVE_OF = "DELETE FROM sealed_records WHERE owner = $1";
    REMOVE_SEALED_WITH = "DELETE FROM sealed_records WHERE master_key = $1";
    COUNT = "SELECT master_key, kind, count(*) AS records FROM sealed_records
        GROUP BY master_key, kind ORDER BY master_key, kind";
    ANY = "SELECT 1 AS value WHERE EXISTS (SELECT 1 FROM sealed_records)",
        pg = "SELECT 1::bigint AS value WHERE EXISTS (SELECT 1 FROM sealed_records)";
}

/// A master key that a node has sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its ID.
    pub id: MasterKeyId,
    /// The wrapped key of the proof.
    pub proof_key: Vec<u8>,
    /// A known text, sealed with it.
    pub proof: Vec<u8>,
    /// When a node first had it as its current one.
    pub added_at: Timestamp,
}
record!(KeyRow { id: MasterKeyId, proof_key: Vec<u8>, proof: Vec<u8>, added_at: Timestamp });

/// A sealed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// What it is.
    pub kind: String,
    /// Which one of its kind.
    pub id: String,
    /// Whose it is; empty if it belongs to the installation.
    pub owner: String,
    /// The key that its data key is wrapped with.
    pub master_key: MasterKeyId,
    /// What opens the body.
    pub wrapped_key: Vec<u8>,
    /// The encrypted content.
    pub body: Vec<u8>,
    /// When the content was sealed.
    pub sealed_at: Timestamp,
}
record!(SealedRow {
    kind: String,
    id: String,
    owner: String,
    master_key: MasterKeyId,
    wrapped_key: Vec<u8>,
    body: Vec<u8>,
    sealed_at: Timestamp,
});

/// How many records of one kind are sealed with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCount {
    /// The key.
    pub master_key: MasterKeyId,
    /// The kind.
    pub kind: String,
    /// How many.
    pub records: i64,
}
record!(SealedCount { master_key: MasterKeyId, kind: String, records: i64 });

/// Adds a key, unless there is one of this ID.
pub async fn add_key(tx: &mut Tx, key: &KeyRow) -> Result<()> {
    execute!(tx, ADD_KEY, [key.id, key.proof_key, key.proof, key.added_at])?;
    Ok(())
}

/// Every key that was ever added, the oldest first.
pub async fn keys(conn: &mut Conn) -> Result<Vec<KeyRow>> {
    fetch_all!(conn, KEYS, [])
}

/// Adds a record, or replaces the one of this kind and ID. Its master key must have been added.
pub async fn put(tx: &mut Tx, row: &SealedRow) -> Result<()> {
    let SealedRow { kind, id, owner, master_key, wrapped_key, body, sealed_at } = row;
    execute!(tx, PUT, [kind, id, owner, *master_key, wrapped_key, body, *sealed_at])?;
    Ok(())
}

/// The record, if there is one.
pub async fn find(conn: &mut Conn, kind: &str, id: &str) -> Result<Option<SealedRow>> {
    fetch_optional!(conn, FIND, [kind, id])
}

/// The next records after one of this kind and ID; the first ones after two empty texts.
pub async fn list(conn: &mut Conn, (kind, id): (&str, &str), limit: i64) -> Result<Vec<SealedRow>> {
    fetch_all!(conn, PAGE, [kind, id, limit])
}

/// As [`list`], without those that are sealed with `key`.
pub async fn list_sealed_with_others(
    conn: &mut Conn,
    key: MasterKeyId,
    (kind, id): (&str, &str),
    limit: i64,
) -> Result<Vec<SealedRow>> {
    fetch_all!(conn, OTHERS, [key, kind, id, limit])
}

/// Replaces the wrapped key of `row` as it was read; whether it was still the same.
pub async fn rewrap(tx: &mut Tx, row: &SealedRow, key: MasterKeyId, wrapped_key: &[u8]) -> Result<bool> {
    let SealedRow { kind, id, wrapped_key: before, .. } = row;
    Ok(execute!(tx, REWRAP, [kind, id, before, key, wrapped_key.to_vec()])? == 1)
}

/// Removes a record; whether there was one.
pub async fn remove(tx: &mut Tx, kind: &str, id: &str) -> Result<bool> {
    Ok(execute!(tx, REMOVE, [kind, id])? == 1)
}

/// Removes everything that belongs to `owner`; how many records.
pub async fn remove_all_of(tx: &mut Tx, owner: &str) -> Result<u64> {
    execute!(tx, REMOVE_OF, [owner])
}

/// Removes everything that is sealed with a key; how many records.
pub async fn remove_sealed_with(tx: &mut Tx, key: MasterKeyId) -> Result<u64> {
    execute!(tx, REMOVE_SEALED_WITH, [key])
}

/// How many records there are, by key and kind.
pub async fn count(conn: &mut Conn) -> Result<Vec<SealedCount>> {
    fetch_all!(conn, COUNT, [])
}

/// Whether there is any record.
pub async fn is_used(conn: &mut Conn) -> Result<bool> {
    let row: Option<Value<i64>> = fetch_optional!(conn, ANY, [])?;
    Ok(row.is_some())
}
