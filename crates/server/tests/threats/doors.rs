//! What a stranger writes into the head of a request: none of it changes what is served, or to whom.

use skaas_testkit::wire::Connection;

use crate::raw::{authorization, exchange, status};
use crate::story::{House, SKILL, refs};

#[test]
fn no_header_of_a_request_changes_an_address_that_is_served() {
    let house = House::with(&[SKILL]);
    let bob = house.person("bob");
    let port = house.server.port();
    let key = authorization(&bob);
    let path = refs("me/marketplace.git");
    let plain = exchange(port, format!("GET {path} HTTP/1.1\r\nhost: h\r\n{key}\r\n").as_bytes());
    assert_eq!(status(&plain), 200, "{plain}");
    let without_date = |answer: &str| {
        answer.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect::<Vec<_>>()
    };
    for lie in [
        "host: evil.test\r\n",
        "host: h\r\nx-forwarded-host: evil.test\r\nx-forwarded-proto: gopher\r\nx-forwarded-for: 127.0.0.1\r\n",
        "host: h\r\nforwarded: host=evil.test;proto=https;for=127.0.0.1\r\n",
        "host: h\r\nx-original-url: /metrics\r\nx-rewrite-url: /u/ann/marketplace.git\r\n",
        "host: h\r\nx-http-method-override: DELETE\r\n",
        "host: h\r\nreferer: https://evil.test\r\norigin: https://evil.test\r\n",
    ] {
        let answer = exchange(port, format!("GET {path} HTTP/1.1\r\n{lie}{key}\r\n").as_bytes());
        assert_eq!(without_date(&answer), without_date(&plain), "{lie:?}");
    }
    // The address in the request line beats none of ours either.
    let absolute = format!("GET http://evil.test{path} HTTP/1.1\r\nhost: evil.test\r\n{key}\r\n");
    assert_eq!(without_date(&exchange(port, absolute.as_bytes())), without_date(&plain));

    // And what is cloned by an evil name holds none of it.
    let git =
        bob.git.with("http.extraHeader=X-Forwarded-Host: evil.test").with("http.extraHeader=Host: evil.test");
    let folder = bob.clone(&git, &house.server, "marketplace", "market", &[]);
    let text: Vec<u8> = skaas_testkit::git::checkout(&folder).into_values().flatten().collect();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!text.contains("evil.test") && text.contains(&house.server.url()), "{text}");
}

