//! Error pages: what happened, why, and a button that leads to what helps. What only the operator should see
//! stays in the log.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use skaas_app::Error;

use super::{
    frame::{Frame, show, sign_in_from},
    problem,
};

/// Why there is no page. It becomes one in the layer around all pages, which knows the frame.
pub(crate) struct PageError(Box<Response>);

/// An error page that is still to be rendered.
#[derive(Clone)]
pub(crate) struct Fault {
    status: StatusCode,
    sentence: String,
    /// What helps, where the handler knows it better than the status does.
    next: Option<Next>,
    /// The heading, where the handler knows a better one than the status's.
    heading: Option<&'static str>,
}

/// The button of an error page: what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Next {
    /// What the button says.
    label: &'static str,
    /// A path of ours.
    href: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    heading: &'static str,
    sentence: String,
    status: u16,
    next: Option<Next>,
}

impl PageError {
    /// An error page with this status and sentence.
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self::carrying(status.into_response(), sentence.into())
    }

    /// A 500 whose cause is only logged.
    pub(crate) fn fault(what: &'static str) -> Self {
        Error::internal(what).into()
    }

    /// A redirect to the sign-in page, which leads back to `path`.
    pub(crate) fn sign_in_first(path: &str) -> Self {
        Self(Box::new(Redirect::to(&sign_in_from(path)).into_response()))
    }

    /// With a button that leads to what helps here.
    #[must_use]
    pub(crate) fn offering(mut self, label: &'static str, href: impl Into<String>) -> Self {
        if let Some(fault) = self.0.extensions_mut().get_mut::<Fault>() {
            fault.next = Some(Next { label, href: href.into() });
        }
        self
    }

    /// If it is a 404: with a heading that says what is gone, and a button that leads to a new one.
    #[must_use]
    pub(crate) fn if_absent(mut self, heading: &'static str, label: &'static str, href: &str) -> Self {
        let fault = self.0.extensions_mut().get_mut::<Fault>();
        if let Some(fault) = fault.filter(|fault| fault.status == StatusCode::NOT_FOUND) {
            fault.heading = Some(heading);
            fault.next = Some(Next { label, href: href.to_owned() });
        }
        self
    }

    fn carrying(mut response: Response, sentence: String) -> Self {
        let status = response.status();
        response.extensions_mut().insert(Fault { status, sentence, next: None, heading: None });
        Self(Box::new(response))
    }
}

impl From<Error> for PageError {
    /// Status and headers as the one mapping says.
    fn from(error: Error) -> Self {
        let mut response = problem::sentence(&error);
        // The Basic challenge is for git. A browser would open its password prompt.
        response.headers_mut().remove(http::header::WWW_AUTHENTICATE);
        Self::carrying(response, error.to_string())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl Fault {
    /// The page, with status and headers of `carrier`.
    pub(super) fn render(self, frame: Frame, sent_a_form: bool, carrier: Response) -> Response {
        let by_status = match self.status.as_u16() {
            404 => "Page not found",
            403 => "Not allowed",
            401 => "Sign in first",
            405 | 400 | 413 | 415 => "Invalid request",
            409 => "Conflict",
            429 => "Too many requests",
            // Only identity providers are asked for a page.
            502 => "Sign-in failed",
            503 => "Temporarily unavailable",
            _ => "Something went wrong",
        };
        let heading = self.heading.unwrap_or(by_status);
        let next = self.next.or_else(|| next(self.status, &frame, sent_a_form));
        let page = ErrorPage {
            frame,
            next,
            heading,
            sentence: sentence_case(&self.sentence),
            status: self.status.as_u16(),
        };
        let Ok(rendered) = show(&page) else { return carrier };
        let (mut parts, body) = rendered.into_parts();
        let (told, _) = carrier.into_parts();
        parts.status = told.status;
        if let Some(cause) = told.extensions.get::<problem::Cause>() {
            parts.extensions.insert(cause.clone());
        }
        for (name, value) in &told.headers {
            if !matches!(*name, http::header::CONTENT_TYPE | http::header::CONTENT_LENGTH) {
                parts.headers.append(name, value.clone());
            }
        }
        Response::from_parts(parts, body)
    }
}

/// What helps, as far as the status and the page tell.
fn next(status: StatusCode, frame: &Frame, sent_a_form: bool) -> Option<Next> {
    let path = frame.path.split('?').next().unwrap_or("/");
    let button = |label, href: &str| Some(Next { label, href: href.to_owned() });
    let is_signed_in = frame.user.is_some();
    match status.as_u16() {
        401 => button("Sign in", &sign_in_from(&frame.path)),
        400..500 if path == "/auth/cli" => button("Enter a code", "/device"),
        // A sign-in elsewhere that failed can only be started again.
        400..500 | 502 if path.starts_with("/auth/") && is_signed_in => {
            button("Back to sign-in methods", "/account/identities")
        }
        400..500 | 502 if path.starts_with("/auth/") => button("Choose another sign-in method", "/signin"),
        404 if path.starts_with("/account/") => {
            button("Back to settings", path.rsplit_once('/').map_or("/account", |(list, _)| list))
        }
        // After a form, the path is that of the page that shows it.
        400 | 403 | 409 | 413 | 415 if sent_a_form && path != "/" => button("Back to the form", path),
        400 | 403 | 404 | 405 | 409 | 413 | 415 => None,
        _ => button("Try again", &frame.path),
    }
}

/// Our sentences begin small and end without a stop, as they follow `remote: ` and `error: `.
pub(crate) fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}
