//! The authorization server as an MCP client meets it: from a 401 to tokens, their rotation and their end.

use jiff::SignedDuration;
use serde_json::{Value, json};
use skaas_app::audit::{self, Wanted};
use skaas_domain::oauth::Challenge;
use skaas_testkit::app::{PUBLIC_URL, story};
use skaas_testkit::wire::{Answer, Connection};
use url::Url;

use crate::browser::{self, Browser, answers, form, post, refusal};

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const BACK: &str = "http://127.0.0.1:33418/callback";
pub(crate) const MCP: &str = "https://skaas.test/mcp";

/// What a client says of itself, and the JSON it gets.
#[track_caller]
pub(crate) fn register(port: u16, said: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let answer =
        Connection::open(port).send("POST", "/oauth/register", &headers, said.to_string().as_bytes());
    (answer.status, browser::json(&answer))
}

/// A client of one loopback address.
#[track_caller]
pub(crate) fn client(port: u16) -> String {
    let said = json!({
        "client_name": "Inspector",
        "redirect_uris": ["http://127.0.0.1:6274/callback", "javascript:alert(1)"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let (status, body) = register(port, &said);
    assert_eq!(status, 201, "{body}");
    assert_eq!(body["redirect_uris"], json!(["http://127.0.0.1:6274/callback"]), "the other is left out");
    assert_eq!(body["token_endpoint_auth_method"], "none");
    assert!(body.get("client_secret").is_none());
    body["client_id"].as_str().unwrap().to_owned()
}

/// What a client sends its user's browser to, with some of it changed or (empty) left out.
pub(crate) fn question(client_id: &str, changed: &[(&str, &str)]) -> String {
    let challenge = Challenge::of(VERIFIER);
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", BACK),
        ("scope", "mcp"),
        ("state", "a state & more"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", MCP),
    ];
    for (name, value) in changed {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    format!("/oauth/authorize?{}", form(&fields))
}

/// Where a browser was sent: the address without its query, and a value of that.
#[track_caller]
pub(crate) fn sent(answer: &Answer) -> (String, impl Fn(&str) -> Option<String> + use<>) {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let mut url = Url::parse(answer.header("location").unwrap()).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.set_query(None);
    let get = move |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    (url.into(), get)
}

#[track_caller]
pub(crate) fn code(browser: &mut Browser, question: &str) -> String {
    let (to, get) = sent(&answers(browser, question, "approve"));
    assert_eq!(to, BACK);
    assert_eq!((get("state").as_deref(), get("iss").as_deref()), (Some("a state & more"), Some(PUBLIC_URL)));
    get("code").unwrap()
}

pub(crate) fn exchange(port: u16, client_id: &str, code: &str, changed: &[(&str, &str)]) -> (u16, Value) {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", BACK),
        ("resource", MCP),
    ];
    for (name, value) in changed {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    post(port, "/oauth/token", &fields)
}

pub(crate) fn refresh(port: u16, client_id: &str, token: &str) -> (u16, Value) {
    let fields = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
    post(port, "/oauth/token", &fields)
}

/// A call of the MCP endpoint.
pub(crate) fn call(port: u16, token: &str) -> Answer {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let headers = [("content-type", "application/json")];
    Connection::open(port).bearer(token).send("POST", "/mcp", &headers, message.as_bytes())
}

#[track_caller]
pub(crate) fn pair((status, body): (u16, Value)) -> (String, String) {
    assert_eq!(status, 200, "{body}");
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

#[test]
fn a_client_finds_its_way_from_a_401_to_tokens() {
    story(|app| {
        let port = app.node().port();
        let refused = Connection::open(port).get("/mcp");
        assert_eq!(refused.status, 401);
        let said = browser::json(&refused)["detail"].as_str().unwrap().to_owned();
        assert!(said.contains("your MCP client") && !said.contains("api token"), "{said}");
        let challenge = refused.header("www-authenticate").unwrap();
        let metadata = "https://skaas.test/.well-known/oauth-protected-resource/mcp";
        assert!(challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{challenge}");

        let get = |path: &str| browser::json(&Connection::open(port).get(path));
        let resource = get("/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            (&resource["resource"], &resource["authorization_servers"]),
            (&MCP.into(), &json!([PUBLIC_URL]))
        );
        let server = get("/.well-known/oauth-authorization-server");
        assert_eq!(server, get("/.well-known/openid-configuration"));
        assert_eq!(server["issuer"], PUBLIC_URL);
        assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));

        let client = client(port);
        let question = question(&client, &[]);
        // Who asks is said before anybody is sent anywhere to sign in.
        let page = Browser::at(port).opens(&question);
        assert_eq!(page.status, 200);
        for shown in ["Inspector", "an app on this computer", BACK, MCP, "Sign in to continue"] {
            assert!(page.text().contains(shown), "{shown}: {}", page.text());
        }
        assert!(!page.text().contains("value=\"approve\""));

        let mut ann = Browser::signed_up(port, "ann");
        let page = ann.opens(&question);
        assert!(page.text().contains("as <strong>ann</strong>"), "{}", page.text());
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("form-action 'self' http:;") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        let code = code(&mut ann, &question);
        let (access, _) = pair(exchange(port, &client, &code, &[]));
        let answer = call(port, &access);
        assert_eq!((answer.status, browser::json(&answer)["result"]["tools"].clone()), (200, json!([])));
        let stream = Connection::open(port).bearer(&access).get("/mcp");
        assert_eq!((stream.status, stream.header("allow")), (405, Some("POST")));
        // It is for that endpoint and for nothing else.
        let git = Connection::open(port)
            .bearer(&access)
            .get("/me/marketplace.git/info/refs?service=git-upload-pack");
        assert_eq!(git.status, 401);

        app.pass(SignedDuration::from_hours(1));
        let late = call(port, &access);
        assert_eq!(late.status, 401);
        assert!(late.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    });
}

#[test]
fn a_page_of_another_site_cannot_speak_to_the_mcp_endpoint() {
    story(|app| {
        let port = app.node().port();
        let client = client(port);
        let mut ann = Browser::signed_up(port, "ann");
        let code = code(&mut ann, &question(&client, &[]));
        let (access, _) = pair(exchange(port, &client, &code, &[]));
        let from = |method: &str, origin: &str| {
            let headers = [("content-type", "application/json"), ("origin", origin)];
            let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
            Connection::open(port).bearer(&access).send(method, "/mcp", &headers, ping.as_bytes())
        };
        assert_eq!(call(port, &access).status, 200, "a program sends no Origin");
        assert_eq!(from("POST", PUBLIC_URL).status, 200);
        for origin in [
            "https://evil.example",
            "http://skaas.test",
            "https://skaas.test:8443",
            "https://skaas.test.evil.example",
            // What Host says proves nothing: with DNS rebinding, it is the attacker's as well.
            "http://127.0.0.1",
            "null",
            "",
        ] {
            for method in ["POST", "GET", "OPTIONS"] {
                let refused = from(method, origin);
                assert_eq!(refused.status, 403, "{method} {origin}");
                assert_eq!(refused.header("access-control-allow-origin"), None);
                assert!(refused.text().contains("another site"), "{}", refused.text());
            }
        }
    });
}

#[test]
fn nobody_is_sent_where_the_client_is_not_registered() {
    story(|app| {
        let port = app.node().port();
        let client = client(port);
        let mut ann = Browser::signed_up(port, "ann");
        for (name, value) in [
            ("redirect_uri", "https://evil.example/"),
            ("redirect_uri", "http://127.0.0.1:33418/elsewhere"),
            ("redirect_uri", "http://127.0.0.1.evil.example/callback"),
            ("client_id", "nobody"),
            ("client_id", ""),
        ] {
            let question = question(&client, &[(name, value)]);
            for answer in [ann.opens(&question), answers(&mut ann, &question, "approve")] {
                assert_eq!((answer.status, answer.header("location")), (400, None), "{name}={value}");
            }
        }
        // The client hears of everything else.
        for (name, value, word) in [
            ("response_type", "token", "unsupported_response_type"),
            ("response_type", "", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("scope", "everything", "invalid_scope"),
            ("scope", "full", "invalid_scope"),
            ("resource", "https://evil.example/mcp", "invalid_target"),
        ] {
            let (to, get) = sent(&ann.opens(&question(&client, &[(name, value)])));
            assert_eq!((to.as_str(), get("error").as_deref()), (BACK, Some(word)), "{name}={value}");
            assert_eq!((get("code"), get("iss").as_deref()), (None, Some(PUBLIC_URL)));
        }
        let (_, get) = sent(&answers(&mut ann, &question(&client, &[]), "deny"));
        assert_eq!((get("error").as_deref(), get("code")), (Some("access_denied"), None));

        let csrf = ann.csrf();
        let fields = [("answer", "approve"), ("client_id", client.as_str()), ("csrf", &csrf)];
        assert_eq!(ann.sends_from("/oauth/authorize", "cross-site", &fields).status, 403);
    });
}

#[test]
fn no_link_of_ours_leads_to_a_site_that_somebody_registered_before_the_person_says_so() {
    story(|app| {
        let port = app.node().port();
        let backs = ["https://evil.example/back", "evil.app:/back"];
        let (_, client) = register(port, &json!({ "client_name": "Bank", "redirect_uris": backs }));
        let client = client["client_id"].as_str().unwrap();
        let mut ann = Browser::signed_up(port, "ann");
        for (back, shown) in backs.into_iter().zip(["evil.example", "the app behind evil.app:"]) {
            for fault in [("response_type", "x"), ("scope", "everything"), ("code_challenge", "")] {
                let question = question(client, &[("redirect_uri", back), fault]);
                for page in [
                    Browser::at(port).opens(&question),
                    ann.opens(&question),
                    answers(&mut ann, &question, "approve"),
                ] {
                    assert_eq!((page.status, page.header("location")), (400, None), "{question}");
                    let text = page.text();
                    assert!(!text.contains("http-equiv"), "{text}");
                    for part in [&format!("href=\"{back}?error="), &format!("Continue to {shown}</a>")] {
                        assert!(text.contains(part), "{part}: {text}");
                    }
                }
            }
            let (to, _) = sent(&answers(&mut ann, &question(client, &[("redirect_uri", back)]), "deny"));
            assert_eq!(to, back, "the person did say so");
        }
    });
}

#[test]
fn a_long_question_is_still_there_after_signing_in() {
    story(|app| {
        let port = app.node().port();
        let state = "a-state-".repeat(600);
        let question = question(&client(port), &[("state", &state)]);
        let page = Browser::at(port).opens(&question).text();
        let link = page.split("href=\"/signin?return_to=").nth(1).unwrap().split('"').next().unwrap();
        let page = Browser::at(port).opens(&format!("/signin?return_to={link}")).text();
        let kept = page.split("name=\"return_to\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(kept.replace("&#38;", "&"), question);
    });
}

#[test]
fn a_code_is_for_who_asked_and_for_once() {
    story(|app| {
        let port = app.node().port();
        let (client, other) = (client(port), client(port));
        let mut ann = Browser::signed_up(port, "ann");
        let question = question(&client, &[]);
        for (changed, word) in [
            (("code_verifier", "another-verifier-of-at-least-43-characters-x"), "invalid_grant"),
            (("redirect_uri", "http://127.0.0.1:1/callback"), "invalid_grant"),
            (("client_id", other.as_str()), "invalid_grant"),
            (("resource", PUBLIC_URL), "invalid_target"),
            (("code_verifier", ""), "invalid_request"),
        ] {
            let code = code(&mut ann, &question);
            assert_eq!(refusal(exchange(port, &client, &code, &[changed])), word, "{changed:?}");
        }
        let named_once = code(&mut ann, &question);
        pair(exchange(port, &client, &named_once, &[("redirect_uri", "")]));
        let late = code(&mut ann, &question);
        app.pass(SignedDuration::from_secs(60));
        assert_eq!(refusal(exchange(port, &client, &late, &[])), "invalid_grant");

        let code = code(&mut ann, &question);
        let (access, next) = pair(exchange(port, &client, &code, &[]));
        assert_eq!(call(port, &access).status, 200);
        // The second time somebody has stolen it: nothing that it gave works any longer.
        assert_eq!(refusal(exchange(port, &client, &code, &[])), "invalid_grant");
        assert_eq!(call(port, &access).status, 401);
        assert_eq!(refusal(refresh(port, &client, &next)), "invalid_grant");
    });
}

#[test]
fn a_refresh_token_gives_tokens_to_both_holders_for_30_seconds_and_then_ends_them_all() {
    story(|app| {
        let (port, second) = (app.node().port(), app.another_node().port());
        let (client, other) = (client(port), client(port));
        let mut ann = Browser::signed_up(port, "ann");
        let code = code(&mut ann, &question(&client, &[]));
        let (_, first) = pair(exchange(port, &client, &code, &[]));
        assert_eq!(refusal(refresh(port, &other, &first)), "invalid_grant");
        let (access, next) = pair(refresh(port, &client, &first));
        assert_eq!(call(port, &access).status, 200, "the answer was not lost");
        app.pass(SignedDuration::from_secs(30));
        let (beside, _) = pair(refresh(second, &client, &first));
        assert_eq!((call(second, &access).status, call(port, &beside).status), (200, 200));
        let (_, newest) = pair(refresh(port, &client, &next));
        app.pass(SignedDuration::from_secs(1));
        // Two parties hold the first one: all tokens end, on every node.
        assert_eq!(refusal(refresh(port, &client, &first)), "invalid_grant");
        assert_eq!(refusal(refresh(second, &client, &newest)), "invalid_grant");
        assert_eq!((call(second, &access).status, call(port, &beside).status), (401, 401));
    });
}

#[test]
fn an_authorization_is_recorded_and_so_is_its_end_by_a_reused_token_once() {
    story(|app| {
        let port = app.node().port();
        let client = client(port);
        let mut ann = Browser::signed_up(port, "ann");
        let code = code(&mut ann, &question(&client, &[]));
        let (_, first) = pair(exchange(port, &client, &code, &[]));
        pair(refresh(port, &client, &first));
        app.pass(SignedDuration::from_secs(31));
        for _ in 0..3 {
            assert_eq!(refusal(refresh(port, &client, &first)), "invalid_grant");
            app.pass(SignedDuration::from_secs(1));
        }
        let wanted = Wanted { action: Some("app"), limit: 10, ..Wanted::default() };
        let all = app.run(audit::list(app.operator(), app.actor(), &wanted)).unwrap();
        let told: Vec<String> =
            all.iter().map(|entry| format!("{} by {}", entry.action, entry.actor.kind.as_str())).collect();
        assert_eq!(told, ["app.revoke by server", "app.authorize by session"]);
        assert!(all.iter().all(|entry| entry.thing.starts_with("Inspector (ogr_")), "{all:?}");
    });
}

#[test]
fn a_refresh_may_ask_for_fewer_scopes_and_never_for_more() {
    story(|app| {
        let port = app.node().port();
        let client = client(port);
        let mut ann = Browser::signed_up(port, "ann");
        let code = code(&mut ann, &question(&client, &[("scope", "mcp account")]));
        let (_, next) = pair(exchange(port, &client, &code, &[]));
        let asks = |next: &str, scope: &str| {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", &client),
                ("refresh_token", next),
                ("scope", scope),
            ];
            post(port, "/oauth/token", &fields)
        };
        for more in ["mcp account creator", "full", "creator", "mcp nonsense", "read-only"] {
            assert_eq!(refusal(asks(&next, more)), "invalid_scope", "{more}");
        }
        let (status, body) = asks(&next, "account");
        assert_eq!((status, &body["scope"]), (200, &"account".into()), "{body}");
        let (narrow, next) = pair((status, body));
        assert_eq!(call(port, &narrow).status, 403, "it has not the scope mcp");
        // What was granted stays granted.
        let (status, body) = asks(&next, "");
        assert_eq!((status, &body["scope"]), (200, &"mcp account".into()), "{body}");
        assert_eq!(call(port, &pair((status, body)).0).status, 200);
    });
}

#[test]
fn an_authorization_ends_after_a_year_however_often_it_is_refreshed() {
    story(|app| {
        let port = app.node().port();
        let client = client(port);
        let mut ann = Browser::signed_up(port, "ann");
        let question = question(&client, &[]);
        let page = ann.opens(&question).text();
        assert!(page.contains("2027-11-02 09:00 UTC") && page.contains("in 365 days"), "{page}");
        let code = code(&mut ann, &question);
        let (_, mut next) = pair(exchange(port, &client, &code, &[]));
        for _ in 0..14 {
            app.pass_days(26);
            (_, next) = pair(refresh(port, &client, &next));
        }
        app.pass(SignedDuration::from_hours(23) + SignedDuration::from_mins(59));
        let (status, body) = refresh(port, &client, &next);
        assert_eq!((status, &body["expires_in"]), (200, &60.into()), "the access token ends with the rest");
        let (access, next) = pair((status, body));
        assert_eq!(call(port, &access).status, 200);
        app.pass(SignedDuration::from_mins(1));
        assert_eq!(call(port, &access).status, 401);
        assert_eq!(refusal(refresh(port, &client, &next)), "invalid_grant");
    });
}

#[test]
fn fifty_processes_that_refresh_one_token_at_once_on_two_nodes_all_stay_signed_in() {
    story(|app| {
        let ports = [app.node().port(), app.another_node().port()];
        let client = client(ports[0]);
        let mut ann = Browser::signed_up(ports[0], "ann");
        let code = code(&mut ann, &question(&client, &[]));
        let (_, first) = pair(exchange(ports[0], &client, &code, &[]));
        let ready = std::sync::Barrier::new(50);
        let pairs: Vec<(String, String)> = std::thread::scope(|scope| {
            let refreshed: Vec<_> = (0..50)
                .map(|process| {
                    let (ready, client, first) = (&ready, &client, &first);
                    scope.spawn(move || {
                        ready.wait();
                        refresh(ports[process % 2], client, first)
                    })
                })
                .collect();
            refreshed.into_iter().map(|process| pair(process.join().unwrap())).collect()
        });
        for (process, (access, next)) in pairs.iter().enumerate() {
            assert_eq!(call(ports[(process + 1) % 2], access).status, 200, "{process}");
            let (newer, _) = pair(refresh(ports[process % 2], &client, next));
            assert_eq!(call(ports[process % 2], &newer).status, 200, "{process}");
        }
    });
}

#[test]
fn a_revoked_token_ends_at_once_and_only_its_own_client_ends_it() {
    story(|app| {
        let port = app.node().port();
        let (client, other) = (client(port), client(port));
        let mut ann = Browser::signed_up(port, "ann");
        let code = code(&mut ann, &question(&client, &[]));
        let (access, next) = pair(exchange(port, &client, &code, &[]));
        let revoke = |client_id: &str, token: &str| {
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let body = form(&[("client_id", client_id), ("token", token)]);
            Connection::open(port).send("POST", "/oauth/revoke", &headers, body.as_bytes()).status
        };
        assert_eq!(revoke(&other, &access), 200);
        assert_eq!(call(port, &access).status, 200, "it is not theirs to end");
        assert_eq!(revoke(&client, "whatever"), 200);
        assert_eq!(revoke(&client, &next), 200);
        assert_eq!(call(port, &access).status, 401);
        assert_eq!(refusal(refresh(port, &client, &next)), "invalid_grant");
    });
}

#[test]
fn a_registration_needs_one_address_that_can_be_taken() {
    story(|app| {
        let port = app.node().port();
        for (said, word) in [
            (json!({}), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["http://example.com/"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["myapp:/callback", "data:text/html,x"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": "https://a.example/" }), "invalid_client_metadata"),
            (
                json!({ "redirect_uris": ["https://a.example/"], "grant_types": ["password"] }),
                "invalid_client_metadata",
            ),
            (
                json!({ "redirect_uris": ["https://a.example/"], "response_types": ["token"] }),
                "invalid_client_metadata",
            ),
            (json!([]), "invalid_client_metadata"),
        ] {
            assert_eq!(refusal(register(port, &said)), word, "{said}");
        }
        let device = json!({ "client_name": "TV\u{202e}", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] });
        let (status, body) = register(port, &device);
        assert_eq!(status, 201, "{body}");
        assert!(!body["client_name"].as_str().unwrap().contains('\u{202e}'));
        let id = body["client_id"].as_str().unwrap();
        let begun =
            post(port, "/oauth/device_authorization", &[("client_id", id), ("scope", "marketplaces")]);
        assert_eq!(begun.0, 200, "{}", begun.1);
        let inspector = client(port);
        assert_eq!(
            refusal(post(port, "/oauth/device_authorization", &[("client_id", &inspector)])),
            "unauthorized_client"
        );

        let asks = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
        for path in ["/oauth/register", "/oauth/token", "/.well-known/oauth-authorization-server"] {
            let answer = Connection::open(port).send("OPTIONS", path, &asks, b"");
            assert_eq!(
                (answer.status, answer.header("access-control-allow-origin")),
                (204, Some("*")),
                "{path}"
            );
        }
        let page = Connection::open(port).send("OPTIONS", "/oauth/authorize", &asks, b"");
        assert_eq!(page.header("access-control-allow-origin"), None);
    });
}

#[test]
fn a_client_without_a_browser_gets_oauth_tokens_by_the_device_login() {
    story(|app| {
        let port = app.node().port();
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let (_, tv) =
            register(port, &json!({ "client_name": "TV", "grant_types": [grant, "refresh_token"] }));
        let tv = tv["client_id"].as_str().unwrap();
        let asked = [("client_id", tv), ("resource", MCP)];
        let (status, begun) = post(port, "/oauth/device_authorization", &asked);
        assert_eq!(status, 200, "{begun}");
        let mut ann = Browser::signed_up(port, "ann");
        let shown = begun["user_code"].as_str().unwrap();
        let page = ann.opens(&format!("/device?user_code={shown}")).text();
        assert!(page.contains("The app <strong>TV</strong>") && page.contains(MCP), "{page}");
        assert_eq!(ann.sends("/device", &[("user_code", shown), ("answer", "approve")]).status, 200);
        let code = begun["device_code"].as_str().unwrap();
        let fields = [("grant_type", grant), ("client_id", tv), ("device_code", code)];
        let (access, next) = pair(post(port, "/oauth/token", &fields));
        assert_eq!(call(port, &access).status, 200);
        assert_eq!(refusal(post(port, "/oauth/token", &fields)), "invalid_grant");
        let (access, _) = pair(refresh(port, tv, &next));
        assert_eq!(call(port, &access).status, 200);
    });
}

#[test]
fn a_client_id_that_is_an_address_is_refused_where_nothing_is_looked_up() {
    story(|app| {
        let port = app.node().port();
        let page = Browser::at(port).opens(&question("https://app.example/client.json", &[]));
        assert_eq!((page.status, page.header("location")), (400, None));
        assert!(page.text().contains("register instead"), "{}", page.text());
    });
}
