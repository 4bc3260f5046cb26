//! Passkeys (`WebAuthn` level 3): adding, naming and removing them, and whether this server can have any. Signing in with
//! one is in [`super::by_passkey`]; what the protocol demands is checked by `webauthn-rs`.

use jiff::SignedDuration;
use serde_json::{Value, json};
use skaas_domain::{
    id::{PasskeyId, UserId},
    secret::{Secret, SecretKind},
};
use skaas_store::{
    Tx,
    ceremonies::{self, Ceremony, CeremonyKind},
    passkeys::{self, PasskeyRecord},
};
use url::{Host, Url};
use webauthn_rs::prelude::{Passkey, PasskeyRegistration, Uuid, Webauthn, WebauthnBuilder, WebauthnError};

use super::{Added, finish_adding, finish_removing, gate};
use crate::{
    accounts::{Changed, Rejected},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
};

/// How long a challenge can be signed.
pub(super) const CHALLENGE: SignedDuration = SignedDuration::from_mins(5);
/// Passkeys of one account.
const MAX: usize = 20;
/// The longest name of a passkey, in characters.
const MAX_LABEL: usize = 60;
/// The longest credential ID, in bytes (`WebAuthn`, section 6.5.1).
const MAX_CREDENTIAL_ID: usize = 1023;

/// Why there can be no passkeys on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Browsers offer them to https only, and to localhost.
    #[error("passkeys need https, and this server's public address is plain http")]
    NotSecure,
    /// A passkey belongs to a domain.
    #[error("passkeys need a domain name, and this server's public address is an IP address")]
    NoDomain,
}

/// This server in the words of `WebAuthn`, or why it can be none.
pub(crate) struct RelyingParty(Result<Webauthn, Unavailable>);

impl RelyingParty {
    /// The relying party at `public_url`: its host is the RP ID, its origin the only one that is accepted.
    pub(crate) fn at(public_url: &str, name: &str) -> Self {
        Self(build(public_url, name))
    }

    pub(crate) fn unavailable(&self) -> Option<Unavailable> {
        self.0.as_ref().err().copied()
    }

    pub(super) fn get(&self) -> Result<&Webauthn> {
        self.0.as_ref().map_err(|why| Error::refused(Code::PasskeysUnavailable, why.to_string()))
    }
}

fn build(public_url: &str, name: &str) -> Result<Webauthn, Unavailable> {
    let url = Url::parse(public_url).map_err(|_| Unavailable::NoDomain)?;
    let Some(Host::Domain(host)) = url.host() else { return Err(Unavailable::NoDomain) };
    let is_local = host == "localhost" || host.ends_with(".localhost");
    if url.scheme() != "https" && !is_local {
        return Err(Unavailable::NotSecure);
    }
    let timeout = std::time::Duration::from_secs(CHALLENGE.unsigned_abs().as_secs());
    let builder = WebauthnBuilder::new(host, &url).map_err(|_| Unavailable::NoDomain)?;
    builder.rp_name(name).timeout(timeout).build().map_err(|_| Unavailable::NoDomain)
}

/// What a browser needs to ask an authenticator.
#[derive(Debug)]
pub struct Challenge {
    /// Names the challenge when the answer comes.
    pub ceremony: Secret,
    /// The options of `navigator.credentials.create` or `get`, as JSON.
    pub options: Value,
}

/// What a browser sends back.
#[derive(Clone, Copy)]
pub struct PasskeyAnswer<'a> {
    /// The name of the challenge.
    pub ceremony: &'a str,
    /// The credential, as JSON; empty from a browser without JavaScript.
    pub credential: &'a str,
}

pub(super) fn handle(user: UserId) -> Uuid {
    Uuid::from_u128(user.bits())
}

pub(super) fn refused(why: &(impl ToString + ?Sized)) -> Rejected {
    Rejected::field("passkey", why)
}

