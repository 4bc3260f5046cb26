//! Owns the rows of device authorizations (RFC 8628). Refuses codes: what is stored and looked up are their
//! hashes. What a poll is told and which step may follow which is the domain's to say; here each step is
//! taken by whoever comes first.

use jiff::Timestamp;
use skaas_domain::{
    device::{DeviceAuthorization, DeviceRecord, Place, Polled},
    id::{DeviceId, UserId},
    scope::Scopes,
    secret::SecretHash,
};

use crate::{
    column::{Fields, Record, impossible},
    connection::{Conn, Tx},
    error::{Conflict, Result},
    statement::{execute, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, client_id, client_name, scopes, resource, address, agent, state, user_id, granted,
            answered_at, redeemed_at, created_at, expires_at, interval_s, polled_at"
    };
}

sql! {
    ADD = "INSERT INTO device_authorizations (id, client_id, client_name, scopes, resource, address,
            agent, state, created_at, expires_at, interval_s, device_code_hash, user_code_hash, handle_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10, $11, $12, $13)
        ON CONFLICT DO NOTHING";
    FIND = concat!("SELECT ", columns!(), " FROM device_authorizations WHERE id = $1");
    FIND_BY_DEVICE_CODE =
        concat!("SELECT ", columns!(), " FROM device_authorizations WHERE device_code_hash = $1");
    FIND_BY_USER_CODE =
        concat!("SELECT ", columns!(), " FROM device_authorizations WHERE user_code_hash = $1");
    FIND_BY_HANDLE = concat!("SELECT ", columns!(), " FROM device_authorizations WHERE handle_hash = $1");
    /// Two polls at once: the one that did not see the other's leaves no trace.
    NOTE_POLL = "UPDATE device_authorizations SET polled_at = $2, interval_s = $3
        WHERE id = $1 AND coalesce(polled_at, 0) <= $2 AND interval_s <= $3";
    APPROVE = concat!("UPDATE device_authorizations
        SET state = 'approved', user_id = $2, granted = $3, answered_at = $4
        WHERE id = $1 AND state = 'pending' AND expires_at > $4 RETURNING ", columns!());
    DENY = concat!("UPDATE device_authorizations SET state = 'denied', user_id = $2, answered_at = $3
        WHERE id = $1 AND state = 'pending' AND expires_at > $3 RETURNING ", columns!());
    REDEEM = concat!("UPDATE device_authorizations SET state = 'redeemed', redeemed_at = $2
        WHERE id = $1 AND state = 'approved' AND expires_at > $2
            AND EXISTS (SELECT 1 FROM users WHERE users.id = user_id AND deleted_at IS NULL)
        RETURNING ", columns!());
    WITHDRAW = "UPDATE device_authorizations SET state = 'denied', granted = NULL, answered_at = $2
        WHERE user_id = $1 AND state = 'approved'";
    FORGET = "DELETE FROM device_authorizations WHERE expires_at < $1";
}

/// The hashes of what a device authorization is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceHashes {
    /// Of what the device polls with.
    pub device_code: SecretHash,
    /// Of what the person types.
    pub user_code: SecretHash,
    /// Of what the browser-opening form is named by, where there is one.
    pub handle: Option<SecretHash>,
}

impl Record for DeviceRecord {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let by: Option<UserId> = row.get("user_id")?;
        let granted: Option<Scopes> = row.get("granted")?;
        let answered_at: Option<Timestamp> = row.get("answered_at")?;
        let redeemed_at: Option<Timestamp> = row.get("redeemed_at")?;
        let state: String = row.get("state")?;
        let state = match (state.as_str(), by, granted, answered_at, redeemed_at) {
            ("pending", None, None, None, None) => DeviceAuthorization::Pending,
            ("denied", Some(by), None, Some(at), None) => DeviceAuthorization::Denied { by, at },
            ("approved", Some(by), Some(scopes), Some(at), None) => {
                DeviceAuthorization::Approved { by, scopes, at }
            }
            ("redeemed", Some(by), Some(scopes), Some(_), Some(at)) => {
                DeviceAuthorization::Redeemed { by, scopes, at }
            }
            _ => return Err(impossible("state", "who answered what and when does not fit the state")),
        };
        Ok(Self {
            id: row.get("id")?,
            client_id: row.get("client_id")?,
            client_name: row.get("client_name")?,
            scopes: row.get("scopes")?,
            resource: row.get("resource")?,
            place: Place { address: row.get("address")?, agent: row.get("agent")? },
            state,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            interval_s: row.get("interval_s")?,
            polled_at: row.get("polled_at")?,
        })
    }
}

