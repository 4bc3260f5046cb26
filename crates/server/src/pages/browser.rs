//! Owns what we know of the browser that asks: its session, its theme, its own secret, and the headers that
//! every page goes out with. Refuses to let any page out without them.
//!
//! Two cookies, both `__Host-` under https: the session's secret, and a secret of the browser itself. The
//! second ties a form to the browser it was shown in, and a sign-in at a provider to the browser it began in.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use skaas_app::{
    CountedAs,
    sessions::{self, Opened, SignedIn, Visitor},
};
use skaas_domain::{
    device::Place,
    secret::{Secret, SecretHash, SecretKind},
    session::ABSOLUTE,
};

use super::{Frame, PageError, PagesState, error_page::Fault};
use crate::{client_address::place, counted::counted, escapes};

/// Nothing that a page does not bring itself; nobody may frame it; forms come back to us alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// How long a browser keeps its secret and its theme, in seconds: browsers cut anything above 400 days.
const YEAR_S: i64 = 365 * 24 * 3600;

/// Light or dark, where the person chose; else as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "light" => Some(Self::Light),
            "dark" => Some(Self::Dark),
            _ => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The browser that asks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Browser(Arc<Known>);

/// What is known of a browser.
pub(crate) struct Known {
    /// Who is signed in.
    pub(crate) session: Option<SignedIn>,
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
        state: &PagesState,
        request: &Parts,
    ) -> Result<Option<(Self, SignedIn)>, skaas_app::Error> {
        let seen = Seen::of(state, request);
        if seen.cookie.is_empty() {
            return Ok(None);
        }
        let browser = seen.recognise(state).await?;
        Ok(browser.session.clone().map(|signed_in| (browser, signed_in)))
    }

    /// Whether `token` is the one that our own pages in this browser carry.
    pub(crate) fn knows_csrf(&self, token: &str) -> bool {
        // Hashed first: how long the comparison takes tells nothing.
        SecretHash::of(token) == SecretHash::of(&self.csrf)
    }

    /// The browser as somebody who signs in with it.
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor { place: &self.place, browser: &self.secret, before: self.session.as_ref() }
    }

    /// What stands around a page; `here` names the current place in the menu.
    pub(crate) fn frame(&self, here: &'static str) -> Frame {
        Frame::new(self, here)
    }
}

