//! Use cases about identities: signing in where somebody else vouches, linking and unlinking. Refuses to link
//! accounts because an address is the same: only an identity's own key, or who is signed in, does.

mod newcomer;

use jiff::SignedDuration;
use skaas_domain::{
    device::Place,
    id::{IdentityId, SignInId},
    identity::{
        IdentityKey, IdentityRecord, Intent, ProviderKind, SIGN_IN_LIFETIME, SignIn, may_unlink, return_path,
    },
    secret::{Secret, SecretKind},
};
use skaas_outbound::{
    ExposeSecret as _, SecretString,
    oidc::{Callback, Claims, Groups},
    pkce::Attempt,
};
use skaas_store::{Tx, budgets::Budget, identities, passwords, sign_ins};

pub use newcomer::{Newcomer, join, newcomer};

use crate::{
    accounts::{Rejected, spend},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    second_factor::{self, Admitted},
    sessions::Visitor,
    third_parties::{IdentityProvider, Way},
};

/// Sign-ins that one network address may begin.
const BEGUN: Budget =
    Budget { name: "outside_sign_in_address", limit: 100, window: SignedDuration::from_mins(15) };

/// What became of somebody who came back from a provider.
#[derive(Debug)]
pub enum Outcome {
    /// Their identity was known.
    Known {
        /// A session, or the wait for their second factor.
        admitted: Admitted,
        /// Where they were going.
        return_to: String,
    },
    /// It was linked to who is signed in.
    Linked {
        /// Where they were going.
        return_to: String,
    },
    /// Nobody has this identity: they are to choose a name. This names what was proved, for this browser.
    New(Secret),
}

/// What came back with the browser.
#[derive(Clone, Copy)]
pub struct Returned<'a> {
    /// OAuth's `state`.
    pub state: &'a str,
    /// The code; empty where there is none.
    pub code: &'a str,
    /// RFC 9207.
    pub iss: Option<&'a str>,
    /// The provider's error code; empty where there is none.
    pub error: &'a str,
}

/// What a provider said of a person, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Proven {
    issuer: String,
    subject: String,
    /// The address, if the provider checked it.
    checked: Option<String>,
    email: Option<String>,
    name: Option<String>,
    username: Option<String>,
    groups: Vec<String>,
}

/// The providers that the operator configured, in the order of their buttons.
pub fn providers(app: &App) -> impl Iterator<Item = &ProviderKind> {
    app.third_parties.providers.iter().map(|provider| &provider.kind)
}

fn provider<'a>(app: &'a App, word: &str) -> Result<&'a IdentityProvider> {
    app.third_parties.provider(word).ok_or_else(|| {
        Error::refused(Code::NoSuchProvider, "this server does not offer sign-in with this provider")
    })
}

/// Begins a sign-in at a provider, bound to this browser; where to send it.
///
/// # Errors
/// [`crate::Kind::NotFound`] for a provider that is not configured; [`Rejected::Stale`] where an identity is to be
/// linked by who signed in long ago; [`Rejected::TooOften`].
pub async fn begin(
    app: &App,
    link_to: Option<&Actor>,
    word: &str,
    browser: &Secret,
    return_to: &str,
    place: &Place,
) -> Result<url::Url, Rejected> {
    let provider = provider(app, word)?;
    let now = app.now();
    let intent = match link_to {
        None => Intent::SignIn,
        Some(actor) => Intent::Link(actor.require_fresh(now)?.user.id),
    };
    spend(app, &[(&BEGUN, place.network())]).await?;
    let (mut attempt, state, id) = app.with_rng(|rng| {
        (Attempt::new(rng), Secret::generate(SecretKind::SignInState, rng), SignInId::new(now, rng))
    });
    attempt.state = SecretString::from(state.reveal().to_owned());
    let url = match &provider.way {
        Way::Oidc(oidc) => {
            oidc.authorization_url(&attempt, now).await.map_err(|error| of_outside(&provider.kind, error))?
        }
        Way::Github(github) => github.authorization_url(&attempt),
    };
    let sign_in = SignIn {
        id,
        provider: provider.kind.clone(),
        nonce: attempt.nonce.expose_secret().to_owned(),
        verifier: attempt.verifier.expose_secret().to_owned(),
        intent,
        return_to: return_path(return_to).to_owned(),
        created_at: now,
        expires_at: now.saturating_add(SIGN_IN_LIFETIME).unwrap_or(now),
    };
    let mut tx = app.store.begin().await?;
    sign_ins::add(&mut tx, &sign_in, &state.hash(), &browser.hash()).await?;
    tx.commit().await?;
    Ok(url)
}

