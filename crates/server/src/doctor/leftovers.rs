//! What failed and killed pushes left in storage. It is no fault: the server removes it after a day.

use skaas_app::{
    Actor,
    storage::{SAFE_AGE, sweep},
};

use super::{Finding, Patient};

pub(super) async fn look(patient: &Patient) -> Option<Finding> {
    let app = patient.app()?;
    // Where storage cannot be listed at all another check says so, with the cure.
    let swept = sweep(&app, &Actor::operator("doctor"), SAFE_AGE, true).await.ok()?;
    if swept.is_empty() {
        return Some(Finding::fine("leftovers", "none"));
    }
    let found = format!(
        "{} unused objects and {} temporary files, {} KiB",
        swept.objects,
        swept.temporary_files,
        swept.bytes().div_ceil(1024)
    );
    let cure =
        "a running server removes them within the hour; to do it now: skaas-server admin storage sweep";
    Some(Finding::advice("leftovers", found, cure))
}
