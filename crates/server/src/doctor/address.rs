//! Whether what was rendered names the address that is configured.

use skaas_app::publication::voice_in_use;

use super::{Finding, Patient};

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let Some(store) = patient.store() else { return Vec::new() };
    let rendered = voice_in_use(store).await.ok().flatten().map(|voice| voice.public_url);
    let finding = match (patient.settings.public_url.as_str(), rendered) {
        ("", Some(url)) => Finding::fine("address", format!("{url} (from the server's last start)")),
        ("", None) => Finding::fine("address", "not served yet"),
        (wanted, Some(url)) if wanted != url => Finding::fault(
            "address",
            format!("entries and stubs name {url}, the configuration {wanted}"),
            "restart the server: it renders everything again when it starts",
        ),
        (wanted, _) if patient.settings.is_unprotected() => Finding::advice(
            "address",
            format!("{wanted} is plain http on a public name: passwords and tokens travel unprotected"),
            "put a proxy with TLS in front, and set public_url (SKAAS_PUBLIC_URL) to its https address",
        ),
        (wanted, _) => Finding::fine("address", wanted),
    };
    vec![finding]
}
