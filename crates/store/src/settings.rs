//! Owns named texts that all nodes share. Refuses to know what they mean.

use crate::{
    column::Value,
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_one, fetch_optional, sql},
};

sql! {
    GET = "SELECT value FROM settings WHERE name = $1";
    SET = "INSERT INTO settings (name, value) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    ADD = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
}

/// What is set, if anything.
pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<String>> {
    let row: Option<Value<String>> = fetch_optional!(conn, GET, [name])?;
    Ok(row.map(|Value(value)| value))
}

/// Sets it, whatever it was.
pub async fn set(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    execute!(tx, SET, [name, value])?;
    Ok(())
}

/// Sets it to `value` if it is unset; what it is then. All nodes that do so get the same.
pub async fn get_or_add(tx: &mut Tx, name: &str, value: &str) -> Result<String> {
    execute!(tx, ADD, [name, value])?;
    let Value(stands) = fetch_one!(tx, GET, [name])?;
    Ok(stands)
}
