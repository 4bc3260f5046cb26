//! Owns the rows of what users have allowed OAuth clients. Refuses to know the tokens that came of it: with
//! the grant they all stop working, by being looked up together with it.

use jiff::Timestamp;
use skaas_domain::{
    id::{OauthGrantId, UserId},
    oauth::OauthGrant,
    scope::Scopes,
};

use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::Result,
    journal::Revoked,
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, client_id, scopes, resource, created_at, expires_at, revoked_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO oauth_grants (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    FIND = concat!("SELECT ", columns!(), " FROM oauth_grants WHERE id = $1");
    LIST = "SELECT g.id, g.user_id, g.client_id, g.scopes, g.resource, g.created_at, g.expires_at,
            g.revoked_at,
            c.name AS client_name, c.redirect_uris,
            (SELECT max(t.used_at) FROM oauth_tokens AS t WHERE t.grant_id = g.id) AS last_used_at
        FROM oauth_grants AS g JOIN oauth_clients AS c ON c.client_id = g.client_id
        WHERE g.user_id = $1 AND g.revoked_at IS NULL AND EXISTS (SELECT 1 FROM oauth_tokens AS t
            WHERE t.grant_id = g.id AND t.revoked_at IS NULL AND t.expires_at > $2)
        ORDER BY g.created_at DESC, g.id DESC LIMIT 100";
    REVOKE = concat!("UPDATE oauth_grants SET revoked_at = coalesce(revoked_at, $3)
        WHERE user_id = $1 AND id = $2 RETURNING ", columns!());
    REVOKE_ALL = "UPDATE oauth_grants SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL
        RETURNING id AS value";
    FORGET = "DELETE FROM oauth_grants WHERE created_at < $1
        AND NOT EXISTS (SELECT 1 FROM oauth_tokens AS t WHERE t.grant_id = oauth_grants.id)
        AND NOT EXISTS (SELECT 1 FROM oauth_codes AS c WHERE c.grant_id = oauth_grants.id)";
}

record!(OauthGrant {
    id: OauthGrantId,
    user: UserId = "user_id",
    client_id: String,
    scopes: Scopes,
    resource: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
});

/// A grant, as its user sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedClient {
    /// The grant.
    pub grant: OauthGrant,
    /// The client's name.
    pub client_name: String,
    /// Where its users may be sent.
    pub redirect_uris: Vec<String>,
    /// When one of its tokens was last used.
    pub last_used_at: Option<Timestamp>,
}

impl Record for GrantedClient {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let grant = OauthGrant::read(row)?;
        Ok(Self {
            grant,
            client_name: row.get("client_name")?,
            redirect_uris: row.get("redirect_uris")?,
            last_used_at: row.get("last_used_at")?,
        })
    }
}

/// Adds a grant, at the moment of the user's consent. The client must have been added.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn add(tx: &mut Tx, grant: &OauthGrant) -> Result<()> {
    tx.bump_user(grant.user).await?;
    let OauthGrant { id, user, client_id, scopes, resource, created_at, expires_at, revoked_at } = grant;
    execute!(tx, ADD, [id, user, client_id, scopes, resource, created_at, expires_at, revoked_at])?;
    Ok(())
}

/// The grant of this id, revoked or not.
pub async fn find(conn: &mut Conn, id: OauthGrantId) -> Result<Option<OauthGrant>> {
    fetch_optional!(conn, FIND, [id])
}

/// A user's grants of which some token could still be used at `now`, newest first, 100 at most.
pub async fn list(conn: &mut Conn, user: UserId, now: Timestamp) -> Result<Vec<GrantedClient>> {
    fetch_all!(conn, LIST, [user, now])
}

/// Revokes the user's grant of this id with all its tokens. Returns `None` if the user has no such grant. A second
/// time changes nothing.
pub async fn revoke(
    tx: &mut Tx,
    user: UserId,
    id: OauthGrantId,
    at: Timestamp,
) -> Result<Option<OauthGrant>> {
    tx.bump_user(user).await?;
    let revoked: Option<OauthGrant> = fetch_optional!(tx, REVOKE, [user, id, at])?;
    if revoked.as_ref().is_some_and(|grant| grant.revoked_at == Some(at)) {
        tx.note_revocation(Revoked::App(id), user, at);
    }
    Ok(revoked)
}

/// Revokes every grant of a user. Returns how many were not revoked before.
pub async fn revoke_all(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<u64> {
    tx.bump_user(user).await?;
    let revoked: Vec<Value<OauthGrantId>> = fetch_all!(tx, REVOKE_ALL, [user, at])?;
    for Value(id) in &revoked {
        tx.note_revocation(Revoked::App(*id), user, at);
    }
    Ok(revoked.len() as u64)
}

/// Drops grants from before then of which neither token nor code is left; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
