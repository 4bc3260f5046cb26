//! The device login: every word of RFC 8628 in its order, one token for however many polls, and nothing for
//! who makes codes up or leads others to them.

use jiff::SignedDuration;
use serde_json::Value;
use skaas_app::Limits;
use skaas_testkit::app::{Fitting, TestApp, story};
use skaas_testkit::wire::Connection;

use crate::browser::{Browser, json, post, refusal};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

struct Device {
    port: u16,
    code: String,
    shown: String,
}

impl Device {
    #[track_caller]
    fn begins(port: u16) -> Self {
        let asked = [("client_id", "skaas-cli"), ("device_name", "ann on laptop")];
        let (status, body) = post(port, "/oauth/device_authorization", &asked);
        assert_eq!(status, 200, "{body}");
        assert_eq!((&body["expires_in"], &body["interval"]), (&900.into(), &5.into()));
        assert_eq!(body["verification_uri"], "https://skaas.test/device");
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        assert_eq!(
            text("verification_uri_complete"),
            format!("https://skaas.test/device?user_code={}", text("user_code"))
        );
        Self { port, code: text("device_code"), shown: text("user_code") }
    }

    fn polls(&self) -> (u16, Value) {
        poll(self.port, "skaas-cli", &self.code)
    }

    #[track_caller]
    fn hears(&self, word: &str) {
        assert_eq!(refusal(self.polls()), word);
    }

    #[track_caller]
    fn is_answered(&self, browser: &mut Browser, answer: &str) {
        let page = browser.sends("/device", &[("user_code", &self.shown), ("answer", answer)]);
        assert_eq!(page.status, 200, "{}", page.text());
    }
}

fn poll(port: u16, client_id: &str, code: &str) -> (u16, Value) {
    let fields = [("grant_type", GRANT), ("client_id", client_id), ("device_code", code)];
    post(port, "/oauth/token", &fields)
}

fn pass(app: &TestApp, seconds: i64) {
    app.pass(SignedDuration::from_secs(seconds));
}

#[test]
fn a_login_approved_under_the_old_password_gives_no_token_under_the_new_one() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let device = Device::begins(port);
        device.is_answered(&mut ann, "approve");
        let new = "copper lantern quietly drifts";
        let fields = [("current", crate::browser::PASSWORD), ("password", new), ("access", "keep")];
        assert_eq!(ann.sends("/account/password", &fields).status, 303);
        device.hears("access_denied");
    });
}

#[test]
fn a_device_hears_every_word_of_rfc_8628_in_its_order() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");

        let refused = Device::begins(port);
        refused.hears("authorization_pending");
        refused.hears("slow_down");
        // Now it is ten seconds, and after another early poll fifteen: the server remembers.
        pass(app, 6);
        refused.hears("slow_down");
        pass(app, 11);
        refused.hears("slow_down");
        pass(app, 20);
        refused.hears("authorization_pending");
        refused.is_answered(&mut ann, "deny");
        refused.hears("access_denied");
        refused.hears("access_denied");

        let late = Device::begins(port);
        pass(app, 899);
        late.hears("authorization_pending");
        pass(app, 1);
        late.hears("expired_token");
        let page = ann.sends("/device", &[("user_code", &late.shown), ("answer", "approve")]);
        assert_eq!(page.status, 404, "{}", page.text());
        late.hears("expired_token");

        let welcome = Device::begins(port);
        welcome.hears("authorization_pending");
        welcome.is_answered(&mut ann, "approve");
        let (status, token) = welcome.polls();
        assert_eq!((status, &token["token_type"], &token["scope"]), (200, &"Bearer".into(), &"full".into()));
        assert_eq!((&token["username"], &token["email"]), (&"ann".into(), &Value::Null), "none is confirmed");
        welcome.hears("invalid_grant");

        let token = token["access_token"].as_str().unwrap();
        let mut program = Connection::open(port).bearer(token);
        assert_eq!(program.get("/me/marketplace.git/info/refs?service=git-upload-pack").status, 200);
        let listed = ann.opens("/account/tokens").text();
        assert!(listed.contains("ann on laptop"), "{listed}");
        // RFC 7009, as `skaas logout` does it.
        let fields = [("client_id", "skaas-cli"), ("token", token)];
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = crate::browser::form(&fields);
        assert_eq!(
            Connection::open(port).send("POST", "/oauth/revoke", &headers, body.as_bytes()).status,
            200
        );
        assert_eq!(program.get("/me/marketplace.git/info/refs?service=git-upload-pack").status, 401);
    });
}

