//! Owns the step between what a provider proved of a stranger and their account: choosing a name. Refuses to
//! take what was proved from anywhere but our own database, in the browser in which it was proved.
//!
//! What was proved is kept as the row of a further sign-in, in the place of its nonce, under a secret of
//! another kind than a provider's answer carries: neither can be presented as the other.

use skaas_domain::{
    device::Place,
    id::SignInId,
    identity::{Intent, ProviderKind, SIGN_IN_LIFETIME, SignIn},
    name::{MAX_USERNAME, check_username},
    secret::{Secret, SecretKind},
    user::check_email,
};
use skaas_store::{Tx, identities, sign_ins, users};

use super::{Proven, not_begun_here, record};
use crate::{
    accounts::{Rejected, new_user},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::{Error, Result},
    sessions::{self, Opened, Visitor},
};

/// Somebody whom a provider vouches for and who has no account.
#[derive(Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// Who vouches.
    pub provider: ProviderKind,
    /// A name to begin with, or nothing.
    pub proposal: String,
    /// The address that the provider checked.
    pub address: Option<String>,
    /// Whether an account has that address: it may be theirs, and is not linked by itself.
    pub is_taken: bool,
    /// Where they were going.
    pub return_to: String,
}

pub(super) async fn keep(
    app: &App,
    tx: &mut Tx,
    provider: &ProviderKind,
    proven: &Proven,
    return_to: String,
    browser: &Secret,
) -> Result<Secret> {
    let now = app.now();
    let (pending, id) =
        app.with_rng(|rng| (Secret::generate(SecretKind::Link, rng), SignInId::new(now, rng)));
    let sign_in = SignIn {
        id,
        provider: provider.clone(),
        nonce: serde_json::to_string(proven).map_err(Error::internal)?,
        verifier: String::new(),
        intent: Intent::SignIn,
        return_to,
        created_at: now,
        expires_at: now.saturating_add(SIGN_IN_LIFETIME).unwrap_or(now),
    };
    sign_ins::add(tx, &sign_in, &pending.hash(), &browser.hash()).await?;
    Ok(pending)
}

async fn take(app: &App, tx: &mut Tx, pending: &str, browser: &Secret) -> Result<(SignIn, Proven)> {
    let pending = Secret::parse(SecretKind::Link, pending).map_err(|_| not_begun_here())?;
    let sign_in = sign_ins::redeem(tx, &pending.hash(), &browser.hash(), app.now()).await?;
    let sign_in = sign_in.ok_or_else(not_begun_here)?;
    let proven = serde_json::from_str(&sign_in.nonce).map_err(Error::internal)?;
    Ok((sign_in, proven))
}

/// The address that the provider checked, if we take it.
fn checked(proven: &Proven) -> Option<String> {
    proven.checked.as_deref().and_then(|address| check_email(address).ok())
}

/// Who waits for a name in this browser. Nothing is changed.
///
/// # Errors
/// [`crate::Kind::Forbidden`] for another browser or another time.
pub async fn newcomer(app: &App, pending: &str, browser: &Secret) -> Result<Newcomer> {
    // Taken in a transaction that is not committed: it stays.
    let mut tx = app.store.begin().await?;
    let (sign_in, proven) = take(app, &mut tx, pending, browser).await?;
    let address = checked(&proven);
    let is_taken = match &address {
        Some(address) => users::find_by_email(&mut tx, address).await?.is_some(),
        None => false,
    };
    let proposal = proposal(&proven, address.as_deref());
    Ok(Newcomer { provider: sign_in.provider, proposal, address, is_taken, return_to: sign_in.return_to })
}

/// Makes the account, under a name of their choice, with the identity linked and, if it is free, the address
/// that the provider checked; signs in. Also where they were going.
///
/// # Errors
/// [`Rejected::Field`] with `username`, after which it can be tried again; [`crate::Kind::Forbidden`].
pub async fn join(
    app: &App,
    before: Option<&Actor>,
    pending: &str,
    browser: &Secret,
    username: &str,
    place: &Place,
) -> Result<(Opened, String), Rejected> {
    let mut tx = app.store.begin().await?;
    let (sign_in, proven) = take(app, &mut tx, pending, browser).await?;
    let mut address = checked(&proven);
    if let Some(text) = &address
        && users::find_by_email(&mut tx, text).await?.is_some()
    {
        address = None;
    }
    let user = new_user(app, &mut tx, username.trim(), address.as_deref()).await?;
    identities::add(&mut tx, &record(app, user.id, &sign_in.provider, &proven)).await?;
    let opened = sessions::open(app, &mut tx, user.id, Visitor { place, browser, before }).await?;
    let by = sign_in.provider.to_string();
    let act = Act::done(Action::AccountCreate, user.id, &by);
    audit::record_visit(&mut tx, Some(user.id), Some(&place.address), app.now(), act).await?;
    tx.commit().await?;
    tracing::info!(event = "signed_up", user_id = %user.id, by = %sign_in.provider);
    Ok((opened, sign_in.return_to))
}

/// The first of the names they go by that could be a username.
fn proposal(proven: &Proven, address: Option<&str>) -> String {
    let local = address.and_then(|address| address.split_once('@')).map(|(local, _)| local);
    let names =
        [proven.username.as_deref().and_then(|name| name.split('@').next()), local, proven.name.as_deref()];
    let mut likely = names.into_iter().flatten().map(username_like);
    likely.find(|name| check_username(name).is_ok()).unwrap_or_default()
}

fn username_like(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    let cut: String = joined.chars().take(MAX_USERNAME).collect();
    cut.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(username: &str, name: &str) -> Proven {
        Proven {
            issuer: "https://issuer.example".into(),
            subject: "1".into(),
            checked: None,
            email: None,
            name: Some(name.into()),
            username: Some(username.into()),
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_proposed_name_is_one_that_could_be_taken_or_none() {
        assert_eq!(proposal(&proven("Ann.Lee@corp.example", ""), None), "ann-lee");
        assert_eq!(proposal(&proven("admin", "Ann Lee"), None), "ann-lee");
        assert_eq!(proposal(&proven("--", "Łukasz"), Some("lu_k@x.example")), "lu-k");
        assert_eq!(proposal(&proven("", "工"), None), "");
        let long = "a-".repeat(40);
        assert!(check_username(&proposal(&proven(&long, ""), None)).is_ok());
    }
}