/// Ends a sign-in that came back from a provider, in the browser in which it began, once.
///
/// # Errors
/// [`crate::Kind::Forbidden`] for another browser, another time, another user than the one who began to link, and
/// where the provider says no or proves nothing.
pub async fn finish(
    app: &App,
    actor: Option<&Actor>,
    word: &str,
    returned: Returned<'_>,
    browser: &Secret,
    place: &Place,
) -> Result<Outcome> {
    let provider = provider(app, word)?;
    let state = Secret::parse(SecretKind::SignInState, returned.state).map_err(|_| not_begun_here())?;
    let mut tx = app.store.begin().await?;
    let sign_in = sign_ins::redeem(&mut tx, &state.hash(), &browser.hash(), app.now()).await?;
    tx.commit().await?;
    let sign_in = sign_in.filter(|sign_in| sign_in.provider == provider.kind).ok_or_else(not_begun_here)?;
    if !returned.error.is_empty() {
        let label = provider.kind.label();
        return Err(Error::refused(
            Code::IdentityNotConfirmed,
            format!("{label} did not sign you in; try again"),
        ));
    }
    let proven = prove(app, provider, &sign_in, returned).await?;
    match sign_in.intent {
        Intent::Link(user) => {
            actor.map(Actor::require_session).transpose()?;
            let is_theirs = |actor: &&Actor| actor.user().is_some_and(|who| who.id == user);
            let actor = actor.filter(is_theirs).ok_or_else(|| {
                Error::refused(
                    Code::SignInExpired,
                    "this was started by another user; sign in as that user first",
                )
            })?;
            link(app, actor, provider, &proven).await?;
            Ok(Outcome::Linked { return_to: sign_in.return_to })
        }
        Intent::SignIn => {
            let visitor = Visitor { place, browser, before: actor };
            enter(app, provider, proven, sign_in.return_to, visitor).await
        }
    }
}

async fn prove(
    app: &App,
    provider: &IdentityProvider,
    sign_in: &SignIn,
    returned: Returned<'_>,
) -> Result<Proven> {
    let verifier = SecretString::from(sign_in.verifier.clone());
    let nonce = SecretString::from(sign_in.nonce.clone());
    let (claims, groups) = match &provider.way {
        Way::Github(github) => {
            let claims = github.sign_in(returned.code, &verifier).await;
            (claims.map_err(|error| of_outside(&provider.kind, error))?, Vec::new())
        }
        Way::Oidc(oidc) => {
            let callback =
                Callback { code: returned.code, iss: returned.iss, nonce: &nonce, verifier: &verifier };
            let signed_in = oidc
                .exchange(callback, app.now())
                .await
                .map_err(|error| of_outside(&provider.kind, error))?;
            let asks = oidc.config().groups_api.is_some();
            let groups = match &signed_in.claims.groups {
                Groups::Listed(groups) => groups.clone(),
                Groups::CutOff | Groups::Unsaid if asks => match oidc.groups_from_api(&signed_in).await {
                    Ok(Groups::Listed(groups)) => groups,
                    Ok(_) => Vec::new(),
                    // Without groups a person has less, never more: they may still sign in.
                    Err(error) => {
                        tracing::warn!(event = "groups_not_told", provider = %provider.kind, reason = %error);
                        Vec::new()
                    }
                },
                Groups::CutOff | Groups::Unsaid => Vec::new(),
            };
            (signed_in.claims, groups)
        }
    };
    Ok(Proven::of(claims, groups))
}

impl Proven {
    fn of(claims: Claims, groups: Vec<String>) -> Self {
        let Claims { issuer, subject, email, email_verified, name, username, .. } = claims;
        let checked = email.clone().filter(|_| email_verified);
        Self { issuer, subject, checked, email, name, username, groups }
    }

    fn key(&self) -> IdentityKey {
        IdentityKey { issuer: self.issuer.clone(), subject: self.subject.clone() }
    }
}

/// Somebody whose identity is known comes in; anybody else is asked for a name.
async fn enter(
    app: &App,
    provider: &IdentityProvider,
    proven: Proven,
    return_to: String,
    visitor: Visitor<'_>,
) -> Result<Outcome> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let Some(identity) = identities::find_by_key(&mut tx, &proven.key()).await? else {
        let pending =
            newcomer::keep(app, &mut tx, &provider.kind, &proven, return_to, visitor.browser).await?;
        tx.commit().await?;
        return Ok(Outcome::New(pending));
    };
    refresh(&mut tx, &identity, &proven, now).await?;
    let by = provider.kind.to_string();
    let admitted = second_factor::admit(app, &mut tx, identity.user, visitor, &by).await?;
    tx.commit().await?;
    Ok(Outcome::Known { admitted, return_to })
}

async fn refresh(
    tx: &mut Tx,
    identity: &IdentityRecord,
    proven: &Proven,
    now: jiff::Timestamp,
) -> Result<()> {
    let (email, name) = (proven.email.as_deref(), proven.name.as_deref());
    identities::refresh(tx, identity, email, name, &proven.groups, now).await?;
    Ok(())
}

