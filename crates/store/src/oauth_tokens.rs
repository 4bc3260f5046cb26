//! The rows of OAuth access and refresh tokens, and the rule of rotation. A token itself is never stored: rows
//! hold its hash.
//!
//! Each use of a refresh token returns a new one (OAuth 2.1, section 4.3.1). Two processes of one client may refresh
//! the same token at the same moment, and an answer may get lost on the way. So for [`REFRESH_OVERLAP`] after its
//! first use, a refresh token gives each caller a separate working pair. A use after that means that somebody
//! else has a copy, and revokes the grant with all its tokens (RFC 9700, section 4.14.2).

use jiff::Timestamp;
use skaas_domain::{
    id::{OauthGrantId, OauthTokenId, UserId},
    oauth::{OauthGrant, OauthToken, OauthTokenKind, REFRESH_OVERLAP},
    scope::Scopes,
    secret::SecretHash,
    user::User,
};

use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::Result,
    oauth_grants,
    statement::{execute, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, kind, grant_id, family, generation, scopes, created_at, expires_at, used_at, revoked_at, replaced_by"
    };
}

sql! {
    ADD = concat!("INSERT INTO oauth_tokens (", columns!(), ", hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
    FIND_ACCESS = "SELECT t.id, t.kind, t.grant_id, t.family, t.generation, t.scopes, t.created_at, t.expires_at,
            t.used_at, t.revoked_at, t.replaced_by,
            g.client_id, g.scopes AS granted, g.resource, g.created_at AS granted_at,
            g.expires_at AS grant_expires_at, g.revoked_at AS grant_revoked_at,
            u.id AS user_id, u.username, u.email, u.created_at AS user_created_at, u.suspended_at,
            u.revision
        FROM oauth_tokens AS t JOIN oauth_grants AS g ON g.id = t.grant_id JOIN users AS u ON u.id = g.user_id
        WHERE t.hash = $1 AND t.kind = 'access' AND u.deleted_at IS NULL";
    FIND_REFRESH = concat!("SELECT ", columns!(), " FROM oauth_tokens WHERE hash = $1 AND kind = 'refresh'");
    GRANT_OF = "SELECT grant_id AS value FROM oauth_tokens WHERE hash = $1";
    USE_REFRESH = "UPDATE oauth_tokens SET used_at = $2, replaced_by = $3 WHERE id = $1";
    REVOKE_ACCESS = "UPDATE oauth_tokens SET revoked_at = $2
        WHERE hash = $1 AND kind = 'access' AND revoked_at IS NULL";
    /// A refresh token's use is its rotation, which writes for itself.
    TOUCH = "UPDATE oauth_tokens SET used_at = used.moment
        FROM (SELECT value ->> 0 AS id, value ->> 1 AS moment FROM json_each($1)) AS used
        WHERE oauth_tokens.id = used.id AND kind = 'access' AND coalesce(used_at, 0) < used.moment",
        pg = "UPDATE oauth_tokens SET used_at = used.moment
        FROM (SELECT value ->> 0 AS id, CAST(value ->> 1 AS BIGINT) AS moment
            FROM jsonb_array_elements($1)) AS used
        WHERE oauth_tokens.id = used.id AND kind = 'access' AND coalesce(used_at, 0) < used.moment";
    FORGET = "DELETE FROM oauth_tokens WHERE expires_at < $1";
}

record!(OauthToken {
    id: OauthTokenId,
    kind: OauthTokenKind,
    grant: OauthGrantId = "grant_id",
    family: OauthTokenId,
    generation: i64,
    scopes: Option<Scopes>,
    created_at: Timestamp,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<OauthTokenId>,
});

/// Who presented an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthBearer {
    /// The token, perhaps revoked or expired.
    pub token: OauthToken,
    /// The grant it was issued for, perhaps revoked. Its `resource` is the token's audience.
    pub grant: OauthGrant,
    /// Whose grant it is. Never a deleted user.
    pub user: User,
    /// The user's revision at this moment: see [`crate::Revisions::user`].
    pub revision: i64,
}

