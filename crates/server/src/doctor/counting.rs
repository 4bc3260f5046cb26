//! Whether Redis answers, where nodes count requests together.

use skaas_app::{causes, outbound::ExposeSecret as _};

use super::{Finding, Patient};
use crate::installation;

pub(super) async fn look(patient: &Patient) -> Option<Finding> {
    if patient.settings.redis.url.expose_secret().is_empty() {
        return None;
    }
    let outcome =
        async { Ok::<_, anyhow::Error>(installation::rate(&patient.settings)?.check().await?) }.await;
    Some(match outcome {
        Ok(()) => Finding::fine("redis", "answers; nodes count requests together"),
        Err(error) => Finding::fault(
            "redis",
            format!("{}; each node counts alone meanwhile", causes(error.as_ref())),
            "check redis.url (REDIS_URL), and that the server runs",
        ),
    })
}
