//! Whether the mail server answers and accepts the password, where there is one.

use skaas_app::{causes, outbound::ExposeSecret as _};

use super::{Finding, Patient};
use crate::third_parties;

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let settings = &patient.settings;
    let checked = match third_parties::mailer(settings) {
        Ok(mailer) => mailer.check().await.map_err(anyhow::Error::from),
        Err(error) => Err(error.into()),
    };
    let finding = match checked {
        Ok(()) if settings.mail.smtp.expose_secret().is_empty() => Finding::advice(
            "mail",
            "no mail server: mail is written to a folder, and reaches nobody",
            "set mail.smtp (SKAAS_SMTP_URL) so that people can confirm addresses and reset passwords",
        ),
        Ok(()) => Finding::fine("mail", "the mail server answers and accepts the sign-in"),
        Err(error) => Finding::fault(
            "mail",
            causes(error.as_ref()),
            "check mail.smtp (SKAAS_SMTP_URL): host, port, user and password, and that a firewall lets it through",
        ),
    };
    vec![finding]
}
