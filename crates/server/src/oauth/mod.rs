//! The authorization server: its endpoints for programs (device login by RFC 8628, tokens, registration, revocation,
//! metadata), and the two pages on which a person answers. Only those two pages read cookies. Scripts of any site may
//! call the rest.

mod answer;
mod cors;
mod device;
mod discovery;
mod form;
pub(crate) mod pages;
mod registration;
mod token;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use skaas_app::{App, CountedAs};

use answer::NotGiven;

use crate::web::counted;

/// Every address of these.
pub(crate) const ADDRESSES: &[&str] = &[
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/api",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/openid-configuration",
    "/auth/cli",
    "/auth/cli/status",
    "/device",
    "/oauth/authorize",
    "/oauth/device_authorization",
    "/oauth/register",
    "/oauth/revoke",
    "/oauth/token",
];

/// The routes of this part.
pub(crate) fn routes(app: App) -> Router {
    let by_address = middleware::from_fn_with_state(app.clone(), by_address);
    let asked = Router::new()
        .route("/oauth/device_authorization", post(device::authorize))
        .route("/oauth/register", post(registration::register))
        .route("/oauth/token", post(token::give));
    let ended = Router::new()
        .route("/oauth/revoke", post(token::revoke))
        .route_layer(middleware::from_fn_with_state(app.clone(), revoking_by_address));
    let open = Router::new()
        .route("/.well-known/oauth-authorization-server", get(discovery::authorization_server))
        .route("/.well-known/oauth-protected-resource", get(discovery::whole_site))
        .route("/.well-known/oauth-protected-resource/api", get(discovery::api))
        .route("/.well-known/oauth-protected-resource/mcp", get(discovery::mcp))
        .route("/.well-known/openid-configuration", get(discovery::authorization_server))
        .merge(asked.route_layer(by_address.clone()))
        .merge(ended)
        .layer(middleware::from_fn(cors::around));
    let ours = Router::new()
        .route("/auth/cli", post(device::start_cli))
        .route("/auth/cli/status", get(device::cli_status).head(device::only_get))
        .route_layer(by_address);
    open.merge(ours).with_state(app)
}

/// The layer around what a client asks for before it has a token.
async fn by_address(State(app): State<App>, request: Request, next: Next) -> Result<Response, NotGiven> {
    Ok(next.run(counted(&app, request, CountedAs::Request).await?).await)
}

/// The same around what takes a token back.
async fn revoking_by_address(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, NotGiven> {
    Ok(next.run(counted(&app, request, CountedAs::Revocation).await?).await)
}
