//! Owns how a page says that something went wrong: in the same frame as everything else. Refuses to show a
//! person what only the operator should see.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use skaas_app::Error;

use super::frame::{Frame, show};
use crate::problem;

/// Why there is no page. It becomes one in the layer around all pages, which knows the frame.
pub(crate) struct PageError(Box<Response>);

/// What is to be rendered.
#[derive(Clone)]
pub(crate) struct Fault {
    status: StatusCode,
    sentence: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    heading: &'static str,
    sentence: String,
    status: u16,
    /// What leads to signing in; empty where that would not help.
    sign_in: &'static str,
}

impl PageError {
    /// A sentence under a status.
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self::carrying(status.into_response(), sentence.into())
    }

    /// A mistake of ours.
    pub(crate) fn fault(what: &'static str) -> Self {
        Error::internal(what).into()
    }

    /// Leads to the sign-in page and from there back to `path`.
    pub(crate) fn sign_in_first(path: &str) -> Self {
        let query: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        Self(Box::new(Redirect::to(&format!("/signin?return_to={query}")).into_response()))
    }

    fn carrying(mut response: Response, sentence: String) -> Self {
        let status = response.status();
        response.extensions_mut().insert(Fault { status, sentence });
        Self(Box::new(response))
    }
}

impl From<Error> for PageError {
    /// Status and headers as the one mapping says.
    fn from(error: Error) -> Self {
        let mut response = problem::sentence(&error);
        // What follows from Basic is for git: a browser would ask for a password in a window of its own.
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
    pub(super) fn render(self, frame: Frame, carrier: Response) -> Response {
        let heading = match self.status.as_u16() {
            404 => "There is nothing here",
            403 => "Not allowed",
            401 => "Sign in first",
            405 | 400 | 413 | 415 => "This cannot be taken",
            409 => "Already there",
            429 => "Too often",
            503 => "Not available at the moment",
            _ => "Something went wrong",
        };
        let sign_in = match self.status.as_u16() {
            _ if frame.user.is_some() => "",
            401 => "Sign in",
            403 if frame.path.starts_with("/auth/") => "Sign in another way",
            _ => "",
        };
        let page = ErrorPage {
            frame,
            sign_in,
            heading,
            sentence: sentence_case(&self.sentence),
            status: self.status.as_u16(),
        };
        let Ok(rendered) = show(&page) else { return carrier };
        let (mut parts, body) = rendered.into_parts();
        let (told, _) = carrier.into_parts();
        parts.status = told.status;
        for (name, value) in &told.headers {
            if !matches!(*name, http::header::CONTENT_TYPE | http::header::CONTENT_LENGTH) {
                parts.headers.append(name, value.clone());
            }
        }
        Response::from_parts(parts, body)
    }
}

/// Our sentences begin small and end without a stop, as they follow `remote: ` and `error: `.
pub(crate) fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}
