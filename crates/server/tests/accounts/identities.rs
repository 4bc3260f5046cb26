//! Signing in where somebody else vouches, with a GitHub that checks what it is sent. Real providers are asked
//! by the browser's tests; here stand the attacks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};
use skaas_app::outbound::pkce;
use skaas_testkit::app::{Browser, Node, Page, TestApp, story};

use super::second_factor::{adds_app, enters};
use super::{PASSWORD, is_in, joins, signs_in};

/// What a code was given out for: the challenge it came with, and whom.
type Given = (String, u64, String);

/// Codes that were given out.
#[derive(Clone, Default)]
struct Github(Arc<Mutex<HashMap<String, Given>>>);

async fn token(State(github): State<Github>, body: String) -> Json<Value> {
    let fields: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let known = github.0.lock().unwrap();
    let good = known.get(&fields["code"]).is_some_and(|(challenge, ..)| {
        *challenge == pkce::challenge(&fields["code_verifier"]) && fields["client_secret"] == "a-secret"
    });
    let refused = json!({"error": "bad_verification_code"});
    Json(if good { json!({"access_token": fields["code"], "token_type": "bearer"}) } else { refused })
}

fn bearer(headers: &HeaderMap) -> &str {
    headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

async fn user(State(github): State<Github>, headers: HeaderMap) -> Json<Value> {
    let id = github.0.lock().unwrap()[bearer(&headers)].1;
    Json(json!({"id": id, "login": format!("Octo-{id}"), "name": "Octo Cat"}))
}

/// An address that begins with `?` is not verified; without any, addresses are none of our business.
async fn emails(State(github): State<Github>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    let email = github.0.lock().unwrap()[bearer(&headers)].2.clone();
    if email.is_empty() {
        return Err(StatusCode::FORBIDDEN);
    }
    let (verified, email) = email.strip_prefix('?').map_or((true, email.as_str()), |email| (false, email));
    Ok(Json(json!([{"email": email, "primary": true, "verified": verified}])))
}

impl Github {
    /// Starts one, and a node that lets people sign in with it.
    fn start(app: &TestApp) -> (Self, Arc<Node>) {
        let github = Self::default();
        let router = Router::new()
            .route("/login/oauth/access_token", post(token))
            .route("/api/user", get(user))
            .route("/api/user/emails", get(emails))
            .with_state(github.clone());
        let listener = app.run(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        // It ends with the story's threads.
        app.run(async {
            tokio::spawn(async { axum::serve(listener, router).await });
        });
        (github, app.node_with_github(&base))
    }

    /// Somebody agrees at GitHub: the address that their browser is sent back to.
    fn agrees(&self, asked: &str, id: u64, email: &str) -> String {
        let asked = url::Url::parse(asked).unwrap();
        let query: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        assert_eq!(query["redirect_uri"], "https://skaas.test/auth/github/callback");
        assert_eq!(query["code_challenge_method"], "S256");
        let code = format!("code-{}", self.0.lock().unwrap().len());
        let given = (query["code_challenge"].clone(), id, email.to_owned());
        self.0.lock().unwrap().insert(code.clone(), given);
        format!("/auth/github/callback?code={code}&state={}", query["state"])
    }
}

/// Where a browser is sent to sign in.
#[track_caller]
fn begins(browser: &mut Browser) -> String {
    let page = browser.open("/signin?return_to=/account/identities");
    leads_to(&browser.submit(&page, "/auth/github/start", &[]))
}

/// Where a browser is sent to link.
#[track_caller]
fn begins_to_link(browser: &mut Browser) -> String {
    let page = browser.open("/account/identities");
    leads_to(&browser.submit(&page, "/auth/github/link", &[]))
}

/// Where a page sends the browser; a redirect may not, since forms of ours end in none to another site.
#[track_caller]
fn leads_to(page: &Page) -> String {
    assert_eq!((page.status(), page.answer.header("location")), (200, None));
    let html = page.html();
    let href = html.split("class=\"button primary\" href=\"").nth(1).unwrap_or_else(|| panic!("{html}"));
    href.split('"').next().unwrap().replace("&#38;", "&")
}

#[test]
fn a_sign_in_with_a_provider_waits_for_the_second_factor() {
    story(|app| {
        let (github, _) = Github::start(app);
        let mut ann = joins(app, "ann");
        let asked = begins_to_link(&mut ann);
        ann.open(&github.agrees(&asked, 7, "ann@example.test")).says("Account linked");
        let (phone, _) = adds_app(app, &mut ann);
        let mut laptop = app.browser();
        let asked = begins(&mut laptop);
        let page = laptop.open(&github.agrees(&asked, 7, "ann@example.test"));
        page.says("<h1>Two-factor authentication</h1>");
        assert!(!is_in(&mut laptop));
        let page = enters(&mut laptop, &page, &phone.shows(app.now()));
        page.says("<h1>Sign-in methods</h1>");
        assert!(is_in(&mut laptop));
    });
}

#[test]
fn a_stranger_chooses_a_name_once_and_is_known_from_then_on() {
    story(|app| {
        joins(app, "ann");
        let (github, node) = Github::start(app);
        let mut bob = app.browser_at(&node);
        bob.open("/signin").says("Continue with GitHub");
        let back = github.agrees(&begins(&mut bob), 7, "bob@example.test");
        let page = bob.open(&back);
        page.says("Choose a username").says("value=\"octo-7\"").says("bob@example.test");
        let taken = bob.submit(&page, "/signup/identity", &[("username", "ann")]);
        assert_eq!(taken.status(), 422);
        taken.says("id=\"username-fault\"");
        let page = bob.submit(&taken, "/signup/identity", &[("username", "bob")]);
        page.says("github:7").says("This is your only sign-in method");
        bob.open("/account").says("bob@example.test").says("No password");
        let mut again = app.browser_at(&node);
        let back = github.agrees(&begins(&mut again), 7, "moved@example.test");
        again.open(&back).says(">bob</a>");
        again.open("/account").says("bob@example.test");
    });
}

#[test]
fn an_address_never_links_accounts_by_itself() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (github, node) = Github::start(app);
        let mut eve = app.browser_at(&node);
        let back = github.agrees(&begins(&mut eve), 66, "ann@example.test");
        let page = eve.open(&back);
        page.says("sign in to it</a>");
        let page = eve.submit(&page, "/signup/identity", &[("username", "eve")]);
        page.says(">eve</a>");
        eve.open("/account").says("None yet").omits("ann@example.test");
        ann = ann.at(&node);
        ann.open("/account/identities").says("No linked accounts");
        // An address that GitHub did not check is not even spoken of.
        let mut carl = app.browser_at(&node);
        let back = github.agrees(&begins(&mut carl), 67, "?ann@example.test");
        carl.open(&back).says("Choose a username").omits("ann@example.test");
        // And whom GitHub does not let us ask has none.
        let back = github.agrees(&begins(&mut carl), 68, "");
        carl.open(&back).says("Choose a username");
    });
}

