//! Use cases about second factors: passkeys, an authenticator app, recovery codes, and completing a sign-in with one.
//! Who must have one is decided in [`skaas_domain::second_factor`].
//!
//! Invariants
//! - A session of an account that has a second factor begins with one, whichever way its owner proved the first
//!   ([`gate`]). A passkey that verified its owner is both.
//! - Adding and removing need a recent sign-in, and are mailed in the same transaction.
//! - A challenge never leaves the server except to be signed: what it is compared with is a row, bound to the browser,
//!   for a few minutes, and once.

mod authenticator_app;
mod gate;
mod passkeys;
mod recovery_codes;
mod sign_in;

use jiff::Timestamp;
use skaas_domain::{
    id::UserId,
    recovery_code::RecoveryCode,
    second_factor::{Factors, Roles, may_have, requires_second_factor},
    user::User,
};
use skaas_store::{
    Conn, Tx, authenticator_apps, ceremonies,
    listings::{self, ListingFilter},
    operators, passkeys as stored_passkeys, recovery_codes as stored_codes,
};

pub(crate) use authenticator_app::forget_unconfirmed;
pub use authenticator_app::{AppSetup, begin_app, confirm_app, pending_app, remove_app};
pub(crate) use gate::admit;
pub use gate::{Admitted, challenged};
pub(crate) use passkeys::RelyingParty;
pub use passkeys::{
    Challenge, PasskeyAnswer, Unavailable, add_passkey, begin_passkey, remove_passkey, rename_passkey,
};
pub use recovery_codes::new_recovery_codes;
pub use sign_in::{begin_assertion, by_code, by_passkey};
pub use skaas_store::passkeys::PasskeyRecord;

use crate::{
    accounts::{Changed, Rejected, tell_changed},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    users,
};

/// What a person sees of their second factors.
#[derive(Debug)]
pub struct Overview {
    /// Their passkeys, oldest first.
    pub passkeys: Vec<PasskeyRecord>,
    /// Since when their authenticator app is set up.
    pub app_since: Option<Timestamp>,
    /// How many recovery codes they have left.
    pub recovery_codes: usize,
    /// Whether their role requires a second factor.
    pub is_required: bool,
    /// Why passkeys can't be added on this server, if they can't.
    pub no_passkeys: Option<Unavailable>,
    /// Whether authenticator apps can be set up: their secrets need the vault.
    pub has_vault: bool,
}

/// What adding a factor led to.
#[derive(Debug)]
pub struct Added {
    /// Recovery codes, to be shown once: only with the first factor of an account.
    pub recovery_codes: Option<Vec<RecoveryCode>>,
}

/// Whether there can be passkeys on this server.
pub fn has_passkeys(app: &App) -> bool {
    app.relying_party.unavailable().is_none()
}

/// The second factors of whoever is signed in.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    let user = actor.require_session()?.user.id;
    let mut conn = app.store.read().await?;
    let passkeys = stored_passkeys::list(&mut conn, user).await?;
    let authenticator = authenticator_apps::find(&mut conn, user).await?;
    Ok(Overview {
        passkeys,
        app_since: authenticator.and_then(|found| found.confirmed_at),
        recovery_codes: stored_codes::left(&mut conn, user).await?,
        is_required: requires_second_factor(roles(&mut conn, user).await?),
        no_passkeys: app.relying_party.unavailable(),
        has_vault: app.keyring.current().is_some(),
    })
}

/// Makes sure that a user has a second factor: for what only a role permits that requires one.
///
/// # Errors
/// [`Code::SecondFactorRequired`] with what to do.
pub(crate) async fn require(conn: &mut Conn, user: UserId) -> Result<()> {
    if factors(conn, user).await?.is_set_up() {
        return Ok(());
    }
    let why = "your role requires two-factor authentication; set it up in your account's settings under \
               \"Passkeys and 2FA\", then try again";
    Err(Error::refused(Code::SecondFactorRequired, why))
}

/// What an operator removed of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// The factors that it had.
    pub removed: Factors,
}

/// Removes every second factor of the user of this name, for somebody who lost all of theirs. The password stays.
///
/// # Errors
/// [`Code::NoSuchUser`].
pub async fn reset(app: &App, actor: &Actor, username: &str) -> Result<Reset> {
    let user = users::find(app, actor, username).await?;
    let mut tx = app.store.begin().await?;
    tx.bump_user(user.id).await?;
    let removed = factors(&mut tx, user.id).await?;
    remove_all(&mut tx, user.id).await?;
    if removed.is_set_up() {
        tell_changed(app, &mut tx, &user, Changed::SecondFactorsReset).await?;
    }
    audit::record(&mut tx, actor, app.now(), Act::done(Action::SecondFactorReset, user.id, "")).await?;
    tx.commit().await?;
    tracing::info!(event = "second_factors_reset", user_id = %user.id);
    Ok(Reset { removed })
}

async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    stored_passkeys::remove_all(tx, user).await?;
    authenticator_app::erase(tx, user).await?;
    stored_codes::remove_all(tx, user).await?;
    ceremonies::end_all(tx, user).await?;
    Ok(())
}

/// The factors that a user has.
pub(crate) async fn factors(conn: &mut Conn, user: UserId) -> Result<Factors> {
    let authenticator = authenticator_apps::find(conn, user).await?;
    Ok(Factors {
        passkeys: stored_passkeys::count(conn, user).await?,
        authenticator_app: authenticator.is_some_and(|found| found.confirmed_at.is_some()),
        recovery_codes: stored_codes::left(conn, user).await?,
    })
}

/// What a user is here, as far as it decides about second factors.
async fn roles(conn: &mut Conn, user: UserId) -> Result<Roles> {
    let filter = ListingFilter { creator: Some(user), limit: u32::MAX, ..ListingFilter::default() };
    let listings = listings::list(conn, &filter).await?;
    Ok(Roles {
        is_operator: operators::has_role(conn, user).await?,
        is_paid_creator: listings.iter().any(|listing| listing.prices.is_paid()),
    })
}

/// Ends adding a factor: makes recovery codes if the user has none, and mails what was added. `tx` is still to be
/// committed.
async fn finish_adding(app: &App, tx: &mut Tx, actor: &Actor, what: Changed) -> Result<Added> {
    let user = &actor.require_session()?.user;
    let needs_codes = stored_codes::left(tx, user.id).await? == 0;
    let recovery_codes =
        if needs_codes { Some(recovery_codes::replace(app, tx, actor, user.id).await?) } else { None };
    tell_changed(app, tx, user, what).await?;
    Ok(Added { recovery_codes })
}

/// Ends removing a factor: refuses if the user's role requires the last one, drops recovery codes that no longer stand
/// in for anything, and mails what was removed.
async fn finish_removing(app: &App, tx: &mut Tx, user: &User, what: Changed) -> Result<(), Rejected> {
    let left = factors(tx, user.id).await?;
    if !may_have(roles(tx, user.id).await?, left) {
        let why =
            "your role requires two-factor authentication; add another passkey or authenticator app first";
        return Err(Error::refused(Code::LastSecondFactor, why).into());
    }
    if !left.is_set_up() {
        stored_codes::remove_all(tx, user.id).await?;
    }
    tell_changed(app, tx, user, what).await?;
    Ok(())
}
