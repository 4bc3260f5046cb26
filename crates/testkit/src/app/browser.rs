//! A browser without scripts: cookies, pages, and forms sent as they stand on the page.
//!
//! Owns: the cookie jar, hidden fields. Refuses: to send a form that the page does not have, and to read
//! anything but what a person would see or send.

use std::collections::BTreeMap;
use std::fs;

use super::{Node, TestApp};
use crate::wire::{Answer, Connection};

/// Somebody's browser.
pub struct Browser {
    port: u16,
    cookies: BTreeMap<String, String>,
    agent: String,
}

/// A page, and where it is.
#[derive(Clone, Debug)]
pub struct Page {
    /// Path and query.
    pub path: String,
    /// The whole answer.
    pub answer: Answer,
}

impl TestApp {
    /// A browser that nobody used yet, at the newest node.
    pub fn browser(&self) -> Browser {
        self.browser_at(&self.node())
    }

    /// The same at a certain node.
    pub fn browser_at(&self, node: &Node) -> Browser {
        Browser {
            port: node.port(),
            cookies: BTreeMap::new(),
            agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140".to_owned(),
        }
    }

    /// Every mail that was sent, the oldest first: its whole text, with soft line breaks taken out.
    pub fn mails(&self) -> Vec<String> {
        self.works();
        let Ok(entries) = fs::read_dir(self.mail_folder()) else { return Vec::new() };
        let mut files: Vec<_> =
            entries.map(|entry| entry.expect("a mail folder can be listed").path()).collect();
        files.sort_by_key(|file| fs::metadata(file).and_then(|data| data.modified()).ok());
        let text = |file| fs::read_to_string(file).expect("a mail is text");
        files.iter().map(|file| text(file).replace("=\r\n", "").replace("=3D", "=")).collect()
    }

    /// The path of the link in the newest mail with one to an address. Of mails that were added in one moment, which is
    /// the newest is chance: have [`TestApp::works`] send the others first.
    ///
    /// # Panics
    /// If there is none.
    pub fn link_mailed_to(&self, address: &str) -> String {
        let mails = self.mails();
        let mail = mails
            .iter()
            .rev()
            .find(|mail| mail.contains(&format!("To: {address}\r\n")) && mail.contains("?code="));
        let mail = mail.unwrap_or_else(|| panic!("no link was mailed to {address}: {mails:#?}"));
        let start = mail.find(super::PUBLIC_URL).and_then(|_| {
            mail.match_indices(super::PUBLIC_URL).find(|(at, _)| {
                mail[*at..].contains("?code=")
                    && mail[*at..].split_whitespace().next().is_some_and(|word| word.contains("?code="))
            })
        });
        let (at, _) = start.unwrap_or_else(|| panic!("no link in {mail}"));
        let url = mail[at..].split_whitespace().next().expect("the link is there");
        url[super::PUBLIC_URL.len()..].to_owned()
    }
}

impl Browser {
    /// Moves on to another node, with all cookies.
    #[must_use]
    pub fn at(mut self, node: &Node) -> Self {
        self.port = node.port();
        self
    }

    /// Opens a page, and follows where it leads within the site.
    #[track_caller]
    pub fn open(&mut self, path: &str) -> Page {
        let page = self.visit(path);
        self.follow(page)
    }

    /// Opens a page and goes nowhere else.
    #[track_caller]
    pub fn visit(&mut self, path: &str) -> Page {
        let answer = self.send("GET", path, &[], b"");
        Page { path: path.to_owned(), answer }
    }

    /// Fills in the page's form that goes to `action`, sends it, and follows where that leads.
    ///
    /// # Panics
    /// If the page has no such form.
    #[track_caller]
    pub fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let sent = self.submit_only(page, action, fields);
        self.follow(sent)
    }

    /// The same, without following.
    #[track_caller]
    pub fn submit_only(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let hidden = page.hidden_fields(action);
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let filled: Vec<(&str, &str)> = hidden.chain(fields.iter().copied()).collect();
        self.post(action, &filled, &[("sec-fetch-site", "same-origin")])
    }

    /// Sends any form at all, as whoever forges one would.
    #[track_caller]
    pub fn post(&mut self, action: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let body = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let body = body.collect::<Vec<_>>().join("&");
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain([form]).collect();
        let answer = self.send("POST", action, &headers, body.as_bytes());
        Page { path: action.to_owned(), answer }
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts a cookie into the jar, as a thief would.
    pub fn put_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    #[track_caller]
    fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..5 {
            let Some(to) = page.answer.header("location").map(str::to_owned) else { return page };
            assert!(to.starts_with('/') && !to.starts_with("//"), "led off the site: {to}");
            page = self.visit(&to);
        }
        panic!("led round in circles: {page:?}");
    }

    /// Sends any request at all with all cookies, as a script of a page would.
    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let jar = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let jar = jar.collect::<Vec<_>>().join("; ");
        let agent = self.agent.clone();
        let own = [("cookie", jar.as_str()), ("user-agent", agent.as_str()), ("accept", "text/html")];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        let all: Vec<(&str, &str)> = own.chain(headers.iter().copied()).collect();
        let answer = Connection::open(self.port).send(method, path, &all, body);
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) =
                line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

impl Page {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// The page's HTML.
    pub fn html(&self) -> String {
        self.answer.text()
    }

    /// Fails unless the page holds `text`.
    ///
    /// # Panics
    /// With the page.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(
            self.html().contains(text),
            "{text:?} is not on {} ({}):\n{}",
            self.path,
            self.status(),
            self.html()
        );
        self
    }

    /// Fails if the page holds `text`.
    ///
    /// # Panics
    /// With the page.
    #[track_caller]
    pub fn omits(&self, text: &str) -> &Self {
        assert!(!self.html().contains(text), "{text:?} is on {}:\n{}", self.path, self.html());
        self
    }

    /// Where the page's first link to `path` leads, with its query.
    ///
    /// # Panics
    /// If there is no such link.
    #[track_caller]
    pub fn link_to(&self, path: &str) -> String {
        let html = self.html();
        let links = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut links = links.filter(|link| link.split('?').next() == Some(path));
        links.next().unwrap_or_else(|| panic!("no link to {path} on {}:\n{html}", self.path)).to_owned()
    }

    /// The hidden fields of the form that goes to `action`.
    ///
    /// # Panics
    /// If there is no such form.
    #[track_caller]
    pub fn hidden_fields(&self, action: &str) -> Vec<(String, String)> {
        let html = self.html();
        let open = format!("action=\"{action}\"");
        let start =
            html.find(&open).unwrap_or_else(|| panic!("no form goes to {action} on {}:\n{html}", self.path));
        let form = html[start..].split("</form>").next().expect("a split has a first part");
        let hidden = form.split("<input type=\"hidden\"").skip(1);
        hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let tag = tag.split('>').next().expect("a split has a first part");
    let value = tag.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next());
    let value = value.unwrap_or_default();
    value
        .replace("&#38;", "&")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
}

fn encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
