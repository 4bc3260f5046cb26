//! Owns what stands around every page, and how a template becomes an answer. Refuses to know any page.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header;

use super::{Browser, PageError, PagesState, assets, browser::Theme};

/// A sentence above the content: what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// `good`, `care` or `bad`.
    pub(crate) tone: &'static str,
    /// What to say.
    pub(crate) text: String,
}

/// What `base.html` needs; every template has one as `frame`.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The chosen theme.
    pub(crate) theme: Option<&'static str>,
    /// The address of the stylesheet.
    pub(crate) stylesheet: &'static str,
    /// The address of what makes pages quicker, never possible.
    pub(crate) script: &'static str,
    /// Who is signed in.
    pub(crate) user: Option<String>,
    /// The current place in the menu.
    pub(crate) here: &'static str,
    /// What every form carries as `csrf`.
    pub(crate) csrf: String,
    /// The page's path and query.
    pub(crate) path: String,
    /// What was just done.
    pub(crate) notice: Option<Notice>,
}

impl Frame {
    pub(super) fn new(browser: &Browser, here: &'static str) -> Self {
        Self {
            theme: browser.theme.map(Theme::as_str),
            stylesheet: assets::stylesheet(),
            script: assets::script(),
            user: browser.session.as_ref().map(|signed_in| signed_in.user.username.clone()),
            here,
            csrf: browser.csrf.clone(),
            path: browser.path.clone(),
            notice: None,
        }
    }

    /// Where not even the browser could be looked up.
    pub(super) fn plain(_: &PagesState) -> Self {
        let (user, theme, notice) = Default::default();
        Self {
            theme,
            stylesheet: assets::stylesheet(),
            script: assets::script(),
            user,
            here: "",
            csrf: String::new(),
            path: "/".to_owned(),
            notice,
        }
    }

    /// With a sentence above the content.
    pub(crate) fn noting(mut self, tone: &'static str, text: impl Into<String>) -> Self {
        self.notice = Some(Notice { tone, text: text.into() });
        self
    }

    /// The theme that the switch in the corner leads to.
    pub(crate) fn other_theme(&self) -> &'static str {
        if self.theme == Some("dark") { "light" } else { "dark" }
    }

    /// What the switch says.
    pub(crate) fn other_theme_label(&self) -> &'static str {
        if self.theme == Some("dark") { "Light theme" } else { "Dark theme" }
    }
}

/// What a person runs to sign a machine in to this server.
pub(crate) fn sign_in_command(public_url: &str) -> String {
    // The command line's own default needs no naming.
    if public_url == "https://skaas.com" {
        return "npx skaas auth".to_owned();
    }
    format!("npx skaas auth --url {public_url}")
}

/// A template as an answer of 200.
pub(crate) fn show(template: &impl Template) -> Result<Response, PageError> {
    let html = template.render().map_err(|error| PageError::from(skaas_app::Error::internal(error)))?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

/// The same under another status: a form that was not taken.
pub(crate) fn show_as(status: http::StatusCode, template: &impl Template) -> Result<Response, PageError> {
    let mut response = show(template)?;
    *response.status_mut() = status;
    Ok(response)
}
