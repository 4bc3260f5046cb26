//! Who gets what at every address: one table (`authorization/table.txt`), one row for each address and
//! method, one column for each kind of visitor. An address without a row fails, and so does a row
//! that no longer tells the truth.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::SignedDuration;
use rand::SeedableRng as _;
use skaas_domain::{oauth::Challenge, token::ApiToken};
use skaas_testkit::app::{TestApp, story};
use skaas_testkit::wire::{Answer, Connection};

const TABLE: &str = include_str!("authorization/table.txt");
const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"];

/// Somebody at the door: the name that stands for them in a URL, and what they show.
struct Visitor {
    kind: &'static str,
    name: &'static str,
    /// A header.
    key: Option<(&'static str, String)>,
}

fn basic(name: &str, password: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// The cookies of a browser in which somebody is signed in, and an access token for the REST interface that
/// they gave an application, with every scope there is.
fn signed_in(app: &TestApp, name: &str) -> (String, String) {
    let port = app.node().port();
    let mut browser = app.browser();
    let page = browser.open("/signup");
    let email = format!("{name}@example.test");
    let fields =
        [("username", name), ("email", email.as_str()), ("password", "copper lantern quietly drifts")];
    browser.submit(&page, "/signup", &fields).says("Welcome.");
    let cookies = ["__Host-skaas", "__Host-skaas-browser"]
        .map(|cookie| format!("{cookie}={}", browser.cookie(cookie).unwrap()))
        .join("; ");

    let json = |answer: &Answer| serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
    let said = r#"{"redirect_uris":["http://127.0.0.1/back"]}"#;
    let headers = [("content-type", "application/json")];
    let client = json(&Connection::open(port).send("POST", "/oauth/register", &headers, said.as_bytes()));
    let client = client["client_id"].as_str().unwrap();
    let verifier = "v".repeat(43);
    let question = form(&[
        ("response_type", "code"),
        ("client_id", client),
        ("code_challenge", Challenge::of(&verifier).as_str()),
        ("code_challenge_method", "S256"),
        ("scope", "account action:* creator marketplaces mcp"),
        ("resource", "https://skaas.test/api"),
    ]);
    let page = browser.open(&format!("/oauth/authorize?{question}"));
    let sent = browser.submit_only(&page, "/oauth/authorize", &[("answer", "approve")]);
    let back = url::Url::parse(sent.answer.header("location").unwrap()).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let asked = form(&[
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("code_verifier", &verifier),
        ("redirect_uri", "http://127.0.0.1/back"),
    ]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let given = json(&Connection::open(port).send("POST", "/oauth/token", &headers, asked.as_bytes()));
    (cookies, given["access_token"].as_str().unwrap().to_owned())
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A published skill, `paid`, and one that is not, `draft`; and everybody who may come.
fn visitors(app: &TestApp) -> Vec<Visitor> {
    let ann = app.creator("ann");
    ann.publishes("paid").priced(900);
    let draft = ann.source("draft");
    draft.holds("draft", "1.0.0");
    draft.pushes().is_taken();
    for name in ["bob", "carol", "dave", "erin", "frank"] {
        app.person(name);
    }
    app.person("bob").buys("paid");
    app.person("dave").buys("paid");
    app.person("dave").is_refunded("paid");
    let expired = app.person("erin").takes_new_token(Some(app.now() + SignedDuration::from_secs(60)));
    app.pass(SignedDuration::from_secs(60));
    let revoked = app.person("frank").token();
    app.person("frank").loses_all_tokens();
    let elsewhere = ApiToken::generate(&mut rand::rngs::StdRng::seed_from_u64(7)).reveal().to_owned();
    let token = |name: &str| app.person(name).token();
    let own = |name: &str| Some(basic(name, &token(name)));
    let (cookies, access) = signed_in(app, "gwen");
    let (desk, _) = signed_in(app, "olga");
    app.protect("olga");
    app.appoint("olga");
    let visitor = |kind, name, key| Visitor { kind, name, key };
    vec![
        visitor("nobody", "bob", None),
        visitor("malformed", "bob", Some(basic("bob", "sk_live_0"))),
        visitor("unknown", "bob", Some(basic("bob", &elsewhere))),
        visitor("expired", "erin", Some(basic("erin", &expired))),
        visitor("revoked", "frank", Some(basic("frank", &revoked))),
        visitor("misnamed", "carol", Some(basic("carol", &token("bob")))),
        visitor("stranger", "carol", own("carol")),
        visitor("lapsed", "dave", own("dave")),
        visitor("holder", "bob", own("bob")),
        visitor("bearer", "bob", Some(bearer(&token("bob")))),
        visitor("creator", "ann", own("ann")),
        visitor("browser", "gwen", Some(("cookie", cookies))),
        visitor("app", "gwen", Some(bearer(&access))),
        visitor("operator", "olga", Some(("cookie", desk))),
    ]
}

/// Asks once, on a connection of its own.
fn ask(port: u16, method: &str, path: &str, key: Option<&(&str, String)>) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n");
    if let Some((name, value)) = key {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    // What every kind of git would send first: the listing of refs, or the probe before a push.
    let body = match (method, path.ends_with("git-upload-pack")) {
        ("POST", true) => "0014command=ls-refs\n0000",
        ("POST", false) => "0000",
        _ => "",
    };
    write!(head, "git-protocol: version=2\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An answer in a word or two: its status, and what it is about.
fn summary(answer: &str) -> String {
    let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
    let about = [
        ("belongs to another username", "name"),
        ("cannot be pushed to", "push"),
        ("smart protocol only", "dumb"),
        ("git archive is not supported", "archive"),
        ("there is no such repository here for you", "repo"),
        ("there is nothing at this address", "page"),
        ("refs/tags/v1.0.0", "full"),
        ("refs/heads/main", "refs"),
        ("version 2", "version"),
        ("report-status", "pushable"),
    ];
    match about.iter().find(|(text, _)| answer.contains(text)) {
        Some((_, word)) => format!("{status}:{word}"),
        None => status,
    }
}

/// The rows: method, path, and the cell of each visitor.
fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.next().unwrap(), words.collect())
        })
        .collect()
}

/// A row's cells without abbreviations: `..` repeats the one before, and one alone counts for everybody.
fn spelled_out<'a>(cells: &[&'a str], count: usize) -> Vec<&'a str> {
    let repeated = cells.iter().scan("", |before, cell| {
        *before = if *cell == ".." { *before } else { *cell };
        Some(*before)
    });
    if cells.len() == 1 { vec![cells[0]; count] } else { repeated.collect() }
}

