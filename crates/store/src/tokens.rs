//! The rows of API tokens. A token itself is never stored: what is looked up is its hash.

use jiff::Timestamp;
use skaas_domain::{
    id::{TokenId, UserId},
    scope::Scopes,
    token::TokenHash,
    user::{TokenRecord, User},
};

use crate::{
    column::{Fields, Record, Value, record},
    connection::{Conn, Tx},
    error::{Conflict, Result},
    journal::Revoked,
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, name, id_part, hash, scopes, created_at, expires_at, revoked_at, last_used_at,
            last_used_from, parent_id"
    };
}

sql! {
    ADD = concat!("INSERT INTO api_tokens (", columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING");
    FIND_BY_HASH = "SELECT t.id, t.user_id, t.name, t.id_part, t.hash, t.scopes, t.created_at, t.expires_at,
            t.revoked_at, t.last_used_at, t.last_used_from, t.parent_id, u.username, u.email, u.created_at AS user_created_at, u.suspended_at,
            u.revision
        FROM api_tokens AS t JOIN users AS u ON u.id = t.user_id
        WHERE t.hash = $1 AND u.deleted_at IS NULL";
    FIND = concat!("SELECT ", columns!(), " FROM api_tokens WHERE user_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM api_tokens WHERE user_id = $1 ORDER BY created_at, id");
    REVOKE = concat!("UPDATE api_tokens SET revoked_at = coalesce(revoked_at, $3)
        WHERE user_id = $1 AND (id = $2 OR id_part = $2) RETURNING ", columns!());
    REVOKE_ALL = "UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL
        RETURNING id AS value";
    TOUCH = "UPDATE api_tokens SET last_used_at = used.moment, last_used_from = used.place
        FROM (SELECT value ->> 0 AS id, value ->> 1 AS moment, value ->> 2 AS place
            FROM json_each($1)) AS used
        WHERE api_tokens.id = used.id AND coalesce(last_used_at, 0) < used.moment",
        pg = "UPDATE api_tokens SET last_used_at = used.moment, last_used_from = used.place
        FROM (SELECT value ->> 0 AS id, CAST(value ->> 1 AS BIGINT) AS moment, value ->> 2 AS place
            FROM jsonb_array_elements($1)) AS used
        WHERE api_tokens.id = used.id AND coalesce(last_used_at, 0) < used.moment";
}

record!(TokenRecord {
    id: TokenId,
    user: UserId = "user_id",
    name: String,
    id_part: String,
    hash: TokenHash,
    scopes: Scopes,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_used_from: Option<String>,
    parent: Option<TokenId> = "parent_id",
});

/// Who presented a token. Whether it works now is [`TokenRecord::works`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token, perhaps revoked or expired.
    pub token: TokenRecord,
    /// Its owner, who is not deleted.
    pub user: User,
    /// The owner's revision at this moment: see [`crate::Revisions::user`].
    pub revision: i64,
}

impl Record for Bearer {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let token = TokenRecord::read(row)?;
        let user = User {
            id: token.user,
            username: row.get("username")?,
            email: row.get("email")?,
            created_at: row.get("user_created_at")?,
            suspended_at: row.get("suspended_at")?,
        };
        Ok(Self { token, user, revision: row.get("revision")? })
    }
}

/// Adds a token.
///
/// # Errors
/// [`Conflict::TokenTaken`] when its id part or hash exists: generate another.
pub async fn add(tx: &mut Tx, token: &TokenRecord) -> Result<()> {
    tx.bump_user(token.user).await?;
    let added = execute!(
        tx,
        ADD,
        [
            token.id,
            token.user,
            token.name,
            token.id_part,
            token.hash,
            token.scopes,
            token.created_at,
            token.expires_at,
            token.revoked_at,
            token.last_used_at,
            token.last_used_from,
            token.parent,
        ]
    )?;
    if added == 1 { Ok(()) } else { Err(Conflict::TokenTaken.into()) }
}

/// Who presented the token of this hash. A deleted user's tokens find nobody.
pub async fn find_by_hash(conn: &mut Conn, hash: &TokenHash) -> Result<Option<Bearer>> {
    fetch_optional!(conn, FIND_BY_HASH, [hash])
}

/// The user's token of this id, revoked or not; `None` when the user has no such token.
pub async fn find(conn: &mut Conn, user: UserId, id: TokenId) -> Result<Option<TokenRecord>> {
    fetch_optional!(conn, FIND, [user, id])
}

/// All tokens of a user, revoked ones too, oldest first.
pub async fn list(conn: &mut Conn, user: UserId) -> Result<Vec<TokenRecord>> {
    fetch_all!(conn, LIST, [user])
}

/// Revokes the user's token named by its id or id part; `None` when the user has no such token. A second
/// time changes nothing.
pub async fn revoke(tx: &mut Tx, user: UserId, which: &str, at: Timestamp) -> Result<Option<TokenRecord>> {
    tx.bump_user(user).await?;
    let revoked: Option<TokenRecord> = fetch_optional!(tx, REVOKE, [user, which, at])?;
    if let Some(token) = revoked.as_ref().filter(|token| token.revoked_at == Some(at)) {
        tx.note_revocation(Revoked::Token(token.id), user, at);
    }
    Ok(revoked)
}

/// Revokes every token of a user. Returns how many were not revoked before.
pub async fn revoke_all(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<u64> {
    tx.bump_user(user).await?;
    let revoked: Vec<Value<TokenId>> = fetch_all!(tx, REVOKE_ALL, [user, at])?;
    for Value(id) in &revoked {
        tx.note_revocation(Revoked::Token(*id), user, at);
    }
    Ok(revoked.len() as u64)
}

/// One use of a token, to be noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// Which token.
    pub id: TokenId,
    /// When.
    pub at: Timestamp,
    /// The address it was used from, where that is known.
    pub from: Option<String>,
}

/// Notes when tokens were last used and from where; an earlier moment than the noted one changes nothing. No
/// revision is bumped: nothing that anybody may have depends on it.
pub async fn touch(tx: &mut Tx, used: &[TokenUse]) -> Result<()> {
    // Two nodes that touch the same tokens take the rows' locks in one order.
    let mut used: Vec<&TokenUse> = used.iter().collect();
    used.sort_by_key(|one| (one.id, std::cmp::Reverse(one.at)));
    used.dedup_by_key(|one| one.id);
    for batch in used.chunks(1000) {
        let rows: serde_json::Value =
            batch.iter().map(|one| serde_json::json!([one.id, one.at.as_microsecond(), one.from])).collect();
        execute!(tx, TOUCH, [rows])?;
    }
    Ok(())
}
