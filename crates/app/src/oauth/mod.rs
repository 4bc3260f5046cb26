//! Use cases of the OAuth 2.1 authorization server: clients, consent, tokens.
//!
//! Invariants
//! - All clients are public: PKCE with S256 is what ties a code to who asked for it (OAuth 2.1, section 7.5).
//! - A user is sent to no address that the client did not register.
//! - Nothing readable is stored: codes and tokens are hashes.

mod authorization;
mod clients;
mod grants;
mod refused;

pub use authorization::{Asked, NotAsked, Request, Sent, check, consent, refuse};
pub(crate) use clients::find as find_client;
pub use clients::{Registration, register};
pub(crate) use grants::give;
pub use grants::{Given, exchange, open_mcp, refresh, revoke};
pub use refused::Refused;

use skaas_domain::{
    oauth::{ErrorCode, check_resource},
    scope::{Scope, Scopes},
};

use crate::app::App;

/// The address of the MCP endpoint: the resource that its tokens are for.
pub fn mcp_resource(app: &App) -> String {
    format!("{}/mcp", app.voice().public_url)
}

/// The one of our resources that a request names (RFC 8707); without a name our REST API and git.
pub(crate) fn resource(app: &App, requested: Option<&str>) -> Result<Option<String>, Refused> {
    let Some(requested) = requested else { return Ok(None) };
    let mcp = mcp_resource(app);
    let found = check_resource(requested, &[&mcp, &app.voice().public_url])
        .map_err(|error| Refused::said(ErrorCode::InvalidTarget, error))?;
    Ok((found == mcp).then_some(mcp.clone()))
}

/// The scopes that a request names; without any what `resource` is for.
pub(crate) fn scopes(requested: Option<&str>, resource: Option<&str>) -> Result<Scopes, Refused> {
    let Some(requested) = requested else {
        return Ok(Scopes::of([if resource.is_some() { Scope::Mcp } else { Scope::Marketplaces }]));
    };
    let scopes: Scopes = requested.parse().map_err(|error| Refused::said(ErrorCode::InvalidScope, error))?;
    if scopes.is_full() {
        let why = "`full` is for api tokens; an OAuth client asks for what it needs";
        return Err(Refused::said(ErrorCode::InvalidScope, why));
    }
    Ok(scopes)
}
