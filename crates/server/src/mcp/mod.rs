//! The MCP endpoint: who may talk to it, and how others find out where to get a token (RFC 9728, section 5.1).
//! `protocol` answers those who may.

mod protocol;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::any,
};
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use skaas_app::{App, Code, Error, oauth};
use url::Url;

use crate::{
    client_address::ClientAddress,
    web::{
        challenge::{self, Lacking},
        credentials::bearer,
        problem::{problem, problem_saying},
    },
};

/// Every address of this part.
pub(crate) const ADDRESSES: &[&str] = &["/mcp"];

/// The sentence for requests without a valid access token. API tokens, which the usual sentence is about, don't work
/// here.
const NOBODY: &str = "sign in through your MCP client; the WWW-Authenticate header tells it where. This request had no access \
     token for this address, or the token is invalid or expired";

/// The sentence for pages of other sites.
const FOREIGN: &str = "this request comes from a page of another site (its Origin is not this server's), and such \
                       pages may not use the MCP endpoint; call it from a program, which sends no Origin";

/// The routes of this part. No CORS: pages of other sites may not call it.
pub(crate) fn routes(app: App) -> Router {
    Router::new().route("/mcp", any(handle)).with_state(app)
}

/// Answers any request to `/mcp`.
async fn handle(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    if is_foreign(&headers, &app.voice().public_url) {
        return problem(&Error::refused(Code::Forged, FOREIGN.to_owned()));
    }
    let token = bearer(&headers);
    let outcome = match token {
        Some(token) => oauth::open_mcp(&app, token, ClientAddress::of(&extensions)).await,
        None => Err(Error::Unauthenticated),
    };
    match outcome {
        Ok(_) if method == Method::POST => protocol::answer(&body),
        Ok(_) => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response(),
        Err(error) => refuse(&app, &error, token.is_some()),
    }
}

/// Whether a browser says that a page of another site sent this. The MCP specification requires the check against
/// DNS rebinding ("Security Warning" of the Streamable HTTP transport), so `Host` proves nothing here: only the
/// configured address counts. Programs send no `Origin`.
fn is_foreign(headers: &HeaderMap, public_url: &str) -> bool {
    let ours = Url::parse(public_url).map(|url| url.origin().ascii_serialization());
    let is_ours = |origin: &HeaderValue| ours.as_ref().is_ok_and(|ours| origin == ours.as_str());
    !headers.get_all(header::ORIGIN).iter().all(is_ours)
}

/// The refusal, with the address where a client gets a token.
fn refuse(app: &App, error: &Error, with_token: bool) -> Response {
    let mut response = match error {
        Error::Unauthenticated => problem_saying(error, NOBODY.to_owned()),
        other => problem(other),
    };
    let lacking = match error.code() {
        Code::Unauthenticated if with_token => Lacking::ValidToken,
        Code::Unauthenticated => Lacking::Credentials,
        Code::OutOfScope => Lacking::Scope,
        _ => return response,
    };
    if let Some(value) = challenge::bearer(&app.voice().public_url, "mcp", "mcp", lacking) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
