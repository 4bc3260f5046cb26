//! What a refused pusher reads: what happened, what was kept, what to do next.

use std::{error::Error as StdError, io};

use skaas_store::StoreError;

use crate::error::{Error, whole_seconds};

/// The sentence for a push that failed as a whole. git shows it as `remote unpack failed: …`.
pub(super) fn sentence(error: &Error) -> String {
    match error {
        error if is_out_of_space(error) => {
            "the server is out of disk space (yours is fine) and kept nothing of this push; \
             tell its operator, and push again once there is room"
                .to_owned()
        }
        Error::Busy { retry_after } => format!(
            "the server is busy and kept nothing of this push; push again in {} s",
            whole_seconds(*retry_after)
        ),
        Error::Store(StoreError::Unavailable(_)) => {
            "the server cannot reach its database or storage; push again in a minute".to_owned()
        }
        error => error.to_string(),
    }
}

/// Whether a disk or a bucket of the server's had no room.
pub(super) fn is_out_of_space(error: &Error) -> bool {
    if matches!(error, Error::Store(StoreError::Full(_))) {
        return true;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
        ) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_of_the_servers_is_told_as_such_wherever_it_was_noticed() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in [
            Error::internal(full()),
            Error::Store(StoreError::Full(full().into())),
            Error::internal(skaas_git::source_repo::IngestError::Repo(
                skaas_git::source_repo::RepoError::Io { act: "write", path: "pack".into(), source: full() },
            )),
        ] {
            let told = sentence(&error);
            assert!(told.contains("out of disk space") && told.contains("push again"), "{told}");
        }
        assert!(!is_out_of_space(&Error::internal(io::Error::from(io::ErrorKind::PermissionDenied))));
    }
}
