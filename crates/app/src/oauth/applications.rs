//! Use cases about what a person has let in: list it, take it back. Refuses to let anybody in: that is
//! [`super::consent`]'s, and a device login's.

use jiff::Timestamp;
use skaas_domain::{
    id::{OauthGrantId, UserId},
    redirect,
    scope::Scopes,
};
use skaas_outbound::client_metadata;
use skaas_store::oauth_grants::{self, GrantedClient};

use crate::{
    app::App,
    error::{Error, Result},
};

/// An OAuth client that a person let in, and may do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What the person allowed.
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
    /// When it was last here, to within a minute.
    pub last_used_at: Option<Timestamp>,
}

/// The host of the document that describes a client, where its id is the address of one: nobody but who runs
/// that host can call a client so.
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

/// The clients that may still come in for a user, the latest let in first, 100 at most.
pub async fn list(app: &App, user: UserId) -> Result<Vec<Application>> {
    let mut conn = app.store.read().await?;
    let all = oauth_grants::list(&mut conn, user, app.now()).await?;
    Ok(all.into_iter().map(application).collect())
}

/// Takes back what a user allowed: every token that came of it is refused from its next request on, on every
/// node. A second time changes nothing.
///
/// # Errors
/// [`Error::NotFound`] for another's as for none.
pub async fn revoke(app: &App, user: UserId, id: OauthGrantId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if oauth_grants::revoke(&mut tx, user, id, app.now()).await?.is_none() {
        return Err(Error::NotFound("you have no authorized app with this ID".into()));
    }
    tx.commit().await?;
    tracing::info!(event = "oauth_grant_revoked", user_id = %user, grant_id = %id);
    Ok(())
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
