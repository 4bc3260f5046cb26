//! Owns who may ask: clients that registered themselves (RFC 7591), and those whose id is the address of
//! their own description (draft-ietf-oauth-client-id-metadata-document). Refuses secrets: a program on
//! somebody's own machine keeps none.

use jiff::SignedDuration;
use serde_json::{Value, json};
use skaas_domain::{
    device::Place,
    id::OauthClientId,
    oauth::{Client, ErrorCode, GrantType, MAX_CLIENT_ID},
    plain_text::one_line,
    redirect::{self, MAX_REDIRECTS},
};
use skaas_outbound::client_metadata;
use skaas_store::{budgets::Budget, oauth_clients};
use url::Url;

use super::Refused;
use crate::{accounts, app::App};

/// Registrations from one address.
const REGISTRATIONS: Budget =
    Budget { name: "oauth_registration", limit: 200, window: SignedDuration::from_hours(1) };
/// Descriptions read for one address, and from one host: nobody makes us trouble it, or one after the other. One
/// address has a tenth of what a host has, so that made-up clients do not keep its true one from others.
const LOOK_UPS_FOR: Budget =
    Budget { name: "oauth_client_metadata_address", limit: 60, window: SignedDuration::from_hours(1) };
const LOOK_UPS: Budget =
    Budget { name: "oauth_client_metadata", limit: 600, window: SignedDuration::from_hours(1) };
/// The longest name of a client, in characters.
const MAX_NAME: usize = 100;

/// Where a document's row says until when it may be kept, in seconds since 1970.
const FRESH_UNTIL: &str = "fresh_until";

/// What a client says of itself.
pub type Registration = serde_json::Map<String, Value>;

#[allow(clippy::needless_pass_by_value, reason = "texts and errors alike are given away here")]
fn invalid(why: impl ToString) -> Refused {
    Refused::said(ErrorCode::InvalidClientMetadata, why)
}

fn words<'a>(said: &'a Registration, field: &str) -> Result<Option<Vec<&'a str>>, Refused> {
    let Some(value) = said.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    let list = value.as_array().map(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    list.flatten().map(Some).ok_or_else(|| invalid(format!("{field} is a list of texts")))
}

/// The grants that a client may use: of those it names the ones that exist here.
fn grant_types(said: &Registration) -> Result<Vec<GrantType>, Refused> {
    let Some(named) = words(said, "grant_types")? else {
        return Ok(vec![GrantType::AuthorizationCode, GrantType::RefreshToken]);
    };
    let mut known: Vec<GrantType> = named.iter().filter_map(|word| word.parse().ok()).collect();
    known.sort_unstable();
    known.dedup();
    if known.iter().all(|grant_type| *grant_type == GrantType::RefreshToken) {
        return Err(invalid("grant_types names none that gives a first token here"));
    }
    Ok(known)
}

/// Of the addresses that a client names those that can be taken; at least one, where it needs one.
fn redirect_uris(said: &Registration, grant_types: &[GrantType]) -> Result<Vec<String>, Refused> {
    let refuse = |why: &dyn ToString| Refused::said(ErrorCode::InvalidRedirectUri, why.to_string());
    let named = words(said, "redirect_uris")?.unwrap_or_default();
    if named.len() > MAX_REDIRECTS {
        return Err(refuse(&format!("a client has at most {MAX_REDIRECTS} redirect URIs")));
    }
    let (mut taken, mut fault) = (Vec::new(), None);
    for uri in named {
        match redirect::check(uri) {
            Ok(()) => taken.push(uri.to_owned()),
            Err(error) => fault = Some(error),
        }
    }
    if taken.is_empty() && grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(fault.map_or_else(|| refuse(&"redirect_uris names no address"), |error| refuse(&error)));
    }
    Ok(taken)
}

fn name(said: &Registration, redirect_uris: &[String]) -> String {
    let name = said.get("client_name").and_then(Value::as_str).map(one_line).unwrap_or_default();
    let name: String = name.trim().chars().take(MAX_NAME).collect();
    if !name.is_empty() {
        return name;
    }
    redirect_uris.first().map_or_else(|| "an app without a name".to_owned(), |uri| redirect::shown(uri))
}

