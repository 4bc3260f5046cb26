//! Whether this machine's clock was ahead once: steps and grants then bear stamps that are still to come.

use skaas_app::stamps;

use super::{Finding, Patient};

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let Some(app) = patient.app() else { return Vec::new() };
    match stamps::from_the_future(&app).await {
        // The database's own check tells what is wrong with it.
        Err(_) => Vec::new(),
        Ok(ahead) if ahead.is_empty() => {
            vec![Finding::fine("clock", "nothing bears a stamp from the future")]
        }
        Ok(ahead) => vec![Finding::fault(
            "clock",
            format!(
                "{} steps and {} grants bear stamps from the future: the clock of a node was ahead, or this one's is \
                 behind. Nobody is locked out by it",
                ahead.steps, ahead.grants
            ),
            "set the clock right, then run `skaas-server admin restamp`; copies still fast-forward",
        )],
    }
}
