//! Use cases for monitoring a node: is it ready to serve, and which of its parts has a problem?
//!
//! A part is one thing that the node depends on, with one small check, listed in [`Part::ALL`]. Results are cached for a
//! while, so that requests from outside cannot keep the node busy with checks. Reasons go to the log, once for each
//! change; callers only see which part it is.

mod contents;
mod parts;

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

pub use contents::{Contents, examine_contents};
pub use parts::Part;

use crate::app::App;

/// How long one check may take.
const BOUND: Duration = Duration::from_secs(4);
/// How soon a part that is not well is looked at again, at the latest.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// What is not well about a part.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// For the operator's log.
    pub(crate) reason: String,
    /// Whether the node cannot serve while it lasts.
    pub(crate) stops: bool,
}

/// What is known of the parts, and since when.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<Part, Seen>>);

struct Seen {
    at: Timestamp,
    trouble: Option<Trouble>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Parts without which it cannot serve.
    pub stopped_by: Vec<Part>,
    /// Parts that are not well while it serves.
    pub degraded_by: Vec<Part>,
}

impl Readiness {
    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        self.stopped_by.is_empty()
    }
}

/// Looks at every part whose last answer is too old, and tells how the node is. Callers at the same moment
/// share one look.
pub async fn ready(app: &App) -> Readiness {
    let mut kept = app.health.0.lock().await;
    let now = app.now();
    let due = Part::ALL.into_iter().filter(|part| kept.get(part).is_none_or(|seen| is_due(*part, seen, now)));
    let looks = due.map(|part| async move {
        let outcome = tokio::time::timeout(BOUND, part.check(app)).await;
        let late =
            || Trouble { reason: format!("no answer in {} s", BOUND.as_secs()), stops: part.is_needed() };
        (part, outcome.unwrap_or_else(|_| Err(late())).err())
    });
    for (part, trouble) in join_all(looks).await {
        tell(part, kept.get(&part).and_then(|seen| seen.trouble.as_ref()), trouble.as_ref());
        kept.insert(part, Seen { at: now, trouble });
    }
    let (busy, idle) = app.store.pool_use();
    metrics::gauge!("skaas_database_connections", "state" => "busy").set(busy);
    metrics::gauge!("skaas_database_connections", "state" => "idle").set(idle);
    let parts = |stops: bool| {
        let seen = |part: &Part| kept.get(part).and_then(|seen| seen.trouble.as_ref());
        Part::ALL
            .into_iter()
            .filter(|part| seen(part).is_some_and(|trouble| trouble.stops == stops))
            .collect()
    };
    Readiness { stopped_by: parts(true), degraded_by: parts(false) }
}

fn is_due(part: Part, seen: &Seen, now: Timestamp) -> bool {
    let every = if seen.trouble.is_some() { part.every().min(AGAIN) } else { part.every() };
    let age = now.duration_since(seen.at);
    // A clock that was set back does not keep an old answer.
    age >= every || age.is_negative()
}

/// Writes a change into the log, and the state into the metrics.
fn tell(part: Part, before: Option<&Trouble>, now: Option<&Trouble>) {
    metrics::gauge!("skaas_healthy", "part" => part.as_str()).set(f64::from(u8::from(now.is_none())));
    match (before, now) {
        (None, Some(trouble)) => {
            tracing::warn!(
                event = "unhealthy",
                part = part.as_str(),
                reason = trouble.reason,
                stops = trouble.stops
            );
        }
        (Some(_), None) => tracing::info!(event = "healthy_again", part = part.as_str()),
        _ => {}
    }
}
