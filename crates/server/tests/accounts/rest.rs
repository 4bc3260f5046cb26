//! The REST interface from a browser that is signed in: reading by its cookie, changing things with proof, and
//! nothing at all for anybody else's page.

use serde_json::{Value, json};
use skaas_testkit::app::{Browser, story};
use skaas_testkit::wire::{Answer, Connection};

use super::{PASSWORD, is_in, joins, signs_in, signs_up};

const REFS: &str = "/me/marketplace.git/info/refs?service=git-upload-pack";

#[track_caller]
fn read(browser: &mut Browser, path: &str) -> Value {
    let answer = browser.send("GET", path, &[("sec-fetch-site", "same-origin")], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// What every form of this browser carries.
#[track_caller]
fn proof(browser: &mut Browser) -> String {
    browser.open("/account").hidden_fields("/signout").remove(0).1
}

/// Asks for a token, as a script would.
fn make(browser: &mut Browser, headers: &[(&str, &str)]) -> Answer {
    let kind = ("content-type", "application/json");
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain([kind]).collect();
    browser.send("POST", "/api/tokens", &headers, br#"{"name":"from a script","scopes":"marketplaces"}"#)
}

#[test]
fn a_request_that_cannot_be_read_is_answered_by_a_problem_that_says_why() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let token = app.person("bob").token();
        for (method, path) in [
            ("GET", "/api/users/%ff"),
            ("DELETE", "/api/tokens/%ff"),
            ("DELETE", "/api/sessions/%C3"),
            ("DELETE", "/api/applications/%ed%a0%80"),
        ] {
            let answers = [
                ann.send(method, path, &[], b""),
                Connection::open(app.node().port()).bearer(&token).send(method, path, &[], b""),
            ];
            for answer in answers {
                assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
                assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                let problem: Value = serde_json::from_slice(&answer.body).unwrap();
                assert!(problem["detail"].as_str().unwrap().contains("not UTF-8"), "{problem}");
            }
        }
        let make = |expires_in: &str| {
            let body = format!("{{\"name\":\"ci\",\"expires_in\":{expires_in}}}");
            let headers = [("content-type", "application/json")];
            let mut line = Connection::open(app.node().port()).bearer(&token);
            line.send("POST", "/api/tokens", &headers, body.as_bytes())
        };
        // To JSON Schema, 3477.0 is an integer too.
        for whole in ["3477", "3477.0", "null"] {
            let answer = make(whole);
            assert_eq!(answer.status, 201, "{whole}: {}", answer.text());
        }
        for wrong in ["3477.5", "-1", "-1.0", "1e300", "\"3477\"", "true"] {
            let answer = make(wrong);
            assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    });
}

#[test]
fn a_browser_reads_by_its_cookie_and_changes_nothing_without_proof() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        let mut eve = signs_up(app, "eve");
        let me = read(&mut ann, "/api/me");
        assert_eq!(
            (&me["username"], &me["email"], me.get("token")),
            (&"ann".into(), &"ann@example.test".into(), None)
        );
        let sessions = read(&mut ann, "/api/sessions")["sessions"].clone();
        let current: Vec<&Value> =
            sessions.as_array().unwrap().iter().filter(|session| session["current"] == true).collect();
        assert_eq!((sessions.as_array().unwrap().len(), current.len()), (2, 1));
        let others = read(&mut phone, "/api/sessions")["sessions"].clone();
        let of_phone = others.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
        assert_ne!(of_phone["id"], current[0]["id"]);

        let (own, hers) = (proof(&mut ann), proof(&mut eve));
        let own = own.as_str();
        for headers in [
            &[][..],
            &[("x-csrf-token", "")],
            &[("x-csrf-token", &own[1..])],
            &[("x-csrf-token", hers.as_str())],
            &[("x-csrf-token", own), ("sec-fetch-site", "cross-site")],
            &[("x-csrf-token", own), ("sec-fetch-site", "same-site")],
            &[("x-csrf-token", own), ("origin", "https://evil.test")],
            &[("x-csrf-token", own), ("origin", "null")],
        ] {
            let refused = make(&mut ann, headers);
            assert_eq!(refused.status, 403, "{headers:?}");
            assert!(refused.text().contains("nothing was changed"), "{}", refused.text());
            assert_eq!(refused.header("www-authenticate"), None, "another token would not help");
        }
        assert_eq!(read(&mut ann, "/api/tokens"), json!({ "tokens": [] }));
        let made = make(&mut ann, &[("x-csrf-token", own), ("sec-fetch-site", "same-origin")]);
        assert_eq!(made.status, 201, "{}", made.text());
        let made: Value = serde_json::from_slice(&made.body).unwrap();
        let mut git = Connection::open(app.node().port()).bearer(made["token"].as_str().unwrap());
        assert_eq!(git.get(REFS).status, 200);

        let headers = [("x-csrf-token", own)];
        let path = format!("/api/sessions/{}", of_phone["id"].as_str().unwrap());
        assert_eq!(ann.send("DELETE", &path, &[], b"").status, 403);
        assert!(is_in(&mut phone));
        assert_eq!(ann.send("DELETE", &path, &headers, b"").status, 204);
        assert!(is_in(&mut ann) && !is_in(&mut phone));
        let token = format!("/api/tokens/{}", made["id"].as_str().unwrap());
        assert_eq!(ann.send("DELETE", &token, &headers, b"").status, 200);
        assert_eq!(git.get(REFS).status, 401);
        assert_eq!(ann.send("DELETE", "/api/tokens/current", &headers, b"").status, 400, "none asked");
    });
}

