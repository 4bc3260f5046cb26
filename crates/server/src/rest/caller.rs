//! Owns who calls: a program by its api token, an OAuth client by its access token, a person by their browser.
//! Refuses to look at what is called, and to change anything for a browser that another site could have led.

use axum::extract::FromRequestParts;
use http::{HeaderName, Method, header, request::Parts};
use skaas_app::{
    Actor, App, Code, CountedAs, Error, Presented, admit, authenticate, authenticate_to_revoke, oauth,
};

use super::Failed;
use crate::{
    client_address::ClientAddress,
    web::{Browser, Forged, WebState, comes_from_us, credentials},
};

/// What a script of our own pages sends to show that it is one: the `csrf` of their forms.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Whoever presented valid credentials. Where a request has credentials and a cookie, the credentials count.
pub(crate) struct Caller(pub(crate) Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(by_credentials(app, parts).await?));
        }
        admit(app, ClientAddress::of(&parts.extensions), counted_as(parts)).await?;
        let state = WebState::new(app.clone());
        let found = Browser::signed_in(&state, parts).await?;
        let (browser, actor) = found.ok_or(Error::Unauthenticated)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let token = parts.headers.get(CSRF).and_then(|token| token.to_str().ok());
            comes_from_us(&parts.headers, &browser, &state, token.unwrap_or_default()).map_err(forged)?;
        }
        Ok(Self(actor))
    }
}

/// Counted by the token, or, where it does not work, by the address.
async fn by_credentials(app: &App, parts: &Parts) -> Result<Actor, Error> {
    let from = ClientAddress::of(&parts.extensions);
    let Some(credentials) = credentials::read(&parts.headers) else {
        admit(app, from, CountedAs::Request).await?;
        return Err(Error::Unauthenticated);
    };
    let secret = credentials.secret.as_str();
    // RFC 6750 knows no access token as a password.
    if credentials.username.is_none() && oauth::is_access_token(secret) {
        return oauth::open_api(app, secret, from, counted_as(parts)).await;
    }
    let presented = Presented { username: credentials.username.as_deref(), secret };
    match counted_as(parts) {
        CountedAs::Request => authenticate(app, Some(&presented), from).await,
        CountedAs::Revocation => authenticate_to_revoke(app, Some(&presented), from).await,
    }
}

/// All that is deleted here is some right to come in.
fn counted_as(parts: &Parts) -> CountedAs {
    if parts.method == Method::DELETE { CountedAs::Revocation } else { CountedAs::Request }
}

fn forged(forged: Forged) -> Error {
    let sentence = match forged {
        Forged::Elsewhere => "this request came from another site; nothing was changed",
        Forged::Unproved => {
            "a browser changes something here only with the header X-CSRF-Token, which holds the csrf of our \
             forms; nothing was changed. Programs use an API token instead"
        }
    };
    Error::refused(Code::Forged, sentence.to_owned())
}