/// Adds a device authorization; it is pending, whatever the record says.
///
/// # Errors
/// [`Conflict::CodeTaken`] when one of the codes is in use: generate others.
pub async fn add(tx: &mut Tx, device: &DeviceRecord, hashes: &DeviceHashes) -> Result<()> {
    let DeviceRecord { id, client_id, client_name, scopes, resource, place, .. } = device;
    let added = execute!(
        tx,
        ADD,
        [
            id,
            client_id,
            client_name,
            scopes,
            resource,
            place.address,
            place.agent,
            device.created_at,
            device.expires_at,
            device.interval_s,
            hashes.device_code,
            hashes.user_code,
            hashes.handle,
        ]
    )?;
    if added == 1 { Ok(()) } else { Err(Conflict::CodeTaken.into()) }
}

/// The device authorization of this id, however far it has come.
pub async fn find(conn: &mut Conn, id: DeviceId) -> Result<Option<DeviceRecord>> {
    fetch_optional!(conn, FIND, [id])
}

/// The one that a device polls for, however far it has come.
pub async fn find_by_device_code(conn: &mut Conn, hash: &SecretHash) -> Result<Option<DeviceRecord>> {
    fetch_optional!(conn, FIND_BY_DEVICE_CODE, [hash])
}

/// The one whose code a person typed, however far it has come. Guesses are counted by the caller, before
/// this is asked ([`crate::budgets::spend`]).
pub async fn find_by_user_code(conn: &mut Conn, hash: &SecretHash) -> Result<Option<DeviceRecord>> {
    fetch_optional!(conn, FIND_BY_USER_CODE, [hash])
}

/// The one that a browser was opened for, however far it has come.
pub async fn find_by_handle(conn: &mut Conn, hash: &SecretHash) -> Result<Option<DeviceRecord>> {
    fetch_optional!(conn, FIND_BY_HANDLE, [hash])
}

/// What a device that polls at `now` is told; the poll is noted, and whoever came too early has a longer
/// interval from now on. Nothing is redeemed. `None` when there is no such device authorization.
pub async fn poll(tx: &mut Tx, id: DeviceId, now: Timestamp) -> Result<Option<Polled>> {
    let Some(device) = find(tx, id).await? else { return Ok(None) };
    let polled = device.poll(now);
    let interval_s = match &polled {
        Polled::Pending => Some(device.interval_s),
        Polled::SlowDown { interval_s } => Some(*interval_s),
        _ => None,
    };
    if let Some(interval_s) = interval_s {
        execute!(tx, NOTE_POLL, [id, now, interval_s])?;
    }
    Ok(Some(polled))
}

/// A person agrees to `scopes`; `None` when it was answered before, or time is up.
pub async fn approve(
    tx: &mut Tx,
    id: DeviceId,
    by: UserId,
    scopes: &Scopes,
    at: Timestamp,
) -> Result<Option<DeviceRecord>> {
    fetch_optional!(tx, APPROVE, [id, by, scopes, at])
}

/// A person refuses; `None` when it was answered before, or time is up.
pub async fn deny(tx: &mut Tx, id: DeviceId, by: UserId, at: Timestamp) -> Result<Option<DeviceRecord>> {
    fetch_optional!(tx, DENY, [id, by, at])
}

/// Redeems an approved one: of many at once one gets it, and adds the token in the same transaction. `None`
/// for all others, and when time is up or the user is gone.
pub async fn redeem(tx: &mut Tx, id: DeviceId, at: Timestamp) -> Result<Option<DeviceRecord>> {
    fetch_optional!(tx, REDEEM, [id, at])
}

/// Withdraws what a user approved and no device has collected yet; how many there were. Their devices are told
/// that the user refused.
pub async fn withdraw_approved(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<u64> {
    tx.bump_user(user).await?;
    execute!(tx, WITHDRAW, [user, at])
}

/// Drops device authorizations that ended before then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}
