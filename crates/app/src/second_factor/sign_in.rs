//! Signing in with a second factor: a code or a passkey after the first factor, or a passkey alone. Guesses are counted
//! per account, whoever makes them.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use skaas_domain::{id::UserId, recovery_code::RecoveryCode};
use skaas_store::{
    Tx, authenticator_apps,
    budgets::{self, Budget},
    ceremonies::{Ceremony, CeremonyKind},
    known_browsers,
    passkeys::{self, PasskeyRecord},
    recovery_codes, users,
};
use webauthn_rs::prelude::{DiscoverableAuthentication, Passkey, PublicKeyCredential};

use super::{
    authenticator_app::step_of,
    gate,
    passkeys::{CHALLENGE, Challenge, PasskeyAnswer, refused, unverified},
};
use crate::{
    accounts::{Changed, Rejected, spend, tell_changed},
    app::App,
    audit::{self, Act, Action},
    error::{Error, Result},
    sessions::{KNOWN_FOR, Opened, Visitor},
};

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Codes typed in a browser in which the account's owner signed in before. It spends no other budget, so a stranger who
/// knows the password can't lock the owner out.
const BROWSER: Budget = Budget { name: "second_factor_browser", limit: 10, window: WINDOW };
const BROWSER_DAY: Budget = Budget { name: "second_factor_browser_day", limit: 50, window: DAY };
/// Codes typed elsewhere: from one network, and for one account from anywhere. Of a million codes three are right at
/// any moment, so 50 a day guess one in 18 years on average.
const ADDRESS: Budget = Budget { name: "second_factor_address", limit: 100, window: WINDOW };
const ACCOUNT: Budget = Budget { name: "second_factor_account", limit: 10, window: WINDOW };
const ACCOUNT_DAY: Budget = Budget { name: "second_factor_account_day", limit: 50, window: DAY };
/// Challenges for passkeys that one network may ask for.
const CHALLENGES: Budget = Budget { name: "passkey_challenge_address", limit: 100, window: WINDOW };

/// What was typed, as far as its form tells.
enum Typed {
    Totp,
    Recovery(RecoveryCode),
}

impl Typed {
    /// The word for it in the log.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Totp => "code",
            Self::Recovery(_) => "recovery code",
        }
    }
}

/// Completes a sign-in that waits, with a code of the authenticator app or a recovery code.
///
/// # Errors
/// [`Rejected::Field`] with `code`; [`Rejected::TooOften`]; [`crate::Code::SignInExpired`] if no sign-in waits in this browser.
pub async fn by_code(
    app: &App,
    pending: &str,
    typed: &str,
    visitor: Visitor<'_>,
) -> Result<Opened, Rejected> {
    let mut conn = app.store.read().await?;
    let (user, first) = gate::waiting(app, &mut conn, pending, visitor.browser).await?;
    drop(conn);
    let kind = read(typed)?;
    let tries = tries(app, user, &kind, visitor).await?;
    spend(app, &tries).await?;
    let outcome = match &kind {
        Typed::Totp => by_totp(app, user, typed).await,
        Typed::Recovery(code) => by_recovery_code(app, user, code, visitor).await,
    };
    if let Err(Rejected::Field { .. }) = outcome {
        audit::record_refusal(app, Action::SignIn, Some(user), &visitor.place.address).await?;
    }
    let mut tx = outcome?;
    if gate::end_waiting(app, &mut tx, pending, visitor).await? != user {
        return Err(gate::over().into());
    }
    for (budget, subject) in tries.iter().filter(|(budget, _)| [BROWSER, ACCOUNT].contains(budget)) {
        budgets::clear(&mut tx, budget, subject).await?;
    }
    let by = format!("{first} and {}", kind.as_str());
    let opened = gate::open(app, &mut tx, user, visitor, &by).await?;
    tx.commit().await?;
    Ok(opened)
}

