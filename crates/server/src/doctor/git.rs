//! Whether git is installed: the server does not need it, the demo does.

use super::Finding;

pub(super) fn look() -> Finding {
    let version = std::process::Command::new("git").arg("--version").output();
    match version {
        Ok(output) if output.status.success() => {
            Finding::fine("git", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Finding::fine("git", "not found here; only the demo needs it"),
    }
}
