//! Signing in and out: who gets in, for how long, and what the answer gives away.

use jiff::SignedDuration;
use skaas_app::{
    Kind,
    accounts::Rejected,
    second_factor::Admitted,
    sessions::{self, Visitor},
    sign_in, users,
};
use skaas_domain::device::Place;
use skaas_testkit::app::{Browser, Page, TestApp, story};

use super::{NEW_PASSWORD, PASSWORD, is_in, joins, signs_in, signs_up};

/// A page without what differs by nature.
fn plain(page: &Page, login: &str) -> String {
    let csrf = page.hidden_fields("/signin").remove(0).1;
    page.html().replace(&csrf, "CSRF").replacen(&format!("value=\"{login}\""), "LOGIN", 1)
}

#[test]
fn a_wrong_name_and_a_wrong_password_read_the_same() {
    story(|app| {
        joins(app, "ann");
        let mut answers = Vec::new();
        for login in ["ann", "ann@example.test", "bob", "bob@example.test", "", "<b>", &"x".repeat(500)] {
            let page = signs_in(&mut app.browser(), login, "wrong horse wrong staple");
            assert_eq!(page.status(), 422);
            page.omits("<b>");
            answers.push(plain(&page, &login.replace('<', "&#60;").replace('>', "&#62;")));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    });
}

#[test]
fn tries_run_out_for_accounts_that_exist_and_for_those_that_do_not_on_every_node_at_once() {
    story(|app| {
        joins(app, "ann");
        let other = app.another_node();
        for login in ["ann", "nobody"] {
            for round in 0..10 {
                let browser = if round % 2 == 0 { app.browser() } else { app.browser_at(&other) };
                let page = signs_in(&mut { browser }, login, "wrong horse wrong staple");
                assert_eq!(page.status(), 422, "{login} {round}");
            }
            let page = signs_in(&mut app.browser(), login, PASSWORD);
            assert_eq!(page.status(), 429, "{login}");
            page.says("Too many attempts");
            let wait: u64 = page.answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=900).contains(&wait), "{wait}");
        }
        app.pass(SignedDuration::from_mins(15));
        let mut ann = app.browser();
        signs_in(&mut ann, "ann", PASSWORD);
        assert!(is_in(&mut ann));
    });
}

/// A guess from somewhere.
fn guesses(app: &TestApp, from: &str, login: &str) -> Result<Admitted, Rejected> {
    let (place, browser) = (Place::new(from, "curl"), sessions::browser_secret(app.operator()));
    let visitor = Visitor { place: &place, browser: &browser, before: None };
    app.run(sign_in::by_password(app.operator(), login, "wrong horse wrong staple", visitor))
}

/// Strangers use up the tries at an account, from eleven networks.
fn strangers_use_up(app: &TestApp, login: &str) {
    for network in 0..11 {
        for _ in 0..10 {
            let _ = guesses(app, &format!("198.51.{network}.7"), login);
        }
    }
    assert!(matches!(guesses(app, "203.0.113.9", login), Err(Rejected::TooOften { .. })));
}

#[track_caller]
fn signs_out(browser: &mut Browser) {
    let page = browser.open("/account");
    browser.submit(&page, "/signout", &[]);
}

#[test]
fn strangers_do_not_lock_out_a_browser_in_which_the_owner_signed_in_before() {
    story(|app| {
        let (mut ann, mut eve) = (joins(app, "ann"), signs_up(app, "eve"));
        signs_out(&mut ann);
        signs_out(&mut eve);
        strangers_use_up(app, "ann");
        for stranger in [&mut app.browser(), &mut eve] {
            assert_eq!(signs_in(stranger, "ann", PASSWORD).status(), 429, "nobody signed in as Ann there");
        }
        signs_in(&mut ann, "ann", PASSWORD);
        assert!(is_in(&mut ann));
        signs_out(&mut ann);
        signs_in(&mut ann, "Ann@Example.Test", PASSWORD);
        assert!(is_in(&mut ann), "by the address as well");
    });
}

#[test]
fn a_known_browser_has_tries_of_its_own_and_spends_nobody_elses() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        signs_out(&mut ann);
        signs_out(&mut phone);
        for login in ["ann", "ann@example.test"] {
            for _ in 0..5 {
                assert_eq!(signs_in(&mut ann, login, "wrong horse wrong staple").status(), 422);
            }
        }
        assert_eq!(signs_in(&mut ann, "ann", PASSWORD).status(), 429, "ten in all");
        for other in [&mut phone, &mut app.browser()] {
            signs_in(other, "ann", PASSWORD);
            assert!(is_in(other));
        }
        app.pass(SignedDuration::from_mins(15));
        signs_in(&mut ann, "ann", PASSWORD);
        assert!(is_in(&mut ann));
    });
}

