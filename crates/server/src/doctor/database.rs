//! Whether the database answers, is sound, and has the schema of this program.

use skaas_app::{Description, Store, StoreError, causes};

use super::{Finding, Patient};

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    match &patient.store {
        Ok(None) => vec![Finding::fault(
            "database",
            format!("there is none in {}", patient.settings.data_dir.display()),
            "check --data (SKAAS_DATA_DIR), or create an installation there with `skaas-server serve`",
        )],
        Ok(Some(store)) => look_at(store, patient.thorough).await,
        // Another check tells of it.
        Err(error) if storage_failed(error) => Vec::new(),
        Err(error) => vec![Finding::fault(
            "database",
            causes(error.as_ref()),
            "check database.url (DATABASE_URL), that the database server runs, and the folder's permissions",
        )],
    }
}

/// Whether the store could not be opened for its object storage.
pub(super) fn storage_failed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(|error| error.storage_fault().is_some())
}

async fn look_at(store: &Store, thorough: bool) -> Vec<Finding> {
    if let Err(error) = store.check_schema().await {
        let cure = match &error {
            StoreError::Migration(text) if text.contains("skaas-server migrate") => {
                "start the server, or run `skaas-server migrate`"
            }
            StoreError::Migration(_) => {
                "run the release of skaas-server that made this database, or a newer one; if somebody edited \
                 the table `migrations`, restore a backup"
            }
            _ => "check that the database is skaas's own and can be read",
        };
        return vec![Finding::fault("database", causes(&error), cure)];
    }
    if thorough && let Err(error) = store.check_database().await {
        let cure = match &error {
            StoreError::Corrupt { .. } => "stop the server and restore the database from a backup",
            _ => "check that the database is skaas's own and can be read",
        };
        return vec![Finding::fault("database", causes(&error), cure)];
    }
    match store.describe().await {
        Err(error) => vec![Finding::fault("database", causes(&error), "read the database server's own log")],
        Ok(described) => said(&described),
    }
}

fn said(described: &Description) -> Vec<Finding> {
    let Description { kind, version, database_bytes, counts, .. } = described;
    vec![
        Finding::fine(
            "database",
            format!("{kind} {version}, schema {}, {} KiB", counts.schema_version, database_bytes / 1024),
        ),
        Finding::fine(
            "content",
            format!(
                "{} users, {} skills, {} releases, {} KiB of content",
                counts.users,
                counts.skills,
                counts.releases,
                counts.content_bytes / 1024
            ),
        ),
    ]
}