#[test]
fn what_is_missing_doubled_or_unknown_is_named() {
    story(|app| {
        let port = app.node().port();
        let device = Device::begins(port);
        let begin = |fields: &[(&str, &str)]| refusal(post(port, "/oauth/device_authorization", fields));
        assert_eq!(begin(&[]), "invalid_request");
        assert_eq!(begin(&[("client_id", "nobody")]), "invalid_client");
        assert_eq!(begin(&[("client_id", "skaas-cli"), ("scope", "everything")]), "invalid_scope");
        let elsewhere = [("client_id", "skaas-cli"), ("resource", "https://evil.example/")];
        assert_eq!(begin(&elsewhere), "invalid_target");
        assert_eq!(begin(&[("client_id", "skaas-cli"), ("client_id", "x")]), "invalid_request");

        let give = |fields: &[(&str, &str)]| refusal(post(port, "/oauth/token", fields));
        assert_eq!(give(&[]), "invalid_request");
        assert_eq!(give(&[("grant_type", "password"), ("client_id", "skaas-cli")]), "unsupported_grant_type");
        assert_eq!(give(&[("grant_type", GRANT), ("client_id", "skaas-cli")]), "invalid_request");
        assert_eq!(refusal(poll(port, "another", &device.code)), "invalid_grant", "it is another client's");
        for made_up in ["x", "sk_device_0", &device.shown] {
            assert_eq!(refusal(poll(port, "skaas-cli", made_up)), "invalid_grant");
        }
        device.hears("authorization_pending");
    });
}