#[test]
fn a_sign_in_elsewhere_begins_only_with_a_form_of_ours() {
    story(|app| {
        let (_, node) = Github::start(app);
        let mut ann = app.browser_at(&node);
        let page = ann.open("/signin?return_to=/account/identities");
        // A link that another site put up, or a picture, begins nothing and leads nowhere.
        let opened = ann.visit("/auth/github/start?return_to=/account/identities");
        assert_eq!((opened.status(), opened.answer.header("location")), (405, None));
        opened.omits("http-equiv").omits("/login/oauth/authorize");
        let csrf = page.hidden_fields("/auth/github/start").remove(0).1;
        for (csrf, site) in [(csrf.as_str(), "cross-site"), ("", "same-origin"), ("x", "same-origin")] {
            let forged = ann.post("/auth/github/start", &[("csrf", csrf)], &[("sec-fetch-site", site)]);
            assert_eq!(forged.status(), 403, "{csrf} {site}");
            forged.omits("http-equiv").omits("/login/oauth/authorize");
        }
        let page = ann.submit(&page, "/auth/github/start", &[]);
        page.says("Continue with GitHub").says("http-equiv=\"refresh\"");
        assert!(leads_to(&page).contains("/login/oauth/authorize?"));
    });
}

#[test]
fn a_sign_in_ends_only_where_it_began_in_time_and_once() {
    story(|app| {
        let (github, node) = Github::start(app);
        let mut eve = app.browser_at(&node);
        let back = github.agrees(&begins(&mut eve), 66, "eve@example.test");
        let mut victim = app.browser_at(&node);
        let page = victim.open(&back);
        assert_eq!(page.status(), 403, "login CSRF: {}", page.html());
        page.says("was started in another browser");
        assert!(!is_in(&mut victim));
        let page = eve.open(&back);
        page.says("Choose a username");
        let pending = page.path.clone();
        assert_eq!(victim.open(&pending).status(), 403, "what was proved stays in its browser too");
        assert_eq!(eve.open(&back).status(), 403, "once");
        let late = github.agrees(&begins(&mut eve), 66, "eve@example.test");
        app.pass(jiff::SignedDuration::from_mins(10));
        assert_eq!(eve.open(&late).status(), 403, "too late");
        assert_eq!(eve.open(&pending).status(), 403, "too late for that as well");
        for forged in ["", "state=x&code=y", "state=sk_state_x", "error=access_denied"] {
            assert_eq!(eve.open(&format!("/auth/github/callback?{forged}")).status(), 403, "{forged}");
        }
        let asked = begins(&mut eve);
        let state = asked.split("state=").nth(1).unwrap().split('&').next().unwrap();
        let page = eve.open(&format!("/auth/github/callback?state={state}&error=access_denied"));
        assert_eq!(page.status(), 403);
        page.says("GitHub did not sign you in");
        // A code that belongs to another attempt proves nothing here (PKCE).
        let others = github.agrees(&begins(&mut victim), 99, "victim@example.test");
        let code = others.split("code=").nth(1).unwrap().split('&').next().unwrap();
        let asked = begins(&mut eve);
        let state = asked.split("state=").nth(1).unwrap().split('&').next().unwrap();
        let page = eve.open(&format!("/auth/github/callback?state={state}&code={code}"));
        assert_eq!(page.status(), 403);
        page.says("did not confirm who you are");
    });
}

