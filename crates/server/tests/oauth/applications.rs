//! Connected applications: a person sees whom they let in, and takes it back.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use skaas_testkit::app::story;
use skaas_testkit::wire::Answer;

use crate::browser::{self, Browser, PASSWORD, refusal};
use crate::clients::{call, client, code, exchange, pair, question, refresh};
use crate::interface::{ask, let_in};

const PAGE: &str = "/account/applications";

#[track_caller]
fn says(answer: &Answer, texts: &[&str]) {
    assert_eq!(answer.status, 200);
    for text in texts {
        assert!(answer.text().contains(text), "{text:?} is not on the page:\n{}", answer.text());
    }
}

/// The ids of the grants on the page, from the top.
fn ids(page: &Answer) -> Vec<String> {
    let html = page.text();
    html.split("disconnect?application=")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_disconnected_application_is_refused_at_its_next_request_on_every_node() {
    story(|app| {
        let (port, second) = (app.node().port(), app.another_node().port());
        let mut ann = Browser::signed_up(port, "ann");
        says(&ann.opens(PAGE), &["No authorized apps.", "https://skaas.test/mcp"]);
        let client = client(port);
        let code = code(&mut ann, &question(&client, &[]));
        let (access, next) = pair(exchange(port, &client, &code, &[]));
        says(&ann.opens(PAGE), &["Inspector", "an app on this computer", "MCP tools", "never", "just now"]);
        assert_eq!((call(port, &access).status, call(second, &access).status), (200, 200));
        app.pass(SignedDuration::from_mins(10));
        assert_eq!(call(second, &access).status, 200);
        app.pass(SignedDuration::from_mins(5));
        let page = ann.opens(PAGE);
        says(&page, &["15 minutes ago", "5 minutes ago"]);

        // Another person's browser names it, and a forged form: nothing happens.
        let id = ids(&page).remove(0);
        let mut eve = Browser::signed_up(port, "eve");
        assert_eq!(eve.sends("/account/applications/disconnect", &[("application", &id)]).status, 404);
        for (site, token) in [("cross-site", ann.csrf()), ("same-origin", eve.csrf())] {
            let fields = [("application", id.as_str()), ("csrf", &token)];
            assert_eq!(ann.sends_from("/account/applications/disconnect", site, &fields).status, 403);
        }
        assert_eq!(call(second, &access).status, 200);

        let done = ann.sends("/account/applications/disconnect", &[("application", &id)]);
        assert_eq!(done.header("location"), Some("/account/applications?done=disconnected"));
        says(
            &ann.opens("/account/applications?done=disconnected"),
            &["Access revoked", "No authorized apps."],
        );
        assert_eq!((call(port, &access).status, call(second, &access).status), (401, 401));
        assert_eq!(refusal(refresh(second, &client, &next)), "invalid_grant");
        // Twice is once, and coming back is asking again.
        assert_eq!(ann.sends("/account/applications/disconnect", &[("application", &id)]).status, 303);
        let code = crate::clients::code(&mut ann, &question(&client, &[]));
        let (access, _) = pair(exchange(port, &client, &code, &[]));
        assert_eq!(call(second, &access).status, 200);
    });
}

#[test]
fn an_app_of_a_suspended_user_is_refused_and_goes_on_once_the_suspension_is_lifted() {
    story(|app| {
        let (port, second) = (app.node().port(), app.another_node().port());
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        let given = code(&mut ann, &question(&client, &[]));
        let (access, next) = pair(exchange(port, &client, &given, &[]));
        let late = code(&mut ann, &question(&client, &[]));
        app.suspend("ann");
        assert_eq!((call(port, &access).status, call(second, &access).status), (401, 401));
        // Neither is used up: nothing of the person's is taken away.
        assert_eq!(refusal(refresh(second, &client, &next)), "invalid_grant");
        assert_eq!(refusal(exchange(second, &client, &late, &[])), "invalid_grant");
        app.unsuspend("ann");
        assert_eq!((call(port, &access).status, call(second, &access).status), (200, 200));
        let (access, _) = pair(refresh(second, &client, &next));
        assert_eq!(call(port, &access).status, 200);
        let (access, _) = pair(exchange(port, &client, &late, &[]));
        assert_eq!(call(port, &access).status, 200);
    });
}

#[test]
fn a_code_that_was_given_is_worth_nothing_once_its_grant_is_taken_back() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        let (access, _) = let_in(port, &mut ann, &client, "account");
        let late = code(&mut ann, &question(&client, &[]));
        // The page shows what holds a token. The account's end takes what was only asked for as well.
        assert_eq!(ids(&ann.opens(PAGE)).len(), 1);
        ann.sends(
            "/account/delete",
            &[("username", "ann"), ("current", "seven quiet herons over the marsh")],
        );
        assert_eq!(refusal(exchange(port, &client, &late, &[])), "invalid_grant");
        assert_eq!(ask(port, &access, "GET", "/api/me", "").status, 401);
    });
}

