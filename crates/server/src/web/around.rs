//! The layer around every page: recognizes the browser, renders errors as pages, and sets the headers that no
//! page may go out without.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use skaas_app::CountedAs;

use super::{Browser, Frame, PageError, WebState, browser::Seen, counted, error_page::Fault, escapes};

/// The content security policy of every page: it loads nothing from other sites, and no other site frames it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same policy for a page whose form may also end in a redirect to `scheme`.
pub(crate) fn policy_with_forms_to(scheme: &str) -> String {
    CONTENT_SECURITY_POLICY.replace("form-action 'self'", &format!("form-action 'self' {scheme}:"))
}

/// Marks the requests of htmx.
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
/// Tells htmx to load another page.
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// The layer around every page.
pub(crate) async fn around(State(state): State<WebState>, mut request: Request, next: Next) -> Response {
    // Static files cost next to nothing, and every page asks for them.
    if !request.uri().path().starts_with("/assets/") {
        request = match counted(&state.app, request, CountedAs::Request).await {
            Ok(request) => request,
            Err(error) => return finish(&state, None, PageError::from(error).into_response()),
        };
    }
    let by_htmx = request.headers().contains_key(HX_REQUEST);
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
    if by_htmx {
        response = for_htmx(response);
    }
    if is_new && is_for_a_person(&response) {
        let cookie = state.cookies.browser(&browser.secret);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A redirect as htmx follows it: by loading the page it leads to. Its request would follow a usual one by itself, and
/// look for the results of a search in the sign-in page.
fn for_htmx(mut response: Response) -> Response {
    if response.status().is_redirection()
        && let Some(location) = response.headers_mut().remove(header::LOCATION)
    {
        response.headers_mut().insert(HX_REDIRECT, location);
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// A page, or the way to one. A program has no use for a cookie, and what caches may keep must hold none.
fn is_for_a_person(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status().is_redirection() || kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Renders the error page, if there is one to render, and sets the headers that every page needs.
fn finish(state: &WebState, browser: Option<&Browser>, mut response: Response) -> Response {
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
