//! Removes what has expired: rows of sign-ins that nobody can use anymore, and old entries of the journal of
//! revocations. Leaves alone what a person may still look up.

use jiff::{SignedDuration, Timestamp};
use skaas_store::{
    budgets, codes, devices, known_browsers, oauth_clients, oauth_codes, oauth_grants, oauth_tokens,
    sessions, sign_ins,
};

use crate::{app::App, error::Result, sessions::KNOWN_FOR};

/// How long what has ended stays, so that a late second use is still known for what it is.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a window of tries stays that has ended: as long as the clocks of nodes may differ.
const COUNTS_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How long the journal of revocations goes back: further than any backup that is restored.
const REVOCATIONS_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How long a registered client may stay unused.
const CLIENTS_KEPT: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Removes what ended long enough ago. Cheap when there is nothing; any node may do it at any time.
pub(crate) async fn run(app: &App) -> Result<()> {
    let now = app.now();
    let ago = |span: SignedDuration| now.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH);
    let before = ago(KEPT);
    let mut tx = app.store.begin().await?;
    let mut rows = budgets::forget(&mut tx, ago(COUNTS_KEPT)).await?;
    rows += sessions::forget(&mut tx, before).await?;
    rows += sign_ins::forget(&mut tx, before).await?;
    rows += codes::forget(&mut tx, before).await?;
    rows += devices::forget(&mut tx, before).await?;
    rows += known_browsers::forget(&mut tx, ago(KNOWN_FOR)).await?;
    rows += oauth_codes::forget(&mut tx, before).await?;
    rows += oauth_tokens::forget(&mut tx, before).await?;
    rows += oauth_grants::forget(&mut tx, before).await?;
    rows += oauth_clients::forget_unused(&mut tx, ago(CLIENTS_KEPT)).await?;
    tx.commit().await?;
    rows += app.store.forget_revocations(ago(REVOCATIONS_KEPT)).await?;
    if rows > 0 {
        tracing::info!(event = "forgotten", rows);
    }
    Ok(())
}
