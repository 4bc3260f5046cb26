//! What the operator learns of requests: counts and durations by route, and one line for each fault with its
//! route and what it was about. A fault that repeats is counted, so that a database that is away is a line a
//! minute and not one for each request. What is counted names nobody; git's own counts are in `git_http`.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::StatusCode;
use http_body::Body as _;
use skaas_app::quiet::Quiet;
use skaas_domain::name::is_kebab;

use crate::{pace::PacedBody, web::problem::Cause};

/// How many kinds of faults are told apart; beyond them all count as one.
const KINDS: usize = 256;

/// What is watched.
#[derive(Clone)]
pub(crate) struct Watch {
    /// `pages`, `rest` or `oauth`.
    pub(crate) area: &'static str,
    pub(crate) faults: Arc<Faults>,
    /// Patience with a sender who does not keep pace.
    pub(crate) stall: Duration,
}

/// The faults of a node, each kind said once in a while.
#[derive(Default)]
pub(crate) struct Faults(Mutex<HashMap<u64, Arc<Quiet>>>);

impl Faults {
    /// Writes the fault that an answer carries into the log, if it carries one.
    pub(crate) fn tell(&self, response: &mut Response, route: &str, object: &str) {
        let cause = response.extensions_mut().remove::<Cause>();
        let Some(Cause { causes, is_transient }) = cause else { return };
        // While something is away, every route fails for the same reason.
        let kind = if is_transient { hash(&"transient") } else { hash(&(route, &causes)) };
        if let Some(more) = self.quiet(kind).say(tokio::time::Instant::now()) {
            tracing::error!(event = "fault", route, object, causes, more);
        }
    }

    fn quiet(&self, kind: u64) -> Arc<Quiet> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = if kinds.len() < KINDS || kinds.contains_key(&kind) { kind } else { 0 };
        Arc::clone(kinds.entry(kind).or_default())
    }
}

fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The layer around all addresses of an area.
pub(crate) async fn around(State(watch): State<Watch>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "none".to_owned());
    let object = object_of(&route, request.uri().path());
    let method = request.method().clone();
    let stall = watch.stall;
    let paced =
        request.map(|body| if body.is_end_stream() { body } else { Body::new(PacedBody::new(body, stall)) });
    let mut response = next.run(paced).await;
    watch.faults.tell(&mut response, &format!("{method} {route}"), &object);
    let (area, status) = (watch.area, class(response.status()));
    metrics::counter!("skaas_requests_total", "area" => area, "route" => route, "status" => status)
        .increment(1);
    metrics::histogram!("skaas_request_seconds", "area" => area).record(started.elapsed().as_secs_f64());
    response
}

/// What a path names where its template has a gap: names of skills and people, never anything else, since
/// people paste tokens into addresses.
fn object_of(template: &str, path: &str) -> String {
    let gaps = template.split('/').zip(path.split('/')).filter(|(part, _)| part.starts_with('{'));
    let names: Vec<&str> = gaps.map(|(_, name)| name_in(name)).filter(|name| !name.is_empty()).collect();
    names.join("/")
}

/// A name as it may stand in the log; empty for what is none.
pub(crate) fn name_in(text: &str) -> &str {
    let name = text.strip_suffix(".git").unwrap_or(text);
    if name.len() <= 64 && is_kebab(name) { name } else { "" }
}

/// How statuses are counted.
pub(crate) const CLASSES: [&str; 9] = ["2xx", "3xx", "401", "403", "404", "429", "4xx", "503", "5xx"];

/// A status as it is counted.
pub(crate) const fn class(status: StatusCode) -> &'static str {
    CLASSES[class_index(status)]
}

/// The same, as an index of [`CLASSES`].
pub(crate) const fn class_index(status: StatusCode) -> usize {
    match status.as_u16() {
        200..300 => 0,
        300..400 => 1,
        401 => 2,
        403 => 3,
        404 => 4,
        429 => 5,
        400..500 => 6,
        503 => 7,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_names_and_nothing_that_may_be_a_secret() {
        assert_eq!(object_of("/s/{name}", "/s/lint-pro"), "lint-pro");
        assert_eq!(object_of("/api/users/{username}/x/{id}", "/api/users/ann/x/sk_live_CANARY"), "ann");
        assert_eq!(object_of("none", "/sk_live_CANARY"), "");
        assert_eq!(name_in("lint-pro.git"), "lint-pro");
        assert_eq!(name_in("sk_live_abcd1234_CANARY"), "");
        assert_eq!(name_in("ann@example.test"), "");
    }
}
