//! Owns which address is answered by what. Refuses handlers of more than a few lines: they have rooms of
//! their own.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{any, get},
};
use metrics_exporter_prometheus::PrometheusHandle;
use skaas_app::App;

use crate::{
    git_http::{self, GitState},
    health, oauth,
    pages::{self, PagesState},
    rest,
    watch::{self, Faults, Watch},
};

/// What the routes need.
pub struct RouterParts {
    /// The use cases.
    pub app: App,
    /// Patience with a sender who does not keep pace.
    pub stall: Duration,
    /// Where `/metrics` reads; `None` leaves the route out.
    pub metrics: Option<PrometheusHandle>,
}

/// Every address of a node, with `{…}` where a name stands; repos also end in `.git`.
pub fn addresses() -> Vec<String> {
    let others = ["/healthz", "/readyz", "/metrics"].map(str::to_owned);
    let rest = rest::ADDRESSES
        .iter()
        .chain(pages::ADDRESSES)
        .chain(oauth::ADDRESSES)
        .map(|address| (*address).to_owned());
    git_http::addresses().chain(rest).chain(others).collect()
}

/// All routes of a node.
pub fn router(parts: RouterParts) -> Router {
    let faults: Arc<Faults> = Arc::default();
    let git = GitState {
        app: parts.app.clone(),
        stall: parts.stall,
        faults: Arc::clone(&faults),
        large: Arc::default(),
    };
    let watched = |area: &'static str, router: Router| {
        let watch = Watch { area, faults: Arc::clone(&faults), stall: parts.stall };
        router.layer(from_fn_with_state(watch, watch::around))
    };
    // Git first and without further layers: nothing may compress, buffer or delay its answers.
    let git = Router::new()
        .route("/u/{*rest}", any(git_http::handle))
        .route("/me/{*rest}", any(git_http::handle))
        .route("/s/{*rest}", any(git_http::handle))
        .with_state(git);
    let app = parts.app.clone();
    let pages_state = PagesState::new(parts.app.clone());
    let health = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(parts.app);
    let metrics =
        parts.metrics.map(|handle| Router::new().route("/metrics", get(health::metrics)).with_state(handle));
    let pages = watched(
        "pages",
        pages::wrap(
            pages::routes()
                .merge(oauth::pages::routes())
                .merge(rest::page_routes())
                .fallback(pages::nothing_here),
            &pages_state,
        ),
    );
    let oauth = watched("oauth", oauth::routes(app.clone()));
    let rest = watched("rest", rest::routes(app));
    git.merge(rest).merge(oauth).merge(health).merge(metrics.unwrap_or_default()).merge(pages)
}