fn columns() -> Vec<&'static str> {
    let head = TABLE.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap();
    head.split_whitespace().skip(2).collect()
}

/// Whether a row's path is one of an address's.
fn is_of(path: &str, address: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (path, address) = (path.split('/'), address.split('/'));
    path.clone().count() == address.clone().count()
        && path.zip(address).all(|(part, of)| {
            part.strip_suffix(".git").unwrap_or(part) == of || of.starts_with('{') || part == of
        })
}

#[test]
fn every_address_answers_every_visitor_as_the_table_says() {
    story(|app| {
        let visitors = visitors(app);
        let port = app.node().port();
        let kinds: Vec<&str> = visitors.iter().map(|visitor| visitor.kind).collect();
        assert_eq!(columns(), kinds);
        let (mut wrong, mut truth) = (String::new(), String::new());
        for (method, path, cells) in rows() {
            let found: Vec<String> = visitors
                .iter()
                .map(|visitor| {
                    let path = path.replace("SELF", visitor.name);
                    summary(&ask(port, method, &path, visitor.key.as_ref()))
                })
                .collect();
            let expected = spelled_out(&cells, visitors.len());
            writeln!(truth, "{method:8}{path:62}{}", found.join(" ")).unwrap();
            if found != expected {
                writeln!(wrong, "{method} {path}\n  the table: {expected:?}\n  the truth: {found:?}")
                    .unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}\n\n{truth}");
    });
}

#[test]
fn every_address_and_method_has_its_row() {
    let rows = rows();
    let mut missing = Vec::new();
    for address in skaas_server::addresses() {
        for method in METHODS {
            if !rows.iter().any(|(verb, path, _)| *verb == method && is_of(path, &address)) {
                missing.push(format!("{method} {address}"));
            }
        }
    }
    assert!(missing.is_empty(), "no row says who gets what at\n{}", missing.join("\n"));
    let addresses = skaas_server::addresses();
    for (_, path, _) in rows {
        let known = addresses.iter().any(|address| is_of(path, address));
        assert!(known || path.starts_with("/nothing"), "{path} is no address of ours");
    }
}

#[test]
fn no_route_is_left_out_of_the_list_of_addresses() {
    story(|app| {
        // axum tells its patterns to a debugger alone.
        let shown = format!("{:?}", app.node().router());
        let patterns: BTreeSet<&str> = shown.split('"').filter(|part| part.starts_with('/')).collect();
        // What its fallback adds is the answer for all that is no address; it shows as a `/` of its own.
        let patterns: BTreeSet<&str> =
            patterns.into_iter().filter(|path| !path.contains("__private")).chain(["/"]).collect();
        let listed: BTreeSet<String> = skaas_server::addresses()
            .into_iter()
            .map(|address| match address.split('/').nth(1) {
                Some(first @ ("u" | "me" | "s")) => format!("/{first}/"),
                _ => address,
            })
            .collect();
        assert_eq!(patterns, listed.iter().map(String::as_str).collect(), "{shown}");
    });
}

#[test]
fn what_is_anothers_answers_byte_for_byte_like_what_is_absent() {
    story(|app| {
        let visitors = visitors(app);
        let port = app.node().port();
        let pairs = [
            ("/u/bob/marketplace", "/u/xyz/marketplace"),
            ("/u/bob/skills/paid", "/u/xyz/skills/paid"),
            ("/u/bob/skills/paid", "/u/bob/skills/none"),
            ("/me/skills/draft", "/me/skills/none"),
            ("/u/SELF/skills/draft", "/u/SELF/skills/none"),
            ("/s/ann/paid", "/s/xyz/paid"),
            ("/s/ann/paid", "/s/ann/none"),
        ];
        let strangers =
            ["nobody", "malformed", "unknown", "expired", "revoked", "stranger", "lapsed", "browser", "app"];
        for visitor in visitors.iter().filter(|visitor| strangers.contains(&visitor.kind)) {
            for (theirs, absent) in pairs {
                for tail in [
                    "/info/refs?service=git-upload-pack",
                    "/info/refs?service=git-receive-pack",
                    "/info/refs",
                    "/git-upload-pack",
                    "/git-receive-pack",
                    "/git-upload-archive",
                    "/HEAD",
                ] {
                    for method in METHODS {
                        let answer = |repo: &str| {
                            let path = format!("{}{tail}", repo.replace("SELF", visitor.name));
                            let answer = ask(port, method, &path, visitor.key.as_ref());
                            let lines = answer.lines().filter(|line| !line.starts_with("date: "));
                            lines.map(str::to_owned).collect::<Vec<_>>()
                        };
                        assert_eq!(
                            answer(theirs),
                            answer(absent),
                            "{} {method} {theirs}{tail}",
                            visitor.kind
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn the_operators_pages_answer_byte_for_byte_like_what_is_absent() {
    story(|app| {
        let visitors = visitors(app);
        let port = app.node().port();
        let pages: BTreeSet<String> = skaas_server::addresses()
            .into_iter()
            .filter(|address| address.starts_with("/operator"))
            .collect();
        assert!(pages.len() > 10, "{pages:?}");
        for visitor in visitors.iter().filter(|visitor| visitor.kind != "operator") {
            for address in &pages {
                let path = address.replace("{name}", if address.contains("users") { "bob" } else { "paid" });
                // An address of ours that never was one, as long.
                let nothing = path.replacen("/operator", "/nothings", 1);
                for method in METHODS {
                    for accept in ["text/html", "application/json"] {
                        let mut key = visitor.key.clone();
                        let (name, value) = key.take().unwrap_or(("x-none", String::new()));
                        let key = (name, format!("{value}\r\naccept: {accept}"));
                        let answer = |path: &str| {
                            let answer = ask(port, method, path, Some(&key)).replace(path, "/PATH");
                            let encoded: String =
                                url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
                            let answer = answer.replace(&encoded, "%2FPATH");
                            let lines = answer.lines().filter(|line| {
                                // A new browser's own secret.
                                let is_new =
                                    line.starts_with("set-cookie: ") || line.contains("name=\"csrf\"");
                                !line.starts_with("date: ") && !is_new
                            });
                            lines.map(str::to_owned).collect::<Vec<_>>()
                        };
                        assert!(answer(&path)[0].contains("404"), "{} {method} {path}", visitor.kind);
                        assert_eq!(answer(&path), answer(&nothing), "{} {method} {path}", visitor.kind);
                    }
                }
            }
        }
    });
}
