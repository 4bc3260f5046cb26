//! Which part of the server answers which address. Handlers live in those parts.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router, body::Body, extract::Request, middleware::from_fn_with_state, response::Response,
    routing::future::RouteFuture, routing::get,
};
use futures_util::future::{BoxFuture, Either};
use metrics_exporter_prometheus::PrometheusHandle;
use skaas_app::App;
use tower::Service;

use crate::{
    config::InForce,
    git_http::{self, GitState},
    health, mcp, oauth, pages, rest,
    watch::{self, Faults, Watch},
    web::WebState,
};

/// What the routes need.
pub struct RouterParts {
    /// The use cases.
    pub app: App,
    /// Patience with a sender who does not keep pace.
    pub stall: Duration,
    /// Where `/metrics` reads; `None` leaves the route out.
    pub metrics: Option<PrometheusHandle>,
    /// The settings in force, for the operator's pages.
    pub settings: Vec<InForce>,
}

/// Every address of a node, with `{…}` where a name stands; repos also end in `.git`.
pub fn addresses() -> Vec<String> {
    let others = ["/healthz", "/readyz", "/metrics"].map(str::to_owned);
    let rest = rest::ADDRESSES
        .iter()
        .chain(pages::ADDRESSES)
        .chain(oauth::ADDRESSES)
        .chain(mcp::ADDRESSES)
        .map(|address| (*address).to_owned());
    git_http::addresses().chain(rest).chain(others).collect()
}

/// All routes of a node. Cheap to clone.
#[derive(Clone)]
pub struct Routes {
    git: Arc<GitState>,
    others: Router,
}

impl fmt::Debug for Routes {
    /// Shows every pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("git", &git_http::PREFIXES).field("others", &self.others).finish()
    }
}

impl Service<Request> for Routes {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Git's addresses are told apart here. A router would match, decode and keep what `git_http` reads for
    /// itself, which costs as much as answering.
    fn call(&mut self, request: Request) -> Self::Future {
        if git_http::is_git(request.uri().path()) {
            let git = Arc::clone(&self.git);
            return Either::Left(Box::pin(async move { Ok(git_http::handle(&git, request).await) }));
        }
        Either::Right(Service::<Request<Body>>::call(&mut self.others, request))
    }
}

/// All routes of a node.
pub fn router(parts: RouterParts) -> Routes {
    let faults: Arc<Faults> = Arc::default();
    // Without any layer: nothing may compress, buffer or delay git's answers.
    let git = Arc::new(GitState::new(parts.app.clone(), parts.stall, Arc::clone(&faults)));
    let watched = |area: &'static str, router: Router| {
        let watch = Watch { area, faults: Arc::clone(&faults), stall: parts.stall };
        router.layer(from_fn_with_state(watch, watch::around))
    };
    let app = parts.app.clone();
    let pages_state = WebState { settings: parts.settings.into(), ..WebState::new(parts.app.clone()) };
    let health = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(parts.app);
    let metrics =
        parts.metrics.map(|handle| Router::new().route("/metrics", get(health::metrics)).with_state(handle));
    let pages = watched(
        "pages",
        pages::wrap(
            pages::routes(&pages_state)
                .merge(oauth::pages::routes())
                .merge(rest::page_routes())
                .fallback(pages::nothing_here),
            &pages_state,
        ),
    );
    let oauth = watched("oauth", oauth::routes(app.clone()).merge(mcp::routes(app.clone())));
    let rest = watched("rest", rest::routes(app));
    let others = rest.merge(oauth).merge(health).merge(metrics.unwrap_or_default()).merge(pages);
    Routes { git, others }
}
