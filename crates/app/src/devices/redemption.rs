//! Owns the moment at which a device gets its token. Refuses to give one twice.

use skaas_domain::{
    device::{DeviceAuthorization, DeviceRecord, Polled},
    id::{OauthGrantId, TokenId, UserId},
    oauth::{ErrorCode, GrantType, OauthGrant},
    scope::Scopes,
    secret::{Secret, SecretKind},
    token::ApiToken,
    user::{TokenRecord, User},
};
use skaas_store::{Tx, devices as rows, oauth_clients, oauth_grants, tokens, users};

use super::CLI_CLIENT_ID;
use crate::{
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    oauth::{self, Given, Refused},
};

/// What a device gets, once.
#[derive(Debug)]
pub enum Handed {
    /// Our own command line: an api token, named after the device.
    ApiToken {
        /// To be stored by it.
        token: ApiToken,
        /// What it may be used for.
        scopes: Scopes,
        /// Whose it is.
        user: User,
    },
    /// Any other client: OAuth tokens.
    Tokens(Given),
}

/// The state of a login by `/auth/cli`.
#[derive(Debug)]
pub enum Status {
    /// Nobody has answered.
    Pending,
    /// This is the token; no other answer will hold it.
    Completed(Box<Handed>),
    /// Too late, refused, handed out before, never made here, or started by another program.
    Expired,
}

fn told(polled: &Polled) -> Option<Refused> {
    let code = polled.error()?;
    let why = match polled {
        Polled::Pending => "nobody has answered yet; ask again after the interval".to_owned(),
        Polled::SlowDown { interval_s } => format!("too soon; from now on ask every {interval_s} s at most"),
        Polled::Expired => "the code is older than 15 minutes; begin again".to_owned(),
        Polled::Denied => "the person said no".to_owned(),
        Polled::Redeemed | Polled::Approved { .. } => "this device code has given its token".to_owned(),
    };
    Some(Refused::said(code, why))
}

fn unknown() -> Refused {
    Refused::said(ErrorCode::InvalidGrant, "there is no such device code for this client")
}

/// A device polls (RFC 8628, section 3.4). Each poll is noted; too early ones make the interval longer.
///
/// # Errors
/// All words of RFC 8628, section 3.5, and `invalid_grant` for a code that is unknown, another client's, or
/// has given its token.
pub async fn redeem(app: &App, client_id: &str, device_code: &str) -> Result<Handed, Refused> {
    let code = Secret::parse(SecretKind::DeviceCode, device_code).map_err(|_| unknown())?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let device = rows::find_by_device_code(&mut tx, &code.hash()).await?;
    let device = device.filter(|device| device.client_id == client_id).ok_or_else(unknown)?;
    let polled = rows::poll(&mut tx, device.id, now).await?.ok_or_else(unknown)?;
    if let Some(refused) = told(&polled) {
        tx.commit().await?;
        return Err(refused);
    }
    match hand_over(app, &mut tx, &device).await? {
        Some(handed) => {
            tx.commit().await?;
            Ok(handed)
        }
        None => Err(told(&Polled::Redeemed).expect("it is an error")),
    }
}

/// The state of the login with this handle, for the program that started it: only that one has the device code.
/// Exactly one answer contains the token.
pub async fn status(app: &App, handle: &str, device_code: &str) -> Result<Status> {
    let handle = Secret::parse(SecretKind::Handle, handle);
    let code = Secret::parse(SecretKind::DeviceCode, device_code);
    let (Ok(handle), Ok(code)) = (handle, code) else { return Ok(Status::Expired) };
    let mut conn = app.store.read().await?;
    let by_handle = rows::find_by_handle(&mut conn, &handle.hash()).await?;
    let by_code = rows::find_by_device_code(&mut conn, &code.hash()).await?;
    drop(conn);
    let device = by_handle.filter(|device| by_code.is_some_and(|by_code| by_code.id == device.id));
    let Some(device) = device else { return Ok(Status::Expired) };
    match device.state {
        _ if device.is_expired(app.now()) => Ok(Status::Expired),
        DeviceAuthorization::Pending => Ok(Status::Pending),
        DeviceAuthorization::Denied { .. } | DeviceAuthorization::Redeemed { .. } => Ok(Status::Expired),
        DeviceAuthorization::Approved { .. } => {
            let mut tx = app.store.begin().await?;
            let handed = hand_over(app, &mut tx, &device).await?;
            tx.commit().await?;
            Ok(handed.map_or(Status::Expired, |handed| Status::Completed(Box::new(handed))))
        }
    }
}

