//! Owns the giving and taking back of OAuth tokens. Refuses to say why a code or token does not work beyond
//! that it does not: the client can only begin again.

use jiff::Timestamp;
use skaas_domain::{
    id::{OauthGrantId, OauthTokenId, UserId},
    oauth::{ACCESS_LIFETIME, ErrorCode, GrantType, OauthCode, OauthGrant, REFRESH_LIFETIME},
    scope::{InvalidScope, Scopes},
    secret::{Secret, SecretKind},
    token::ApiToken,
};
use skaas_store::{
    Tx, oauth_clients,
    oauth_codes::{self, Redeemed},
    oauth_grants,
    oauth_tokens::{self, NewToken, NewTokens, Rotation},
    tokens, users,
};

use super::{Refused, app_named, clients, resource};
use crate::{
    app::App,
    audit::{self, Act, Action},
    devices::CLI_CLIENT_ID,
    error::Result,
};

/// Tokens at the one moment at which they are known.
#[derive(Debug)]
pub struct Given {
    /// Opens things.
    pub access: Secret,
    /// Gives the next two, for clients that registered for that.
    pub refresh: Option<Secret>,
    /// What they may be used for.
    pub scopes: Scopes,
    /// For how long the access token works, in seconds.
    pub expires_in: i64,
}

fn invalid_grant(why: &str) -> Refused {
    Refused::said(ErrorCode::InvalidGrant, why)
}

/// New secrets and what is stored of them.
fn fresh(app: &App, with_refresh: bool) -> (Secret, Option<Secret>, NewTokens) {
    let now = app.now();
    app.with_rng(|rng| {
        let mut one = |kind, lifetime| {
            let (id, secret) = (OauthTokenId::new(now, rng), Secret::generate(kind, rng));
            let token = NewToken { id, hash: secret.hash(), expires_at: now + lifetime };
            (secret, token)
        };
        let (access_secret, access) = one(SecretKind::AccessToken, ACCESS_LIFETIME);
        let refresh = with_refresh.then(|| one(SecretKind::RefreshToken, REFRESH_LIFETIME));
        let (refresh_secret, refresh) = refresh.unzip();
        (access_secret, refresh_secret, NewTokens { access, refresh })
    })
}

/// Whether the account is suspended; nobody suspends it before `tx` ends.
async fn is_suspended(tx: &mut Tx, user: UserId) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(users::find_by_id(tx, user).await?.is_some_and(|user| user.is_suspended()))
}

/// The seconds that an access token of this grant works: none outlives the grant.
fn expires_in(app: &App, grant: &OauthGrant) -> i64 {
    grant.ends_at().duration_since(app.now()).min(ACCESS_LIFETIME).as_secs()
}

/// Gives the first tokens of a grant. Nothing is committed here.
pub(crate) async fn give(app: &App, tx: &mut Tx, grant: &OauthGrant, with_refresh: bool) -> Result<Given> {
    let (access, refresh, tokens) = fresh(app, with_refresh);
    oauth_tokens::issue(tx, grant, &tokens, app.now()).await?;
    Ok(Given { access, refresh, scopes: grant.scopes.clone(), expires_in: expires_in(app, grant) })
}

fn no_code() -> Refused {
    invalid_grant("this code does not work: it is wrong, used, or older than a minute")
}

fn other_resource() -> Refused {
    Refused::said(ErrorCode::InvalidTarget, "the consent was for another resource")
}

/// What came with a code.
struct Presented<'a> {
    client_id: &'a str,
    verifier: &'a str,
    redirect_uri: Option<&'a str>,
}

impl Presented<'_> {
    /// Why that does not fit the code and its grant.
    fn fault(&self, code: &OauthCode, grant: &OauthGrant) -> Option<Refused> {
        if grant.client_id != self.client_id {
            Some(no_code())
        } else if !code.challenge.verifies(self.verifier) {
            Some(invalid_grant("code_verifier does not fit the code_challenge"))
        } else if self.redirect_uri.is_some_and(|named| named != code.redirect_uri) {
            // Who names none goes by OAuth 2.1 (section 10.2): the challenge binds the code.
            Some(invalid_grant("redirect_uri is not the one that the code was sent to"))
        } else {
            None
        }
    }
}

/// A code for tokens (RFC 6749, section 4.1.3).
///
/// # Errors
/// `invalid_grant`, `invalid_client`, `invalid_target`.
pub async fn exchange(
    app: &App,
    client_id: &str,
    code: &str,
    verifier: &str,
    redirect_uri: Option<&str>,
    requested: Option<&str>,
) -> Result<Given, Refused> {
    let client = clients::known(app, client_id).await?;
    let wanted = requested.map(|requested| resource(app, requested)).transpose()?;
    let secret = Secret::parse(SecretKind::OauthCode, code).map_err(|_| no_code())?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let redeemed = oauth_codes::redeem(&mut tx, &secret.hash(), now).await?;
    let refused = match redeemed {
        Redeemed::Redeemed(code, grant) => {
            let named = Presented { client_id, verifier, redirect_uri };
            let elsewhere = wanted.is_some_and(|wanted| grant.resource.as_ref() != Some(&wanted));
            if let Some(fault) = named.fault(&code, &grant).or_else(|| elsewhere.then(other_resource)) {
                fault
            } else if is_suspended(&mut tx, grant.user).await? {
                // Left as it was: whoever presents the code in time after the suspension is lifted gets tokens.
                return Err(no_code());
            } else {
                let with_refresh = client.grant_types.contains(&GrantType::RefreshToken);
                let given = give(app, &mut tx, &grant, with_refresh).await?;
                tx.commit().await?;
                tracing::info!(event = "oauth_tokens_given", user_id = %grant.user, grant_id = %grant.id);
                return Ok(given);
            }
        }
        Redeemed::Reused(grant) => {
            record_reuse(&mut tx, grant, now).await?;
            tracing::warn!(event = "oauth_code_reused", grant_id = %grant);
            no_code()
        }
        Redeemed::Unknown => no_code(),
    };
    // Whoever presented it is not who asked for it, or two have it: it is used up all the same.
    tx.commit().await?;
    Err(refused)
}