impl OauthBearer {
    /// Whether it opens anything at `now`.
    pub fn works(&self, now: Timestamp) -> bool {
        self.token.works(now) && self.grant.works(now) && !self.user.is_suspended()
    }

    /// What the token may be used for.
    pub fn scopes(&self) -> &Scopes {
        self.token.scopes.as_ref().unwrap_or(&self.grant.scopes)
    }
}

impl Record for OauthBearer {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let token = OauthToken::read(row)?;
        let user = User {
            id: row.get("user_id")?,
            username: row.get("username")?,
            email: row.get("email")?,
            created_at: row.get("user_created_at")?,
            suspended_at: row.get("suspended_at")?,
        };
        let grant = OauthGrant {
            id: token.grant,
            user: user.id,
            client_id: row.get("client_id")?,
            scopes: row.get("granted")?,
            resource: row.get("resource")?,
            created_at: row.get("granted_at")?,
            expires_at: row.get("grant_expires_at")?,
            revoked_at: row.get("grant_revoked_at")?,
        };
        Ok(Self { token, grant, user, revision: row.get("revision")? })
    }
}

/// A token to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewToken {
    /// Names it.
    pub id: OauthTokenId,
    /// What is stored of it.
    pub hash: SecretHash,
    /// The first moment at which it no longer works.
    pub expires_at: Timestamp,
}

/// What one request for tokens is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTokens {
    /// The access token.
    pub access: NewToken,
    /// The refresh token, for clients that may refresh.
    pub refresh: Option<NewToken>,
}

/// The outcome of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// Its first use: the new tokens are stored.
    Rotated(OauthGrant),
    /// Another use within [`REFRESH_OVERLAP`] of the first: the new tokens are stored beside those of the first.
    Overlapped(OauthGrant),
    /// A use after that. The grant and all its tokens are revoked; commit the transaction to keep it that way.
    Reused(OauthGrantId),
    /// This client has no such token, or the token has expired, or its grant was revoked.
    Unknown,
}

/// Stores tokens of a grant; none of them outlives it. `narrowed` are the scopes of the access token, if they are
/// fewer than the grant's: the refresh token keeps those (RFC 6749, section 6).
async fn add(
    tx: &mut Tx,
    grant: &OauthGrant,
    (family, generation): (OauthTokenId, i64),
    tokens: &NewTokens,
    narrowed: Option<&Scopes>,
    at: Timestamp,
) -> Result<()> {
    let both = [
        (OauthTokenKind::Access, Some(tokens.access), narrowed),
        (OauthTokenKind::Refresh, tokens.refresh, None),
    ];
    let (never, none): (Option<Timestamp>, Option<OauthTokenId>) = (None, None);
    for (kind, token, scopes) in both {
        let Some(NewToken { id, hash, expires_at }) = token else { continue };
        let (grant, end) = (grant.id, expires_at.min(grant.ends_at()));
        execute!(tx, ADD, [id, kind, grant, family, generation, scopes, at, end, never, never, none, hash])?;
    }
    Ok(())
}

/// Gives the first tokens of a grant.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn issue(tx: &mut Tx, grant: &OauthGrant, tokens: &NewTokens, at: Timestamp) -> Result<()> {
    tx.bump_user(grant.user).await?;
    let family = tokens.refresh.unwrap_or(tokens.access).id;
    add(tx, grant, (family, 0), tokens, None, at).await
}

/// Who presented the access token of this hash. A deleted user's finds nobody. Whether it works now is
/// [`OauthBearer::works`]'s to say, whether it is meant for us the caller's.
pub async fn find_access(conn: &mut Conn, hash: &SecretHash) -> Result<Option<OauthBearer>> {
    fetch_optional!(conn, FIND_ACCESS, [hash])
}

