//! Api tokens on their page: shown once, limited as chosen, gone when revoked.

use jiff::SignedDuration;
use serde_json::Value;
use skaas_testkit::app::story;
use skaas_testkit::wire::Connection;

use super::{joins, signs_up};

const REFS: &str = "/me/marketplace.git/info/refs?service=git-upload-pack";

#[test]
fn a_token_is_shown_once_opens_git_and_is_refused_from_the_moment_it_is_revoked() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/tokens");
        page.says("No API tokens yet");
        let fields = [("name", "laptop"), ("access", "full"), ("days", "30")];
        let made = ann.submit(&page, "/account/tokens", &fields);
        let html = made.html();
        let start = html.find("sk_live_").unwrap();
        let token = html[start..].split('<').next().unwrap().trim().to_owned();
        let list = ann.open("/account/tokens");
        list.says("laptop").says("in 30 days").says("never").omits(&token);
        let mut open = Connection::open(app.node().port()).bearer(&token);
        assert_eq!(open.get(REFS).status, 200);
        app.tidies();
        ann.open("/account/tokens").says("</time> from 127.0.0.1");
        // Another's form names it: nothing happens.
        let mut eve = signs_up(app, "eve");
        let csrf = eve.open("/account/tokens").hidden_fields("/signout").remove(0).1;
        let id = list.html().split("revoke?token=").nth(1).unwrap()[..30].to_owned();
        assert!(id.starts_with("tok_"), "{id}");
        let sent = eve.post("/account/tokens/revoke", &[("csrf", &csrf), ("token", &id)], &[]);
        assert_eq!(sent.status(), 404);
        sent.omits("skaas-server");
        assert_eq!(open.get(REFS).status, 200);
        let asked = ann.open(&list.link_to("/account/tokens/revoke"));
        asked.says("Revoke laptop?").says("Cancel");
        assert_eq!(open.get(REFS).status, 200, "asking revokes nothing");
        ann.submit(&asked, "/account/tokens/revoke", &[]).says("Token revoked").says(">revoked<");
        assert_eq!(open.get(REFS).status, 401, "on the connection that was open");
        // To keep the file's other side: the page itself never opens for a token.
        assert_eq!(open.get("/account").status, 303);
    });
}

#[test]
fn a_token_is_limited_to_what_was_chosen_and_a_wrong_choice_is_named() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/tokens");
        let nothing = [("name", "ci"), ("access", "limited"), ("days", "90")];
        let refused = ann.submit(&page, "/account/tokens", &nothing);
        assert_eq!(refused.status(), 422);
        refused.says("value=\"ci\"").says("class=\"fault\"");
        let bad = [("name", "ci"), ("access", "limited"), ("skills", "Not A Skill!"), ("days", "90")];
        ann.submit(&page, "/account/tokens", &bad).says("id=\"skills-fault\"");
        let narrow = [
            ("name", "ci"),
            ("access", "limited"),
            ("scope", "creator"),
            ("scope", "read-only"),
            ("days", "0"),
        ];
        let made = ann.submit(&page, "/account/tokens", &narrow);
        made.says("sk_live_");
        ann.open("/account/tokens").says("creator read-only");
    });
}

#[test]
fn a_token_form_never_gives_full_access_to_somebody_who_selected_less() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/tokens");
        page.says("value=\"limited\" checked").omits("value=\"full\" checked");
        for selection in [("scope", "creator"), ("scope", "marketplaces"), ("skills", "lint-pro")] {
            let both = [("name", "ci"), ("access", "full"), selection, ("days", "30")];
            let refused = ann.submit(&page, "/account/tokens", &both);
            assert_eq!(refused.status(), 422, "{selection:?}");
            refused.omits("Token created").says("You chose full access and also selected").says(selection.1);
            refused.says("value=\"limited\" checked").omits("value=\"full\" checked");
            // Without the radio button, as without any choice of it, the selection counts.
            let made = ann.submit(&page, "/account/tokens", &[("name", "ci"), selection, ("days", "30")]);
            made.says("sk_live_").omits("full access: everything");
        }
        let nothing = ann.submit(&page, "/account/tokens", &[("name", "ci"), ("days", "30")]);
        assert_eq!(nothing.status(), 422, "nothing selected is not everything");
        nothing.omits("Token created").says("Select at least one permission");
        let unheard = [("name", "ci"), ("access", "FULL"), ("scope", "creator"), ("days", "30")];
        ann.submit(&page, "/account/tokens", &unheard).omits("full access: everything");
    });
}

