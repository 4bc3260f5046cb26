//! What is done at intervals for the whole installation: forgetting what ended long ago, and removing what storage no
//! longer needs. What a person may still look up stays.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use skaas_store::{
    budgets, ceremonies, codes, devices, jobs, known_browsers, oauth_clients, oauth_codes, oauth_grants,
    oauth_tokens, sessions, sign_ins,
};

use super::{Attempt, Failure, Job, Spec};
use crate::{app::App, error::Result, push, second_factor, sessions::KNOWN_FOR, storage};

/// How long rows stay after they ended, so that a late second use is still recognized.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long the counters of a window stay after it ended: as long as the clocks of nodes may differ.
const COUNTS_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How long the journal of revocations goes back: further than any backup that is restored.
const REVOCATIONS_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How long a registered client may stay unused.
const CLIENTS_KEPT: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Deletes rows that ended long ago, and old entries of the journal of revocations.
#[derive(Serialize, Deserialize)]
pub(super) struct Forget;

impl Job for Forget {
    const SPEC: Spec = Spec::scheduled("forget", SignedDuration::from_hours(1));

    async fn run(self, app: App, _: Attempt) -> Result<(), Failure> {
        Ok(forget(&app).await?)
    }
}

async fn forget(app: &App) -> Result<()> {
    let now = app.now();
    let ago = |span: SignedDuration| now.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH);
    let before = ago(KEPT);
    let mut tx = app.store.begin().await?;
    let mut rows = budgets::forget(&mut tx, ago(COUNTS_KEPT)).await?;
    rows += sessions::forget(&mut tx, before).await?;
    rows += sign_ins::forget(&mut tx, before).await?;
    rows += codes::forget(&mut tx, before).await?;
    rows += ceremonies::forget(&mut tx, now).await?;
    rows += second_factor::forget_unconfirmed(&mut tx, now).await?;
    rows += devices::forget(&mut tx, before).await?;
    rows += known_browsers::forget(&mut tx, ago(KNOWN_FOR)).await?;
    rows += oauth_codes::forget(&mut tx, before).await?;
    rows += oauth_tokens::forget(&mut tx, before).await?;
    rows += oauth_grants::forget(&mut tx, before).await?;
    rows += oauth_clients::forget_unused(&mut tx, ago(CLIENTS_KEPT)).await?;
    rows += jobs::forget(&mut tx, before).await?;
    tx.commit().await?;
    rows += app.store.forget_revocations(ago(REVOCATIONS_KEPT)).await?;
    if rows > 0 {
        tracing::info!(event = "forgotten", rows);
    }
    Ok(())
}

/// Deletes packs that were merged into others.
#[derive(Serialize, Deserialize)]
pub(super) struct DeleteRetiredPacks;

impl Job for DeleteRetiredPacks {
    const SPEC: Spec = Spec::scheduled("delete_retired_packs", SignedDuration::from_mins(10));

    async fn run(self, app: App, _: Attempt) -> Result<(), Failure> {
        Ok(push::delete_retired(&app).await?)
    }
}

/// Removes what failed and killed pushes left in object storage.
#[derive(Serialize, Deserialize)]
pub(super) struct SweepStorage;

impl Job for SweepStorage {
    const SPEC: Spec = Spec::scheduled("sweep_storage", SignedDuration::from_hours(1));

    async fn run(self, app: App, _: Attempt) -> Result<(), Failure> {
        storage::sweep_objects(&app, storage::SAFE_AGE).await?;
        Ok(())
    }
}