/// What a person reads where a passkey's answer isn't accepted. The log has the reason.
pub(super) fn unverified(error: &WebauthnError) -> Rejected {
    tracing::warn!(event = "passkey_refused", reason = %error);
    match error {
        WebauthnError::CredentialPossibleCompromise => refused(
            "this passkey was used in two places and may have been copied; sign in another way, then remove it",
        ),
        _ => refused("this passkey's answer could not be verified; try again"),
    }
}

impl PasskeyAnswer<'_> {
    /// Takes the challenge that this answers, and commits that: a challenge is used up whatever comes of the answer.
    pub(super) async fn challenge(
        self,
        app: &App,
        kind: CeremonyKind,
        browser: &Secret,
    ) -> Result<Ceremony, Rejected> {
        if self.credential.is_empty() {
            return Err(refused("passkeys need JavaScript, which is turned off in this browser"));
        }
        let stale = || refused("this request was started in another browser or has expired; try again");
        let secret = Secret::parse(SecretKind::Ceremony, self.ceremony).map_err(|_| stale())?;
        let mut tx = app.store.begin().await?;
        let taken = ceremonies::take(&mut tx, kind, &secret.hash(), &browser.hash(), app.now()).await?;
        tx.commit().await?;
        taken.ok_or_else(stale)
    }

    /// The credential itself.
    pub(super) fn read<T: serde::de::DeserializeOwned>(self) -> Result<T, Rejected> {
        serde_json::from_str(self.credential).map_err(|error| {
            tracing::warn!(event = "passkey_unreadable", reason = %error);
            refused("this passkey's answer could not be read; try again")
        })
    }
}

/// Begins to add a passkey. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`Code::PasskeysUnavailable`]; [`Code::TooManyPasskeys`].
pub async fn begin_passkey(app: &App, actor: &Actor, browser: &Secret) -> Result<Challenge, Rejected> {
    let user = actor.require_fresh(app.now())?.user.clone();
    let webauthn = app.relying_party.get()?;
    let mut tx = app.store.begin().await?;
    let known = passkeys::list(&mut tx, user.id).await?;
    if known.len() >= MAX {
        let why = format!("you already have {MAX} passkeys; remove one first");
        return Err(Error::refused(Code::TooManyPasskeys, why).into());
    }
    let exclude = known.into_iter().map(|passkey| passkey.credential_id).collect();
    let (options, state) = webauthn
        .start_passkey_registration(handle(user.id), &user.username, &user.username, Some(exclude))
        .map_err(Error::internal)?;
    let state = serde_json::to_string(&state).map_err(Error::internal)?;
    let kind = (CeremonyKind::Registration, CHALLENGE);
    let ceremony = gate::begin(app, &mut tx, kind, Some(user.id), &state, browser).await?;
    tx.commit().await?;
    let mut options = serde_json::to_value(options).map_err(Error::internal)?;
    // The library discourages passkeys that can be found without a username; signing in without one needs them.
    options["publicKey"]["authenticatorSelection"]["residentKey"] = json!("preferred");
    Ok(Challenge { ceremony, options: options["publicKey"].take() })
}

/// Adds the passkey that an authenticator made. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Field`] with `label` or `passkey`; [`Rejected::Stale`].
pub async fn add_passkey(
    app: &App,
    actor: &Actor,
    browser: &Secret,
    answer: PasskeyAnswer<'_>,
    label: &str,
) -> Result<Added, Rejected> {
    let now = app.now();
    let user = actor.require_fresh(now)?.user.clone();
    let label = checked_label(label)?;
    let challenge = answer.challenge(app, CeremonyKind::Registration, browser).await?;
    if challenge.user != Some(user.id) {
        return Err(refused("this passkey was requested by another account; try again"));
    }
    let state: PasskeyRegistration = serde_json::from_str(&challenge.state).map_err(Error::internal)?;
    let made = app.relying_party.get()?.finish_passkey_registration(&answer.read()?, &state);
    let made = made.map_err(|error| unverified(&error))?;
    let record = record(app, user.id, &made, label)?;
    let mut tx = app.store.begin().await?;
    if passkeys::count(&mut tx, user.id).await? >= MAX || !passkeys::add(&mut tx, &record).await? {
        return Err(refused("this passkey already belongs to an account; nothing was changed"));
    }
    let id = record.id.to_string();
    audit::record(&mut tx, actor, now, Act::done(Action::PasskeyAdd, user.id, &id)).await?;
    let added = finish_adding(app, &mut tx, actor, Changed::PasskeyAdded).await?;
    tx.commit().await?;
    tracing::info!(event = "passkey_added", user_id = %user.id, passkey_id = %record.id);
    Ok(added)
}

