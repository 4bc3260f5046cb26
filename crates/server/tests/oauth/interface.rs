//! The REST interface as a protected resource of its own: who finds it, who gets tokens for it, and what those
//! are of no use for.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use skaas_app::Limits;
use skaas_testkit::app::{Fitting, PUBLIC_URL, story};
use skaas_testkit::wire::{Answer, Connection};

use crate::browser::{self, Browser, form, post, refusal};
use crate::clients::{MCP, call, client, code, exchange, pair, question, refresh, register};

/// The interface's address, which is the audience of its tokens.
pub(crate) const API: &str = "https://skaas.test/api";

/// Lets a client in at the interface, with these scopes; its access and refresh token.
#[track_caller]
pub(crate) fn let_in(port: u16, browser: &mut Browser, client: &str, scope: &str) -> (String, String) {
    let question = question(client, &[("resource", API), ("scope", scope)]);
    let code = code(browser, &question);
    pair(exchange(port, client, &code, &[("resource", API)]))
}

/// Asks the interface with an access token.
pub(crate) fn ask(port: u16, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/json")];
    Connection::open(port).bearer(token).send(method, path, &headers, body.as_bytes())
}

fn get(port: u16, path: &str) -> Value {
    browser::json(&Connection::open(port).get(path))
}

#[test]
fn a_client_finds_the_rest_interface_from_its_401() {
    story(|app| {
        let port = app.node().port();
        let refused = Connection::open(port).get("/api/me");
        assert_eq!(refused.status, 401);
        let challenge = refused.header("www-authenticate").unwrap();
        let metadata = "https://skaas.test/.well-known/oauth-protected-resource/api";
        assert!(challenge.starts_with("Bearer ") && !challenge.contains("error="), "{challenge}");
        assert!(challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{challenge}");
        let wrong = ask(port, "sk_access_0", "GET", "/api/me", "");
        assert!(wrong.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));

        let resource = get(port, "/.well-known/oauth-protected-resource/api");
        assert_eq!(
            (&resource["resource"], &resource["authorization_servers"]),
            (&API.into(), &json!([PUBLIC_URL]))
        );
        assert_eq!(resource["scopes_supported"], json!(["account", "read-only"]));
        let server = get(port, "/.well-known/oauth-authorization-server");
        assert_eq!(server["protected_resources"], json!([MCP, API]));

        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        let page = ann.opens(&question(&client, &[("resource", API), ("scope", "account")]));
        assert!(
            page.text().contains(API) && page.text().contains("view and change your account"),
            "{}",
            page.text()
        );
        let (access, next) = let_in(port, &mut ann, &client, "account");
        let me = ask(port, &access, "GET", "/api/me", "");
        let me = browser::json(&me);
        assert_eq!((&me["username"], me.get("token")), (&"ann".into(), None));
        let (fresh, _) = pair(refresh(port, &client, &next));
        assert_eq!(ask(port, &fresh, "GET", "/api/sessions", "").status, 200);
    });
}

#[test]
fn an_access_token_is_for_the_rest_interface_or_for_mcp_never_for_both_and_never_for_git() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        // With every scope there is: what keeps them apart is the audience alone.
        let scope = "account action:* creator marketplaces mcp";
        let (api, _) = let_in(port, &mut ann, &client, scope);
        let code = code(&mut ann, &question(&client, &[("scope", scope)]));
        let (mcp, _) = pair(exchange(port, &client, &code, &[]));
        assert_eq!((ask(port, &api, "GET", "/api/tokens", "").status, call(port, &api).status), (200, 401));
        assert_eq!((ask(port, &mcp, "GET", "/api/tokens", "").status, call(port, &mcp).status), (401, 200));
        for token in [&api, &mcp] {
            for path in [
                "/me/marketplace.git/info/refs?service=git-upload-pack",
                "/u/ann/marketplace.git/info/refs?service=git-upload-pack",
                "/s/ann/x.git/info/refs?service=git-receive-pack",
            ] {
                assert_eq!(Connection::open(port).bearer(token).get(path).status, 401, "{path}");
                assert_eq!(Connection::open(port).basic("ann", token).get(path).status, 401, "{path}");
            }
            // As a password it is none (RFC 6750).
            assert_eq!(Connection::open(port).basic("ann", token).get("/api/me").status, 401);
        }
        // A token that was asked for one is not had for the other later.
        let for_api =
            crate::clients::code(&mut ann, &question(&client, &[("resource", API), ("scope", "account")]));
        assert_eq!(refusal(exchange(port, &client, &for_api, &[("resource", MCP)])), "invalid_target");
    });
}

