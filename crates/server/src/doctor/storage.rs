//! Whether object storage answers and takes what is written.

use skaas_app::{StoreError, causes};

use super::{Finding, Patient};

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let failed = match &patient.store {
        Ok(None) => return Vec::new(),
        Ok(Some(store)) => store.probe_storage().await.err(),
        Err(error) => match error.downcast_ref::<StoreError>() {
            Some(error) if error.storage_fault().is_some() => return vec![fault(error)],
            _ => return Vec::new(),
        },
    };
    match failed {
        None => vec![Finding::fine("storage", "objects can be listed, written and deleted")],
        Some(error) => vec![fault(&error)],
    }
}

fn fault(error: &StoreError) -> Finding {
    match error.storage_fault() {
        Some(fault) => Finding::fault("storage", fault.to_string(), fault.cure()),
        None => Finding::fault(
            "storage",
            causes(error),
            "check [objects] (S3_…): endpoint, bucket, region and keys",
        ),
    }
}
