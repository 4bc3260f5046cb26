//! Whether every content and source pack that the database names is stored, and is what was written.

use skaas_app::{
    causes,
    health::{Contents, examine_contents},
};

use super::{Finding, Patient};

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let Some(store) = patient.store() else { return Vec::new() };
    // Without a schema there is nothing to look for, without storage nothing to be found.
    if store.check_schema().await.is_err() || store.probe_storage().await.is_err() {
        return Vec::new();
    }
    match examine_contents(store, patient.thorough).await {
        Err(error) => {
            vec![Finding::fault("contents", causes(&error), "repeat this when database and storage answer")]
        }
        Ok(found) if found.is_whole() => {
            let done = if patient.thorough { "read" } else { "found (without --quick they are read)" };
            let said = format!("{} contents and {} source packs {done}", found.looked_at, found.packs);
            vec![Finding::fine("contents", said)]
        }
        Ok(found) => vec![Finding::fault("contents", said(&found), CURE)],
    }
}

const CURE: &str = "restore the missing objects from a backup of the folder or bucket, and check objects.bucket \
                    (S3_BUCKET) and objects.prefix (S3_PREFIX); everything else keeps working";

fn said(found: &Contents) -> String {
    let Contents { looked_at, missing, damaged, uses, packs, bad_packs } = found;
    let contents = format!("{missing} of {looked_at} contents are missing, {damaged} damaged");
    let packs = match bad_packs {
        0 => String::new(),
        bad => format!(", {bad} of {packs} source packs are missing or cut short"),
    };
    let uses = if uses.is_empty() { String::new() } else { format!(": {}", uses.join(", ")) };
    format!("{contents}{packs}{uses}")
}
