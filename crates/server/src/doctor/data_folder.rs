//! Whether the data folder exists, takes what is written, and has room.

use std::{io::Write as _, path::Path};

use super::{Finding, Patient};

/// What a push and its release may need beside each other.
const ROOM: u64 = 1 << 30;
const PROBE: usize = 64 * 1024;

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let dir = &patient.settings.data_dir;
    let shown = dir.display();
    if !dir.exists() {
        return vec![Finding::fault(
            "data folder",
            format!("{shown} does not exist"),
            "check --data (SKAAS_DATA_DIR), or create an installation there with `skaas-server serve`",
        )];
    }
    let finding = match write_in(dir).and_then(|()| free(dir)) {
        Ok(Some(free)) if free < ROOM => Finding::advice(
            "data folder",
            format!("{shown}: {} MiB free", free >> 20),
            "free space, or move the folder to a larger disk: pushes need room",
        ),
        Ok(Some(free)) => {
            Finding::fine("data folder", format!("{shown} can be written to, {} MiB free", free >> 20))
        }
        Ok(None) => Finding::fine("data folder", format!("{shown} can be written to")),
        Err(error) if is_full(&error) => Finding::fault(
            "data folder",
            format!("{shown}: {error}"),
            "free space on its disk, or raise the quota",
        ),
        Err(error) => Finding::fault(
            "data folder",
            format!("{shown}: {error}"),
            "make the folder writable for the user the server runs as, or choose another with --data",
        ),
    };
    vec![finding]
}

/// Writes to a file without a name, which is gone when it is closed.
fn write_in(dir: &Path) -> std::io::Result<()> {
    tempfile::tempfile_in(dir)?.write_all(&vec![0; PROBE])
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as E;
    matches!(error.kind(), E::StorageFull | E::QuotaExceeded | E::FileTooLarge)
}

#[cfg(target_os = "linux")]
fn free(dir: &Path) -> std::io::Result<Option<u64>> {
    let of_disk = rustix::fs::statvfs(dir)?;
    Ok(Some(of_disk.f_bavail.saturating_mul(of_disk.f_frsize)))
}

#[cfg(not(target_os = "linux"))]
fn free(_: &Path) -> std::io::Result<Option<u64>> {
    Ok(None)
}
