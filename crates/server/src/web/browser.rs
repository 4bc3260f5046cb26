//! What we know about the browser that sent a request: its session, its theme and its own secret.
//!
//! Two cookies, both `__Host-` under https: the session's secret, and a secret of the browser itself. The
//! second ties a form to the browser it was shown in, and a sign-in at a provider to the browser it began in.

use std::{net::IpAddr, sync::Arc};

use axum::extract::FromRequestParts;
use http::{Method, request::Parts};
use skaas_app::{
    Actor,
    sessions::{self, Visitor},
};
use skaas_domain::{
    device::Place,
    secret::{Secret, SecretHash, SecretKind},
};

use super::{Frame, PageError, WebState, cookies::Theme, csrf::csrf_of};
use crate::client_address::{ClientAddress, place};

/// The browser that asks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Browser(Arc<Known>);

/// What is known of a browser.
pub(crate) struct Known {
    /// Who is signed in.
    pub(crate) actor: Option<Actor>,
    /// What a form of this browser and session must carry.
    pub(crate) csrf: String,
    /// What was chosen.
    pub(crate) theme: Option<Theme>,
    /// The browser's own secret.
    pub(crate) secret: Secret,
    /// Where the request came from.
    pub(crate) place: Place,
    /// Path and query of the page, to come back to.
    pub(crate) path: String,
    /// Whether the request sent a form from that page, rather than asking for it.
    pub(crate) sent_a_form: bool,
    /// The public address of this installation, without a slash at the end.
    pub(crate) origin: String,
}

impl std::ops::Deref for Browser {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

impl Browser {
    /// The browser that asks for something other than a page, if somebody is signed in there.
    pub(crate) async fn signed_in(
        state: &WebState,
        request: &Parts,
    ) -> Result<Option<(Self, Actor)>, skaas_app::Error> {
        let seen = Seen::of(state, request);
        if seen.cookie.is_empty() {
            return Ok(None);
        }
        let browser = seen.recognise(state).await?;
        Ok(browser.actor.clone().map(|actor| (browser, actor)))
    }

    /// Whether `token` is the one that our own pages in this browser carry.
    pub(crate) fn knows_csrf(&self, token: &str) -> bool {
        // Hashed first: how long the comparison takes tells nothing.
        SecretHash::of(token) == SecretHash::of(&self.csrf)
    }

    /// The browser as somebody who signs in with it.
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor { place: &self.place, browser: &self.secret, before: self.actor.as_ref() }
    }

    /// The username of whoever is signed in.
    pub(crate) fn username(&self) -> Option<&str> {
        Some(self.actor.as_ref()?.user()?.username.as_str())
    }

    /// Whether the menu leads to the operator's pages.
    pub(crate) fn is_operator(&self) -> bool {
        self.actor.as_ref().is_some_and(Actor::is_operator)
    }

    /// What stands around a page; `here` names the current place in the menu.
    pub(crate) fn frame(&self, here: &'static str) -> Frame {
        Frame::new(self, here)
    }
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| PageError::fault("a page stands outside the layer that knows browsers"))
    }
}

/// A browser in which somebody is signed in; anybody else is led to sign in and back.
pub(crate) struct Member {
    /// The browser.
    pub(crate) browser: Browser,
    /// Who.
    pub(crate) actor: Actor,
}

impl<S: Sync> FromRequestParts<S> for Member {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let browser = Browser::from_request_parts(parts, state).await?;
        match browser.actor.clone() {
            Some(actor) => Ok(Self { browser, actor }),
            None => Err(PageError::sign_in_first(&browser.path)),
        }
    }
}

/// What a request shows of its browser before anything is looked up.
pub(super) struct Seen {
    cookie: String,
    pub(super) secret: Option<Secret>,
    theme: Option<Theme>,
    from: Option<IpAddr>,
    place: Place,
    path: String,
    sent_a_form: bool,
}

impl Seen {
    pub(super) fn of(state: &WebState, request: &Parts) -> Self {
        let headers = &request.headers;
        let secret = state.cookies.read(headers, "browser");
        let theme = state.cookies.read(headers, "theme");
        let path = match request.method {
            Method::GET => request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
            _ => page_of(request.uri.path()),
        };
        Self {
            cookie: state.cookies.read(headers, "").unwrap_or_default(),
            secret: secret.and_then(|text| Secret::parse(SecretKind::Browser, &text).ok()),
            theme: theme.and_then(|text| Theme::parse(&text)),
            from: ClientAddress::of(&request.extensions),
            place: place(headers, &request.extensions),
            path: path.to_owned(),
            sent_a_form: request.method == Method::POST,
        }
    }

    pub(super) async fn recognise(self, state: &WebState) -> Result<Browser, skaas_app::Error> {
        let Self { cookie, secret, theme, from, place, path, sent_a_form } = self;
        let secret = secret.unwrap_or_else(|| sessions::browser_secret(&state.app));
        let actor = if cookie.is_empty() { None } else { sessions::find(&state.app, &cookie, from).await? };
        let csrf = csrf_of(&secret, if actor.is_some() { &cookie } else { "" });
        let origin = state.app.voice().public_url.clone();
        Ok(Browser(Arc::new(Known { actor, csrf, theme, secret, place, path, sent_a_form, origin })))
    }
}

/// The page whose form is sent to `path`: some addresses accept forms and have no page of their own.
fn page_of(path: &str) -> &str {
    match path {
        "/account/delete" | "/account/email" => "/account",
        _ if path.starts_with("/account/security/") => "/account/security",
        "/account/password" => path,
        "/signout" | "/theme" => "/",
        _ if path.starts_with("/skills/") => path.strip_suffix("/get").unwrap_or(path),
        _ if path.starts_with("/auth/") && path.ends_with("/link") => "/account/identities",
        "/signin/passkey" => "/signin",
        _ if path.starts_with("/auth/") && path.ends_with("/start") => "/signin",
        // An action on one entry of a list.
        _ => match path.rsplit_once('/') {
            Some((list, _)) if list.starts_with("/account/") => list,
            _ => path,
        },
    }
}
