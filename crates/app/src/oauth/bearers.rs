//! Owns who speaks with an access token, at the one of our resources that it was given for. Refuses it
//! everywhere else: whoever runs one resource could pass what it is shown on to another (RFC 8707).

use std::{net::IpAddr, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use skaas_domain::{
    scope::Need,
    secret::{Secret, SecretKind},
};
use skaas_store::{
    oauth_tokens::{self, OauthBearer},
    rate::Subject,
};

use super::{api_resource, mcp_resource};
use crate::{
    actor::{Actor, Via},
    app::App,
    error::{Error, Result},
    limits::CountedAs,
};

/// The precision of a token's recorded last use.
const GRAIN: SignedDuration = SignedDuration::from_mins(1);

/// Whether `text` claims to be an access token of an OAuth client; whether it is one is not asked.
pub fn is_access_token(text: &str) -> bool {
    SecretKind::of(text) == Some(SecretKind::AccessToken)
}

/// Who speaks to the MCP endpoint.
///
/// # Errors
/// [`Error::Unauthenticated`] for anything but an access token that works now and is meant for this endpoint;
/// [`crate::Code::OutOfScope`] where it does not have the scope; [`Error::RateLimited`].
pub async fn open_mcp(app: &App, token: &str, from: Option<IpAddr>) -> Result<Actor> {
    open(app, token, &mcp_resource(app), &Need::Mcp, from, CountedAs::Request).await
}

/// Who speaks to the REST interface. What each address needs beyond being known is asked there. Taking something
/// back is counted apart.
///
/// # Errors
/// [`Error::Unauthenticated`] for anything but an access token that works now and is meant for this interface;
/// [`Error::RateLimited`].
pub async fn open_api(app: &App, token: &str, from: Option<IpAddr>, counted: CountedAs) -> Result<Actor> {
    open(app, token, &api_resource(app), &Need::Myself, from, counted).await
}

async fn open(
    app: &App,
    token: &str,
    ours: &str,
    need: &Need<'_>,
    from: Option<IpAddr>,
    counted: CountedAs,
) -> Result<Actor> {
    let now = app.now();
    let Some(bearer) = find(app, token).await?.filter(|bearer| {
        let is_meant = bearer.grant.resource.as_deref() == Some(ours);
        bearer.works(now) && is_meant
    }) else {
        app.rates.take_from(from, CountedAs::Request, now).await?;
        return Err(Error::Unauthenticated);
    };
    app.rates.take(Subject::OauthGrant(bearer.grant.id), counted, now).await?;
    let actor = Actor::new(Via::OauthGrant(Arc::new(bearer)), from);
    actor.require(need)?;
    if let Via::OauthGrant(bearer) = actor.via() {
        note_use(app, bearer, now).await;
    }
    Ok(actor)
}

/// The token, whether or not it works.
async fn find(app: &App, token: &str) -> Result<Option<OauthBearer>> {
    let Ok(secret) = Secret::parse(SecretKind::AccessToken, token) else { return Ok(None) };
    let mut conn = app.store.read().await?;
    Ok(oauth_tokens::find_access(&mut conn, &secret.hash()).await?)
}

/// Records the use of a token for its owner to see. A failure is logged and does not fail the request.
async fn note_use(app: &App, bearer: &OauthBearer, now: Timestamp) {
    if bearer.token.used_at.is_some_and(|used| now.duration_since(used) < GRAIN) {
        return;
    }
    let noted = async {
        let mut tx = app.store.begin().await?;
        oauth_tokens::touch(&mut tx, &[(bearer.token.id, now)]).await?;
        tx.commit().await
    };
    if let Err(error) = noted.await
        && let Some(more) = app.uses_not_noted.say(tokio::time::Instant::now())
    {
        tracing::warn!(event = "oauth_use_not_noted", reason = %error, more);
    }
}
