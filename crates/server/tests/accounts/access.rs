//! API tokens outlive neither the password nor the token they were created with, unless their owner says so.

use serde_json::Value;
use skaas_app::{
    Error, Kind, Presented, Whose,
    accounts::{self, Ended},
    authenticate, sessions,
    tokens::{self, NewToken},
    users,
};
use skaas_testkit::app::{Browser, TestApp, story};
use skaas_testkit::wire::Connection;

use super::{NEW_PASSWORD, PASSWORD, is_in, joins, signs_in, signs_up};

const REFS: &str = "/me/marketplace.git/info/refs?service=git-upload-pack";

/// Creates a token on the page.
#[track_caller]
fn creates(browser: &mut Browser, name: &str) -> String {
    let page = browser.open("/account/tokens");
    let made =
        browser.submit(&page, "/account/tokens", &[("name", name), ("access", "full"), ("days", "30")]);
    let html = made.html();
    html[html.find("sk_live_").unwrap()..].split('<').next().unwrap().trim().to_owned()
}

/// Creates a token with another one, as a program does.
#[track_caller]
fn mints(app: &TestApp, token: &str, name: &str) -> (String, Value) {
    let body = format!(r#"{{"name":"{name}"}}"#);
    let headers = [("content-type", "application/json")];
    let mut line = Connection::open(app.node().port()).bearer(token);
    let answer = line.send("POST", "/api/tokens", &headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made: Value = serde_json::from_slice(&answer.body).unwrap();
    (made["token"].as_str().unwrap().to_owned(), made)
}

fn works(app: &TestApp, token: &str) -> bool {
    Connection::open(app.node().port()).bearer(token).get(REFS).status == 200
}

/// The link to choose a new password.
fn reset_link(app: &TestApp, address: &str) -> String {
    let mut browser = app.browser();
    let page = browser.open("/reset");
    browser.submit(&page, "/reset", &[("email", address)]);
    app.link_mailed_to(address)
}

#[test]
fn a_reset_password_revokes_every_token_unless_its_owner_keeps_them() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let laptop = creates(&mut ann, "laptop");
        let (minted, _) = mints(app, &laptop, "minted by a thief");
        let mut phone = app.browser();
        let page = phone.open(&reset_link(app, "ann@example.test"));
        page.says("laptop").says("minted by a thief").says("value=\"revoke\" checked");
        // What was chosen is still chosen after a refusal.
        let weak = [("password", "password123"), ("access", "keep")];
        let page = phone.submit(&page, "/reset/new", &weak);
        page.says("value=\"keep\" checked").omits("value=\"revoke\" checked");
        phone.submit(&page, "/reset/new", &[("password", NEW_PASSWORD), ("access", "keep")]);
        assert!(works(app, &laptop) && works(app, &minted));

        let page = phone.open(&reset_link(app, "ann@example.test"));
        phone.submit(&page, "/reset/new", &[("password", PASSWORD), ("access", "revoke")]);
        assert!(!works(app, &laptop) && !works(app, &minted));
        signs_in(&mut ann, "ann", PASSWORD);
        let again = creates(&mut ann, "zebra");
        assert!(works(app, &again));
        // A form from before there was a token says nothing of it.
        let page = phone.open(&reset_link(app, "ann@example.test"));
        phone.submit(&page, "/reset/new", &[("password", NEW_PASSWORD)]);
        assert!(!works(app, &again));
        signs_in(&mut ann, "ann", NEW_PASSWORD);
        ann.open("/account/password").omits("access-revoke").omits("zebra");
    });
}

#[test]
fn a_changed_password_revokes_every_token_unless_its_owner_keeps_them() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let laptop = creates(&mut ann, "laptop");
        let mut eve = signs_up(app, "eve");
        let hers = creates(&mut eve, "mallard");
        let page = ann.open("/account/password");
        page.says("laptop").says("value=\"revoke\" checked").omits("mallard");
        let wrong = [("current", "not it at all"), ("password", NEW_PASSWORD), ("access", "revoke")];
        ann.submit(&page, "/account/password", &wrong).says("This is not your password");
        assert!(works(app, &laptop), "nothing was changed");
        let kept = [("current", PASSWORD), ("password", NEW_PASSWORD), ("access", "keep")];
        let page = ann.submit(&page, "/account/password", &kept);
        page.says("authorized apps keep working");
        assert!(works(app, &laptop));
        let revoked = [("current", NEW_PASSWORD), ("password", PASSWORD)];
        ann.submit(&page, "/account/password", &revoked).says("authorized apps are revoked");
        assert!(!works(app, &laptop) && works(app, &hers));
    });
}