fn record(
    app: &App,
    user: skaas_domain::id::UserId,
    provider: &ProviderKind,
    proven: &Proven,
) -> IdentityRecord {
    let now = app.now();
    IdentityRecord {
        id: app.with_rng(|rng| IdentityId::new(now, rng)),
        user,
        provider: provider.clone(),
        key: proven.key(),
        email: proven.email.clone(),
        name: proven.name.clone(),
        groups: proven.groups.clone(),
        linked_at: now,
        last_used_at: now,
    }
}

async fn link(app: &App, actor: &Actor, provider: &IdentityProvider, proven: &Proven) -> Result<()> {
    let (who, now) = (actor.require_session()?, app.now());
    let mut tx = app.store.begin().await?;
    match identities::find_by_key(&mut tx, &proven.key()).await? {
        Some(known) if known.user == who.user.id => refresh(&mut tx, &known, proven, now).await?,
        _ => {
            identities::add(&mut tx, &record(app, who.user.id, &provider.kind, proven)).await?;
            let provider = provider.kind.to_string();
            let act = Act::done(Action::IdentityLink, who.user.id, &provider);
            audit::record(&mut tx, actor, now, act).await?;
        }
    }
    tx.commit().await?;
    tracing::info!(event = "identity_linked", user_id = %who.user.id, provider = %provider.kind);
    Ok(())
}

/// The identities of who is signed in, in the order they were linked.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<IdentityRecord>> {
    let who = actor.require_session()?;
    let mut conn = app.store.read().await?;
    Ok(identities::list(&mut conn, who.user.id).await?)
}

/// Unlinks an identity, unless it is the last sign-in method. They must have signed in just now.
///
/// # Errors
/// [`Rejected::Stale`]; [`crate::Kind::Conflict`] for the last sign-in method; [`crate::Kind::NotFound`] for somebody else's as
/// for none.
pub async fn unlink(app: &App, actor: &Actor, id: &str) -> Result<IdentityRecord, Rejected> {
    let unknown = |_| Error::refused(Code::NoSuchIdentity, "you have no linked account with this ID");
    let id: IdentityId = id.parse().map_err(unknown)?;
    let now = app.now();
    let user = actor.require_fresh(now)?.user.id;
    let mut tx = app.store.begin().await?;
    // Whoever unlinks the other one at the same moment waits here.
    tx.bump_user(user).await?;
    let count = identities::list(&mut tx, user).await?.len();
    let has_password = passwords::find(&mut tx, user).await?.is_some();
    let absent = || {
        Error::refused(
            Code::NoSuchIdentity,
            "you have no linked account with this ID; it may have been unlinked already",
        )
    };
    let removed = identities::remove(&mut tx, user, id).await?.ok_or_else(absent)?;
    if !may_unlink(count.saturating_sub(1), has_password) {
        let why = "this is your only sign-in method; set a password or link another account first";
        return Err(Error::refused(Code::LastSignInMethod, why).into());
    }
    let provider = removed.provider.to_string();
    audit::record(&mut tx, actor, now, Act::done(Action::IdentityUnlink, user, &provider)).await?;
    tx.commit().await?;
    tracing::info!(event = "identity_unlinked", user_id = %user, provider = %removed.provider);
    Ok(removed)
}

fn not_begun_here() -> Error {
    Error::refused(
        Code::SignInExpired,
        "this sign-in was started in another browser, took too long, or is already complete; start again",
    )
}

/// Turns a failure of a provider into what the person reads; the rest is logged for the operator.
fn of_outside(kind: &ProviderKind, error: skaas_outbound::Error) -> Error {
    use skaas_outbound::Error as E;
    let causes: Vec<String> =
        std::iter::successors(std::error::Error::source(&error), |cause| cause.source())
            .map(ToString::to_string)
            .collect();
    tracing::warn!(event = "provider_failed", provider = %kind, reason = %error, cause = causes.join(": "));
    let label = kind.label();
    let unproven = |why: &str| {
        Error::refused(
            Code::IdentityNotConfirmed,
            format!("{label} did not confirm who you are: {why}; nothing was changed; start again"),
        )
    };
    match error {
        error if error.is_of_another_organisation() => Error::refused(
            Code::WrongOrganization,
            "only members of this server's organization can sign in with this provider; start again \
             and choose the account that you have there",
        ),
        E::Denied { code, .. } => unproven(&format!("it refused the sign-in ({code})")),
        E::Unproven { reason, .. } => unproven(reason),
        E::Config(_) => failed(label, "it is not set up correctly here"),
        error => failed(label, &error.to_string()),
    }
}

/// What a person reads when a provider cannot be used: what failed, that nothing changed, and what to do.
fn failed(label: &str, why: &str) -> Error {
    Error::refused(
        Code::UpstreamFailed,
        format!(
            "you could not be signed in with {label}: {why}. Nothing was changed. Try again or sign in another way, and if \
         it keeps failing, tell whoever runs this server"
        ),
    )
}
