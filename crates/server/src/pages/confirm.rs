//! The page that asks before something is taken away. It works without JavaScript: the link in a list leads
//! here, and the form here does it.

use askama::Template;
use axum::response::Response;

use crate::web::{Frame, PageError, show};

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
    pub(super) action: &'static str,
    /// What the form carries besides its CSRF token.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What can be done along with it.
    pub(super) tick: Option<Tick>,
    /// The label of the button that does it.
    pub(super) verb: &'static str,
    /// Where Cancel leads.
    pub(super) back: &'static str,
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
}
