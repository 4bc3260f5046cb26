//! What every kind of client needs: the browser's session and its proof against forged requests, credentials and
//! challenges, reading bodies, refusals, and the frame around pages.
//!
//! Invariant: `git_http`, `pages`, `rest`, `oauth` and `mcp` import from here and never from each other; nothing here
//! imports from them. `tests/house.rs` enforces it.

pub(crate) mod assets;
pub(crate) mod body;
pub(crate) mod challenge;
pub(crate) mod credentials;
pub(crate) mod escapes;
pub(crate) mod problem;

mod around;
mod browser;
mod cookies;
mod counted;
mod csrf;
mod error_page;
mod form;
mod frame;
#[cfg(test)]
mod gallery;
mod moment;
mod response;
mod results;

use std::sync::Arc;

use skaas_app::App;

use crate::config::InForce;

pub(crate) use around::{around, policy_with_forms_to};
pub(crate) use browser::{Browser, Member};
pub(crate) use cookies::{Cookies, Theme};
pub(crate) use counted::counted;
pub(crate) use csrf::{Forged, comes_from_us};
pub(crate) use error_page::{PageError, sentence_case};
pub(crate) use form::{Fault, Fields, Query, Submitted};
pub(crate) use frame::{Frame, Tone, show, show_as, sign_in_command};
pub(crate) use moment::Moment;
pub(crate) use response::{go, json_once};
pub(crate) use results::{About, Asked, Results, View};

/// What handlers that know browsers need.
#[derive(Clone)]
pub(crate) struct WebState {
    /// The use cases.
    pub(crate) app: App,
    /// The names and attributes of our cookies.
    pub(crate) cookies: Cookies,
    /// The settings in force, for operators.
    pub(crate) settings: Arc<[InForce]>,
}

impl WebState {
    pub(crate) fn new(app: App) -> Self {
        let cookies = Cookies::of(&app.voice().public_url);
        Self { app, cookies, settings: Arc::default() }
    }
}
