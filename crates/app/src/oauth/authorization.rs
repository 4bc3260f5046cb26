//! Owns the question that a client has us ask a person, and where its answer goes. Refuses to send anybody
//! to an address that the client did not register: such a fault is shown to the person instead.

use skaas_domain::{
    device::Place,
    id::OauthGrantId,
    oauth::{CODE_LIFETIME, Challenge, Client, ErrorCode, GrantType, OauthCode, OauthGrant},
    redirect,
    scope::Scopes,
    secret::{Secret, SecretKind},
};
use skaas_store::{oauth_clients, oauth_codes, oauth_grants};
use url::Url;

use super::{Refused, api_resource, app_named, authorized_until, clients, resource, scopes};
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::{Error, Result},
};

/// What a browser brought to the authorization endpoint (RFC 6749, section 4.1.1), as it stands.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `code`, or it is refused.
    pub response_type: Option<String>,
    /// Who asks.
    pub client_id: Option<String>,
    /// Where the answer is to go; may be left out where the client registered one address only.
    pub redirect_uri: Option<String>,
    /// What for.
    pub scope: Option<String>,
    /// Comes back as it is.
    pub state: Option<String>,
    /// RFC 7636.
    pub code_challenge: Option<String>,
    /// `S256`, or it is refused.
    pub code_challenge_method: Option<String>,
    /// RFC 8707.
    pub resource: Option<String>,
    /// The first parameter that stood there twice.
    pub doubled: Option<String>,
}

/// A question that can be asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// What for.
    pub scopes: Scopes,
    /// Where the tokens are to be used.
    pub resource: String,
    challenge: Challenge,
    state: Option<String>,
}

/// Where the person's browser is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent(pub String);

/// Why there is no question.
#[derive(Debug)]
pub enum NotAsked {
    /// The person is told: there is no address that could be trusted with it.
    Shown(String),
    /// The client is told: it is a program on the person's own machine.
    Sent(Sent),
    /// The person is told, and may go on to tell the client. Anybody can register one, so whoever was sent at
    /// once would follow a link of ours to any site there is (RFC 9700, section 4.11.2).
    Offered {
        /// What is wrong with the question.
        why: String,
        /// Where going on leads, as a person reads it.
        destination: String,
        /// Where going on leads.
        sent: Sent,
    },
    /// Neither's fault.
    Other(Error),
}

impl From<Error> for NotAsked {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The address with what is to be told added to its query, and `iss` (RFC 9207).
fn sent(app: &App, redirect_uri: &str, state: Option<&str>, told: &[(&str, &str)]) -> Result<Sent> {
    let mut url = Url::parse(redirect_uri).map_err(Error::internal)?;
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(told);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &app.voice().public_url);
    }
    Ok(Sent(url.into()))
}

/// The client, and an address that it registered.
async fn trusted(app: &App, asked: &Asked, place: &Place) -> Result<(Client, String), NotAsked> {
    let shown = |why: &str| NotAsked::Shown(why.to_owned());
    if matches!(asked.doubled.as_deref(), Some("client_id" | "redirect_uri")) {
        return Err(shown("the app that sent you here identified itself twice; nothing was authorized"));
    }
    let Some(client_id) = &asked.client_id else {
        return Err(shown("the app that sent you here did not identify itself (client_id is missing)"));
    };
    let client = match clients::find(app, client_id, place).await {
        Ok(client) => client,
        Err(Refused::Other(error)) => return Err(error.into()),
        Err(refused) => return Err(NotAsked::Shown(refused.to_string())),
    };
    let redirect_uri = match (&asked.redirect_uri, client.redirect_uris.as_slice()) {
        (Some(uri), _) => uri.clone(),
        (None, [only]) => only.clone(),
        (None, _) => {
            return Err(shown(
                "the app that sent you here did not say where to return (redirect_uri is missing)",
            ));
        }
    };
    if client.may_redirect_to(&redirect_uri) {
        Ok((client, redirect_uri))
    } else {
        Err(shown("the app that sent you here wants to send you to an address it has not registered"))
    }
}

