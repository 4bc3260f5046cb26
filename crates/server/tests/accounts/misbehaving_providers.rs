//! Identity providers that break down or attack: the person reads what failed, that nothing was changed and what to do,
//! and the operator finds the reason in the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Uri, header},
    response::Response,
};
use serde_json::{Value, json};
use skaas_testkit::app::{Browser, Node, Page, TestApp, story};

use super::is_in;

const DESCRIPTION: &str = "/.well-known/openid-configuration";

/// What an address answers with.
#[derive(Clone)]
enum Said {
    Json(Value),
    Text(String),
    /// So many bytes.
    Flood(usize),
    Redirect(String),
    Status(u16),
}

/// A provider that answers whatever a test tells it to.
#[derive(Clone, Default)]
struct Issuer {
    base: String,
    says: Arc<Mutex<HashMap<String, Said>>>,
}

async fn answer(State(issuer): State<Issuer>, uri: Uri) -> Response {
    let said = issuer.says.lock().unwrap().get(uri.path()).cloned().unwrap_or(Said::Status(404));
    let response = Response::builder();
    match said {
        Said::Json(value) => response.body(value.to_string().into()),
        Said::Text(text) => response.body(text.into()),
        Said::Flood(bytes) => response.body(Body::from(vec![b' '; bytes])),
        Said::Redirect(to) => response.status(302).header(header::LOCATION, to).body(Body::empty()),
        Said::Status(status) => response.status(status).body(Body::empty()),
    }
    .unwrap()
}

impl Issuer {
    /// Starts one that describes itself well, and a node that lets people sign in with it.
    fn start(app: &TestApp) -> (Self, Arc<Node>) {
        let listener = app.run(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self { base: base.clone(), ..Self::default() };
        issuer.says(DESCRIPTION, Said::Json(issuer.description(json!({}))));
        issuer.says("/keys", Said::Json(json!({ "keys": [] })));
        let router = Router::new().fallback(answer).with_state(issuer.clone());
        app.run(async {
            tokio::spawn(async { axum::serve(listener, router).await });
        });
        (issuer, app.node_with_issuer(&base))
    }

    fn says(&self, path: &str, said: Said) {
        self.says.lock().unwrap().insert(path.to_owned(), said);
    }

    fn description(&self, change: Value) -> Value {
        let base = &self.base;
        let mut description = json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "jwks_uri": format!("{base}/keys"),
        });
        let Value::Object(change) = change else { panic!("{change}") };
        description.as_object_mut().unwrap().extend(change);
        description
    }
}

/// A person begins to sign in.
fn begins(browser: &mut Browser) -> Page {
    let page = browser.open("/signin");
    browser.submit(&page, "/auth/keycloak/start", &[])
}

/// They begin, agree at the provider, and come back with a code.
fn comes_back(browser: &mut Browser) -> Page {
    let page = begins(browser);
    assert_eq!(page.status(), 200, "{}", page.html());
    let html = page.html();
    let state = html.split("state=").nth(1).unwrap().split(['&', '"']).next().unwrap();
    browser.open(&format!("/auth/keycloak/callback?code=the-code&state={state}"))
}

/// The page says what failed and what to do, and the log has a line about it for the operator.
#[track_caller]
fn is_explained(app: &TestApp, browser: &mut Browser, page: &Page, status: u16, why: &str) {
    assert_eq!(page.status(), status, "{why}: {}", page.html());
    page.says(why).says("othing was changed").says("</main>").omits("CANARY").omits("omething went wrong");
    assert!(!is_in(browser));
    let lines: Vec<String> = app.log().lines().iter().map(ToString::to_string).collect();
    let told = lines.iter().rev().find(|line| line.contains("provider_failed"));
    let told = told.unwrap_or_else(|| panic!("{why}: the operator is told nothing: {lines:#?}"));
    assert!(told.contains("keycloak") && told.contains("reason"), "{told}");
    assert!(!told.contains("CANARY") && !told.contains("the-code"), "{told}");
}

#[test]
fn a_provider_whose_description_is_unusable_is_explained() {
    story(|app| {
        let (issuer, node) = Issuer::start(app);
        let base = issuer.base.clone();
        let mut ann = app.browser_at(&node);
        for (said, why) in [
            (Said::Text("<html>CANARY".into()), "not an OpenID Connect discovery document"),
            (Said::Json(json!({ "issuer": base })), "not an OpenID Connect discovery document"),
            (
                Said::Json(issuer.description(json!({ "issuer": "https://evil.example" }))),
                "the configured issuer",
            ),
            (Said::Json(issuer.description(json!({ "token_endpoint": "nonsense" }))), "discovery document"),
            (
                Said::Json(issuer.description(json!({ "jwks_uri": "http://192.168.0.1/" }))),
                "not a public address",
            ),
            (Said::Text("[".repeat(100_000)), "not an OpenID Connect discovery document"),
            (Said::Flood(300 * 1024), "more than 262144 bytes"),
            (Said::Redirect(format!("{base}{DESCRIPTION}")), "redirects"),
            (Said::Status(404), "404"),
            (Said::Status(503), "503"),
        ] {
            issuer.says(DESCRIPTION, said);
            let page = begins(&mut ann);
            is_explained(app, &mut ann, &page, 502, why);
            page.says("You could not be signed in with keycloak").says("tell whoever runs this server");
        }
    });
}

#[test]
fn a_provider_whose_answers_are_unusable_is_explained() {
    story(|app| {
        let (issuer, node) = Issuer::start(app);
        let base = issuer.base.clone();
        let mut ann = app.browser_at(&node);
        let tokens = |id_token: Value| {
            Said::Json(
                json!({ "access_token": "CANARY-ACCESS", "token_type": "Bearer", "id_token": id_token }),
            )
        };
        for (said, status, why) in [
            (Said::Text("<html>CANARY".into()), 502, "not a token response"),
            (Said::Json(json!({ "id_token": "CANARY" })), 502, "not a token response"),
            (Said::Json(json!({ "access_token": ["CANARY"] })), 502, "not a token response"),
            (Said::Text("[".repeat(100_000)), 502, "not a token response"),
            (Said::Flood(300 * 1024), 502, "more than 262144 bytes"),
            (Said::Redirect(format!("{base}/keys")), 502, "redirects"),
            (Said::Redirect("https://evil.example/?CANARY".into()), 502, "redirects"),
            (Said::Status(500), 502, "500"),
            (
                Said::Json(json!({ "access_token": "CANARY", "id_token": null })),
                403,
                "no ID token came along",
            ),
            (tokens("".into()), 502, "not an ID token"),
            (tokens("CANARY".into()), 502, "not an ID token"),
            (tokens("a.b.c".into()), 502, "not an ID token"),
            (tokens("....".into()), 502, "not an ID token"),
            (tokens("e30.e30.e30".into()), 502, "not an ID token"),
            (tokens("x".repeat(200_000).into()), 502, "not an ID token"),
        ] {
            issuer.says("/token", said);
            let page = comes_back(&mut ann);
            is_explained(app, &mut ann, &page, status, why);
            page.says("Choose another sign-in method");
        }
    });
}

#[test]
fn an_address_whose_escapes_are_not_text_gets_a_page() {
    story(|app| {
        let mut ann = app.browser();
        for path in ["/@%ff", "/skills/%ff", "/buy/%C3", "/auth/%ff/callback?code=x&state=y"] {
            let page = ann.visit(path);
            assert_eq!(page.status(), 400, "{path}: {}", page.html());
            page.says("are not UTF-8").says("</main>");
        }
    });
}