fn read(typed: &str) -> Result<Typed, Rejected> {
    let letters = typed.chars().filter(|char| !char.is_whitespace() && *char != '-').count();
    if letters == 6 {
        return Ok(Typed::Totp);
    }
    let why = "enter the 6 digits that your app shows, or a recovery code";
    RecoveryCode::parse(typed).map(Typed::Recovery).map_err(|_| Rejected::field("code", why))
}

/// A transaction in which the code is used up.
async fn by_totp(app: &App, user: UserId, typed: &str) -> Result<Tx, Rejected> {
    let wrong = || Rejected::field("code", "this code is wrong, or was already used; enter the next one");
    let step = step_of(app, user, typed).await?.ok_or_else(wrong)?;
    let mut tx = app.store.begin().await?;
    tx.bump_user(user).await?;
    if authenticator_apps::note_use(&mut tx, user, step, app.now()).await? { Ok(tx) } else { Err(wrong()) }
}

/// As [`by_totp`], for a recovery code. The owner is told.
async fn by_recovery_code(
    app: &App,
    user: UserId,
    code: &RecoveryCode,
    visitor: Visitor<'_>,
) -> Result<Tx, Rejected> {
    let mut tx = app.store.begin().await?;
    if !recovery_codes::redeem(&mut tx, user, &code.hash(), app.now()).await? {
        return Err(Rejected::field("code", "this recovery code is wrong, or was already used"));
    }
    let owner = users::find_by_id(&mut tx, user).await?.ok_or_else(gate::over)?;
    let (address, act) = (visitor.place.address.as_str(), Act::done(Action::RecoveryCodeUse, user, ""));
    audit::record_visit(&mut tx, Some(user), Some(address), app.now(), act).await?;
    tell_changed(app, &mut tx, &owner, Changed::RecoveryCodeUsed).await?;
    Ok(tx)
}

/// The budgets that one code spends, and whose. Nobody guesses a recovery code, so it spends none of the account's: its
/// owner can get in while a stranger who knows the password tries codes.
async fn tries(
    app: &App,
    user: UserId,
    typed: &Typed,
    visitor: Visitor<'_>,
) -> Result<Vec<(&'static Budget, String)>> {
    let network = visitor.place.network();
    if matches!(typed, Typed::Recovery(_)) {
        return Ok(vec![(&ADDRESS, network)]);
    }
    let since = app.now().saturating_sub(KNOWN_FOR).unwrap_or(Timestamp::MIN);
    let mut conn = app.store.read().await?;
    let known = known_browsers::users(&mut conn, &visitor.browser.hash(), since).await?;
    if known.iter().any(|known| known.id == user) {
        let here = format!("{user} {}", visitor.browser.reveal());
        return Ok(vec![(&BROWSER, here.clone()), (&BROWSER_DAY, here)]);
    }
    let account = user.to_string();
    Ok(vec![(&ADDRESS, network), (&ACCOUNT, account.clone()), (&ACCOUNT_DAY, account)])
}

/// Begins to ask for a passkey: any that the browser has for this server or, for a sign-in that waits, one of that
/// account's.
///
/// # Errors
/// [`crate::Code::PasskeysUnavailable`]; [`crate::Code::SignInExpired`] if no sign-in waits under `pending`;
/// [`Rejected::TooOften`].
pub async fn begin_assertion(
    app: &App,
    pending: Option<&str>,
    visitor: Visitor<'_>,
) -> Result<Challenge, Rejected> {
    let webauthn = app.relying_party.get()?;
    spend(app, &[(&CHALLENGES, visitor.place.network())]).await?;
    let mut tx = app.store.begin().await?;
    let user = match pending {
        Some(pending) => Some(gate::waiting(app, &mut tx, pending, visitor.browser).await?.0),
        None => None,
    };
    let (options, state) = webauthn.start_discoverable_authentication().map_err(Error::internal)?;
    let state = serde_json::to_string(&state).map_err(Error::internal)?;
    let kind = (CeremonyKind::Assertion, CHALLENGE);
    let ceremony = gate::begin(app, &mut tx, kind, user, &state, visitor.browser).await?;
    let mut options = serde_json::to_value(options.public_key).map_err(Error::internal)?;
    if let Some(user) = user {
        // Also those that a browser can't find by itself.
        let known = passkeys::list(&mut tx, user).await?;
        let allowed = known.into_iter().map(|known| {
            json!({ "type": "public-key", "id": BASE64_URL_SAFE_NO_PAD.encode(&known.credential_id) })
        });
        options["allowCredentials"] = allowed.collect();
    }
    tx.commit().await?;
    Ok(Challenge { ceremony, options })
}