#[test]
fn tokens_created_with_a_revoked_token_are_offered_for_revocation_with_it() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let first = creates(&mut ann, "laptop");
        let (child, made) = mints(app, &first, "child");
        let (grandchild, _) = mints(app, &child, "grandchild");
        let other = creates(&mut ann, "other");
        let page = ann.open("/account/tokens");
        page.says("created with laptop").says("created with child");
        let path = format!("/account/tokens/revoke?token={}", made["parent"].as_str().unwrap());
        let question = ann.open(&path);
        question.says("the tokens created with it: child, grandchild").says("value=\"revoke\" checked");
        let named = |token: &str| token["sk_live_".len()..].split('_').next().unwrap().to_owned();
        let csrf = page.hidden_fields("/signout").remove(0).1;
        // Unticked, they go on.
        let fields = [("csrf", csrf.as_str()), ("token", &named(&grandchild))];
        ann.post("/account/tokens/revoke", &fields, &[]);
        assert!(!works(app, &grandchild) && works(app, &child));
        let (second, _) = mints(app, &child, "second");
        let fields = [("csrf", csrf.as_str()), ("token", &named(&first)), ("descendants", "revoke")];
        let answer = ann.post("/account/tokens/revoke", &fields, &[]);
        assert_eq!(answer.answer.header("location"), Some("/account/tokens?done=revoked-all"));
        assert!(!works(app, &first) && !works(app, &child) && !works(app, &second));
        assert!(works(app, &other));

        // The same for programs, where it is asked for.
        let (child, _) = mints(app, &other, "another child");
        let list = Connection::open(app.node().port()).bearer(&other).get("/api/tokens");
        let list: Value = serde_json::from_slice(&list.body).unwrap();
        let row = |name: &str| {
            let mut rows = list["tokens"].as_array().unwrap().iter().rev();
            rows.find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}")).clone()
        };
        assert_eq!(row("another child")["parent"], row("other")["id"]);
        assert_eq!(made["parent"], row("laptop")["id"]);
        assert!(row("other").get("parent").is_none());
        let path = format!("/api/tokens/{}", row("other")["id"].as_str().unwrap());
        let delete = |path: &str| {
            Connection::open(app.node().port()).bearer(&child).send("DELETE", path, &[], b"").status
        };
        for wrong in ["?descendants=maybe", "?descendants=true&descendants=false", "?descendents=true"] {
            assert_eq!(delete(&format!("{path}{wrong}")), 400, "{wrong}");
        }
        assert!(works(app, &other));
        assert_eq!(delete(&path), 200);
        assert!(!works(app, &other) && works(app, &child));
        assert_eq!(delete(&format!("{path}?descendants=true")), 200, "they can still be revoked with it");
        assert!(!works(app, &child));
    });
}

#[test]
fn whoever_was_signed_out_while_asking_for_a_token_gets_none() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let token = creates(&mut ann, "laptop");
        let cookie = ann.cookie("__Host-skaas").unwrap().to_owned();
        let presented = Presented { username: None, secret: &token };
        let by_cookie = app.run(sessions::find(app.operator(), &cookie, None)).unwrap().unwrap();
        let by_token = app.run(authenticate(app.operator(), Some(&presented), None)).unwrap();
        let list = || app.run(tokens::list(app.operator(), app.actor(), "ann".into())).unwrap();
        // Both were looked up before the password changed, and create their token after it.
        app.run(accounts::sign_out_everywhere(app.operator(), app.actor(), "ann")).unwrap();
        for actor in [by_cookie, by_token] {
            let new = NewToken { name: "late", scopes: None, expires_at: None };
            let made = app.run(tokens::create(app.operator(), &actor, Whose::Own, new));
            assert!(matches!(made, Err(Error::Unauthenticated)), "{actor:?}: {made:?}");
        }
        assert_eq!(list().len(), 1);
        assert!(!works(app, &token));
    });
}

#[test]
fn only_the_operator_may_name_another_user() {
    story(|app| {
        let (mut ann, mut eve) = (joins(app, "ann"), signs_up(app, "eve"));
        let (hers, token) = (creates(&mut ann, "laptop"), creates(&mut eve, "laptop"));
        let (node, presented) = (app.operator(), Presented { username: None, secret: &token });
        let by_token = app.run(authenticate(node, Some(&presented), None)).unwrap();
        let cookie = eve.cookie("__Host-skaas").unwrap().to_owned();
        let by_cookie = app.run(sessions::find(node, &cookie, None)).unwrap().unwrap();
        for actor in [by_token, by_cookie] {
            let new = NewToken { name: "hers", scopes: None, expires_at: None };
            let outcomes = [
                app.run(tokens::list(node, &actor, "ann".into())).map(drop),
                app.run(tokens::create(node, &actor, "ann".into(), new)).map(drop),
                app.run(tokens::revoke(node, &actor, "ann".into(), None)).map(drop),
                app.run(accounts::sign_out_everywhere(node, &actor, "ann")).map(drop),
                app.run(users::find(node, &actor, "ann")).map(drop),
                app.run(users::delete(node, &actor, "ann")).map(drop),
            ];
            for outcome in outcomes {
                // What can be done at the operator's desk is absent to others.
                let is_refused = |error: &Error| matches!(error.kind(), Kind::Forbidden | Kind::NotFound);
                assert!(outcome.as_ref().is_err_and(is_refused), "{actor:?}: {outcome:?}");
            }
        }
        assert!(works(app, &hers) && is_in(&mut ann));
    });
}

#[test]
fn an_operator_signs_a_person_out_of_everything_and_nobody_else() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        let mut eve = signs_up(app, "eve");
        let (token, hers) = (creates(&mut ann, "laptop"), creates(&mut eve, "mallard"));
        // A link in the mail acts for the account as well.
        let page = ann.open("/account");
        ann.submit(&page, "/account/email", &[("email", "ann@new.test")]);
        let link = app.link_mailed_to("ann@new.test");
        let ended = app.run(accounts::sign_out_everywhere(app.operator(), app.actor(), "ann")).unwrap();
        assert_eq!(ended, Ended { sessions: 2, tokens: 1, applications: 0 });
        assert!(!is_in(&mut ann) && !is_in(&mut phone) && !works(app, &token));
        assert_eq!(phone.visit(&link).status(), 404);
        assert!(is_in(&mut eve) && works(app, &hers));
        signs_in(&mut ann, "ann", PASSWORD);
        assert!(is_in(&mut ann), "the password still works");
        let nobody = app.run(accounts::sign_out_everywhere(app.operator(), app.actor(), "nobody"));
        assert!(nobody.as_ref().is_err_and(|error| error.kind() == Kind::NotFound), "{nobody:?}");
    });
}