#[test]
fn what_began_at_one_provider_ends_at_no_other() {
    story(|app| {
        let (github, node) = Github::start(app);
        let mut eve = app.browser_at(&node);
        eve.open("/signin").says("/auth/forge/start");
        let back = github.agrees(&begins(&mut eve), 66, "eve@example.test");
        let page = eve.open(&back.replace("/auth/github/", "/auth/forge/"));
        assert_eq!(page.status(), 403);
        page.says("was started in another browser");
        assert_eq!(eve.open(&back).status(), 403, "and it is used up");
        let mut ann = joins(app, "ann").at(&node);
        let back = github.agrees(&begins_to_link(&mut ann), 1, "ann@example.test");
        assert_eq!(ann.open(&back.replace("/auth/github/", "/auth/forge/")).status(), 403);
        ann.open("/account/identities").says("No linked accounts");
    });
}

#[test]
fn who_began_to_link_ends_it_and_nobody_else_and_never_the_last_way_in_is_taken_away() {
    story(|app| {
        let (github, node) = Github::start(app);
        let mut ann = joins(app, "ann").at(&node);
        let mut eve = joins(app, "eve").at(&node);
        // Eve's link in Ann's browser, and in her own browser once Ann signed in there.
        let back = github.agrees(&begins_to_link(&mut eve), 66, "eve@example.test");
        assert_eq!(ann.open(&back).status(), 403);
        let page = eve.open("/account");
        eve.submit(&page, "/signout", &[]);
        signs_in(&mut eve, "ann", PASSWORD);
        let page = eve.open(&back);
        assert_eq!(page.status(), 403);
        page.says("This was started by another user");
        ann.open("/account/identities").says("No linked accounts");
        let back = github.agrees(&begins_to_link(&mut ann), 1, "ann@example.test");
        ann.open(&back).says("Linked").says("github:1");
        // The same identity for another user is refused.
        let mut carl = joins(app, "carl").at(&node);
        let back = github.agrees(&begins_to_link(&mut carl), 1, "ann@example.test");
        let page = carl.open(&back);
        assert_eq!(page.status(), 409);
        page.says("linked to another user");
        // Ann signed in too long ago.
        app.pass(jiff::SignedDuration::from_mins(15));
        let page = ann.open("/account/identities");
        let question = page.link_to("/account/identities/unlink");
        let csrf = page.hidden_fields("/signout").remove(0).1;
        let identity = question.split_once('=').unwrap().1;
        let sent = ann.post("/account/identities/unlink", &[("csrf", &csrf), ("identity", identity)], &[]);
        assert!(sent.answer.header("location").unwrap().starts_with("/signin?again=1"), "{sent:?}");
        let page = ann.open(&question);
        let page = ann.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
        assert_eq!(page.path, question);
        // Ann has a password: it may go.
        let page = ann.open("/account/identities");
        let page = ann.open(&page.link_to("/account/identities/unlink"));
        ann.submit(&page, "/account/identities/unlink", &[]).says("Account unlinked");
        // Dora has none: it may not.
        let mut dora = app.browser_at(&node);
        let back = github.agrees(&begins(&mut dora), 4, "dora@example.test");
        let page = dora.open(&back);
        let page = dora.submit(&page, "/signup/identity", &[("username", "dora")]);
        page.omits("/account/identities/unlink");
        let row = page.html().split("<tr role=\"row\" id=\"").nth(1).unwrap().to_owned();
        let id = row.split('"').next().unwrap();
        let page = dora.open(&format!("/account/identities/unlink?identity={id}"));
        let refused = dora.submit(&page, "/account/identities/unlink", &[]);
        assert_eq!(refused.status(), 409);
        refused.says("only sign-in method").says("github:4");
    });
}

#[test]
fn linking_asks_who_signed_in_long_ago_to_sign_in_again() {
    story(|app| {
        let (_, node) = Github::start(app);
        let mut ann = joins(app, "ann").at(&node);
        app.pass(jiff::SignedDuration::from_mins(15));
        let page = ann.open("/account/identities");
        let page = ann.submit(&page, "/auth/github/link", &[]);
        page.says("Sign in again");
        let page = ann.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
        assert_eq!(page.path, "/account/identities");
        begins_to_link(&mut ann);
    });
}
