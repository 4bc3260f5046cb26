//! Owns the rows of authorization codes (RFC 6749, section 4.1). Refuses to hold a code: what is stored and
//! looked up is its hash.

use jiff::Timestamp;
use skaas_domain::{
    id::OauthGrantId,
    oauth::{Challenge, OauthCode, OauthGrant},
    secret::SecretHash,
};

use crate::{
    column::record,
    connection::Tx,
    error::Result,
    oauth_grants,
    statement::{execute, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "grant_id, redirect_uri, challenge, created_at, expires_at, used_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO oauth_codes (", columns!(), ", hash) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    FIND = concat!("SELECT ", columns!(), " FROM oauth_codes WHERE hash = $1");
    USE = concat!("UPDATE oauth_codes SET used_at = $2
        WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING ", columns!());
    FORGET = "DELETE FROM oauth_codes WHERE expires_at < $1";
}

record!(OauthCode {
    grant: OauthGrantId = "grant_id",
    redirect_uri: String,
    challenge: Challenge,
    created_at: Timestamp,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
});

/// The outcome of presenting a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// The code is now used. The caller checks address, verifier and client, and commits the transaction even if they
    /// don't match: whoever presented the code is then not the client that asked for it.
    Redeemed(Box<OauthCode>, Box<OauthGrant>),
    /// The code was used before, so one of the two callers stole it. The grant is revoked with all its tokens once the
    /// transaction is committed.
    Reused(OauthGrantId),
    /// There is no such code, or it has expired.
    Unknown,
}

/// Adds a code.
pub async fn add(tx: &mut Tx, code: &OauthCode, hash: &SecretHash) -> Result<()> {
    let OauthCode { grant, redirect_uri, challenge, created_at, expires_at, used_at } = code;
    execute!(tx, ADD, [grant, redirect_uri, challenge, created_at, expires_at, used_at, hash])?;
    Ok(())
}

/// Uses a code up. Of many at once one gets it, and costs itself the grant by the others.
pub async fn redeem(tx: &mut Tx, hash: &SecretHash, at: Timestamp) -> Result<Redeemed> {
    let code: Option<OauthCode> = fetch_optional!(tx, USE, [hash, at])?;
    if let Some(code) = code {
        let grant = oauth_grants::find(tx, code.grant).await?;
        return Ok(match grant.filter(|grant| grant.revoked_at.is_none()) {
            Some(grant) => Redeemed::Redeemed(Box::new(code), Box::new(grant)),
            None => Redeemed::Unknown,
        });
    }
    let known: Option<OauthCode> = fetch_optional!(tx, FIND, [hash])?;
    let Some(code) = known.filter(|code| code.used_at.is_some()) else { return Ok(Redeemed::Unknown) };
    if let Some(grant) = oauth_grants::find(tx, code.grant).await? {
        oauth_grants::revoke(tx, grant.user, grant.id, at).await?;
    }
    Ok(Redeemed::Reused(code.grant))
}

/// Drops codes that ended before then; how many. A replay of one that was dropped goes unnoticed: give it a
/// time well past.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