/// Registers a client. What it asks for beyond what there is here is left out of the answer, as RFC 7591
/// allows: every client is public.
///
/// # Errors
/// `invalid_redirect_uri`, `invalid_client_metadata`; [`Refused::TooOften`].
pub async fn register(app: &App, said: &Registration, place: &Place) -> Result<Client, Refused> {
    let grant_types = grant_types(said)?;
    let redirect_uris = redirect_uris(said, &grant_types)?;
    if words(said, "response_types")?.is_some_and(|types| !types.is_empty() && !types.contains(&"code")) {
        return Err(invalid("the only response_type here is code"));
    }
    accounts::spend(app, &[(&REGISTRATIONS, place.network())]).await?;
    let now = app.now();
    let id = app.with_rng(|rng| OauthClientId::new(now, rng));
    let mut metadata = Registration::new();
    for field in ["client_uri", "software_id", "software_version", "scope"] {
        if let Some(text) = said.get(field).and_then(Value::as_str).filter(|text| text.len() <= 1000) {
            metadata.insert(field.to_owned(), text.into());
        }
    }
    let client = Client {
        id,
        client_id: id.to_string(),
        name: name(said, &redirect_uris),
        redirect_uris,
        grant_types,
        metadata: Value::Object(metadata),
        created_at: now,
        last_used_at: None,
    };
    let mut tx = app.store.begin().await?;
    oauth_clients::add(&mut tx, &client).await?;
    tx.commit().await?;
    tracing::info!(event = "oauth_client_registered", client_id = %client.client_id);
    Ok(client)
}

fn unknown() -> Refused {
    let why = "there is no client of this client_id here; register it at /oauth/register";
    Refused::said(ErrorCode::InvalidClient, why)
}

async fn row(app: &App, client_id: &str) -> Result<Option<Client>, Refused> {
    if client_id.len() > MAX_CLIENT_ID {
        return Err(unknown());
    }
    let mut conn = app.store.read().await?;
    Ok(oauth_clients::find(&mut conn, client_id).await?)
}

/// The client of this id, as it has been known so far.
///
/// # Errors
/// `invalid_client`.
pub(super) async fn known(app: &App, client_id: &str) -> Result<Client, Refused> {
    row(app, client_id).await?.ok_or_else(unknown)
}

/// The client of this id, for who asks from that place. Where it is the address of a document, the document is
/// read.
///
/// # Errors
/// `invalid_client`.
pub(crate) async fn find(app: &App, client_id: &str, place: &Place) -> Result<Client, Refused> {
    let known = row(app, client_id).await?;
    match client_metadata::parse_client_id(client_id) {
        Some(address) => described(app, &address, known, place).await,
        None => known.ok_or_else(unknown),
    }
}

/// The client that the document at its id describes, as it stands now, or as it stood while that was said to
/// hold.
async fn described(
    app: &App,
    address: &Url,
    known: Option<Client>,
    place: &Place,
) -> Result<Client, Refused> {
    let client_id = address.as_str();
    let now = app.now();
    let fresh_until = |client: &Client| client.metadata.get(FRESH_UNTIL).and_then(Value::as_i64);
    if let Some(known) = &known
        && fresh_until(known).is_some_and(|end| now.as_second() < end)
    {
        return Ok(known.clone());
    }
    let refuse = |why: String| Refused::said(ErrorCode::InvalidClient, why);
    let http = app
        .way_for_users()
        .ok_or_else(|| refuse("this server looks up no addresses; register instead".into()))?;
    let host = address.host_str().unwrap_or_default().to_owned();
    accounts::spend(app, &[(&LOOK_UPS_FOR, place.network()), (&LOOK_UPS, host)]).await?;
    let said = client_metadata::fetch(http, client_id)
        .await
        .map_err(|error| refuse(format!("the client's description cannot be read: {error}")))?;
    let fields = json!({
        "redirect_uris": said.redirect_uris,
        "grant_types": said.grant_types,
        "client_name": said.client_name,
    });
    let fields = fields.as_object().expect("it was written as one");
    let grant_types = grant_types(fields)?;
    let redirect_uris = redirect_uris(fields, &grant_types)?;
    let max_age = i64::try_from(said.max_age.as_secs()).unwrap_or(0);
    let client = Client {
        id: app.with_rng(|rng| OauthClientId::new(now, rng)),
        client_id: client_id.to_owned(),
        name: name(fields, &redirect_uris),
        redirect_uris,
        grant_types,
        metadata: json!({ FRESH_UNTIL: now.as_second().saturating_add(max_age) }),
        created_at: now,
        last_used_at: None,
    };
    let mut tx = app.store.begin().await?;
    let client = oauth_clients::put(&mut tx, &client).await?;
    tx.commit().await?;
    Ok(client)
}
