//! Decides whether a new copy that names no depth is sent the whole lineage. Its alternative is a copy that ends
//! at the tip, which `git clone` accepts and `git fetch` does not.

use std::{collections::HashSet, sync::Arc};

use super::{Past, Served, Shown, SkillState, State};
use crate::{app::App, error::Result, viewer::Viewer};

/// The longest lineage that a new copy is sent.
const MOST_STEPS: usize = 500;
/// The most bytes of marketplace differences that a new copy is sent besides the file itself.
const MOST_DIFFERENCES: usize = 8 << 20;

/// Whether a new copy gets every step of the lineage: all of them are permitted now, and together they are not
/// too much. `false` where the tip is all there is.
pub(crate) async fn offered_whole(app: &App, viewer: &Viewer, served: &Served) -> Result<bool> {
    let length = served.tip.row.seq.saturating_add(1);
    if served.tip.parents().is_empty() || usize::try_from(length).is_ok_and(|length| length > MOST_STEPS) {
        return Ok(false);
    }
    let past = app.histories.up_to(&app.store, viewer.user().id, served.repo, &served.tip).await?;
    let state = served.state();
    Ok(past.iter().all(|step| state.permits(step)) && fits(app, state, &past))
}

fn fits(app: &App, state: &State, past: &[Arc<Past>]) -> bool {
    match state {
        State::Skill(state) => shows_what_is_cloned(app, state, past),
        State::Marketplace(state) => {
            let file = usize::try_from(state.document.len()).unwrap_or(usize::MAX);
            // The first step has no difference: its file is sent as it is.
            let differences = past.iter().skip(1).map(|step| step.row.delta.as_ref().map_or(file, Vec::len));
            differences.fold(0, usize::saturating_add) <= MOST_DIFFERENCES
        }
    }
}

/// Whether these steps show no release but those that a clone takes anyway, for their tags.
fn shows_what_is_cloned(app: &App, state: &SkillState, past: &[Arc<Past>]) -> bool {
    let cloned: HashSet<_> =
        state.cloned(app.limits().clone_bytes()).iter().map(|release| release.id).collect();
    past.iter().all(|step| match &step.shown {
        Some(Shown::Skill(shown)) => shown.release().is_none_or(|release| cloned.contains(&release)),
        _ => false,
    })
}