/// Exchanges a refresh token for the next two tokens (RFC 6749, section 6). For 30 seconds after the first exchange,
/// others who present it get tokens as well; after that, presenting it revokes the grant. The access token has the
/// scopes of the grant, or those of them that `scope` names.
///
/// # Errors
/// `invalid_grant`, `invalid_client`, `invalid_scope`, `invalid_target`.
pub async fn refresh(
    app: &App,
    client_id: &str,
    token: &str,
    scope: Option<&str>,
    requested: Option<&str>,
) -> Result<Given, Refused> {
    clients::known(app, client_id).await?;
    let wanted = requested.map(|requested| resource(app, requested)).transpose()?;
    let narrowed: Option<Scopes> = scope
        .map(str::parse)
        .transpose()
        .map_err(|error: InvalidScope| Refused::said(ErrorCode::InvalidScope, error))?;
    let no_token = || invalid_grant("this refresh token does not work; ask the person again");
    let secret = Secret::parse(SecretKind::RefreshToken, token).map_err(|_| no_token())?;
    let (access, refresh, tokens) = fresh(app, true);
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let rotation =
        oauth_tokens::rotate(&mut tx, &secret.hash(), client_id, &tokens, narrowed.as_ref(), now).await?;
    let grant = match rotation {
        Rotation::Rotated(grant) => grant,
        Rotation::Overlapped(grant) => {
            tracing::info!(event = "oauth_refresh_overlapped", grant_id = %grant.id);
            grant
        }
        Rotation::Reused(grant) => {
            record_reuse(&mut tx, grant, now).await?;
            tx.commit().await?;
            tracing::warn!(event = "oauth_refresh_reused", grant_id = %grant);
            return Err(no_token());
        }
        Rotation::Unknown => return Err(no_token()),
    };
    // What fails from here on leaves the transaction, and so the token that was presented, as it was.
    if is_suspended(&mut tx, grant.user).await? {
        return Err(no_token());
    }
    if wanted.is_some_and(|wanted| grant.resource.as_ref() != Some(&wanted)) {
        return Err(other_resource());
    }
    if narrowed.as_ref().is_some_and(|narrowed| !narrowed.is_within(&grant.scopes)) {
        let why = format!("this is more than was granted, which is: {}", grant.scopes);
        return Err(Refused::said(ErrorCode::InvalidScope, why));
    }
    tx.commit().await?;
    let expires_in = expires_in(app, &grant);
    Ok(Given { access, refresh, scopes: narrowed.unwrap_or(grant.scopes), expires_in })
}

/// Records that the server revoked an authorization because somebody presented a used code or token. Presenting it
/// again revokes nothing and is not recorded.
async fn record_reuse(tx: &mut Tx, grant: OauthGrantId, now: Timestamp) -> Result<()> {
    let Some(grant) = oauth_grants::find(tx, grant).await? else { return Ok(()) };
    if grant.revoked_at == Some(now) {
        let client = oauth_clients::find(tx, &grant.client_id).await?;
        let thing = app_named(&client.map_or(grant.client_id, |client| client.name), grant.id);
        audit::record_of_server(tx, now, Act::done(Action::AppRevoke, grant.user, &thing)).await?;
    }
    Ok(())
}

/// Revokes a token (RFC 7009): an OAuth token of this client, or an api token that a device login gave.
/// That there was none is no error.
pub async fn revoke(app: &App, client_id: &str, token: &str) -> Result<()> {
    let now = app.now();
    if client_id == CLI_CLIENT_ID {
        let Ok(token) = ApiToken::parse(token) else { return Ok(()) };
        let mut tx = app.store.begin().await?;
        if let Some(bearer) = tokens::find_by_hash(&mut tx, &token.hash()).await? {
            let (user, id) = (bearer.user.id, bearer.token.id);
            let revoked = tokens::revoke(&mut tx, user, &id.to_string(), now).await?;
            if revoked.is_some_and(|token| token.revoked_at == Some(now)) {
                let thing = id.to_string();
                let act = Act::done(Action::TokenRevoke, user, &thing);
                audit::record_visit(&mut tx, Some(user), None, now, act).await?;
            }
            tracing::info!(event = "tokens_revoked", user_id = %user, count = 1);
        }
        tx.commit().await?;
        return Ok(());
    }
    let parsed = [SecretKind::AccessToken, SecretKind::RefreshToken]
        .into_iter()
        .find_map(|kind| Secret::parse(kind, token).ok());
    let Some(secret) = parsed else { return Ok(()) };
    let mut tx = app.store.begin().await?;
    if let Some(user) = oauth_tokens::revoke(&mut tx, &secret.hash(), client_id, now).await? {
        let act = Act::done(Action::AppTokenRevoke, user, client_id);
        audit::record_visit(&mut tx, Some(user), None, now, act).await?;
        tracing::info!(event = "oauth_token_revoked", user_id = %user);
    }
    tx.commit().await?;
    Ok(())
}