#[test]
fn who_names_no_resource_and_no_scope_gets_a_token_to_read_the_account_with() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        for resource in ["", PUBLIC_URL, "https://skaas.test/", "https://skaas.test/api/"] {
            let code = code(&mut ann, &question(&client, &[("resource", resource), ("scope", "")]));
            let (status, body) = exchange(port, &client, &code, &[("resource", "")]);
            assert_eq!((status, &body["scope"]), (200, &"account read-only".into()), "{body}");
            let access = body["access_token"].as_str().unwrap();
            assert_eq!(ask(port, access, "GET", "/api/applications", "").status, 200, "{resource}");
            let refused = ask(port, access, "DELETE", "/api/applications/ogr_none", "");
            assert_eq!(refused.status, 403, "{}", refused.text());
            let challenge = refused.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        }
        // So it is for a device: it names no resource, and is of use at the interface alone.
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let (_, tv) = register(port, &json!({ "client_name": "TV", "grant_types": [grant] }));
        let tv = tv["client_id"].as_str().unwrap();
        let (_, begun) = post(port, "/oauth/device_authorization", &[("client_id", tv)]);
        let shown = begun["user_code"].as_str().unwrap();
        assert!(ann.opens(&format!("/device?user_code={shown}")).text().contains(API));
        ann.sends("/device", &[("user_code", shown), ("answer", "approve")]);
        let code = begun["device_code"].as_str().unwrap();
        let fields = [("grant_type", grant), ("client_id", tv), ("device_code", code)];
        let (_, body) = post(port, "/oauth/token", &fields);
        let access = body["access_token"].as_str().unwrap();
        assert_eq!((ask(port, access, "GET", "/api/me", "").status, call(port, access).status), (200, 401));
    });
}

#[test]
fn an_application_does_what_it_was_allowed_and_makes_nothing_that_outlives_it() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        let (narrow, _) = let_in(port, &mut ann, &client, "marketplaces");
        let me = browser::json(&ask(port, &narrow, "GET", "/api/me", ""));
        assert_eq!((&me["username"], me.get("email")), (&"ann".into(), None), "whose it is, and no more");
        for path in ["/api/tokens", "/api/sessions", "/api/applications"] {
            let refused = ask(port, &narrow, "GET", path, "");
            assert_eq!(refused.status, 403, "{path}");
            assert!(refused.text().contains("limited to `marketplaces`"), "{}", refused.text());
        }
        let (wide, _) = let_in(port, &mut ann, &client, "account creator marketplaces mcp");
        for body in [r#"{"name":"for ever"}"#, r#"{"name":"for ever","scopes":"account"}"#] {
            let refused = ask(port, &wide, "POST", "/api/tokens", body);
            assert_eq!(refused.status, 403, "{}", refused.text());
            assert!(refused.text().contains("cannot create API tokens"), "{}", refused.text());
        }
        assert_eq!(browser::json(&ask(port, &wide, "GET", "/api/tokens", ""))["tokens"], json!([]));
        let other = ask(port, &wide, "DELETE", "/api/tokens/current", "");
        assert_eq!(other.status, 400);
        assert!(other.text().contains("/oauth/revoke"), "{}", other.text());
        // Its own end, as any client's (RFC 7009).
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = form(&[("client_id", client.as_str()), ("token", wide.as_str())]);
        Connection::open(port).send("POST", "/oauth/revoke", &headers, body.as_bytes());
        assert_eq!(ask(port, &wide, "GET", "/api/me", "").status, 401);
    });
}

#[test]
fn a_flood_with_an_access_token_does_not_keep_the_application_from_being_taken_back_with_it() {
    story(|app| {
        let limits = Limits {
            token_burst: NonZeroU32::new(5).unwrap(),
            token_per_second: NonZeroU32::MIN,
            ..Fitting::default().limits
        };
        let port = app.node_fitted(Fitting { limits, ..Fitting::default() }).port();
        let mut ann = Browser::signed_up(port, "ann");
        let (access, _) = let_in(port, &mut ann, &client(port), "account");
        let list = browser::json(&ask(port, &access, "GET", "/api/applications", ""));
        for _ in 1..5 {
            assert_eq!(ask(port, &access, "GET", "/api/me", "").status, 200);
        }
        assert_eq!(ask(port, &access, "GET", "/api/me", "").status, 429);
        let own = format!("/api/applications/{}", list["applications"][0]["id"].as_str().unwrap());
        assert_eq!(ask(port, &access, "DELETE", &own, "").status, 204);
    });
}
