//! Between the first factor and the session: a sign-in to an account with a second factor waits here for it.

use jiff::{SignedDuration, Timestamp};
use skaas_domain::{
    id::UserId,
    second_factor::{Factors, may_have},
    secret::{Secret, SecretKind},
};
use skaas_store::{
    Conn, Tx,
    ceremonies::{self, Ceremony, CeremonyKind},
};

use super::{factors, roles};
use crate::{
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    sessions::{self, Opened, Visitor},
};

/// How long a sign-in waits for its second factor.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// What somebody gets who proved their first factor.
#[derive(Debug)]
pub enum Admitted {
    /// A session.
    SignedIn {
        /// It.
        opened: Opened,
        /// Whether their role requires a second factor that they don't have yet.
        must_set_up: bool,
    },
    /// A sign-in that waits for the second factor, in this browser.
    Challenged(Secret),
}

/// Opens a session, or begins to wait for the second factor of an account that has one. Nothing is committed here.
///
/// `by` names the first factor in the log.
pub(crate) async fn admit(
    app: &App,
    tx: &mut Tx,
    user: UserId,
    visitor: Visitor<'_>,
    by: &str,
) -> Result<Admitted> {
    // Whoever adds or removes a factor waits, or is done.
    tx.bump_user(user).await?;
    let has = factors(tx, user).await?;
    if has.is_set_up() {
        let waiting = begin(app, tx, (CeremonyKind::SecondFactor, PATIENCE), Some(user), by, visitor.browser);
        return Ok(Admitted::Challenged(waiting.await?));
    }
    let must_set_up = !may_have(roles(tx, user).await?, has);
    let opened = open(app, tx, user, visitor, by).await?;
    Ok(Admitted::SignedIn { opened, must_set_up })
}

/// Opens the session of somebody who proved all that their account asks for, and records how.
pub(super) async fn open(
    app: &App,
    tx: &mut Tx,
    user: UserId,
    visitor: Visitor<'_>,
    by: &str,
) -> Result<Opened> {
    let opened = sessions::open(app, tx, user, visitor).await?;
    let act = Act::done(Action::SignIn, user, by);
    audit::record_visit(tx, Some(user), Some(&visitor.place.address), app.now(), act).await?;
    tracing::info!(event = "signed_in", user_id = %user, by);
    Ok(opened)
}

/// Adds a ceremony for this browser; its secret.
pub(super) async fn begin(
    app: &App,
    tx: &mut Tx,
    (kind, lasts): (CeremonyKind, SignedDuration),
    user: Option<UserId>,
    state: &str,
    browser: &Secret,
) -> Result<Secret> {
    let now = app.now();
    let secret = app.with_rng(|rng| Secret::generate(SecretKind::Ceremony, rng));
    let expires_at = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
    let ceremony = Ceremony { kind, user, state: state.to_owned(), created_at: now, expires_at };
    ceremonies::add(tx, &ceremony, &secret.hash(), &browser.hash()).await?;
    Ok(secret)
}

/// Whose sign-in waits under this secret in this browser, and by what it began.
pub(super) async fn waiting(
    app: &App,
    conn: &mut Conn,
    pending: &str,
    browser: &Secret,
) -> Result<(UserId, String)> {
    let secret = Secret::parse(SecretKind::Ceremony, pending).map_err(|_| over())?;
    let kind = CeremonyKind::SecondFactor;
    let found =
        ceremonies::find(conn, kind, &secret.hash(), &browser.hash(), app.now()).await?.ok_or_else(over)?;
    Ok((found.user.ok_or_else(over)?, found.state))
}

/// Ends the wait, once.
pub(super) async fn end_waiting(
    app: &App,
    tx: &mut Tx,
    pending: &str,
    visitor: Visitor<'_>,
) -> Result<UserId> {
    let secret = Secret::parse(SecretKind::Ceremony, pending).map_err(|_| over())?;
    let (kind, browser) = (CeremonyKind::SecondFactor, visitor.browser.hash());
    let taken = ceremonies::take(tx, kind, &secret.hash(), &browser, app.now()).await?;
    taken.and_then(|ceremony| ceremony.user).ok_or_else(over)
}

/// What can complete a sign-in that waits in this browser.
///
/// # Errors
/// [`Code::SignInExpired`] if none waits under this secret, or in another browser, or too long.
pub async fn challenged(app: &App, pending: &str, browser: &Secret) -> Result<Factors> {
    let mut conn = app.store.read().await?;
    let (user, _) = waiting(app, &mut conn, pending, browser).await?;
    factors(&mut conn, user).await
}

pub(super) fn over() -> Error {
    Error::refused(
        Code::SignInExpired,
        "this sign-in was started in another browser, took too long, or is already complete; sign in again",
    )
}
