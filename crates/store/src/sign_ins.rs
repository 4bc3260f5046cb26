//! Owns the rows of sign-ins that are away at an identity provider. Refuses one that comes back in another
//! browser, late, or twice.

use jiff::Timestamp;
use skaas_domain::{
    id::UserId,
    identity::{Intent, SignIn},
    secret::SecretHash,
};

use crate::{
    column::{Fields, Record, impossible},
    connection::Tx,
    error::Result,
    statement::{execute, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, provider, nonce, verifier, intent, user_id, return_to, created_at, expires_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO sign_ins (", columns!(), ", state_hash, browser_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
    REDEEM = concat!("UPDATE sign_ins SET used_at = $3
        WHERE state_hash = $1 AND browser_hash = $2 AND used_at IS NULL AND expires_at > $3
        RETURNING ", columns!());
    FORGET = "DELETE FROM sign_ins WHERE expires_at < $1";
}

impl Record for SignIn {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let (intent, user): (String, Option<UserId>) = (row.get("intent")?, row.get("user_id")?);
        let intent = match (intent.as_str(), user) {
            ("sign_in", None) => Intent::SignIn,
            ("link", Some(user)) => Intent::Link(user),
            _ => return Err(impossible("intent", "a link names its user, a sign-in none")),
        };
        Ok(Self {
            id: row.get("id")?,
            provider: row.get("provider")?,
            nonce: row.get("nonce")?,
            verifier: row.get("verifier")?,
            intent,
            return_to: row.get("return_to")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// Adds a sign-in that is about to go to its provider with the state of this hash, from the browser whose
/// cookie has the other.
pub async fn add(tx: &mut Tx, sign_in: &SignIn, state: &SecretHash, browser: &SecretHash) -> Result<()> {
    let (intent, user) = match sign_in.intent {
        Intent::SignIn => ("sign_in", None),
        Intent::Link(user) => ("link", Some(user)),
    };
    let SignIn { id, provider, nonce, verifier, return_to, created_at, expires_at, .. } = sign_in;
    execute!(
        tx,
        ADD,
        [id, provider, nonce, verifier, intent, user, return_to, created_at, expires_at, state, browser]
    )?;
    Ok(())
}

/// Takes a sign-in that came back; `None` when there is none of this state, or it began in another browser,
/// is too late, or came back before. Of many at once one gets it.
pub async fn redeem(
    tx: &mut Tx,
    state: &SecretHash,
    browser: &SecretHash,
    at: Timestamp,
) -> Result<Option<SignIn>> {
    fetch_optional!(tx, REDEEM, [state, browser, at])
}

/// Drops sign-ins that ended before then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
