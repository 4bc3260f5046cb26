//! Making recovery codes. They are used up in [`super::by_code`].

use skaas_domain::{
    id::UserId,
    recovery_code::{COUNT, RecoveryCode},
};
use skaas_store::{Tx, recovery_codes};

use super::factors;
use crate::{
    accounts::{Changed, Rejected, tell_changed},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
};

/// Gives a user new codes. Those they had stop working with the commit.
pub(super) async fn replace(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    user: UserId,
) -> Result<Vec<RecoveryCode>> {
    let codes: Vec<RecoveryCode> =
        app.with_rng(|rng| (0..COUNT).map(|_| RecoveryCode::generate(rng)).collect());
    let hashes: Vec<_> = codes.iter().map(RecoveryCode::hash).collect();
    recovery_codes::replace(tx, user, &hashes, app.now()).await?;
    audit::record(tx, actor, app.now(), Act::done(Action::RecoveryCodesCreate, user, "")).await?;
    Ok(codes)
}

/// Replaces the recovery codes of whoever is signed in. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`Code::NoSecondFactor`].
pub async fn new_recovery_codes(app: &App, actor: &Actor) -> Result<Vec<RecoveryCode>, Rejected> {
    let user = actor.require_fresh(app.now())?.user.clone();
    let mut tx = app.store.begin().await?;
    tx.bump_user(user.id).await?;
    if !factors(&mut tx, user.id).await?.is_set_up() {
        let why = "recovery codes stand in for a second factor; add a passkey or an authenticator app first";
        return Err(Error::refused(Code::NoSecondFactor, why).into());
    }
    let codes = replace(app, &mut tx, actor, user.id).await?;
    tell_changed(app, &mut tx, &user, Changed::RecoveryCodes).await?;
    tx.commit().await?;
    tracing::info!(event = "recovery_codes_created", user_id = %user.id);
    Ok(codes)
}