/// Reads and checks what a browser brought, from that place.
pub async fn check(app: &App, asked: &Asked, place: &Place) -> Result<Request, NotAsked> {
    let (client, redirect_uri) = trusted(app, asked, place).await?;
    let state = asked.state.as_deref();
    match rest(app, asked, &client) {
        Ok((scopes, resource, challenge)) => {
            let state = asked.state.clone();
            Ok(Request { client, redirect_uri, scopes, resource, challenge, state })
        }
        Err(Refused::Other(error)) => Err(error.into()),
        Err(refused) => {
            let code = refused.code().unwrap_or(ErrorCode::TemporarilyUnavailable).as_str();
            let told = [("error", code), ("error_description", &*refused.to_string())];
            let sent = sent(app, &redirect_uri, state, &told)?;
            if redirect::is_loopback(&redirect_uri) {
                return Err(NotAsked::Sent(sent));
            }
            let (why, destination) = (refused.to_string(), redirect::shown(&redirect_uri));
            Err(NotAsked::Offered { why, destination, sent })
        }
    }
}

fn rest(app: &App, asked: &Asked, client: &Client) -> Result<(Scopes, String, Challenge), Refused> {
    let refuse = |code, why: &str| Refused::said(code, why);
    if let Some(name) = &asked.doubled {
        return Err(Refused::said(ErrorCode::InvalidRequest, format!("{name} was given twice")));
    }
    match asked.response_type.as_deref() {
        Some("code") => {}
        Some(_) => {
            return Err(refuse(ErrorCode::UnsupportedResponseType, "response_type must be code"));
        }
        None => return Err(refuse(ErrorCode::InvalidRequest, "response_type is missing; it must be code")),
    }
    if !client.grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(refuse(ErrorCode::UnauthorizedClient, "this client did not register authorization_code"));
    }
    let challenge = asked.code_challenge.as_deref().unwrap_or_default();
    let challenge = Challenge::parse(asked.code_challenge_method.as_deref(), challenge)
        .map_err(|error| Refused::said(ErrorCode::InvalidRequest, error))?;
    let named = asked.resource.as_deref();
    let resource = named.map_or_else(|| Ok(api_resource(app)), |named| resource(app, named))?;
    let scopes = scopes(app, asked.scope.as_deref(), &resource)?;
    Ok((scopes, resource, challenge))
}

/// The person agrees: a code goes to the client, by way of their browser.
pub async fn consent(app: &App, actor: &Actor, request: &Request) -> Result<Sent> {
    let who = actor.require_session()?.user.id;
    let now = app.now();
    let (id, secret) =
        app.with_rng(|rng| (OauthGrantId::new(now, rng), Secret::generate(SecretKind::OauthCode, rng)));
    let grant = OauthGrant {
        id,
        user: who,
        client_id: request.client.client_id.clone(),
        scopes: request.scopes.clone(),
        resource: Some(request.resource.clone()),
        created_at: now,
        expires_at: Some(authorized_until(app)),
        revoked_at: None,
    };
    let code = OauthCode {
        grant: id,
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        created_at: now,
        expires_at: now + CODE_LIFETIME,
        used_at: None,
    };
    let mut tx = app.store.begin().await?;
    oauth_grants::add(&mut tx, &grant).await?;
    oauth_codes::add(&mut tx, &code, &secret.hash()).await?;
    oauth_clients::touch(&mut tx, &grant.client_id, now).await?;
    let thing = app_named(&request.client.name, id);
    audit::record(&mut tx, actor, now, Act::done(Action::AppAuthorize, who, &thing)).await?;
    tx.commit().await?;
    tracing::info!(event = "oauth_consented", user_id = %who, grant_id = %id);
    sent(app, &request.redirect_uri, request.state.as_deref(), &[("code", secret.reveal())])
}

/// The person refuses.
pub fn refuse(app: &App, request: &Request) -> Result<Sent> {
    let told = [("error", ErrorCode::AccessDenied.as_str()), ("error_description", "the person said no")];
    sent(app, &request.redirect_uri, request.state.as_deref(), &told)
}
