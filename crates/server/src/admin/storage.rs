//! `skaas-server admin storage`: what is stored and no longer needed.

use serde_json::json;
use skaas_app::{
    Actor, App,
    storage::{Swept, sweep},
};

use super::refused;
use crate::{arguments::Storage, output, until::age};

/// Runs one command.
pub(super) async fn run(app: &App, actor: &Actor, command: Storage) -> anyhow::Result<()> {
    let Storage::Sweep { older_than, dry_run, json } = command;
    let older_than = age(&older_than).map_err(refused)?;
    let swept = sweep(app, actor, older_than, dry_run).await?;
    if json {
        return output::json(&json!({
            "dry_run": dry_run,
            "objects": swept.objects,
            "object_bytes": swept.object_bytes,
            "temporary_files": swept.temporary_files,
            "temporary_bytes": swept.temporary_bytes,
        }));
    }
    output::line(&sentence(&swept, dry_run));
    Ok(())
}

fn sentence(swept: &Swept, dry_run: bool) -> String {
    if swept.is_empty() {
        return "Nothing to remove".to_owned();
    }
    let verb = if dry_run { "Would remove" } else { "Removed" };
    format!(
        "{verb} {} unused objects ({} KiB) and {} temporary files ({} KiB)",
        swept.objects,
        swept.object_bytes.div_ceil(1024),
        swept.temporary_files,
        swept.temporary_bytes.div_ceil(1024)
    )
}