#[test]
fn fifty_polls_at_once_on_two_nodes_give_one_token() {
    story(|app| {
        let (first, second) = (app.node().port(), app.another_node().port());
        let mut ann = Browser::signed_up(first, "ann");
        let device = Device::begins(second);
        device.is_answered(&mut ann, "approve");
        let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
            let one = |at: usize| poll([first, second][at % 2], "skaas-cli", &device.code);
            let threads: Vec<_> = (0..50).map(|at| scope.spawn(move || one(at))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (given, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 200);
        assert_eq!(given.len(), 1, "{given:?}");
        // A database that is pressed may ask to come back; nothing else is said but that it is gone.
        for (status, body) in &refused {
            let word = body["error"].as_str().unwrap();
            assert!(
                matches!((*status, word), (400, "invalid_grant") | (503, "temporarily_unavailable")),
                "{body}"
            );
        }
        device.hears("invalid_grant");
        let listed = ann.opens("/account/tokens").text();
        assert_eq!(
            listed.matches("ann on laptop").count() - listed.matches("Revoke ann on laptop").count(),
            1
        );
    });
}

#[test]
fn a_link_with_the_code_filled_in_only_asks() {
    story(|app| {
        let port = app.node().port();
        let device = Device::begins(port);
        let link = format!("/device?user_code={}", device.shown);

        let stranger = Browser::at(port).opens(&link);
        assert_eq!(stranger.status, 303);
        let to = stranger.header("location").unwrap().to_owned();
        assert!(to.starts_with("/signin?return_to=%2Fdevice%3Fuser_code%3D"), "{to}");

        let mut victim = Browser::signed_up(port, "victim");
        let page = victim.opens(&link).text();
        for shown in
            ["The skaas command line", "ann on laptop", "127.0.0.1", "skaas/1.0 (test)", &device.shown]
        {
            assert!(page.contains(shown), "{shown} is not in {page}");
        }
        device.hears("authorization_pending");

        let csrf = victim.csrf();
        let fields = [("user_code", device.shown.as_str()), ("answer", "approve"), ("csrf", &csrf)];
        assert_eq!(victim.sends_from("/device", "cross-site", &fields).status, 403);
        assert_eq!(
            victim.sends_from("/device", "same-origin", &fields[..2]).status,
            403,
            "without the token"
        );
        let undecided = [fields[0], fields[2]];
        assert_eq!(victim.sends_from("/device", "same-origin", &undecided).status, 400);
        pass(app, 5);
        device.hears("authorization_pending");
    });
}

#[test]
fn codes_are_guessed_so_often_and_no_more_on_all_nodes_together() {
    story(|app| {
        let (first, second) = (app.node().port(), app.another_node().port());
        let device = Device::begins(first);
        let mut guesser = Browser::signed_up(first, "guesser");
        // Not even a code: it costs nothing.
        assert_eq!(guesser.opens("/device?user_code=hello").status, 422);
        for _ in 0..15 {
            assert_eq!(guesser.opens("/device?user_code=BCDF-GHJK").status, 404);
        }
        let mut guesser = guesser.moved_to(second);
        for _ in 0..15 {
            assert_eq!(guesser.opens("/device?user_code=BCDF-GHJK").status, 404);
        }
        let page = guesser.opens(&format!("/device?user_code={}", device.shown));
        assert_eq!(page.status, 429, "even with the right one");
        assert!(page.header("retry-after").is_some());
        // Another person is not shut out.
        let mut ann = Browser::signed_up(second, "ann");
        assert_eq!(ann.opens(&format!("/device?user_code={}", device.shown)).status, 200);
    });
}

#[test]
fn a_handle_gives_its_token_once_to_the_program_that_started_it_and_a_made_up_one_never() {
    story(|app| {
        let port = app.node().port();
        let asks = |handle: &str, secret: &str| {
            let path = format!("/auth/cli/status?session={handle}");
            let answer = Connection::open(port).bearer(secret).get(&path);
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
            json(&answer)
        };
        let mut ann = Browser::signed_up(port, "ann");
        let made_up = "my-own-session";
        assert_eq!(ann.opens(&format!("/auth/cli?session={made_up}")).status, 404);
        let (_, other) = post(port, "/auth/cli", &[]);
        let path = |of: &Value, code: &Value| {
            format!(
                "/auth/cli?session={}&code={}",
                of["session"].as_str().unwrap(),
                code["user_code"].as_str().unwrap()
            )
        };
        let (code, body) = post(port, "/auth/cli", &[("device_name", "ann on laptop")]);
        assert_eq!(code, 200, "{body}");
        let (handle, secret) = (body["session"].as_str().unwrap(), body["secret"].as_str().unwrap());
        let status = |handle: &str| asks(handle, secret);
        assert!(!body["url"].as_str().unwrap().contains(secret), "a browser keeps what it opened");
        assert_eq!(body["url"].as_str().unwrap(), format!("https://skaas.test{}", path(&body, &body)));
        assert_eq!(status(handle)["status"], "pending");
        assert_eq!(ann.opens(&path(&body, &other)).status, 404, "the code is another's");
        let page = ann.opens(&path(&body, &body)).text();
        let shown = body["user_code"].as_str().unwrap();
        assert!(page.contains(shown) && page.contains("ann on laptop"), "{page}");
        assert_eq!(status(handle)["status"], "pending");
        let fields = [("session", handle), ("user_code", shown), ("answer", "approve")];
        assert_eq!(ann.sends("/device", &fields).status, 200);

        let looked =
            Connection::open(port).send("HEAD", &format!("/auth/cli/status?session={handle}"), &[], b"");
        assert_eq!(looked.status, 405, "a look without a body does not take the token");
        // The handle alone, which stands in the browser's history, collects nothing.
        let expired = serde_json::json!({ "status": "expired" });
        let path = format!("/auth/cli/status?session={handle}");
        let alone = Connection::open(port).get(&path);
        assert_eq!((alone.status, json(&alone)["error"].clone()), (400, "invalid_request".into()));
        for stolen in [other["secret"].as_str().unwrap(), handle, "sk_device_0"] {
            assert_eq!(asks(handle, stolen), expired, "{stolen}");
        }
        assert_eq!(asks(other["session"].as_str().unwrap(), secret), expired);
        let twice = Connection::open(port).bearer(secret).get(&format!("{path}&session={handle}"));
        assert_eq!((twice.status, json(&twice)["error"].clone()), (400, "invalid_request".into()));
        let completed = status(handle);
        assert_eq!((&completed["status"], &completed["username"]), (&"completed".into(), &"ann".into()));
        let token = completed["token"].as_str().unwrap();
        let mut program = Connection::open(port).bearer(token);
        assert_eq!(program.get("/me/marketplace.git/info/refs?service=git-upload-pack").status, 200);
        for gone in [handle, made_up, "", "sk_handle_0"] {
            assert_eq!(status(gone), expired, "{gone}");
        }
        pass(app, 900);
        assert_eq!(asks(other["session"].as_str().unwrap(), other["secret"].as_str().unwrap()), expired);
    });
}

#[test]
fn the_token_of_a_command_line_ends_as_the_page_said_and_the_operator_set() {
    story(|app| {
        let fitting = Fitting::default();
        let limits = Limits { authorization_lifetime: SignedDuration::from_hours(24 * 90), ..fitting.limits };
        let port = app.node_fitted(Fitting { limits, ..fitting }).port();
        let device = Device::begins(port);
        let mut ann = Browser::signed_up(port, "ann");
        let page = ann.opens(&format!("/device?user_code={}", device.shown)).text();
        assert!(page.contains("2027-01-31 09:00 UTC") && page.contains("in 90 days"), "{page}");
        device.is_answered(&mut ann, "approve");
        let (_, given) = device.polls();
        let token = given["access_token"].as_str().unwrap();
        let me = || Connection::open(port).bearer(token).get("/api/me");
        assert_eq!(json(&me())["token"]["expires_at"], "2027-01-31T09:00:00Z");
        for _ in 0..89 {
            app.pass_days(1);
            assert_eq!(me().status, 200);
        }
        app.pass_days(1);
        assert_eq!(me().status, 401, "that it was used every day makes no difference");
    });
}

#[test]
fn what_a_device_says_of_itself_is_shown_and_never_run() {
    story(|app| {
        let port = app.node().port();
        let nasty = "\u{202e}\"><img src=x onerror=alert(1)>";
        let body = crate::browser::form(&[("client_id", "skaas-cli"), ("device_name", nasty)]);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("user-agent", "curl\"><script>alert(1)</script>"),
        ];
        let begun = json(&Connection::open(port).send(
            "POST",
            "/oauth/device_authorization",
            &headers,
            body.as_bytes(),
        ));
        let (code, shown) = (begun["device_code"].as_str().unwrap(), begun["user_code"].as_str().unwrap());
        let mut ann = Browser::signed_up(port, "ann");
        let asked = ann.opens(&format!("/device?user_code={shown}")).text();
        assert!(asked.contains("&#60;script&#62;alert(1)"), "{asked}");
        let done = ann.sends("/device", &[("user_code", shown), ("answer", "approve")]).text();
        assert_eq!(poll(port, "skaas-cli", code).0, 200);
        let listed = ann.opens("/account/tokens").text();
        assert!(listed.contains("&#60;img src=x"), "{listed}");
        // A browser that says the same of itself.
        let mut eve = Browser::at(port);
        let fields = [("login", "ann"), ("password", crate::browser::PASSWORD), ("csrf", &*eve.csrf())];
        let headers = [headers[0], headers[1], ("sec-fetch-site", "same-origin")];
        eve.exchange("POST", "/signin", &headers, &crate::browser::form(&fields));
        let sessions = ann.opens("/account/sessions").text();
        assert_eq!(sessions.matches("revoke?session=").count(), 2, "{sessions}");
        for page in [asked, done, listed, sessions] {
            for run in ["<img", "<script>", "onerror=alert(1)>", "\u{202e}"] {
                assert!(!page.contains(run), "{run}: {page}");
            }
        }
    });
}
