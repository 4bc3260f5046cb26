//! The page that asks before something is taken away. It works without JavaScript: the link in a list leads
//! here, and the form here does it.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::web::{Fault, Frame, PageError, show, show_as};

/// A question with two answers: do it, or go back.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub(super) frame: Frame,
    /// What is about to happen, as a question that names the thing.
    pub(super) question: String,
    /// What the reader should know first, one paragraph each.
    pub(super) consequences: Vec<String>,
    /// Where the form is sent.
    pub(super) action: Cow<'static, str>,
    /// What the form carries besides its CSRF token.
    pub(super) fields: Vec<(&'static str, String)>,
    /// Why it is done, where the reader is asked for that.
    pub(super) reason: Option<Reason>,
    /// What can be done along with it.
    pub(super) tick: Option<Tick>,
    /// The label of the button that does it.
    pub(super) verb: &'static str,
    /// Where Cancel leads.
    pub(super) back: Cow<'static, str>,
}

/// The field for a reason, sent as `reason`.
#[derive(Default)]
pub(super) struct Reason {
    /// What was typed.
    pub(super) value: String,
    /// What is wrong with it.
    pub(super) fault: Fault,
}

/// A box on the form, ticked until the reader unticks it.
pub(super) struct Tick {
    /// The field that it sends.
    pub(super) name: &'static str,
    /// What the field holds if it is ticked.
    pub(super) value: &'static str,
    /// What it stands for.
    pub(super) label: String,
}

impl Confirm {
    /// The page.
    pub(super) fn show(&self) -> Result<Response, PageError> {
        show(self)
    }

    /// The page once more, under the status of a form with a fault.
    pub(super) fn show_again(&self) -> Result<Response, PageError> {
        show_as(StatusCode::UNPROCESSABLE_ENTITY, self)
    }
}
