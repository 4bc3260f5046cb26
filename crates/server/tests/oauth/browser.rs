//! A person's browser: cookies, forms, no scripts. And a program's requests, which have no cookies.

use std::collections::BTreeMap;

use serde_json::Value;
use skaas_testkit::wire::{Answer, Connection};
use url::form_urlencoded::Serializer;

/// A form's fields as a body.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// What a program posts, and the JSON it gets.
#[track_caller]
pub(crate) fn post(port: u16, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("user-agent", "skaas/1.0 (test)")];
    let answer = Connection::open(port).send("POST", path, &headers, form(fields).as_bytes());
    (answer.status, json(&answer))
}

#[track_caller]
pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// The word of a refusal.
#[track_caller]
pub(crate) fn refusal((status, body): (u16, Value)) -> String {
    assert!(status == 400 || status == 429, "{status} {body}");
    body["error"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

/// Everybody's.
pub(crate) const PASSWORD: &str = "seven quiet herons over the marsh";

/// A browser with its cookies.
pub(crate) struct Browser {
    port: u16,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn at(port: u16) -> Self {
        Self { port, cookies: BTreeMap::new() }
    }

    /// A browser in which this person has just made an account.
    #[track_caller]
    pub(crate) fn signed_up(port: u16, username: &str) -> Self {
        let mut browser = Self::at(port);
        let email = format!("{username}@example.com");
        let fields = [("username", username), ("email", &email), ("password", PASSWORD), ("return_to", "/")];
        let answer = browser.sends("/signup", &fields);
        assert_eq!(answer.status, 303, "{}", answer.text());
        browser
    }

    /// What its cookies hold.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = &str> {
        self.cookies.values().map(String::as_str)
    }

    /// The same browser, talking to another node.
    pub(crate) fn moved_to(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sends any request with all cookies.
    pub(crate) fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let jar: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let jar = jar.join("; ");
        let mut headers = headers.to_vec();
        headers.push(("cookie", &jar));
        let answer = Connection::open(self.port).send(method, path, &headers, body.as_bytes());
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    #[track_caller]
    pub(crate) fn opens(&mut self, path: &str) -> Answer {
        self.exchange("GET", path, &[("accept", "text/html")], "")
    }

    /// What every form of this browser carries.
    #[track_caller]
    pub(crate) fn csrf(&mut self) -> String {
        let page = self.opens("/").text();
        let after = page.split("name=\"csrf\" value=\"").nth(1).expect("a page has a form");
        after.split('"').next().unwrap().to_owned()
    }

    /// Sends a form as a page of ours would.
    #[track_caller]
    pub(crate) fn sends(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf();
        self.sends_from(path, "same-origin", &[fields, &[("csrf", &csrf)]].concat())
    }

    /// Sends a form from a page of this kind of site.
    #[track_caller]
    pub(crate) fn sends_from(&mut self, path: &str, site: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
        self.exchange("POST", path, &headers, &form(fields))
    }
}

/// The person answers the question.
pub(crate) fn answers(browser: &mut Browser, question: &str, answer: &str) -> Answer {
    let query = question.split_once('?').unwrap().1;
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.push(("answer", answer));
    browser.sends("/oauth/authorize", &fields)
}
