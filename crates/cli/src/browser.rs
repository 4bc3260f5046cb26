//! Owns when and how a browser is opened.

use std::env;

use reqwest::Url;

/// Whether there is a browser to open on the machine at which the person sits.
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

/// Opens a page; false when that cannot be done. Only web addresses: the text comes from a server.
pub(crate) fn open(address: &str) -> bool {
    let web = Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    web && webbrowser::open(address).is_ok()
}