/// Redeems an approved login and makes its token, in one transaction; `None` where another was quicker.
async fn hand_over(app: &App, tx: &mut Tx, device: &DeviceRecord) -> Result<Option<Handed>> {
    let Some(device) = rows::redeem(tx, device.id, app.now()).await? else { return Ok(None) };
    let DeviceAuthorization::Redeemed { by, scopes, .. } = &device.state else {
        return Err(Error::internal("a redeemed device login does not say who agreed"));
    };
    let handed = if device.client_id == CLI_CLIENT_ID {
        api_token(app, tx, &device, *by, scopes).await?
    } else {
        Handed::Tokens(oauth_tokens(app, tx, &device, *by, scopes).await?)
    };
    tracing::info!(event = "device_login_redeemed", user_id = %by, device_id = %device.id);
    Ok(Some(handed))
}

async fn api_token(
    app: &App,
    tx: &mut Tx,
    device: &DeviceRecord,
    by: UserId,
    scopes: &Scopes,
) -> Result<Handed> {
    let now = app.now();
    let (token, id) = app.with_rng(|rng| (ApiToken::generate(rng), TokenId::new(now, rng)));
    let record = TokenRecord {
        id,
        user: by,
        name: device.client_name.clone(),
        id_part: token.id_part().to_owned(),
        hash: token.hash(),
        scopes: scopes.clone(),
        created_at: now,
        expires_at: Some(oauth::authorized_until(app)),
        revoked_at: None,
        last_used_at: None,
        last_used_from: None,
        parent: None,
    };
    tokens::add(tx, &record).await?;
    let thing = id.to_string();
    let act = Act::done(Action::TokenCreate, by, &thing);
    audit::record_visit(tx, Some(by), Some(&device.place.address), now, act).await?;
    let user = users::find_by_id(tx, by).await?;
    let user = user.ok_or_else(|| Error::internal("the user of a token just added is gone"))?;
    tracing::info!(event = "token_created", user_id = %by, token_id = %id);
    Ok(Handed::ApiToken { token, scopes: scopes.clone(), user })
}

async fn oauth_tokens(
    app: &App,
    tx: &mut Tx,
    device: &DeviceRecord,
    by: UserId,
    scopes: &Scopes,
) -> Result<Given> {
    let now = app.now();
    let client = oauth_clients::find(tx, &device.client_id).await?;
    let client = client
        .ok_or_else(|| Error::refused(Code::ClientRemoved, "this client was removed; register it again"))?;
    let grant = OauthGrant {
        id: app.with_rng(|rng| OauthGrantId::new(now, rng)),
        user: by,
        client_id: client.client_id.clone(),
        scopes: scopes.clone(),
        resource: device.resource.clone(),
        created_at: now,
        expires_at: Some(oauth::authorized_until(app)),
        revoked_at: None,
    };
    oauth_grants::add(tx, &grant).await?;
    oauth_clients::touch(tx, &grant.client_id, now).await?;
    let thing = oauth::app_named(&client.name, grant.id);
    let act = Act::done(Action::AppAuthorize, by, &thing);
    audit::record_visit(tx, Some(by), Some(&device.place.address), now, act).await?;
    oauth::give(app, tx, &grant, client.grant_types.contains(&GrantType::RefreshToken)).await
}
