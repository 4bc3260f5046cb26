//! Owns the rows of OAuth clients. Refuses to judge what a client says of itself: that is the domain's.

use jiff::Timestamp;
use skaas_domain::oauth::{Client, GrantType};

use crate::{
    column::{Fields, Record, impossible},
    connection::{Conn, Tx},
    error::{Conflict, Result},
    statement::{execute, fetch_one, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, client_id, name, redirect_uris, grant_types, metadata, created_at, last_used_at"
    };
}

sql! {
    ADD = concat!("INSERT INTO oauth_clients (", columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING");
    PUT = concat!("INSERT INTO oauth_clients (", columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (client_id) DO UPDATE SET name = excluded.name, redirect_uris = excluded.redirect_uris,
            grant_types = excluded.grant_types, metadata = excluded.metadata
        RETURNING ", columns!());
    FIND = concat!("SELECT ", columns!(), " FROM oauth_clients WHERE client_id = $1");
    TOUCH = "UPDATE oauth_clients SET last_used_at = $2
        WHERE client_id = $1 AND coalesce(last_used_at, 0) < $2";
    FORGET_UNUSED = "DELETE FROM oauth_clients WHERE created_at < $1 AND coalesce(last_used_at, 0) < $1
        AND NOT EXISTS (SELECT 1 FROM oauth_grants WHERE oauth_grants.client_id = oauth_clients.client_id)";
}

impl Record for Client {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        let grant_types: Vec<String> = row.get("grant_types")?;
        let grant_types = grant_types.iter().map(|word| word.parse()).collect::<Result<Vec<GrantType>, _>>();
        Ok(Self {
            id: row.get("id")?,
            client_id: row.get("client_id")?,
            name: row.get("name")?,
            redirect_uris: row.get("redirect_uris")?,
            grant_types: grant_types.map_err(|_| impossible("grant_types", "not a grant type"))?,
            metadata: row.get("metadata")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    }
}

fn words(client: &Client) -> Vec<String> {
    client.grant_types.iter().map(|grant_type| grant_type.as_str().to_owned()).collect()
}

/// Adds a client that registered itself (RFC 7591), or that the installation knows.
///
/// # Errors
/// [`Conflict::ClientTaken`] when there is one of this `client_id`.
pub async fn add(tx: &mut Tx, client: &Client) -> Result<()> {
    let Client { id, client_id, name, redirect_uris, metadata, created_at, last_used_at, .. } = client;
    let grant_types = words(client);
    let added = execute!(
        tx,
        ADD,
        [id, client_id, name, redirect_uris, grant_types, metadata, created_at, last_used_at]
    )?;
    if added == 1 { Ok(()) } else { Err(Conflict::ClientTaken.into()) }
}

/// Writes down what a client's metadata document says now; as it stands, with the id and the times that it
/// had if it was known.
pub async fn put(tx: &mut Tx, client: &Client) -> Result<Client> {
    let Client { id, client_id, name, redirect_uris, metadata, created_at, last_used_at, .. } = client;
    let grant_types = words(client);
    fetch_one!(tx, PUT, [id, client_id, name, redirect_uris, grant_types, metadata, created_at, last_used_at])
}

/// The client that calls itself this.
pub async fn find(conn: &mut Conn, client_id: &str) -> Result<Option<Client>> {
    fetch_optional!(conn, FIND, [client_id])
}

/// Notes that somebody signed in with it.
pub async fn touch(tx: &mut Tx, client_id: &str, at: Timestamp) -> Result<()> {
    execute!(tx, TOUCH, [client_id, at])?;
    Ok(())
}

/// Drops clients that came before then and that nobody has used since; how many. Anybody may register one.
pub async fn forget_unused(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET_UNUSED, [before])
}