#[test]
fn a_created_token_comes_with_what_it_may_do_and_when_it_expires() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/tokens");
        let narrow = [("name", "ci"), ("access", "limited"), ("scope", "mcp"), ("skills", "lint-pro")];
        let made = ann.submit(&page, "/account/tokens", &[&narrow[..], &[("days", "30")]].concat());
        made.says("use tools through MCP").says("your marketplace and the skill lint-pro").says("in 30 days");
        let full = [("name", "laptop"), ("access", "full"), ("days", "0")];
        ann.submit(&page, "/account/tokens", &full)
            .says("full access: everything you can do")
            .says("No expiry date");
        let reader = [("name", "reader"), ("access", "full"), ("scope", "read-only"), ("days", "30")];
        let made = ann.submit(&page, "/account/tokens", &reader);
        made.says("read everything you can see").omits("full access: everything");
    });
}

#[test]
fn who_has_no_confirmed_address_has_none_for_programs_either() {
    story(|app| {
        for (mut browser, address) in
            [(signs_up(app, "eve"), "\"email\":null"), (joins(app, "ann"), "\"email\":\"ann@example.test\"")]
        {
            let page = browser.open("/account/tokens");
            let fields = [("name", "laptop"), ("access", "full"), ("days", "30")];
            let html = browser.submit(&page, "/account/tokens", &fields).html();
            let token = html[html.find("sk_live_").unwrap()..].split('<').next().unwrap().trim().to_owned();
            let me = Connection::open(app.node().port()).bearer(&token).get("/api/me").text();
            assert!(!me.contains("invalid"), "{me}");
            assert!(
                me.contains(address) || (address.ends_with("null") && !me.contains("\"email\":")),
                "{me}"
            );
        }
    });
}

#[test]
fn a_token_makes_none_that_may_do_more_or_works_longer_than_itself() {
    story(|app| {
        let bob = app.buyer("bob");
        let asks = |token: &str, body: &str| {
            let headers = [("content-type", "application/json")];
            let mut line = Connection::open(app.node().port()).bearer(token);
            let answer = line.send("POST", "/api/tokens", &headers, body.as_bytes());
            (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
        };
        let of_a_day = bob.takes_new_token(Some(app.in_days(1)));
        for longer in [r#"{"name":"x","expires_in":86401}"#, r#"{"name":"x","expires_in":99999999999}"#] {
            let (status, body) = asks(&of_a_day, longer);
            assert_eq!(status, 403, "{body}");
            assert!(body["detail"].as_str().unwrap().contains("works longer than itself"), "{body}");
        }
        assert_eq!(asks(&of_a_day, r#"{"name":"x","expires_in":86400}"#).0, 201);
        let (status, made) = asks(&of_a_day, r#"{"name":"x","scopes":"account marketplaces"}"#);
        assert_eq!(status, 201, "{made}");
        let narrow = made["token"].as_str().unwrap();
        for more in [r#"{"name":"x","scopes":"account creator"}"#, r#"{"name":"x","scopes":"full"}"#] {
            let (status, body) = asks(narrow, more);
            assert_eq!(status, 403, "{body}");
            assert!(body["detail"].as_str().unwrap().contains("may do more than itself"), "{body}");
        }
        let (_, same) = asks(narrow, r#"{"name":"x"}"#);
        assert_eq!((&same["scopes"], &same["expires_at"]), (&made["scopes"], &made["expires_at"]));
        app.pass(SignedDuration::from_hours(24));
        for token in [of_a_day.as_str(), narrow, same["token"].as_str().unwrap()] {
            assert_eq!(Connection::open(app.node().port()).bearer(token).get(REFS).status, 401);
        }
    });
}
