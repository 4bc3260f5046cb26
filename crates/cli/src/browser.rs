//! Whether and how to open a browser.

use std::env;

use reqwest::Url;

/// Whether a browser can be opened on the machine in front of the user.
pub(crate) fn at_hand() -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("BROWSER") {
        return true;
    }
    let remote = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "CI", "CODESPACES"].into_iter().any(set);
    let screen =
        !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY") || set("WSL_DISTRO_NAME");
    screen && !remote
}

/// Opens a page; `false` if that fails.
pub(crate) fn open(page: &Url) -> bool {
    matches!(page.scheme(), "https" | "http") && webbrowser::open(page.as_str()).is_ok()
}