/// Signs in with a passkey: alone, or as the second factor of a sign-in that waits. The authenticator must have verified
/// its owner, so that it counts as both factors.
///
/// # Errors
/// [`Rejected::Field`] with `passkey`; [`crate::Code::SignInExpired`] if no sign-in waits under `pending`.
pub async fn by_passkey(
    app: &App,
    pending: Option<&str>,
    answer: PasskeyAnswer<'_>,
    visitor: Visitor<'_>,
) -> Result<Opened, Rejected> {
    let challenge = answer.challenge(app, CeremonyKind::Assertion, visitor.browser).await?;
    if challenge.user.is_some() != pending.is_some() {
        return Err(refused("this passkey was requested for something else; try again"));
    }
    let credential: PublicKeyCredential = answer.read()?;
    let mut conn = app.store.read().await?;
    let passkey = passkeys::find_by_credential(&mut conn, credential.get_credential_id()).await?;
    drop(conn);
    let passkey = passkey.filter(|passkey| fits(&credential, passkey, &challenge));
    let passkey =
        passkey.ok_or_else(|| refused("this passkey belongs to no account here, or was removed"))?;
    let updated = verify(app, &credential, &challenge, &passkey)?;
    let user = passkey.user;
    let mut tx = app.store.begin().await?;
    tx.bump_user(user).await?;
    if let Some(pending) = pending
        && gate::end_waiting(app, &mut tx, pending, visitor).await? != user
    {
        return Err(gate::over().into());
    }
    if !passkeys::note_use(&mut tx, &passkey, &updated, app.now()).await? {
        return Err(refused("this passkey was used or removed at the same moment; try again"));
    }
    let opened = gate::open(app, &mut tx, user, visitor, "passkey").await?;
    tx.commit().await?;
    Ok(opened)
}

/// Whether the passkey may answer the challenge: it is of the account that was asked, and the user handle, which is
/// needed where none was, names its owner (`WebAuthn`, section 7.2, step 6).
fn fits(credential: &PublicKeyCredential, passkey: &PasskeyRecord, challenge: &Ceremony) -> bool {
    let handle = credential.get_user_unique_id().map(|bytes| bytes == passkey.user.bits().to_be_bytes());
    match challenge.user {
        Some(asked) => asked == passkey.user && handle.unwrap_or(true),
        None => handle == Some(true),
    }
}

/// Verifies the answer; the credential with what it changes, such as the counter.
fn verify(
    app: &App,
    credential: &PublicKeyCredential,
    challenge: &Ceremony,
    passkey: &PasskeyRecord,
) -> Result<String, Rejected> {
    let state: DiscoverableAuthentication =
        serde_json::from_str(&challenge.state).map_err(Error::internal)?;
    let mut known: Passkey = serde_json::from_str(&passkey.credential).map_err(Error::internal)?;
    let webauthn = app.relying_party.get()?;
    let result = webauthn.finish_discoverable_authentication_v2(credential, state, &known);
    let result = result.map_err(|error| unverified(&error))?;
    known.update_credential(&result);
    Ok(serde_json::to_string(&known).map_err(Error::internal)?)
}
