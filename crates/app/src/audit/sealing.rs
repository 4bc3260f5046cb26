//! Sealing entries into the chains of their subjects. A scheduled job does it, so no act waits for a hash, and acts of
//! one subject don't wait for each other.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use skaas_domain::audit::{Chain, Entry, SALT_BYTES, Seal, Subject};
use skaas_store::audit as rows;

use crate::{
    app::App,
    error::Result,
    jobs::{Attempt, Failure, Job, Spec},
};

/// How many entries are sealed in one transaction: few enough that no push waits for it.
const AT_ONCE: i64 = 200;

/// Seals the entries of the audit log that are new.
#[derive(Serialize, Deserialize)]
pub(crate) struct SealAudit;

impl Job for SealAudit {
    const SPEC: Spec = Spec::scheduled("seal_audit", SignedDuration::from_mins(1));

    async fn run(self, app: App, _: Attempt) -> Result<(), Failure> {
        let sealed = seal(&app).await?;
        if sealed > 0 {
            tracing::debug!(event = "audit_sealed", entries = sealed);
        }
        Ok(())
    }
}

/// Seals every entry that is committed and not sealed yet. Returns how many. An entry's position is the order of
/// sealing, so one whose transaction took long still joins the end of its chain.
pub async fn seal(app: &App) -> Result<u64> {
    let (mut after, mut sealed) = (0, 0);
    loop {
        let mut conn = app.store.read().await?;
        let page = rows::unsealed(&mut conn, after, AT_ONCE).await?;
        drop(conn);
        let Some(last) = page.last() else { return Ok(sealed) };
        after = last.id;
        match seal_page(app, page).await? {
            Some(count) => sealed += count,
            // Another worker is sealing the same entries: it does the rest, too.
            None => return Ok(sealed),
        }
    }
}

/// Seals these entries in one transaction; `None` if another worker has sealed one of them or extended its chain.
async fn seal_page(app: &App, page: Vec<Entry>) -> Result<Option<u64>> {
    let count = page.len() as u64;
    // Sorted, so that two workers take the ends of chains in one order.
    let mut chains: BTreeMap<Subject, Vec<Entry>> = BTreeMap::new();
    for entry in page {
        chains.entry(entry.subject).or_default().push(entry);
    }
    let mut tx = app.store.begin().await?;
    for (subject, entries) in chains {
        let seen = rows::head(&mut tx, subject).await?;
        let mut chain = seen.map_or_else(|| Chain::new(subject), |head| Chain::at(subject, head));
        let seals: Vec<Seal> = entries.iter().map(|entry| chain.seal(entry, salt(app))).collect();
        if !rows::move_head(&mut tx, subject, seen, chain.head()).await? {
            return Ok(None);
        }
        for (entry, seal) in entries.iter().zip(&seals) {
            if !rows::seal(&mut tx, entry, seal).await? {
                return Ok(None);
            }
        }
    }
    tx.commit().await?;
    Ok(Some(count))
}

fn salt(app: &App) -> [u8; SALT_BYTES] {
    let mut salt = [0; SALT_BYTES];
    app.with_rng(|rng| rng.fill_bytes(&mut salt));
    salt
}