#[test]
fn no_spelling_of_a_path_leads_around_the_check() {
    let house = House::with(&[SKILL]);
    let bob = house.person("bob");
    let carol = house.person("carol");
    house.grant(&carol);
    let port = house.server.port();
    let tail = "/info/refs?service=git-upload-pack";
    let long = "a".repeat(4000);
    for path in [
        "/u/carol/skills/migration-guard.git",
        "/u/bob/../carol/skills/migration-guard.git",
        "/u/bob/%2e%2e/carol/skills/migration-guard.git",
        "/u/bob/..%2fcarol/skills/migration-guard.git",
        "/u/bob%2f..%2fcarol/skills/migration-guard.git",
        "/u/%63arol/skills/migration-guard.git",
        "/u/CAROL/skills/migration-guard.git",
        "/u/carol./skills/migration-guard.git",
        "/u/carol%00/skills/migration-guard.git",
        "/u/carol%20/skills/migration-guard.git",
        "//u/carol/skills/migration-guard.git",
        "/u//carol/skills/migration-guard.git",
        "/./u/carol/skills/migration-guard.git",
        "/me/../u/carol/skills/migration-guard.git",
        "/u/carol;x=bob/skills/migration-guard.git",
        "/U/carol/skills/migration-guard.git",
        "/me/skills/..%2f..%2fu%2fcarol%2fskills%2fmigration-guard.git",
        "/me/skills/migration-guard.git.git",
        "/me/skills/MIGRATION-GUARD.git",
        "/me/skills/migration-guard.",
        "/me/skills/migration%252dguard.git",
        "/u/bob/%2e%2e%2fcarol/skills/migration-guard.git",
        "/%75/%63arol/skills/migration%2dguard%2egit",
        "/%6d%65/%2e%2e/u/carol/skills/migration-guard.git",
        "/me%2fskills/migration-guard.git",
        "/s/ann/migration-guard.git",
        "/s/ann/../bob/migration-guard.git",
        "/s/bob/../ann/migration-guard.git",
        "/s/bob/..%2fann%2fmigration-guard.git",
        "/s/ann/migration-guard.git/.",
        &format!("/u/{long}/marketplace.git"),
        &format!("/me/skills/{long}.git"),
        &format!("/s/bob/{long}.git"),
    ] {
        for (method, tail) in [("GET", tail), ("POST", "/git-upload-pack"), ("GET", "/HEAD")] {
            let mut line = Connection::open(port).basic("bob", &bob.token);
            let answer = line.send(method, &format!("{path}{tail}"), &[], b"");
            let refused = matches!(answer.status, 400 | 403 | 404 | 414);
            assert!(refused, "{method} {:.80}{tail}: {} {}", path, answer.status, answer.text());
            let text = answer.text();
            assert!(!text.contains("carol") && !text.contains("refs/"), "{path}: {text}");
        }
    }
    // An unreserved character and its code are the same address (RFC 3986, 6.2.2.2), with the same answer.
    let mut line = Connection::open(port).basic("bob", &bob.token);
    let mut refs = |path: &str| {
        let listing = b"0014command=ls-refs\n0000";
        let headers = [("git-protocol", "version=2")];
        let answer = line.send("POST", &format!("{path}/git-upload-pack"), &headers, listing);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    };
    let plain = refs("/u/bob/skills/migration-guard.git");
    for path in [
        "/u/bob/skills/migration%2dguard%2egit",
        "/%75/%62ob/skills/migration%2Dguard",
        "/%6de/skills/migration-guard%2Egit",
        "/me/%73%6b%69%6c%6c%73/migration-guard",
    ] {
        assert_eq!(refs(path), plain, "{path}");
    }
    // A query says nothing about who or what, but for the service.
    for query in ["&user=carol", "&u=carol&service=git-receive-pack", "%26"] {
        let path = format!("/me/skills/migration-guard.git{tail}{query}");
        let answer = Connection::open(port).basic("bob", &bob.token).get(&path);
        assert!(!answer.text().contains("refs/tags/"), "{query}: {}", answer.text());
    }
}

#[test]
fn answers_are_kept_by_nobody_and_open_to_no_page() {
    let house = House::with(&[SKILL]);
    let bob = house.person("bob");
    house.grant(&bob);
    for (method, path) in [
        ("GET", refs("me/marketplace.git")),
        ("GET", refs("me/skills/migration-guard.git")),
        ("POST", "/me/skills/migration-guard.git/git-upload-pack".to_owned()),
        ("GET", refs("me/skills/none")),
        ("GET", refs("u/ann/marketplace")),
        ("GET", "/me/marketplace.git/info/refs?service=git-receive-pack".to_owned()),
        ("GET", "/me/marketplace.git/HEAD".to_owned()),
        ("PUT", refs("me/marketplace.git")),
        ("OPTIONS", refs("me/marketplace.git")),
        ("GET", "/nothing".to_owned()),
    ] {
        for known in [true, false] {
            let line = Connection::open(house.server.port());
            let mut line = if known { line.basic("bob", &bob.token) } else { line };
            let headers = [
                ("git-protocol", "version=2"),
                ("origin", "https://evil.test"),
                ("access-control-request-method", "GET"),
            ];
            let body: &[u8] = if method == "POST" { b"0014command=ls-refs\n0000" } else { b"" };
            let answer = line.send(method, &path, &headers, body);
            let shown = format!("{method} {path}: {answer:?}");
            assert!(answer.header("cache-control").unwrap_or_default().contains("no-store"), "{shown}");
            assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{shown}");
            assert_eq!(answer.header("set-cookie"), None, "{shown}");
            assert_eq!(answer.header("server"), None, "{shown}");
            assert_eq!(answer.header("x-powered-by"), None, "{shown}");
            if answer.status == 200 {
                assert!(answer.header("vary").unwrap().contains("authorization"), "{shown}");
                assert!(answer.header("cache-control").unwrap().contains("private"), "{shown}");
            }
        }
    }
}
