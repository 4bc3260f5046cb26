//! What surrounds every page (header, menu, notices), and how a template becomes an answer. What is on a page belongs
//! to its own module.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header;
use skaas_domain::identity::return_path;

use super::{Browser, PageError, WebState, assets, cookies::Theme};

/// What a sentence means to the reader; each tone has a surface of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It worked.
    Ok,
    /// It worked in part, or needs the reader's attention.
    Warn,
}

impl Tone {
    /// The class in the stylesheet.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
        }
    }
}

/// A link of a side navigation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SideLink {
    /// The place it leads to, as in [`Frame::here`].
    pub(crate) here: &'static str,
    /// Its path.
    pub(crate) path: &'static str,
    /// What it says.
    pub(crate) label: &'static str,
    /// Its icon, of `assets/vendor/icons.txt`.
    pub(crate) icon: &'static str,
}

/// Links of a side navigation that belong together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SideGroup {
    /// What they have in common; may be empty.
    pub(crate) label: &'static str,
    /// The links.
    pub(crate) links: &'static [SideLink],
}

/// The navigation of the settings.
const SETTINGS: &[SideGroup] = &[
    SideGroup {
        label: "",
        links: &[SideLink { here: "account", path: "/account", label: "Profile", icon: "user" }],
    },
    SideGroup {
        label: "Security",
        links: &[
            SideLink { here: "password", path: "/account/password", label: "Password", icon: "lock" },
            SideLink {
                here: "security",
                path: "/account/security",
                label: "Passkeys and 2FA",
                icon: "shield-check",
            },
            SideLink {
                here: "identities",
                path: "/account/identities",
                label: "Sign-in methods",
                icon: "log-in",
            },
            SideLink { here: "sessions", path: "/account/sessions", label: "Sessions", icon: "monitor" },
            SideLink { here: "activity", path: "/account/activity", label: "Activity", icon: "history" },
        ],
    },
    SideGroup {
        label: "Access",
        links: &[
            SideLink { here: "tokens", path: "/account/tokens", label: "API tokens", icon: "key-round" },
            SideLink {
                here: "applications",
                path: "/account/applications",
                label: "Authorized apps",
                icon: "app-window",
            },
        ],
    },
];

/// The navigation of the operator's pages.
const DESK: &[SideGroup] = &[
    SideGroup {
        label: "",
        links: &[SideLink { here: "operator", path: "/operator", label: "Overview", icon: "gauge" }],
    },
    SideGroup {
        label: "Marketplace",
        links: &[
            SideLink { here: "operator-users", path: "/operator/users", label: "Users", icon: "users" },
            SideLink {
                here: "operator-listings",
                path: "/operator/listings",
                label: "Skills",
                icon: "package",
            },
        ],
    },
    SideGroup {
        label: "Server",
        links: &[
            SideLink { here: "operator-jobs", path: "/operator/jobs", label: "Jobs", icon: "list-checks" },
            SideLink { here: "operator-audit", path: "/operator/audit", label: "Audit log", icon: "history" },
            SideLink {
                here: "operator-settings",
                path: "/operator/settings",
                label: "Settings",
                icon: "settings",
            },
        ],
    },
];

/// A sentence above the content: what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Whether it is good news.
    pub(crate) tone: Tone,
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
    /// The address of htmx, which `script` needs.
    pub(crate) htmx: &'static str,
    /// The address of the script behind passkeys.
    pub(crate) passkeys: &'static str,
    /// The address of the sprite with all icons.
    pub(crate) icons: &'static str,
    /// The address of the site's icon.
    pub(crate) favicon: &'static str,
    /// The public address of this installation, without a slash at the end.
    pub(crate) origin: String,
    /// What search engines and link previews show; none for pages that belong in neither.
    pub(crate) summary: Option<Summary>,
    /// Who is signed in.
    pub(crate) user: Option<String>,
    /// Whether the menu leads to the operator's pages.
    pub(crate) is_operator: bool,
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
            stylesheet: assets::STYLESHEET.address(),
            script: assets::SCRIPT.address(),
            htmx: assets::HTMX.address(),
            passkeys: assets::PASSKEYS.address(),
            icons: assets::ICONS.address(),
            favicon: assets::FAVICON.address(),
            origin: browser.origin.clone(),
            summary: None,
            user: browser.username().map(str::to_owned),
            is_operator: browser.is_operator(),
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
            stylesheet: assets::STYLESHEET.address(),
            script: assets::SCRIPT.address(),
            htmx: assets::HTMX.address(),
            passkeys: assets::PASSKEYS.address(),
            icons: assets::ICONS.address(),
            favicon: assets::FAVICON.address(),
            origin: state.app.voice().public_url.clone(),
            summary,
            user,
            is_operator: false,
            here: "",
            csrf: String::new(),
            path: "/".to_owned(),
            notice,
        }
    }

    /// With a sentence above the content.
    pub(crate) fn noting(mut self, tone: Tone, text: impl Into<String>) -> Self {
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
        SETTINGS.iter().flat_map(|group| group.links).any(|link| link.here == self.here)
    }

    /// The navigation of the settings.
    #[allow(clippy::unused_self, reason = "templates can call nothing else")]
    pub(crate) fn settings(&self) -> &'static [SideGroup] {
        SETTINGS
    }

    /// Whether the page is one of the operator's.
    pub(crate) fn is_in_desk(&self) -> bool {
        DESK.iter().flat_map(|group| group.links).any(|link| link.here == self.here)
    }

    /// The navigation of the operator's pages.
    #[allow(clippy::unused_self, reason = "templates can call nothing else")]
    pub(crate) fn desk(&self) -> &'static [SideGroup] {
        DESK
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
