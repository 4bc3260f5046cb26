//! Whether the master keys open what is sealed, and what a lost key would cost.

use std::collections::BTreeMap;

use skaas_app::{
    App,
    vault::{KeyStatus, Kinds, counted, examine, status},
};

use super::{Finding, Patient};
use crate::master_key;

const WHAT: &str = "vault";

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = master_key::keyring(&patient.settings) {
        findings.push(Finding::fault(WHAT, error.to_string(), "restore the file, or set SKAAS_MASTER_KEY"));
    }
    findings.extend(exposed(patient));
    let Some(app) = patient.app() else { return findings };
    // The database's own check tells what is wrong with it.
    let Ok(keys) = status(&app).await else { return findings };
    let missing: Vec<&KeyStatus> = keys.iter().filter(|key| !key.is_known && key.total() > 0).collect();
    findings.extend(missing.iter().map(|key| {
        Finding::fault(
            WHAT,
            format!("nothing opens {}: their master key {} is missing", counted(&key.records), key.id),
            format!(
                "restore the key and add it to SKAAS_MASTER_KEY. Only if it is lost for good: `skaas-server admin \
                 vault discard {} --yes` deletes these records, and people have to enter the secrets again",
                key.id
            ),
        )
    }));
    if patient.thorough {
        findings.extend(damaged(&app).await);
    }
    if findings.is_empty() {
        findings.push(said(&keys));
    }
    findings
}

/// Opens everything, to find what was changed or moved.
async fn damaged(app: &App) -> Option<Finding> {
    let damaged = examine(app).await.ok().filter(|kinds| !kinds.is_empty())?;
    Some(Finding::fault(
        WHAT,
        format!(
            "records were changed in the database, or moved to another owner, and do not open: {}",
            counted(&damaged)
        ),
        "find out who changed the table sealed_records, and restore it from a backup",
    ))
}

fn said(keys: &[KeyStatus]) -> Finding {
    let mut all = Kinds::new();
    for (kind, count) in keys.iter().flat_map(|key| &key.records) {
        *all.entry(kind.clone()).or_default() += count;
    }
    let current = keys.iter().find(|key| key.is_current);
    let Some(current) = current else {
        return Finding::advice(
            WHAT,
            "there is no master key, so secrets can't be stored",
            "set SKAAS_MASTER_KEY_FILE to a file with the output of `openssl rand -base64 32`, the same on every node",
        );
    };
    if all.is_empty() {
        return Finding::fine(WHAT, format!("nothing is sealed yet; the master key is {}", current.id));
    }
    let older: BTreeMap<_, _> = keys
        .iter()
        .filter(|key| !key.is_current && key.total() > 0)
        .map(|key| (key.id, key.total()))
        .collect();
    let found = format!(
        "if you lose the master key {}, these are lost: {}. Keep a copy of it apart from the backups",
        current.id,
        counted(&all)
    );
    if older.is_empty() {
        return Finding::fine(WHAT, found);
    }
    let older: Vec<String> = older.iter().map(|(id, count)| format!("{count} with {id}")).collect();
    Finding::advice(
        WHAT,
        format!("{found}. Some are still sealed with an older key: {}", older.join(", ")),
        "run `skaas-server admin vault rotate`",
    )
}

/// Whether others on this machine can read the key.
#[cfg(unix)]
fn exposed(patient: &Patient) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = master_key::file(&patient.settings)?;
    let mode = std::fs::metadata(&path).ok()?.permissions().mode();
    let shown = path.display();
    (mode & 0o077 != 0).then(|| {
        Finding::fault(
            WHAT,
            format!(
                "other users of this machine can read the master key in {shown} (mode {:o})",
                mode & 0o777
            ),
            format!("chmod 600 {shown}; if somebody may have read it, change the key"),
        )
    })
}

#[cfg(not(unix))]
fn exposed(_: &Patient) -> Option<Finding> {
    None
}