fn record(app: &App, user: UserId, made: &Passkey, label: String) -> Result<PasskeyRecord, Rejected> {
    let now = app.now();
    let credential_id = made.cred_id().clone();
    if credential_id.len() > MAX_CREDENTIAL_ID {
        return Err(refused("this authenticator's ID for the passkey is too long"));
    }
    Ok(PasskeyRecord {
        id: app.with_rng(|rng| PasskeyId::new(now, rng)),
        user,
        credential_id,
        credential: serde_json::to_string(made).map_err(Error::internal)?,
        label,
        created_at: now,
        last_used_at: None,
    })
}

fn checked_label(label: &str) -> Result<String, Rejected> {
    let label = label.trim();
    match label.chars().count() {
        0 => Ok("Passkey".to_owned()),
        1..=MAX_LABEL if !label.chars().any(char::is_control) => Ok(label.to_owned()),
        _ => Err(Rejected::field("label", &format!("use at most {MAX_LABEL} characters on one line"))),
    }
}

fn absent() -> Error {
    Error::refused(Code::NoSuchPasskey, "you have no passkey with this ID; it may have been removed already")
}

fn parse(id: &str) -> Result<PasskeyId> {
    id.parse().map_err(|_| absent())
}

/// Gives a passkey another name.
///
/// # Errors
/// [`Rejected::Field`] with `label`; [`Code::NoSuchPasskey`] for somebody else's as for none.
pub async fn rename_passkey(app: &App, actor: &Actor, id: &str, label: &str) -> Result<(), Rejected> {
    let user = actor.require_session()?.user.id;
    let (id, label) = (parse(id)?, checked_label(label)?);
    let mut tx = app.store.begin().await?;
    if !passkeys::rename(&mut tx, user, id, &label).await? {
        return Err(absent().into());
    }
    tx.commit().await?;
    Ok(())
}

/// Removes a passkey: it no longer signs in. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`Code::NoSuchPasskey`] for somebody else's as for none; [`Code::LastSecondFactor`].
pub async fn remove_passkey(app: &App, actor: &Actor, id: &str) -> Result<(), Rejected> {
    let user = actor.require_fresh(app.now())?.user.clone();
    let id = parse(id)?;
    let mut tx: Tx = app.store.begin().await?;
    let removed = passkeys::remove(&mut tx, user.id, id).await?.ok_or_else(absent)?;
    let id = removed.id.to_string();
    audit::record(&mut tx, actor, app.now(), Act::done(Action::PasskeyRemove, user.id, &id)).await?;
    finish_removing(app, &mut tx, &user, Changed::PasskeyRemoved).await?;
    tx.commit().await?;
    tracing::info!(event = "passkey_removed", user_id = %user.id, passkey_id = %removed.id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_https_and_a_domain_except_on_localhost() {
        let why = |url: &str| RelyingParty::at(url, "skaas").unavailable();
        for good in ["https://skaas.example", "https://skaas.example:8443", "http://localhost:8080"] {
            assert_eq!(why(good), None, "{good}");
        }
        assert_eq!(why("http://skaas.example"), Some(Unavailable::NotSecure));
        assert_eq!(why("http://localhost.example"), Some(Unavailable::NotSecure));
        for bare in ["http://127.0.0.1:8080", "https://[::1]", "https://192.0.2.1"] {
            assert_eq!(why(bare), Some(Unavailable::NoDomain), "{bare}");
        }
    }
}
