//! Changing the master key while nodes serve. Only the wrapped keys are written again, each one only if it is still the
//! one that was read. So a rotation can be stopped and started again at any time, and two can run side by side.
//!
//! Every node must have both keys while it runs, since a node meets records of both.

use skaas_domain::{
    envelope::WrappedKey,
    master_key::{MasterKey, MasterKeyId},
};
use skaas_store::vault::{self, SealedRow};

use super::{AT_ONCE, current, name};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
};

/// How often a rotation goes through all records. Nodes that still seal with an older key leave some behind.
const PASSES: usize = 3;

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The key that records are sealed with now.
    pub key: MasterKeyId,
    /// How many records were sealed with another one before.
    pub rewrapped: u64,
    /// How many are still sealed with another one, because it is not configured or the record is damaged.
    pub left: u64,
}

/// Seals every record with the current master key.
///
/// # Errors
/// [`crate::Kind::Conflict`] if no node has started with this key as its current one: nodes that do not have it could not
/// open what is sealed with it.
pub async fn rotate(app: &App, actor: &Actor) -> Result<Rotation> {
    actor.require_operator()?;
    let key = current(&app.keyring)?;
    let known = vault::keys(&mut app.store.read().await?).await?;
    if known.iter().all(|row| row.id != key.id()) {
        return Err(Error::refused(
            Code::KeyInUse,
            format!(
                "no server has used the master key {} yet, so running servers could not open what is sealed with it; \
             nothing was changed. Restart every server with the key first",
                key.id()
            ),
        ));
    }
    let mut rewrapped = 0;
    for _ in 0..PASSES {
        match pass(app, key).await? {
            0 => break,
            some => rewrapped += some,
        }
    }
    let counts = vault::count(&mut app.store.read().await?).await?;
    let others = counts.iter().filter(|count| count.master_key != key.id());
    let left = others.map(|count| u64::try_from(count.records).unwrap_or(0)).sum();
    audit::record_alone(app, actor, Act::on_server(Action::VaultRotate, &key.id().to_string())).await?;
    tracing::info!(event = "vault_rotated", key = %key.id(), rewrapped, left);
    Ok(Rotation { key: key.id(), rewrapped, left })
}

/// Goes through all records once; how many were rewrapped.
async fn pass(app: &App, key: &MasterKey) -> Result<u64> {
    let mut after = (String::new(), String::new());
    let mut rewrapped = 0;
    loop {
        let mut conn = app.store.read().await?;
        let place = (after.0.as_str(), after.1.as_str());
        let page = vault::list_sealed_with_others(&mut conn, key.id(), place, AT_ONCE).await?;
        drop(conn);
        let Some(last) = page.last() else { return Ok(rewrapped) };
        after = (last.kind.clone(), last.id.clone());
        rewrapped += rewrap(app, key, &page).await?;
    }
}

async fn rewrap(app: &App, key: &MasterKey, page: &[SealedRow]) -> Result<u64> {
    // What does not unwrap is counted as left; the doctor names it.
    let unwrapped = page.iter().filter_map(|row| Some((row, wrapped(app, key, row)?)));
    let unwrapped: Vec<(&SealedRow, WrappedKey)> = unwrapped.collect();
    if unwrapped.is_empty() {
        return Ok(0);
    }
    let mut tx = app.store.begin().await?;
    let mut rewrapped = 0;
    for (row, wrapped) in unwrapped {
        rewrapped += u64::from(vault::rewrap(&mut tx, row, key.id(), wrapped.as_bytes()).await?);
    }
    tx.commit().await?;
    Ok(rewrapped)
}

fn wrapped(app: &App, key: &MasterKey, row: &SealedRow) -> Option<WrappedKey> {
    let before = WrappedKey::parse(&row.wrapped_key).ok()?;
    app.with_rng(|rng| before.rewrap(&app.keyring, key, &name(row), rng)).ok()
}

/// Removes every record that is sealed with a master key that is lost; how many.
///
/// # Errors
/// [`crate::Kind::Conflict`] if this node has the key, and [`crate::Kind::NotFound`] if nothing is sealed with it.
pub async fn discard(app: &App, actor: &Actor, key: MasterKeyId) -> Result<u64> {
    actor.require_operator()?;
    if app.keyring.find(key).is_some() {
        return Err(Error::refused(
            Code::KeyInUse,
            format!(
                "the master key {key} is configured, so nothing that is sealed with it is lost; nothing was changed"
            ),
        ));
    }
    let mut tx = app.store.begin().await?;
    let removed = vault::remove_sealed_with(&mut tx, key).await?;
    if removed == 0 {
        return Err(Error::refused(Code::NoSuchKey, format!("nothing is sealed with a master key {key}")));
    }
    let thing = key.to_string();
    let act = Act::on_server(Action::VaultDiscard, &thing);
    audit::record(&mut tx, actor, app.now(), act).await?;
    tx.commit().await?;
    tracing::warn!(event = "sealed_records_discarded", %key, removed);
    Ok(removed)
}