/// The grant of the token of this hash if it is this client's, with its user's row held.
async fn grant_of(tx: &mut Tx, hash: &SecretHash, client_id: &str) -> Result<Option<OauthGrant>> {
    let id: Option<Value<OauthGrantId>> = fetch_optional!(tx, GRANT_OF, [hash])?;
    let Some(Value(id)) = id else { return Ok(None) };
    let Some(grant) = oauth_grants::find(tx, id).await? else { return Ok(None) };
    if grant.client_id != client_id {
        return Ok(None);
    }
    tx.bump_user(grant.user).await?;
    // Read again: whoever held the row before may have taken it back.
    oauth_grants::find(tx, id).await
}

/// Stores `tokens` in return for the refresh token with this hash, as the module documentation describes. Whether
/// `narrowed`, the scopes that the client asks for, are within the grant's is for the caller to check before it
/// commits. Concurrent calls for one user run one after the other.
pub async fn rotate(
    tx: &mut Tx,
    hash: &SecretHash,
    client_id: &str,
    tokens: &NewTokens,
    narrowed: Option<&Scopes>,
    at: Timestamp,
) -> Result<Rotation> {
    let Some(grant) = grant_of(tx, hash, client_id).await? else { return Ok(Rotation::Unknown) };
    let token: Option<OauthToken> = fetch_optional!(tx, FIND_REFRESH, [hash])?;
    let Some(token) = token else { return Ok(Rotation::Unknown) };
    if !grant.works(at) || at >= token.expires_at {
        return Ok(Rotation::Unknown);
    }
    let next = (token.family, token.generation + 1);
    match token.used_at {
        None if token.revoked_at.is_none() => {
            execute!(tx, USE_REFRESH, [token.id, at, tokens.refresh.map(|refresh| refresh.id)])?;
            add(tx, &grant, next, tokens, narrowed, at).await?;
            Ok(Rotation::Rotated(grant))
        }
        Some(used) if token.revoked_at.is_none() && at.duration_since(used) <= REFRESH_OVERLAP => {
            add(tx, &grant, next, tokens, narrowed, at).await?;
            Ok(Rotation::Overlapped(grant))
        }
        _ => {
            oauth_grants::revoke(tx, grant.user, grant.id, at).await?;
            Ok(Rotation::Reused(grant.id))
        }
    }
}

/// Revokes the token of this hash if it is this client's (RFC 7009): a refresh token with its whole grant, an
/// access token alone. Whose grant it was; `None` when the client has no such token.
pub async fn revoke(
    tx: &mut Tx,
    hash: &SecretHash,
    client_id: &str,
    at: Timestamp,
) -> Result<Option<UserId>> {
    let Some(grant) = grant_of(tx, hash, client_id).await? else { return Ok(None) };
    let refresh: Option<OauthToken> = fetch_optional!(tx, FIND_REFRESH, [hash])?;
    if refresh.is_some() {
        oauth_grants::revoke(tx, grant.user, grant.id, at).await?;
    } else {
        execute!(tx, REVOKE_ACCESS, [hash, at])?;
    }
    Ok(Some(grant.user))
}

/// Notes when access tokens were last used; an earlier moment than the noted one changes nothing. No
/// revision is bumped: nothing that anybody may have depends on it.
pub async fn touch(tx: &mut Tx, used: &[(OauthTokenId, Timestamp)]) -> Result<()> {
    // Two nodes that touch the same tokens take the rows' locks in one order.
    let mut used = used.to_vec();
    used.sort_by_key(|(id, at)| (*id, std::cmp::Reverse(*at)));
    used.dedup_by_key(|(id, _)| *id);
    for batch in used.chunks(1000) {
        let rows: serde_json::Value =
            batch.iter().map(|(id, at)| serde_json::json!([id, at.as_microsecond()])).collect();
        execute!(tx, TOUCH, [rows])?;
    }
    Ok(())
}

/// Drops tokens that ended before then; how many. A refresh token that was used long ago is unknown once it
/// is dropped, and presenting it revokes nothing: pass a time well in the past.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