#[test]
fn a_cookie_is_of_no_use_to_git_to_mcp_or_beside_credentials() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let csrf = proof(&mut ann);
        let headers = [("x-csrf-token", csrf.as_str()), ("sec-fetch-site", "same-origin")];
        for (method, path) in [
            ("GET", REFS),
            ("GET", "/u/ann/marketplace.git/info/refs?service=git-upload-pack"),
            ("POST", "/me/marketplace.git/git-upload-pack"),
            ("GET", "/s/ann/x.git/info/refs?service=git-receive-pack"),
            ("POST", "/s/ann/x.git/git-receive-pack"),
            ("POST", "/mcp"),
        ] {
            assert_eq!(ann.send(method, path, &headers, b"0000").status, 401, "{method} {path}");
        }
        // What is shown by hand counts, and a wrong one is not made up for by the cookie.
        for wrong in ["Bearer sk_live_0", "Bearer sk_access_0", "Basic YW5uOng=", "Digest x", ""] {
            let answer = ann.send("GET", "/api/me", &[("authorization", wrong)], b"");
            assert_eq!(answer.status, 401, "{wrong}");
        }
        // The cookie as a token, and a token as the cookie.
        let cookie = ann.cookie("__Host-skaas").unwrap().to_owned();
        assert_eq!(Connection::open(app.node().port()).bearer(&cookie).get("/api/me").status, 401);
        let page = ann.open("/account");
        ann.submit(&page, "/signout", &[]);
        let mut thief = app.browser();
        thief.put_cookie("__Host-skaas", &cookie);
        assert_eq!(thief.send("GET", "/api/me", &[], b"").status, 401, "the session has ended");
        assert_eq!(app.browser().send("GET", "/api/me", &[], b"").status, 401);
    });
}

#[test]
fn no_script_of_another_site_reads_what_a_cookie_opens() {
    story(|app| {
        let mut ann = joins(app, "ann");
        for path in ["/api/me", "/api/tokens", "/api/sessions", "/api/applications", "/api/nothing"] {
            for origin in ["https://evil.test", "https://skaas.test", "null"] {
                let asks = [("origin", origin), ("access-control-request-method", "GET")];
                for answer in
                    [ann.send("GET", path, &[("origin", origin)], b""), ann.send("OPTIONS", path, &asks, b"")]
                {
                    let opened = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
                    assert_eq!(opened, None, "{path} for {origin}");
                }
            }
        }
        let answer = ann.send("GET", "/api/me", &[], b"");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert_eq!(answer.header("set-cookie"), None);
    });
}

#[test]
fn the_interface_is_a_page_for_people_too() {
    story(|app| {
        let page = app.browser().open("/api");
        page.says("<h1>API</h1>")
            .says("/api/openapi.json")
            .says("$SKAAS_TOKEN")
            .omits(" style=")
            .omits("<script>");
        let served = Connection::open(app.node().port()).get("/api/openapi.json");
        let document: Value = serde_json::from_slice(&served.body).unwrap();
        let mut operations = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                page.says(&format!("id=\"{id}\"")).says(&format!("<code>{path}</code>"));
                page.says(&method.to_uppercase())
                    .says(&operation["summary"].as_str().unwrap().replace('\'', "&#39;"));
                operations += 1;
            }
        }
        assert!(operations >= 10, "{operations}");
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            if schema.get("properties").is_some() || schema.get("allOf").is_some() {
                page.says(&format!("id=\"{name}\""));
            }
        }
        // No link within the page leads nowhere.
        let html = page.html();
        for target in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            page.says(&format!("id=\"{target}\""));
        }
        joins(app, "ann").open("/account").says("href=\"/api\"");
        assert!(document["info"]["description"].as_str().unwrap().contains("(/api)"));
    });
}
