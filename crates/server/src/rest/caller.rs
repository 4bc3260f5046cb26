//! Owns who calls: a program by its api token, an OAuth client by its access token, a person by their browser.
//! Refuses to look at what is called, and to change anything for a browser that another site could have led.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderName, Method, header, request::Parts};
use skaas_app::{
    App, CountedAs, Error, Presented, Viewer, admit, authenticate, authenticate_to_revoke,
    oauth::{self, OauthBearer},
    sessions::SignedIn,
};
use skaas_domain::{
    id::{OauthGrantId, SessionId},
    scope::{Need, Scopes},
    user::{TokenRecord, User},
};

use super::Failed;
use crate::{
    client_address::ClientAddress,
    web::{Browser, Forged, WebState, comes_from_us, credentials},
};

/// What a script of our own pages sends to show that it is one: the `csrf` of their forms.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Whoever showed who they are. Where a request has credentials and a cookie, the credentials count.
pub(crate) enum Caller {
    /// With an api token: as Bearer, or as the password of Basic.
    Token(Arc<Viewer>),
    /// With an access token that was given for this interface.
    Client(Box<OauthBearer>),
    /// In a browser in which they are signed in.
    Person(Box<SignedIn>),
}

impl Caller {
    /// Whose doing this is, if what they showed was made for it.
    pub(crate) fn allowed(&self, need: &Need<'_>) -> Result<&User, Failed> {
        match self {
            Self::Token(viewer) => viewer.allow(need).map_err(Failed::limited)?,
            Self::Client(bearer) if !bearer.scopes().permits(need) => {
                return Err(Failed::limited(Error::Forbidden(bearer.scopes().refusal(need))));
            }
            Self::Client(_) | Self::Person(_) => {}
        }
        Ok(self.user())
    }

    fn user(&self) -> &User {
        match self {
            Self::Token(viewer) => viewer.user(),
            Self::Client(bearer) => &bearer.user,
            Self::Person(signed_in) => &signed_in.user,
        }
    }

    /// What they may do, and hand on.
    pub(crate) fn scopes(&self) -> Scopes {
        match self {
            Self::Token(viewer) => viewer.token().scopes.clone(),
            Self::Client(bearer) => bearer.scopes().clone(),
            Self::Person(_) => Scopes::full(),
        }
    }

    /// The api token that asks, if it is one.
    pub(crate) fn token(&self) -> Option<&TokenRecord> {
        if let Self::Token(viewer) = self { Some(viewer.token()) } else { None }
    }

    /// The browser login that asks, if it is one.
    pub(crate) fn session(&self) -> Option<SessionId> {
        if let Self::Person(signed_in) = self { Some(signed_in.session.id) } else { None }
    }

    /// The person who asks in a browser, if one does.
    pub(crate) fn person(&self) -> Option<&SignedIn> {
        if let Self::Person(signed_in) = self { Some(signed_in) } else { None }
    }

    /// The connected application that asks, if it is one.
    pub(crate) fn grant(&self) -> Option<OauthGrantId> {
        if let Self::Client(bearer) = self { Some(bearer.grant.id) } else { None }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(by_credentials(app, parts).await?);
        }
        admit(app, ClientAddress::of(&parts.extensions), counted_as(parts)).await?;
        let state = WebState::new(app.clone());
        let found = Browser::signed_in(&state, parts).await?;
        let (browser, signed_in) = found.ok_or(Error::Unauthenticated)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let token = parts.headers.get(CSRF).and_then(|token| token.to_str().ok());
            comes_from_us(&parts.headers, &browser, &state, token.unwrap_or_default()).map_err(forged)?;
        }
        Ok(Self::Person(Box::new(signed_in)))
    }
}

/// Counted by the token, or, where it does not work, by the address.
async fn by_credentials(app: &App, parts: &Parts) -> Result<Caller, Error> {
    let from = ClientAddress::of(&parts.extensions);
    let Some(credentials) = credentials::read(&parts.headers) else {
        admit(app, from, CountedAs::Request).await?;
        return Err(Error::Unauthenticated);
    };
    let secret = credentials.secret.as_str();
    // RFC 6750 knows no access token as a password.
    if credentials.username.is_none() && oauth::is_access_token(secret) {
        return Ok(Caller::Client(Box::new(oauth::open_api(app, secret, from, counted_as(parts)).await?)));
    }
    let presented = Presented { username: credentials.username.as_deref(), secret };
    let viewer = match counted_as(parts) {
        CountedAs::Request => authenticate(app, Some(&presented), from).await?,
        CountedAs::Revocation => authenticate_to_revoke(app, Some(&presented), from).await?,
    };
    Ok(Caller::Token(viewer))
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
    Error::Forbidden(sentence.to_owned())
}