#[test]
fn a_reset_password_forgets_every_browser_but_the_one_that_followed_the_link() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        let page = phone.open("/reset");
        phone.submit(&page, "/reset", &[("email", "ann@example.test")]);
        strangers_use_up(app, "ann");
        let page = phone.open(&app.link_mailed_to("ann@example.test"));
        phone.submit(&page, "/reset/new", &[("password", NEW_PASSWORD)]);
        assert_eq!(signs_in(&mut ann, "ann", NEW_PASSWORD).status(), 429, "it may be a thief's");
        signs_in(&mut phone, "ann", NEW_PASSWORD);
        assert!(is_in(&mut phone));
    });
}

#[test]
fn ending_other_sessions_needs_a_recent_sign_in_and_comes_back_to_the_question() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        app.pass(SignedDuration::from_mins(15));
        let page = ann.open("/account/sessions");
        let csrf = page.hidden_fields("/signout").remove(0).1;
        let sent = ann.post("/account/sessions/others", &[("csrf", &csrf)], &[]);
        let to = "/signin?again=1&return_to=%2Faccount%2Fsessions%2Fothers";
        assert_eq!(sent.answer.header("location"), Some(to));
        let list = ann.send("GET", "/api/sessions", &[], b"").text();
        for session in list.split("\"id\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let own = list.contains(&format!("\"id\":\"{session}\",\"current\":true"));
            let path = format!("/api/sessions/{session}");
            if !own {
                let refused = ann.send("DELETE", &path, &[("x-csrf-token", &csrf)], b"");
                assert_eq!(refused.status, 403, "{}", refused.text());
                assert!(refused.text().contains("sign in again"), "{}", refused.text());
                let fields = [("csrf", csrf.as_str()), ("session", session)];
                let sent = ann.post("/account/sessions/revoke", &fields, &[]);
                assert!(sent.answer.header("location").unwrap().starts_with("/signin?again=1"), "{sent:?}");
            }
        }
        assert!(is_in(&mut phone));
        let page = ann.open("/account/sessions/others");
        page.says("Sign in again");
        let page =
            ann.submit(&page, "/signin", &[("login", "ann"), ("password", "wrong horse wrong staple")]);
        page.says("Sign in again");
        let page = ann.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
        assert_eq!(page.path, "/account/sessions/others");
        ann.submit(&page, "/account/sessions/others", &[]).says("Every other browser is signed out");
        assert!(is_in(&mut ann) && !is_in(&mut phone));
        // Signing out oneself asks for nothing.
        app.pass(SignedDuration::from_mins(15));
        signs_out(&mut ann);
        assert!(!is_in(&mut ann));
    });
}

#[test]
fn who_guesses_from_one_address_does_not_shut_the_owner_out() {
    story(|app| {
        joins(app, "ann");
        let outcomes: Vec<_> = (0..150).map(|_| guesses(app, "198.51.100.7", "ann")).collect();
        assert!(outcomes[..10].iter().all(|outcome| matches!(outcome, Err(Rejected::NoMatch))));
        assert!(outcomes[10..].iter().all(|outcome| matches!(outcome, Err(Rejected::TooOften { .. }))));
        // Nor does it help to move on within the network that one subscriber has.
        for host in 0..12 {
            let outcome = guesses(app, &format!("2001:db8:1:2::{host:x}"), "ann");
            assert_eq!(matches!(outcome, Err(Rejected::TooOften { .. })), host >= 10, "{host}: {outcome:?}");
        }
        let mut ann = app.browser();
        signs_in(&mut ann, "ann", PASSWORD);
        assert!(is_in(&mut ann));
    });
}

#[test]
fn the_tries_left_do_not_tell_which_address_belongs_to_which_name() {
    story(|app| {
        joins(app, "ann");
        for _ in 0..11 {
            let _ = guesses(app, "198.51.100.7", "ann");
        }
        assert!(matches!(guesses(app, "198.51.100.7", " Ann "), Err(Rejected::TooOften { .. })));
        for address in ["ann@example.test", "nobody@example.test"] {
            assert!(matches!(guesses(app, "198.51.100.7", address), Err(Rejected::NoMatch)), "{address}");
        }
    });
}

