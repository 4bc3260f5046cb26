//! Use cases about stamps from the future: what a clock that was ahead left behind. Refuses to decide anything by
//! them: access depends on the present moment and on the grants alone.

use jiff::{SignedDuration, Timestamp};
use skaas_store::{grants, steps};

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::Result,
};

/// How far the clocks of several nodes may differ without anything being wrong.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Rows with a stamp later than the present moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromTheFuture {
    /// Steps of lineages.
    pub steps: u64,
    /// Grants that were made or revoked then.
    pub grants: u64,
}

impl FromTheFuture {
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.steps == 0 && self.grants == 0
    }
}

fn horizon(now: Timestamp) -> Timestamp {
    now.checked_add(TOLERANCE).unwrap_or(Timestamp::MAX)
}

/// Counts what bears a stamp from the future. Reads whole tables: for an operator, not for requests.
pub async fn from_the_future(app: &App) -> Result<FromTheFuture> {
    let moment = horizon(app.now());
    let mut conn = app.store.snapshot().await?;
    let count = |rows: i64| u64::try_from(rows).unwrap_or(0);
    Ok(FromTheFuture {
        steps: count(steps::count_after(&mut conn, moment).await?),
        grants: count(grants::count_made_after(&mut conn, moment).await?),
    })
}

/// Stamps what bears a stamp from the future with the present moment; what it stamped. No commit changes, so every
/// copy still fast-forwards.
pub async fn restamp(app: &App, actor: &Actor) -> Result<FromTheFuture> {
    actor.require_operator()?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let grants = grants::restamp(&mut tx, horizon(now), now).await?;
    let steps = steps::restamp(&mut tx, horizon(now), now).await?;
    audit::record(&mut tx, actor, now, Act::on_server(Action::StepsRestamp, "")).await?;
    tx.commit().await?;
    tracing::info!(event = "restamped", steps, grants);
    Ok(FromTheFuture { steps, grants })
}