#[test]
fn a_new_password_disconnects_every_app_unless_its_owner_keeps_them() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        let (access, next) = let_in(port, &mut ann, &client, "account");
        let late = code(&mut ann, &question(&client, &[]));
        says(
            &ann.opens("/account/password"),
            &["App <strong>Inspector</strong>", "value=\"revoke\" checked"],
        );
        let new = "copper lantern quietly drifts";
        let kept = [("current", PASSWORD), ("password", new), ("access", "keep")];
        assert_eq!(ann.sends("/account/password", &kept).status, 303);
        assert_eq!(ask(port, &access, "GET", "/api/me", "").status, 200);
        let revoked = [("current", new), ("password", PASSWORD), ("access", "revoke")];
        assert_eq!(ann.sends("/account/password", &revoked).status, 303);
        assert_eq!(ask(port, &access, "GET", "/api/me", "").status, 401);
        assert_eq!(refusal(refresh(port, &client, &next)), "invalid_grant");
        assert_eq!(refusal(exchange(port, &client, &late, &[])), "invalid_grant", "a consent under way");
        says(&ann.opens(PAGE), &["No authorized apps."]);
    });
}

#[test]
fn programs_see_and_take_back_what_the_page_shows() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let client = client(port);
        let (first, _) = let_in(port, &mut ann, &client, "account");
        app.pass(SignedDuration::from_secs(1));
        let (second, next) = let_in(port, &mut ann, &client, "account read-only");
        let list = browser::json(&ask(port, &first, "GET", "/api/applications", ""));
        let row = |number: usize| &list["applications"][number];
        assert_eq!((&row(0)["current"], &row(1)["current"]), (&json!(false), &json!(true)), "{list}");
        assert_eq!(
            (&row(0)["scopes"], &row(0)["client_name"]),
            (&"account read-only".into(), &"Inspector".into())
        );
        assert_eq!(
            (&row(0)["resource"], &row(0)["place"]),
            (&crate::interface::API.into(), &"an app on this computer".into())
        );
        assert!(row(1)["last_used_at"].is_string() && row(0).get("last_used_at").is_none(), "{list}");
        let ends = row(1)["expires_at"].as_str().unwrap_or_else(|| panic!("no end in {list}"));
        let lifetime = ends
            .parse::<Timestamp>()
            .unwrap()
            .duration_since(row(1)["created_at"].as_str().unwrap().parse().unwrap());
        assert_eq!(lifetime, skaas_domain::oauth::GRANT_LIFETIME, "a year, as the consent page said");
        says(&ann.opens(PAGE), &["Expires", &format!("datetime=\"{ends}\"")]);
        assert_eq!(ids(&ann.opens(PAGE)), [row(0)["id"].as_str().unwrap(), row(1)["id"].as_str().unwrap()]);

        // An app that may only read can't revoke, and an ID of someone else's answers like one that doesn't exist.
        let path = format!("/api/applications/{}", row(1)["id"].as_str().unwrap());
        assert_eq!(ask(port, &second, "DELETE", &path, "").status, 403);
        let mut eve = Browser::signed_up(port, "eve");
        let (evil, _) = let_in(port, &mut eve, &client, "account");
        let (theirs, none) = (
            ask(port, &evil, "DELETE", &path, ""),
            ask(port, &evil, "DELETE", "/api/applications/ogr_0", ""),
        );
        assert_eq!((theirs.status, theirs.text()), (404, none.text()));

        let other = format!("/api/applications/{}", row(0)["id"].as_str().unwrap());
        assert_eq!(ask(port, &first, "DELETE", &other, "").status, 204);
        assert_eq!(ask(port, &second, "GET", "/api/me", "").status, 401);
        assert_eq!(refusal(refresh(port, &client, &next)), "invalid_grant");
        assert_eq!(ask(port, &first, "DELETE", &path, "").status, 204, "itself");
        assert_eq!(ask(port, &first, "GET", "/api/me", "").status, 401);
        says(&ann.opens(PAGE), &["No authorized apps."]);
    });
}

#[test]
fn the_old_address_of_authorized_apps_leads_to_the_new_one_with_the_same_method() {
    story(|app| {
        let port = app.node().port();
        for (method, old, new) in [
            ("GET", "/api/grants", "/api/applications"),
            ("DELETE", "/api/grants/ogr_0", "/api/applications/ogr_0"),
            ("DELETE", "/api/grants/%2F%2Fevil.test", "/api/applications/%2F%2Fevil.test"),
        ] {
            let answer = ask(port, "", method, old, "");
            assert_eq!((answer.status, answer.header("location")), (308, Some(new)), "{method} {old}");
        }
    });
}
