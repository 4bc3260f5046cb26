//! The rows of browser logins. A cookie is never stored: what is looked up is its hash.

use jiff::Timestamp;
use skaas_domain::{
    device::Place,
    id::{SessionId, UserId},
    secret::SecretHash,
    session::{IDLE, Session},
    user::User,
};

use crate::{
    column::{Fields, Record, Value},
    connection::{Conn, Tx},
    error::Result,
    journal::Revoked,
    statement::{execute, fetch_all, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, user_id, created_at, seen_at, expires_at, revoked_at, address, agent"
    };
}

sql! {
    ADD = concat!("INSERT INTO sessions (", columns!(), ", hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    FIND_BY_HASH = "SELECT s.id, s.user_id, s.created_at, s.seen_at, s.expires_at, s.revoked_at, s.address,
            s.agent, u.username, u.email, u.created_at AS user_created_at, u.suspended_at, u.revision,
            (SELECT count(*) FROM operators WHERE operators.user_id = u.id) AS operator_rows
        FROM sessions AS s JOIN users AS u ON u.id = s.user_id
        WHERE s.hash = $1 AND u.deleted_at IS NULL";
    FIND = concat!("SELECT ", columns!(), " FROM sessions WHERE user_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM sessions
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND seen_at > $3
        ORDER BY seen_at DESC, id DESC LIMIT 100");
    TOUCH = "UPDATE sessions SET seen_at = used.moment
        FROM (SELECT value ->> 0 AS id, value ->> 1 AS moment FROM json_each($1)) AS used
        WHERE sessions.id = used.id AND seen_at < used.moment",
        pg = "UPDATE sessions SET seen_at = used.moment
        FROM (SELECT value ->> 0 AS id, CAST(value ->> 1 AS BIGINT) AS moment
            FROM jsonb_array_elements($1)) AS used
        WHERE sessions.id = used.id AND seen_at < used.moment";
    ROTATE = "UPDATE sessions SET hash = $3 WHERE id = $1 AND hash = $2 AND revoked_at IS NULL";
    REVOKE = concat!("UPDATE sessions SET revoked_at = coalesce(revoked_at, $3)
        WHERE user_id = $1 AND id = $2 RETURNING ", columns!());
    REVOKE_OTHERS = "UPDATE sessions SET revoked_at = $3
        WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL RETURNING id AS value";
    FORGET = "DELETE FROM sessions WHERE seen_at < $1";
}

impl Record for Session {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            created_at: row.get("created_at")?,
            seen_at: row.get("seen_at")?,
            expires_at: row.get("expires_at")?,
            revoked_at: row.get("revoked_at")?,
            place: Place { address: row.get("address")?, agent: row.get("agent")? },
        })
    }
}

/// Whose cookie it is. Whether it works now is [`SignedIn::works`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The session, perhaps revoked or expired.
    pub session: Session,
    /// Its owner, who is not deleted.
    pub user: User,
    /// The owner's revision at this moment: see [`crate::Revisions::user`].
    pub revision: i64,
    /// Whether the owner was an operator at this moment. For menus: an act asks again, in its own transaction.
    pub is_operator: bool,
}

impl SignedIn {
    /// Whether the session opens anything at `now`.
    pub fn works(&self, now: Timestamp) -> bool {
        self.session.works(now) && !self.user.is_suspended()
    }
}

impl Record for SignedIn {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let session = Session::read(row)?;
        let user = User {
            id: session.user,
            username: row.get("username")?,
            email: row.get("email")?,
            created_at: row.get("user_created_at")?,
            suspended_at: row.get("suspended_at")?,
        };
        let operator_rows: i64 = row.get("operator_rows")?;
        Ok(Self { session, user, revision: row.get("revision")?, is_operator: operator_rows > 0 })
    }
}

/// Adds a session.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn add(tx: &mut Tx, session: &Session, hash: &SecretHash) -> Result<()> {
    tx.bump_user(session.user).await?;
    let Session { id, user, created_at, seen_at, expires_at, revoked_at, place } = session;
    execute!(
        tx,
        ADD,
        [id, user, created_at, seen_at, expires_at, revoked_at, place.address, place.agent, hash]
    )?;
    Ok(())
}

/// Whose cookie has this hash. A deleted user's finds nobody.
pub async fn find_by_hash(conn: &mut Conn, hash: &SecretHash) -> Result<Option<SignedIn>> {
    fetch_optional!(conn, FIND_BY_HASH, [hash])
}

/// The user's session of this id, ended or not; `None` when the user has no such session.
pub async fn find(conn: &mut Conn, user: UserId, id: SessionId) -> Result<Option<Session>> {
    fetch_optional!(conn, FIND, [user, id])
}

/// A user's sessions that work at `now`, the last used first, 100 at most.
pub async fn list(conn: &mut Conn, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
    let idle_since = now.saturating_sub(IDLE).unwrap_or(Timestamp::MIN);
    fetch_all!(conn, LIST, [user, now, idle_since])
}

/// Notes when sessions were last used; an earlier moment than the noted one changes nothing. No revision is
/// bumped: nothing that anybody may have depends on it.
pub async fn touch(tx: &mut Tx, used: &[(SessionId, Timestamp)]) -> Result<()> {
    // Two nodes that touch the same sessions take the rows' locks in one order.
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

/// Gives a user's session a new secret in place of the `old` one, which no longer works; whether it did.
pub async fn rotate(
    tx: &mut Tx,
    user: UserId,
    id: SessionId,
    old: &SecretHash,
    new: &SecretHash,
) -> Result<bool> {
    tx.bump_user(user).await?;
    Ok(execute!(tx, ROTATE, [id, old, new])? == 1)
}

/// Revokes the user's session of this id. Returns `None` if the user has no such session. A second time changes
/// nothing.
pub async fn revoke(tx: &mut Tx, user: UserId, id: SessionId, at: Timestamp) -> Result<Option<Session>> {
    tx.bump_user(user).await?;
    let revoked: Option<Session> = fetch_optional!(tx, REVOKE, [user, id, at])?;
    if revoked.as_ref().is_some_and(|session| session.revoked_at == Some(at)) {
        tx.note_revocation(Revoked::Session(id), user, at);
    }
    Ok(revoked)
}

/// Revokes every session of a user but the one to keep. Returns how many were not revoked before.
pub async fn revoke_others(tx: &mut Tx, user: UserId, keep: Option<SessionId>, at: Timestamp) -> Result<u64> {
    tx.bump_user(user).await?;
    let keep = keep.map(|id| id.to_string()).unwrap_or_default();
    let revoked: Vec<Value<SessionId>> = fetch_all!(tx, REVOKE_OTHERS, [user, keep, at])?;
    for Value(id) in &revoked {
        tx.note_revocation(Revoked::Session(*id), user, at);
    }
    Ok(revoked.len() as u64)
}

/// Drops sessions that were last used before then; how many. Give it a time further back than [`IDLE`].
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
