//! The vault: secrets of people and of the installation that have to be read again. A record is sealed with the current
//! master key ([`skaas_domain::envelope`]) and stored under its kind, ID and owner.
//!
//! A module that keeps secrets declares a kind, seals in the transaction of its own change ([`seal_in`]), and opens
//! when it needs them ([`open`]). What only has to be recognized, such as a token, is stored as a hash instead.
//!
//! Invariant: nothing seals with a key that is not in `master_keys`, and every start compares that table with the keys
//! it was given ([`unlock`]). So a node that serves can open every record.

mod rotation;
mod unlocking;

use std::collections::BTreeMap;

use skaas_domain::{
    envelope::{OpenError, Opened, RecordName, Sealed},
    master_key::{Keyring, MasterKey, MasterKeyId},
};
use skaas_store::{
    Conn, Store, StoreError, Tx,
    vault::{self, SealedRow},
};

use crate::{
    app::App,
    error::{Error, Result},
};

pub use rotation::{Rotation, discard, rotate};
pub use unlocking::{Locked, unlock};

/// How many records are read at a time.
const AT_ONCE: i64 = 100;

/// Why something cannot be sealed.
#[derive(Debug, thiserror::Error)]
#[error("no master key is configured; set SKAAS_MASTER_KEY or SKAAS_MASTER_KEY_FILE")]
struct NoMasterKey;

/// A record that was found and does not open.
#[derive(Debug, thiserror::Error)]
#[error("the sealed record {kind} {id:?} cannot be opened")]
struct Unopened {
    kind: String,
    id: String,
    #[source]
    source: OpenError,
}

fn current(keyring: &Keyring) -> Result<&MasterKey> {
    keyring.current().ok_or_else(|| Error::internal(NoMasterKey))
}

/// The name under which a row claims to be sealed.
fn name(row: &SealedRow) -> RecordName<'_> {
    RecordName { kind: &row.kind, id: &row.id, owner: &row.owner }
}

fn parse(row: &SealedRow) -> Result<Sealed> {
    Sealed::parse(&row.wrapped_key, row.body.clone()).map_err(|malformed| {
        let what = format!("the sealed record {} {:?}", row.kind, row.id);
        Error::Store(StoreError::Corrupt { what: what.into(), source: malformed.into() })
    })
}

/// Seals `content` in the caller's transaction, and replaces what was sealed for this kind and ID before.
///
/// # Errors
/// [`Error::Internal`] if no master key is configured.
pub async fn seal_in(app: &App, tx: &mut Tx, name: &RecordName<'_>, content: &[u8]) -> Result<()> {
    let key = current(&app.keyring)?;
    let sealed = app.with_rng(|rng| Sealed::seal(key, name, content, rng));
    let row = SealedRow {
        kind: name.kind.to_owned(),
        id: name.id.to_owned(),
        owner: name.owner.to_owned(),
        master_key: key.id(),
        wrapped_key: sealed.wrapped_key.as_bytes().to_vec(),
        body: sealed.body().to_vec(),
        sealed_at: app.now(),
    };
    Ok(vault::put(tx, &row).await?)
}

/// As [`seal_in`], in a transaction of its own.
pub async fn seal(app: &App, name: &RecordName<'_>, content: &[u8]) -> Result<()> {
    let mut tx = app.store.begin().await?;
    seal_in(app, &mut tx, name, content).await?;
    Ok(tx.commit().await?)
}

/// What was sealed under this name, if anything was.
///
/// # Errors
/// [`Error::Internal`] if the record was sealed with an unknown key or under another name, or was changed.
pub async fn open_in(app: &App, conn: &mut Conn, name: &RecordName<'_>) -> Result<Option<Opened>> {
    let Some(row) = vault::find(conn, name.kind, name.id).await? else { return Ok(None) };
    let opened = parse(&row)?
        .open(&app.keyring, name)
        .map_err(|source| Error::internal(Unopened { kind: row.kind.clone(), id: row.id.clone(), source }))?;
    Ok(Some(opened))
}

/// As [`open_in`], on a connection of its own.
pub async fn open(app: &App, name: &RecordName<'_>) -> Result<Option<Opened>> {
    open_in(app, &mut app.store.read().await?, name).await
}

/// Removes a record in the caller's transaction; whether there was one.
pub async fn remove_in(tx: &mut Tx, kind: &str, id: &str) -> Result<bool> {
    Ok(vault::remove(tx, kind, id).await?)
}

/// How many records there are of each kind.
pub type Kinds = BTreeMap<String, u64>;

/// A master key as seen from this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Which.
    pub id: MasterKeyId,
    /// Whether it is the one that seals.
    pub is_current: bool,
    /// Whether this node has it.
    pub is_known: bool,
    /// What is sealed with it.
    pub records: Kinds,
}

impl KeyStatus {
    /// How many records are sealed with it.
    pub fn total(&self) -> u64 {
        self.records.values().sum()
    }
}

/// Whether anything is sealed, with whichever key.
pub async fn is_used(store: &Store) -> Result<bool> {
    Ok(vault::is_used(&mut store.read().await?).await?)
}

/// What is in the vault, by key: the configured keys first, then those that only the database knows.
pub async fn status(app: &App) -> Result<Vec<KeyStatus>> {
    let mut conn = app.store.snapshot().await?;
    let mut records: BTreeMap<MasterKeyId, Kinds> =
        vault::keys(&mut conn).await?.into_iter().map(|key| (key.id, Kinds::new())).collect();
    for count in vault::count(&mut conn).await? {
        let kinds = records.entry(count.master_key).or_default();
        kinds.insert(count.kind, u64::try_from(count.records).unwrap_or(0));
    }
    let current = app.keyring.current().map(MasterKey::id);
    let known = app.keyring.ids().map(|id| (id, records.remove(&id).unwrap_or_default(), true));
    let mut all: Vec<_> = known.collect();
    all.extend(records.into_iter().map(|(id, kinds)| (id, kinds, false)));
    let status =
        |(id, records, is_known)| KeyStatus { id, is_current: Some(id) == current, is_known, records };
    Ok(all.into_iter().map(status).collect())
}

/// Opens every record that is sealed with a key of this node; how many do not open, by kind. Contents are dropped
/// immediately.
pub async fn examine(app: &App) -> Result<Kinds> {
    let mut damaged = Kinds::new();
    let mut after = (String::new(), String::new());
    loop {
        let mut conn = app.store.read().await?;
        let page = vault::list(&mut conn, (&after.0, &after.1), AT_ONCE).await?;
        drop(conn);
        let Some(last) = page.last() else { return Ok(damaged) };
        after = (last.kind.clone(), last.id.clone());
        for row in page.iter().filter(|row| app.keyring.find(row.master_key).is_some()) {
            if !parse(row).is_ok_and(|sealed| sealed.open(&app.keyring, &name(row)).is_ok()) {
                *damaged.entry(row.kind.clone()).or_default() += 1;
            }
        }
    }
}

/// Kinds and their counts as people read them: `3 mail, 9 second_factor`.
pub fn counted(kinds: &Kinds) -> String {
    let words: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    words.join(", ")
}
