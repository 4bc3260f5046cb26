//! Use cases of the device login (RFC 8628): ask for codes, answer them, redeem them.
//!
//! Invariants
//! - Codes and handles are made here; what somebody made up opens nothing.
//! - A person agrees only to what they were shown, by [`answer`]; nothing else approves.
//! - Of however many polls exactly one gets the token, and nothing readable is kept for it to get.

mod redemption;

pub use redemption::{Handed, Status, redeem, status};

use jiff::SignedDuration;
use skaas_domain::{
    device::{DeviceAuthorization, DeviceRecord, INTERVAL_S, LIFETIME, MalformedCode, Place, UserCode},
    id::{DeviceId, UserId},
    oauth::{ErrorCode, GrantType},
    plain_text::one_line,
    scope::Scopes,
    secret::{Secret, SecretKind},
    user::MAX_TOKEN_NAME,
};
use skaas_store::{
    Conflict, StoreError,
    budgets::Budget,
    devices::{self as rows, DeviceHashes},
};

use crate::{
    accounts,
    actor::Actor,
    app::App,
    error::{Error, Result},
    oauth::{self, Refused},
};

/// The client that every server knows: our own command line. What it is given is an api token.
pub const CLI_CLIENT_ID: &str = "skaas-cli";

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Codes asked for from one address.
const STARTS: Budget = Budget { name: "device_start", limit: 200, window: WINDOW };
/// Codes typed by one person, and from one address: of 20^8 codes, that finds none.
const GUESSES: Budget = Budget { name: "device_code_user", limit: 30, window: WINDOW };
const GUESSES_HERE: Budget = Budget { name: "device_code_address", limit: 200, window: WINDOW };

/// What a device asks for.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// Who it says it is.
    pub client_id: &'a str,
    /// The scopes, as OAuth writes them; all of the person's rights when left out by our own command line.
    pub scope: Option<&'a str>,
    /// What the device calls itself.
    pub device_name: Option<&'a str>,
    /// Where the token is to be used (RFC 8707).
    pub resource: Option<&'a str>,
    /// Where it asks from.
    pub place: Place,
}

/// Codes at the one moment at which they are known.
#[derive(Debug)]
pub struct Started {
    /// What the device polls with; nobody else may see it.
    pub device_code: Secret,
    /// The name of this login in the address that a browser is opened with. It collects nothing by itself.
    pub handle: Secret,
    /// What the person types or compares.
    pub user_code: UserCode,
    /// For how long all of them work, in seconds.
    pub expires_in: i64,
    /// The seconds that must lie between two polls.
    pub interval: i64,
}

/// Begins a device login.
///
/// # Errors
/// `invalid_client`, `unauthorized_client`, `invalid_scope`, `invalid_target`; [`Refused::TooOften`].
pub async fn start(app: &App, ask: Ask<'_>) -> Result<Started, Refused> {
    let named = ask.resource.map(|named| oauth::resource(app, named)).transpose()?;
    let (client, scopes, resource) = if ask.client_id == CLI_CLIENT_ID {
        let said = |error| Refused::said(ErrorCode::InvalidScope, error);
        let scopes = ask.scope.map_or_else(|| Ok(Scopes::full()), |text| text.parse().map_err(said))?;
        // An api token is for no one resource.
        (None, scopes, None)
    } else {
        let client = oauth::find_client(app, ask.client_id, &ask.place).await?;
        if !client.grant_types.contains(&GrantType::DeviceCode) {
            let why = "this client did not register the device_code grant type";
            return Err(Refused::said(ErrorCode::UnauthorizedClient, why));
        }
        let resource = named.unwrap_or_else(|| oauth::api_resource(app));
        (Some(client), oauth::scopes(app, ask.scope, &resource)?, Some(resource))
    };
    accounts::spend(app, &[(&STARTS, ask.place.network())]).await?;
    let name = ask.device_name.map(one_line).unwrap_or_default();
    let name: String = name.trim().chars().take(MAX_TOKEN_NAME).collect();
    let client_name = match client {
        Some(client) => client.name,
        None if name.is_empty() => "skaas".to_owned(),
        None => name,
    };
    let now = app.now();
    let record = DeviceRecord {
        id: app.with_rng(|rng| DeviceId::new(now, rng)),
        client_id: ask.client_id.to_owned(),
        client_name,
        scopes,
        resource,
        place: ask.place,
        state: DeviceAuthorization::Pending,
        created_at: now,
        expires_at: now + LIFETIME,
        interval_s: INTERVAL_S,
        polled_at: None,
    };
    let started = add(app, &record).await?;
    tracing::info!(event = "device_login_started", device_id = %record.id);
    Ok(started)
}

