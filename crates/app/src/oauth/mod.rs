//! Use cases of the OAuth 2.1 authorization server: clients, consent, tokens.
//!
//! Invariants
//! - All clients are public: PKCE with S256 is what ties a code to who asked for it (OAuth 2.1, section 7.5).
//! - A user is sent to no address that the client did not register.
//! - Nothing readable is stored: codes and tokens are hashes.
//! - A token is for one resource, [`mcp_resource`] or [`api_resource`], and opens no other. None opens git.

pub mod applications;

mod authorization;
mod bearers;
mod clients;
mod grants;
mod refused;

pub use authorization::{Asked, NotAsked, Request, Sent, check, consent, refuse};
pub use bearers::{is_access_token, open_api, open_mcp};
pub(crate) use clients::find as find_client;
pub use clients::{Registration, register};
pub(crate) use grants::give;
pub use grants::{Given, exchange, refresh, revoke};
pub use refused::Refused;

use jiff::Timestamp;
use skaas_domain::{
    id::OauthGrantId,
    oauth::{ErrorCode, check_resource},
    scope::{Scope, Scopes},
};

use crate::app::App;

/// The end of an authorization that is given now: of an app's grant, or a command line's token.
pub fn authorized_until(app: &App) -> Timestamp {
    let now = app.now();
    now.saturating_add(app.limits().authorization_lifetime).unwrap_or(now)
}

/// An authorized app as the audit log names it.
pub(crate) fn app_named(name: &str, grant: OauthGrantId) -> String {
    format!("{name} ({grant})")
}

/// The address of the MCP endpoint: the resource that its tokens are for.
pub fn mcp_resource(app: &App) -> String {
    format!("{}/mcp", app.voice().public_url)
}

/// The address of the REST interface: the resource that its tokens are for, and those of clients that name none.
pub fn api_resource(app: &App) -> String {
    format!("{}/api", app.voice().public_url)
}

/// The one of our resources that a request names (RFC 8707). The address of the whole installation stands for
/// the REST interface.
pub(crate) fn resource(app: &App, requested: &str) -> Result<String, Refused> {
    let (mcp, api) = (mcp_resource(app), api_resource(app));
    let found = check_resource(requested, &[&mcp, &api, &app.voice().public_url])
        .map_err(|error| Refused::said(ErrorCode::InvalidTarget, error))?;
    Ok(if found == mcp { mcp } else { api })
}

/// The scopes that a request names; without any the least that `resource` is of use with.
pub(crate) fn scopes(app: &App, requested: Option<&str>, resource: &str) -> Result<Scopes, Refused> {
    let Some(requested) = requested else {
        let at_mcp = resource == mcp_resource(app);
        return Ok(if at_mcp {
            Scopes::of([Scope::Mcp])
        } else {
            Scopes::of([Scope::Account, Scope::ReadOnly])
        });
    };
    let scopes: Scopes = requested.parse().map_err(|error| Refused::said(ErrorCode::InvalidScope, error))?;
    if scopes.is_full() {
        let why = "`full` is for API tokens; an OAuth client asks for what it needs";
        return Err(Refused::said(ErrorCode::InvalidScope, why));
    }
    Ok(scopes)
}