/// 128 bits that follow from both cookies and from nothing that another site could know. A new session
/// makes a new one, so that a form shown before signing in is of no use after.
fn csrf_of(browser: &Secret, session: &str) -> String {
    use std::fmt::Write as _;
    let hash = SecretHash::of(&format!("csrf {} {session}", browser.reveal()));
    hash.0[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The names and attributes of our cookies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    /// Under https, browsers let nobody but us set them: `__Host-` (RFC 6265bis, section 4.1.3.2).
    secure: bool,
}

impl Cookies {
    pub(crate) fn of(public_url: &str) -> Self {
        Self { secure: public_url.starts_with("https://") }
    }

    /// The name of a cookie: `""` is the session's.
    fn name(self, what: &str) -> String {
        let dash = if what.is_empty() { "" } else { "-" };
        format!("{}skaas{dash}{what}", if self.secure { "__Host-" } else { "" })
    }

    fn read(self, headers: &HeaderMap, what: &str) -> Option<String> {
        let name = self.name(what);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    fn write(self, what: &str, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name(what));
        let mut value = HeaderValue::from_str(&text).expect("letters, digits and cookie syntax");
        value.set_sensitive(true);
        value
    }

    /// The cookie of a session just opened.
    pub(crate) fn session(self, opened: &Opened) -> HeaderValue {
        self.write("", opened.secret.reveal(), ABSOLUTE.as_secs())
    }

    /// Takes the session's cookie back.
    pub(crate) fn no_session(self) -> HeaderValue {
        self.write("", "", 0)
    }

    /// Keeps a choice of theme.
    pub(crate) fn theme(self, theme: Theme) -> HeaderValue {
        self.write("theme", theme.as_str(), YEAR_S)
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
    pub(crate) signed_in: SignedIn,
}

impl<S: Sync> FromRequestParts<S> for Member {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let browser = Browser::from_request_parts(parts, state).await?;
        match browser.session.clone() {
            Some(signed_in) => Ok(Self { browser, signed_in }),
            None => Err(PageError::sign_in_first(&browser.path)),
        }
    }
}

/// The layer around every page.
pub(crate) async fn around(State(state): State<PagesState>, mut request: Request, next: Next) -> Response {
    // Static files cost next to nothing, and every page asks for them.
    if !request.uri().path().starts_with("/assets/") {
        request = match counted(&state.app, request, CountedAs::Request).await {
            Ok(request) => request,
            Err(error) => return finish(&state, None, PageError::from(error).into_response()),
        };
    }
    let (parts, body) = request.into_parts();
    let seen = Seen::of(&state, &parts);
    let mut request = Request::from_parts(parts, body);
    let is_new = seen.secret.is_none();
    let browser = match seen.recognise(&state).await {
        Ok(browser) => browser,
        Err(error) => return finish(&state, None, PageError::from(error).into_response()),
    };
    request.extensions_mut().insert(browser.clone());
    let response = match escapes::check(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(error) => PageError::from(error).into_response(),
    };
    let mut response = finish(&state, Some(&browser), response);
    if is_new && is_for_a_person(&response) {
        let cookie = state.cookies.write("browser", browser.secret.reveal(), YEAR_S);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A page, or the way to one. A program has no use for a cookie, and what caches may keep must hold none.
fn is_for_a_person(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status().is_redirection() || kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// What a request shows of its browser before anything is looked up.
struct Seen {
    cookie: String,
    secret: Option<Secret>,
    theme: Option<Theme>,
    place: Place,
    path: String,
    sent_a_form: bool,
}

impl Seen {
    fn of(state: &PagesState, request: &Parts) -> Self {
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
            place: place(headers, &request.extensions),
            path: path.to_owned(),
            sent_a_form: request.method == Method::POST,
        }
    }

    async fn recognise(self, state: &PagesState) -> Result<Browser, skaas_app::Error> {
        let Self { cookie, secret, theme, place, path, sent_a_form } = self;
        let secret = secret.unwrap_or_else(|| sessions::browser_secret(&state.app));
        let session = if cookie.is_empty() { None } else { sessions::find(&state.app, &cookie).await? };
        let csrf = csrf_of(&secret, if session.is_some() { &cookie } else { "" });
        let origin = state.app.voice().public_url.clone();
        Ok(Browser(Arc::new(Known { session, csrf, theme, secret, place, path, sent_a_form, origin })))
    }
}

/// The page whose form is sent to `path`: some addresses accept forms and have no page of their own.
fn page_of(path: &str) -> &str {
    match path {
        "/account/delete" | "/account/email" => "/account",
        "/account/password" => path,
        "/signout" | "/theme" => "/",
        _ if path.starts_with("/skills/") => path.strip_suffix("/get").unwrap_or(path),
        _ if path.starts_with("/auth/") && path.ends_with("/link") => "/account/identities",
        _ if path.starts_with("/auth/") && path.ends_with("/start") => "/signin",
        // An action on one entry of a list.
        _ => match path.rsplit_once('/') {
            Some((list, _)) if list.starts_with("/account/") => list,
            _ => path,
        },
    }
}

/// Renders the error page, if there is one to render, and sets the headers that every page needs.
fn finish(state: &PagesState, browser: Option<&Browser>, mut response: Response) -> Response {
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        let frame = browser.map_or_else(|| Frame::plain(state), |browser| browser.frame(""));
        let sent_a_form = browser.is_some_and(|browser| browser.sent_a_form);
        response = fault.render(frame, sent_a_form, response);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn secret(seed: u64) -> Secret {
        Secret::generate(SecretKind::Browser, &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn the_token_of_a_form_changes_with_the_browser_and_with_the_session() {
        let token = csrf_of(&secret(1), "sk_session_a");
        assert_eq!(token, csrf_of(&secret(1), "sk_session_a"));
        assert_eq!(token.len(), 32);
        assert_ne!(token, csrf_of(&secret(2), "sk_session_a"));
        assert_ne!(token, csrf_of(&secret(1), "sk_session_b"));
        assert_ne!(token, csrf_of(&secret(1), ""));
    }

    #[test]
    fn cookies_are_ours_alone_wherever_there_is_https() {
        let cookie = Cookies::of("https://skaas.example").write("", "x", 5);
        assert_eq!(
            cookie.to_str().unwrap(),
            "__Host-skaas=x; Path=/; Max-Age=5; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = Cookies::of("http://localhost:8080").write("theme", "dark", 5);
        assert_eq!(plain.to_str().unwrap(), "skaas-theme=dark; Path=/; Max-Age=5; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let cookies = Cookies::of("https://skaas.example");
        let mut headers = HeaderMap::new();
        headers
            .append(header::COOKIE, "skaas=no; x__Host-skaas=no; __Host-skaas-theme=dark".parse().unwrap());
        headers.append(header::COOKIE, "__Host-skaas=yes".parse().unwrap());
        assert_eq!(cookies.read(&headers, "").as_deref(), Some("yes"));
        assert_eq!(cookies.read(&headers, "theme").as_deref(), Some("dark"));
        assert_eq!(cookies.read(&headers, "browser"), None);
    }
}