/// Makes codes that nobody has, and writes the record down under them.
async fn add(app: &App, record: &DeviceRecord) -> Result<Started> {
    const DRAWS: usize = 8;
    for _ in 0..DRAWS {
        let (device_code, handle, user_code) = app.with_rng(|rng| {
            let device_code = Secret::generate(SecretKind::DeviceCode, rng);
            (device_code, Secret::generate(SecretKind::Handle, rng), UserCode::generate(rng))
        });
        let hashes = DeviceHashes {
            device_code: device_code.hash(),
            user_code: user_code.hash(),
            handle: Some(handle.hash()),
        };
        let mut tx = app.store.begin().await?;
        match rows::add(&mut tx, record, &hashes).await {
            Ok(()) => {
                tx.commit().await?;
                let (expires_in, interval) = (LIFETIME.as_secs(), record.interval_s);
                return Ok(Started { device_code, handle, user_code, expires_in, interval });
            }
            Err(StoreError::Conflict(Conflict::CodeTaken)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::internal("no user code is free"))
}

/// What a person names a device login by.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    /// The code they typed or were shown.
    Code(&'a str),
    /// The handle that their browser was opened with, and the code shown beside it.
    Handle {
        /// The handle.
        handle: &'a str,
        /// The code.
        code: &'a str,
    },
}

/// Why there is no device login to answer.
#[derive(Debug, thiserror::Error)]
pub enum NotThere {
    /// No code at all.
    #[error(transparent)]
    Malformed(#[from] MalformedCode),
    /// None waits under this name; whether it ever did is not said.
    #[error("this code is mistyped, already used, or older than 15 minutes")]
    Unknown,
    /// Anything else.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<StoreError> for NotThere {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// The device login that waits under this name. A code is a guess, and is counted as one.
pub async fn find(
    app: &App,
    actor: &Actor,
    place: &Place,
    named: Named<'_>,
) -> Result<DeviceRecord, NotThere> {
    let who = person(actor)?;
    let found = match named {
        Named::Code(typed) => {
            let code = UserCode::parse(typed)?;
            let tries = [(&GUESSES, who.to_string()), (&GUESSES_HERE, place.network())];
            accounts::spend(app, &tries).await.map_err(Refused::from)?;
            let mut conn = app.store.read().await?;
            rows::find_by_user_code(&mut conn, &code.hash()).await?
        }
        Named::Handle { handle, code } => {
            let handle = Secret::parse(SecretKind::Handle, handle).map_err(|_| NotThere::Unknown)?;
            let code = UserCode::parse(code)?;
            let mut conn = app.store.read().await?;
            let by_code = rows::find_by_user_code(&mut conn, &code.hash()).await?;
            let by_handle = rows::find_by_handle(&mut conn, &handle.hash()).await?;
            // What the page shows is what the terminal shows, or nothing.
            by_handle.filter(|found| by_code.is_some_and(|by_code| by_code.id == found.id))
        }
    };
    let now = app.now();
    let waits =
        |device: &DeviceRecord| device.state == DeviceAuthorization::Pending && !device.is_expired(now);
    found.filter(waits).ok_or(NotThere::Unknown)
}

/// The person who answers: in their browser, where they can see what they agree to.
fn person(actor: &Actor) -> Result<UserId, NotThere> {
    Ok(actor.require_session().map_err(Refused::from)?.user.id)
}

/// The person agrees to all that was asked, or refuses. What they answered, as it is now.
pub async fn answer(
    app: &App,
    actor: &Actor,
    place: &Place,
    named: Named<'_>,
    agrees: bool,
) -> Result<DeviceRecord, NotThere> {
    let who = person(actor)?;
    let device = find(app, actor, place, named).await?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let answered = if agrees {
        rows::approve(&mut tx, device.id, who, &device.scopes, now).await?
    } else {
        rows::deny(&mut tx, device.id, who, now).await?
    };
    let answered = answered.ok_or(NotThere::Unknown)?;
    tx.commit().await?;
    tracing::info!(event = "device_login_answered", user_id = %who, device_id = %device.id, agrees);
    Ok(answered)
}
