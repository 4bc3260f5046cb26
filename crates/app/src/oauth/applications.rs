//! Use cases about the apps that a person authorized: list them, revoke one. Authorizing is up to [`super::consent`]
//! and device logins.

use jiff::Timestamp;
use skaas_domain::{
    id::{OauthGrantId, UserId},
    redirect,
    scope::{Need, Scopes},
};
use skaas_outbound::client_metadata;
use skaas_store::{
    Tx, oauth_clients,
    oauth_grants::{self, GrantedClient},
};

use super::app_named;
use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
};

/// An OAuth client that a person authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The authorization.
    pub id: OauthGrantId,
    /// The client's name; it chose that itself.
    pub name: String,
    /// What the client is known as here.
    pub client_id: String,
    /// Where it is, for people to read: the host that describes it, else where its users are sent.
    pub place: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Where it may do that.
    pub resource: String,
    /// Since when.
    pub since: Timestamp,
    /// When the authorization ends.
    pub expires_at: Timestamp,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Timestamp>,
}

/// The host of the document that describes a client, if its ID is the address of one. Only whoever runs that host can
/// give a client this ID.
pub fn described_by(client_id: &str) -> Option<String> {
    client_metadata::parse_client_id(client_id).map(|_| redirect::shown(client_id))
}

fn place(client: &GrantedClient) -> String {
    if let Some(host) = described_by(&client.grant.client_id) {
        return host;
    }
    let mut places: Vec<String> = client.redirect_uris.iter().map(|uri| redirect::shown(uri)).collect();
    places.sort_unstable();
    places.dedup();
    if places.is_empty() { "a device without a browser".to_owned() } else { places.join(", ") }
}

fn application(client: GrantedClient) -> Application {
    let place = place(&client);
    let GrantedClient { grant, client_name, last_used_at, .. } = client;
    Application {
        expires_at: grant.ends_at(),
        id: grant.id,
        name: client_name,
        client_id: grant.client_id,
        place,
        scopes: grant.scopes,
        resource: grant.resource.unwrap_or_default(),
        since: grant.created_at,
        last_used_at,
    }
}

/// The clients that can still act for the actor, most recently authorized first, 100 at most.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Application>> {
    of_user(app, actor.require(&Need::Account { write: false })?.id).await
}

/// The clients that can still act for this user.
pub(crate) async fn of_user(app: &App, user: UserId) -> Result<Vec<Application>> {
    let mut conn = app.store.read().await?;
    let all = oauth_grants::list(&mut conn, user, app.now()).await?;
    Ok(all.into_iter().map(application).collect())
}

/// Revokes an authorization: each of its tokens is refused from its next request on, on every node. A second time
/// changes nothing.
///
/// # Errors
/// [`crate::Kind::NotFound`], for another user's authorization as for none.
pub async fn revoke(app: &App, actor: &Actor, id: &str) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let id = revoke_in(app, actor, &mut tx, id).await?;
    tx.commit().await?;
    let user_id = actor.user().map(|user| tracing::field::display(user.id));
    tracing::info!(event = "oauth_grant_revoked", user_id, grant_id = %id);
    Ok(())
}

/// Like [`revoke`], inside the caller's transaction.
pub async fn revoke_in(app: &App, actor: &Actor, tx: &mut Tx, id: &str) -> Result<OauthGrantId> {
    let user = actor.require(&Need::Account { write: true })?.id;
    let absent = || Error::refused(Code::NoSuchApplication, "you have no authorized app with this ID");
    let id: OauthGrantId = id.parse().map_err(|_| absent())?;
    let now = app.now();
    let revoked = oauth_grants::revoke(tx, user, id, now).await?.ok_or_else(absent)?;
    if revoked.revoked_at == Some(now) {
        let client = oauth_clients::find(tx, &revoked.client_id).await?;
        let thing = app_named(&client.map_or(revoked.client_id, |client| client.name), id);
        audit::record(tx, actor, now, Act::done(Action::AppRevoke, user, &thing)).await?;
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_placed_by_the_host_that_describes_it() {
        assert_eq!(described_by("https://app.example:8443/client.json").as_deref(), Some("app.example:8443"));
        for other in ["ocl_0123", "https://app.example", "http://app.example/client.json"] {
            assert_eq!(described_by(other), None, "{other}");
        }
    }
}
