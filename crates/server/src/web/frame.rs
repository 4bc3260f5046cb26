//! What surrounds every page (header, menu, notices), and how a template becomes an answer. What is on a page belongs
//! to its own module.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header;
use skaas_domain::identity::return_path;

use super::{Browser, PageError, WebState, assets, cookies::Theme};

/// A sentence above the content: what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// `good`, `care` or `bad`.
    pub(crate) tone: &'static str,
    /// What to say.
    pub(crate) text: String,
}

/// What a page says about itself in search results and link previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The page's own name.
    pub(crate) title: String,
    /// One or two sentences.
    pub(crate) text: String,
    /// The path under which the page is known, whichever path led to it.
    pub(crate) path: String,
}

/// What `base.html` needs; every template has one as `frame`.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The chosen theme.
    pub(crate) theme: Option<&'static str>,
    /// The address of the stylesheet.
    pub(crate) stylesheet: &'static str,
    /// The address of the script; every page works without it.
    pub(crate) script: &'static str,
    /// The address of the icon.
    pub(crate) icon: &'static str,
    /// The public address of this installation, without a slash at the end.
    pub(crate) origin: String,
    /// What search engines and link previews show; none for pages that belong in neither.
    pub(crate) summary: Option<Summary>,
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
            stylesheet: assets::stylesheet_address(),
            script: assets::script_address(),
            icon: assets::icon_address(),
            origin: browser.origin.clone(),
            summary: None,
            user: browser.username().map(str::to_owned),
            here,
            csrf: browser.csrf.clone(),
            path: browser.path.clone(),
            notice: None,
        }
    }

    /// The frame of an error page for a browser that could not be looked up.
    pub(super) fn plain(state: &WebState) -> Self {
        let (user, theme, notice, summary) = Default::default();
        Self {
            theme,
            stylesheet: assets::stylesheet_address(),
            script: assets::script_address(),
            icon: assets::icon_address(),
            origin: state.app.voice().public_url.clone(),
            summary,
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

    /// With what search engines and link previews show of the page.
    pub(crate) fn described(mut self, title: &str, text: &str, path: String) -> Self {
        self.summary = Some(Summary { title: title.to_owned(), text: text.to_owned(), path });
        self
    }

    /// Whether the page is one of the account's settings.
    pub(crate) fn is_in_settings(&self) -> bool {
        matches!(self.here, "account" | "password" | "identities" | "sessions" | "tokens" | "applications")
    }

    /// Where "Sign in" in the header leads: to the sign-in page, and from there back to this page. Pages on the way in
    /// are none to come back to, and neither is a path that could lead off the site.
    pub(crate) fn sign_in_address(&self) -> String {
        let path = return_path(&self.path);
        let ways_in = ["signin", "signup", "reset", "verify", "auth"];
        let first = path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
        if path == "/" || ways_in.contains(&first) {
            return "/signin".to_owned();
        }
        sign_in_from(path)
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

/// The sign-in page that leads back to `path`.
pub(super) fn sign_in_from(path: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/signin?return_to={query}")
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
