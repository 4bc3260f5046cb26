//! Whether the proxy that must be there is believed about who asks; nothing where there need be none.

use super::{Finding, Patient};

pub(super) fn look(patient: &Patient) -> Option<Finding> {
    let settings = &patient.settings;
    if !settings.public_url.starts_with("https://") {
        return None;
    }
    let trusted = &settings.server.trusted_proxies;
    Some(if trusted.is_empty() {
        Finding::advice(
            "proxies",
            "none is trusted, so all who come through one count as one address",
            "name the proxy that TLS ends at in server.trusted_proxies (SKAAS_TRUSTED_PROXIES)",
        )
    } else {
        let header = &settings.server.proxy_header;
        Finding::fine("proxies", format!("{trusted} trusted to say who asks, by {header}"))
    })
}
