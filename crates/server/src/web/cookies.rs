//! Our cookies: their names, their attributes, and the theme that one of them holds.

use http::{HeaderMap, HeaderValue, header};
use skaas_app::sessions::Opened;
use skaas_domain::{secret::Secret, session::ABSOLUTE};

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

    pub(super) fn read(self, headers: &HeaderMap, what: &str) -> Option<String> {
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

    /// The cookie of the browser's own secret.
    pub(super) fn browser(self, secret: &Secret) -> HeaderValue {
        self.write("browser", secret.reveal(), YEAR_S)
    }

    /// Deletes the session's cookie.
    pub(crate) fn no_session(self) -> HeaderValue {
        self.write("", "", 0)
    }

    /// Keeps a choice of theme.
    pub(crate) fn theme(self, theme: Theme) -> HeaderValue {
        self.write("theme", theme.as_str(), YEAR_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
