//! What a start asks of the master keys: that they open what is sealed. Refuses to start beside records that the node
//! could not open, since that would show only when somebody needs one.

use std::fmt;

use skaas_domain::{
    envelope::{RecordName, Sealed},
    master_key::{Keyring, MasterKey, MasterKeyId},
};
use skaas_store::vault::{self, KeyRow};

use super::{KeyStatus, counted, status};
use crate::{
    app::App,
    error::{Error, Result},
};

/// What a proof seals. Whoever changes it makes every existing key look wrong.
const PROOF: &[u8] = b"skaas";

/// Why the vault cannot be used with the configured keys. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// Records are sealed with keys that are not configured.
    #[error("{}", sentence(missing, *configured))]
    Missing {
        /// The keys, and what is sealed with them.
        missing: Vec<KeyStatus>,
        /// How many other keys are configured.
        configured: usize,
    },
    /// A configured key does not open the proof of its ID.
    #[error(
        "the master key {0} does not open what was sealed with a key of this ID: the table master_keys was changed\n  \
         restore the database from a backup"
    )]
    Wrong(MasterKeyId),
    /// The database could not be asked.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<skaas_store::StoreError> for Locked {
    fn from(error: skaas_store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

struct Needed<'a>(&'a KeyStatus);

impl fmt::Display for Needed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.id, counted(&self.0.records))
    }
}

fn sentence(missing: &[KeyStatus], configured: usize) -> String {
    let total: u64 = missing.iter().map(KeyStatus::total).sum();
    let (are, them) = if total == 1 { ("record is", "it") } else { ("records are", "them") };
    let keys: Vec<String> = missing.iter().map(|key| Needed(key).to_string()).collect();
    let keys = keys.join(", ");
    if configured == 0 {
        return format!(
            "{total} sealed {are} in the database, but no master key is configured\n  set SKAAS_MASTER_KEY or \
             SKAAS_MASTER_KEY_FILE to the key that sealed {them}: {keys}; `skaas-server admin vault status` shows more"
        );
    }
    format!(
        "{total} sealed {are} in the database that none of the configured master keys opens\n  add the key that \
         sealed {them} to SKAAS_MASTER_KEY, after the current one: {keys}; `skaas-server admin vault status` shows more"
    )
}

fn name(id: &str) -> RecordName<'_> {
    RecordName { kind: "master_key", id, owner: "" }
}

/// Whether `key` opens the proof in `row`.
fn is_proven(row: &KeyRow, keyring: &Keyring) -> bool {
    let id = row.id.to_string();
    let proof = Sealed::parse(&row.proof_key, row.proof.clone()).ok();
    let opened = proof.and_then(|proof| proof.open(keyring, &name(&id)).ok());
    opened.is_some_and(|opened| opened.expose() == PROOF)
}

/// A row for a key that is new to the database.
fn proof_of(app: &App, key: &MasterKey) -> KeyRow {
    let id = key.id().to_string();
    let sealed = app.with_rng(|rng| Sealed::seal(key, &name(&id), PROOF, rng));
    KeyRow {
        id: key.id(),
        proof_key: sealed.wrapped_key.as_bytes().to_vec(),
        proof: sealed.body().to_vec(),
        added_at: app.now(),
    }
}

/// Makes sure that this node's keys open every record, and that the database knows the current one. To be called at
/// every start, before anything is sealed. Any number of nodes may do so at once.
///
/// # Errors
/// [`Locked`], which says what to do.
pub async fn unlock(app: &App) -> Result<(), Locked> {
    let missing: Vec<KeyStatus> =
        status(app).await?.into_iter().filter(|key| !key.is_known && key.total() > 0).collect();
    if !missing.is_empty() {
        return Err(Locked::Missing { missing, configured: app.keyring.ids().count() });
    }
    let known = vault::keys(&mut app.store.read().await?).await?;
    for row in known.iter().filter(|row| app.keyring.find(row.id).is_some()) {
        if !is_proven(row, &app.keyring) {
            return Err(Locked::Wrong(row.id));
        }
    }
    if let Some(key) = app.keyring.current()
        && known.iter().all(|row| row.id != key.id())
    {
        let mut tx = app.store.begin().await?;
        vault::add_key(&mut tx, &proof_of(app, key)).await?;
        tx.commit().await?;
        tracing::info!(event = "master_key_added", key = %key.id());
    }
    Ok(())
}