#[test]
fn a_session_ends_unused_after_14_days_used_after_90_and_when_told_to() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        for _ in 0..6 {
            app.pass_days(13);
            assert!(is_in(&mut ann));
        }
        assert!(!is_in(&mut phone), "nobody used it");
        app.pass_days(12);
        assert!(!is_in(&mut ann), "90 days are over");
        signs_in(&mut ann, "ann", PASSWORD);
        let cookie = ann.cookie("__Host-skaas").unwrap().to_owned();
        let page = ann.open("/account");
        ann.submit(&page, "/signout", &[]).says("signed out of this browser");
        assert_eq!(ann.cookie("__Host-skaas"), None);
        let other = app.another_node();
        let mut thief = app.browser_at(&other);
        thief.put_cookie("__Host-skaas", &cookie);
        assert!(!is_in(&mut thief), "the session itself ended, on every node");
    });
}

#[test]
fn nobodys_planted_cookie_becomes_a_session_and_every_sign_in_makes_a_new_one() {
    story(|app| {
        joins(app, "ann");
        let mut eve = signs_up(app, "eve");
        let planted = eve.cookie("__Host-skaas").unwrap().to_owned();
        let mut ann = app.browser();
        ann.put_cookie("__Host-skaas", &planted);
        // Signed in as Eve without knowing it, Ann signs in as herself.
        let page = ann.open("/signin?again=1");
        ann.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]).says(">ann</a>");
        assert_ne!(ann.cookie("__Host-skaas").unwrap(), planted);
        assert!(!is_in(&mut eve), "the session that the browser had before has ended");
        for forged in ["", "x", "sk_session_", &planted[..planted.len() - 1], &"a".repeat(5000)] {
            let mut forger = app.browser();
            forger.put_cookie("__Host-skaas", forged);
            assert!(!is_in(&mut forger), "{forged}");
        }
    });
}

#[test]
fn one_sees_ones_own_browsers_and_signs_them_out_and_nobody_elses() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        let mut eve = signs_up(app, "eve");
        let page = ann.open("/account/sessions");
        page.says("Firefox on Linux").says("this browser").says("127.0.0.1").says("Sign out everywhere else");
        assert_eq!(page.html().matches("revoke?session=").count(), 2, "two browsers of Ann's");
        let anns = page.html().split("revoke?session=").nth(1).unwrap()[..30].to_owned();
        assert!(anns.starts_with("ses_"), "{anns}");
        let hers = eve.open("/account/sessions");
        let csrf = hers.hidden_fields("/signout").remove(0).1;
        let fields = [("csrf", csrf.as_str()), ("session", anns.as_str())];
        assert_eq!(eve.post("/account/sessions/revoke", &fields, &[]).status(), 404);
        let page = ann.open(&page.link_to("/account/sessions/others"));
        ann.submit(&page, "/account/sessions/others", &[]).says("Every other browser is signed out");
        assert!(is_in(&mut ann) && !is_in(&mut phone) && is_in(&mut eve));
    });
}

#[test]
fn an_account_is_deleted_by_typing_its_name_and_the_password_and_its_name_stays_taken() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account");
        for (typed, password, says) in
            [("bob", PASSWORD, "Type ann to confirm"), ("ann", "wrong", "This is not your password")]
        {
            let page = ann.submit(&page, "/account/delete", &[("username", typed), ("current", password)]);
            assert_eq!(page.status(), 422);
            page.says(says);
        }
        let done = ann.submit(&page, "/account/delete", &[("username", "ann"), ("current", PASSWORD)]);
        done.says("Your account is deleted");
        assert!(!is_in(&mut ann));
        signs_in(&mut ann, "ann", PASSWORD).says("Wrong username");
        assert_eq!(ann.open("/@ann").status(), 404);
        let page = ann.open("/signup");
        let fields = [("username", "ann"), ("email", "ann@example.test"), ("password", PASSWORD)];
        ann.submit(&page, "/signup", &fields).says("not given again").says("value=\"ann@example.test\"");
    });
}

#[test]
fn an_account_with_paid_skills_on_sale_is_not_deleted() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let creator = app.person("ann");
        let [paid, free] = ["lint-pro", "deep-review"].map(|skill| creator.publishes(skill));
        paid.priced(900);
        free.free();
        let page = ann.open("/account");
        let fields = [("username", "ann"), ("current", PASSWORD)];
        let refused = ann.submit(&page, "/account/delete", &fields);
        assert_eq!(refused.status(), 422);
        refused.says("You have paid skills on sale: lint-pro.");
        assert!(is_in(&mut ann));
        let by_operator = app.run(users::delete(app.operator(), app.actor(), "ann")).unwrap_err();
        assert!(by_operator.kind() == Kind::Conflict, "{by_operator:?}");
        let said = by_operator.to_string();
        assert!(said.contains("skaas-server admin listing set lint-pro --withdraw"), "{said}");

        paid.withdrawn();
        ann.submit(&page, "/account/delete", &fields).says("Your account is deleted");
    });
}
