//! `skaas-server admin vault`: which keys seal what, changing the master key, and giving up on a lost one.

use anyhow::bail;
use serde_json::{Value, json};
use skaas_app::{
    Actor, App,
    vault::{KeyStatus, counted, discard, rotate, status},
};

use super::refused;
use crate::{arguments::Vault, output};

/// Runs one command.
pub(super) async fn run(app: &App, actor: &Actor, command: Vault) -> anyhow::Result<()> {
    match command {
        Vault::Status { json } => show(app, json).await,
        Vault::Rotate { json } => rotated(app, actor, json).await,
        Vault::Discard { key, yes, json } => {
            let id = key.parse().map_err(refused)?;
            if !yes {
                return Err(refused(format!(
                    "this permanently deletes every secret that is sealed with {key}; add --yes to do it"
                )));
            }
            let removed = discard(app, actor, id).await?;
            if json {
                return output::json(&json!({ "key": key, "removed": removed }));
            }
            output::line(&format!("Deleted {removed} records that were sealed with {key}"));
            Ok(())
        }
    }
}

fn state(key: &KeyStatus) -> &'static str {
    match (key.is_current, key.is_known) {
        (true, _) => "current",
        (false, true) => "opens only",
        (false, false) if key.total() == 0 => "not needed",
        (false, false) => "missing",
    }
}

fn as_json(key: &KeyStatus) -> Value {
    json!({
        "id": key.id.to_string(),
        "current": key.is_current,
        "configured": key.is_known,
        "records": key.total(),
        "kinds": key.records,
    })
}

async fn show(app: &App, json: bool) -> anyhow::Result<()> {
    let keys = status(app).await?;
    if json {
        let records: u64 = keys.iter().map(KeyStatus::total).sum();
        return output::json(
            &json!({ "records": records, "keys": keys.iter().map(as_json).collect::<Vec<_>>() }),
        );
    }
    let row = |key: &KeyStatus| {
        vec![key.id.to_string(), state(key).to_owned(), key.total().to_string(), counted(&key.records)]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    let empty =
        "There is no master key yet: set SKAAS_MASTER_KEY, or start the server on the embedded database";
    output::table(&["MASTER KEY", "STATE", "RECORDS", "KINDS"], &rows, empty);
    Ok(())
}

async fn rotated(app: &App, actor: &Actor, json: bool) -> anyhow::Result<()> {
    let done = rotate(app, actor).await?;
    if json {
        output::json(
            &json!({ "key": done.key.to_string(), "rewrapped": done.rewrapped, "left": done.left }),
        )?;
    } else {
        output::line(&format!("Sealed {} records with the master key {}", done.rewrapped, done.key));
    }
    if done.left > 0 {
        bail!(
            "{} records are still sealed with other keys; keep those keys configured. `skaas-server doctor` says why. \
             If servers still seal with an older key, restart them and rotate again",
            done.left
        );
    }
    if !json {
        output::note(
            "Older master keys are no longer needed: remove them from the configuration when you like.",
        );
    }
    Ok(())
}
