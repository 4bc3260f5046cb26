//! Addresses and passwords: what a mailed link does, and what it does not.

use jiff::SignedDuration;
use skaas_app::{
    accounts, jobs,
    sessions::{self, Visitor},
};
use skaas_domain::device::Place;
use skaas_testkit::app::{TestApp, story};

use super::{NEW_PASSWORD, PASSWORD, is_in, joins, signs_in, signs_up};

#[test]
fn an_address_counts_once_its_owner_says_so_and_not_because_a_link_was_opened() {
    story(|app| {
        let mut ann = signs_up(app, "ann");
        ann.open("/account").says("None yet").omits("ann@example.test");
        let mut other = app.browser();
        signs_in(&mut other, "ann@example.test", PASSWORD).says("Wrong username");
        let link = app.link_mailed_to("ann@example.test");
        // A mail program opens it.
        let page = app.browser().open(&link);
        page.says("ann@example.test").says("Confirm");
        ann.open("/account").says("None yet");
        // In whatever browser it is confirmed: it signs nobody in.
        let mut phone = app.browser();
        let page = phone.open(&link);
        phone.submit(&page, "/verify", &[]).says("Your email address is confirmed. Sign in");
        assert!(!is_in(&mut phone));
        ann.open("/account").says("ann@example.test").says("confirmed");
        assert_eq!(phone.open(&link).status(), 404, "a link works once");
        signs_in(&mut other, "Ann@Example.Test", PASSWORD).says("Profile");
        assert!(is_in(&mut other));
    });
}

#[test]
fn signing_up_reads_the_same_whether_the_address_is_known_here_or_not() {
    story(|app| {
        joins(app, "ann");
        let sign_up = |name: &str, email: &str| {
            let mut browser = app.browser();
            let page = browser.open("/signup");
            let fields = [("username", name), ("email", email), ("password", PASSWORD)];
            let page = browser.submit(&page, "/signup", &fields);
            let csrf = page.hidden_fields("/signout").remove(0).1;
            (browser, page.html().replace(&csrf, "CSRF").replace(name, "NAME"))
        };
        let (mut eve, known) = sign_up("zorg", "ann@example.test");
        let (_, unknown) = sign_up("zarg", "nobody@example.test");
        assert_eq!(known, unknown);
        let mails = app.mails();
        let warned = mails.iter().filter(|mail| mail.contains("To: ann@example.test"));
        let warned: Vec<_> = warned.filter(|mail| mail.contains("You already have an account")).collect();
        assert_eq!(warned.len(), 1, "{mails:#?}");
        assert!(!warned[0].contains("?code="), "nobody is led to confirm it for another's account");
        eve.open("/account").says("None yet");
        signs_in(&mut app.browser(), "ann@example.test", PASSWORD).says(">ann</a>");
    });
}

#[test]
fn nobody_blocks_anothers_address_by_typing_it() {
    story(|app| {
        signs_up(app, "eve");
        let mut squatter = app.browser();
        let page = squatter.open("/signup");
        let fields = [("username", "mallory"), ("email", "bob@example.test"), ("password", PASSWORD)];
        squatter.submit(&page, "/signup", &fields);
        let mallorys = app.link_mailed_to("bob@example.test");
        joins(app, "bob");
        // Bob's own mailbox holds Mallory's link too; it is of no use any more.
        let page = squatter.open(&mallorys);
        let page = squatter.submit(&page, "/verify", &[]);
        assert_eq!(page.status(), 409);
        page.says("Another account already uses this email address");
        squatter.open("/account").says("None yet");
    });
}

#[test]
fn a_reset_needs_the_mailbox_ends_every_session_and_works_once_within_the_hour() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let ask = |email: &str| {
            let mut browser = app.browser();
            let page = browser.open("/reset");
            let page = browser.submit(&page, "/reset", &[("email", email)]);
            assert_eq!(page.status(), 200);
            let csrf = page.hidden_fields("/theme").remove(0).1;
            page.html().replace(&csrf, "CSRF").replace(email, "EMAIL")
        };
        assert_eq!(ask("nobody@example.test"), ask("ann@example.test"));
        let first = app.link_mailed_to("ann@example.test");
        assert!(first.starts_with("/reset/new?code="), "{first}");
        app.pass(SignedDuration::from_mins(60));
        assert_eq!(app.browser().open(&first).status(), 404, "too late");
        ask("ann@example.test");
        let link = app.link_mailed_to("ann@example.test");
        let mut phone = app.browser();
        let page = phone.open(&link);
        let weak = phone.submit(&page, "/reset/new", &[("password", "password123")]);
        assert_eq!(weak.status(), 422);
        weak.says("aria-invalid=\"true\"").says("id=\"password-fault\"");
        phone.submit(&weak, "/reset/new", &[("password", NEW_PASSWORD)]).says("Password changed");
        assert!(!is_in(&mut ann), "every session ends");
        assert_eq!(phone.open(&link).status(), 404, "a link works once");
        signs_in(&mut ann, "ann", PASSWORD).says("Wrong username");
        signs_in(&mut ann, "ann", NEW_PASSWORD);
        assert!(is_in(&mut ann));
    });
}

#[test]
fn a_changed_address_waits_for_its_link_and_the_old_one_is_told() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account");
        let bad = ann.submit(&page, "/account/email", &[("email", "not an address")]);
        assert_eq!(bad.status(), 422);
        bad.says("value=\"not an address\"").says("id=\"email-fault\"");
        ann.submit(&page, "/account/email", &[("email", "ann@new.test")]).says("Check your email");
        ann.open("/account").says("ann@example.test").omits("ann@new.test");
        let link = app.link_mailed_to("ann@new.test");
        let page = ann.open(&link);
        ann.submit(&page, "/verify", &[]).says("ann@new.test").omits("ann@example.test");
        let told =
            |mail: &String| mail.contains("To: ann@example.test") && mail.contains("was changed just now");
        assert!(app.mails().iter().any(told));
        signs_in(&mut app.browser(), "ann@example.test", PASSWORD).says("Wrong username");
    });
}

#[test]
fn a_changed_password_needs_the_old_one_and_signs_every_other_browser_out() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        let page = ann.open("/account/password");
        let wrong = [("current", "not it at all"), ("password", NEW_PASSWORD)];
        ann.submit(&page, "/account/password", &wrong).says("This is not your password");
        let before = ann.cookie("__Host-skaas").unwrap().to_owned();
        let right = [("current", PASSWORD), ("password", NEW_PASSWORD)];
        ann.submit(&page, "/account/password", &right).says("signed out of every other browser");
        assert!(is_in(&mut ann) && !is_in(&mut phone));
        let mut thief = app.browser();
        thief.put_cookie("__Host-skaas", &before);
        assert!(!is_in(&mut thief), "this browser has a new secret too");
        signs_in(&mut phone, "ann", NEW_PASSWORD);
        assert!(is_in(&mut phone));
    });
}

#[test]
fn asking_for_a_reset_is_answered_before_the_address_is_looked_up() {
    story(|app| {
        joins(app, "ann");
        app.works();
        let (operator, place) = (app.operator(), Place::new("198.51.100.7", "Firefox"));
        for email in ["ann@example.test", "nobody@example.test"] {
            let mails = app.mails().len();
            app.run(accounts::ask_reset(operator, email, &place)).unwrap();
            // The same for both: one job, about nobody yet.
            let waiting = app.run(jobs::list(operator, app.actor(), None, None, 9)).unwrap();
            let about: Vec<_> = waiting.iter().map(|job| (job.kind.as_str(), job.user)).collect();
            assert_eq!(about, [("password_reset", None)], "{email}");
            assert_eq!(app.mails().len() - mails, usize::from(email.starts_with("ann")), "{email}");
        }
    });
}

#[test]
fn a_mailbox_is_not_flooded_by_way_of_us_and_its_owner_signs_up_all_the_same() {
    story(|app| {
        for number in 0..7 {
            let mut browser = app.browser();
            let page = browser.open("/signup");
            let name = format!("mallory{number}");
            let fields = [("username", &*name), ("email", "Bob@Example.Test"), ("password", PASSWORD)];
            browser.submit(&page, "/signup", &fields).says("Welcome.");
        }
        let mut bob = signs_up(app, "bob");
        let to_bob = || app.mails().iter().filter(|mail| mail.to_lowercase().contains("to: bob@")).count();
        assert_eq!(to_bob(), 3);
        let page = bob.open("/account");
        let refused = bob.submit(&page, "/account/email", &[("email", "bob@example.test")]);
        refused.says("already got several emails from us").says("id=\"email-fault\"");
        app.pass(SignedDuration::from_hours(1));
        let mut bob = app.browser();
        let page = signs_in(&mut bob, "bob", PASSWORD);
        bob.submit(&page, "/account/email", &[("email", "bob@example.test")]).says("Check your email");
        assert_eq!(to_bob(), 4);
    });
}

/// Signs up from a network of its own; whether mail went out.
fn signs_up_from(app: &TestApp, network: &str, username: &str, email: &str) -> bool {
    let node = app.node();
    let (place, browser) = (Place::new(network, "curl"), sessions::browser_secret(node.app()));
    let visitor = Visitor { place: &place, browser: &browser, before: None };
    let [username, email, password] = [username, email, PASSWORD].map(str::to_owned);
    let input = accounts::SignUp { username, email, password };
    app.run(accounts::sign_up(node.app(), &input, visitor)).unwrap().is_mailed
}

#[test]
fn sign_ups_that_name_an_address_do_not_keep_its_owner_from_confirming_it() {
    story(|app| {
        let mailed: Vec<bool> = (0..6)
            .map(|number| signs_up_from(app, "198.51.100.7", &format!("mallory{number}"), "bob@example.test"))
            .collect();
        assert_eq!(mailed, [true, true, true, false, false, false]);
        app.works();
        let bob = joins(app, "bob");
        assert!(bob.cookie("__Host-skaas").is_some());
        signs_in(&mut app.browser(), "bob@example.test", PASSWORD).says(">bob</a>");
    });
}

#[test]
fn a_mailbox_gets_a_bounded_number_of_mails_from_however_many_networks() {
    story(|app| {
        let sent = (0..20).filter(|number| {
            let network = format!("198.51.{number}.7");
            signs_up_from(app, &network, &format!("mallory{number}"), "bob@example.test")
        });
        assert_eq!(sent.count(), 15);
        let mut bob = app.browser();
        let page = bob.open("/signup");
        let fields = [("username", "bob"), ("email", "bob@example.test"), ("password", PASSWORD)];
        bob.submit(&page, "/signup", &fields).says("didn&#39;t email you a confirmation link");
    });
}

#[test]
fn the_address_is_changed_by_who_signed_in_just_now_and_by_nobody_with_an_old_session() {
    story(|app| {
        let mut ann = joins(app, "ann");
        app.pass(SignedDuration::from_mins(15));
        let page = ann.open("/account");
        let page = ann.submit(&page, "/account/email", &[("email", "ann@new.test")]);
        page.says("Sign in again");
        assert!(!app.mails().iter().any(|mail| mail.contains("To: ann@new.test")));
        let page = ann.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
        ann.submit(&page, "/account/email", &[("email", "ann@new.test")]).says("Check your email");
        app.link_mailed_to("ann@new.test");
    });
}

#[test]
fn no_mailed_link_outlives_the_password_or_the_address_it_was_mailed_under() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let asks_reset = |email: &str| {
            let mut browser = app.browser();
            let page = browser.open("/reset");
            browser.submit(&page, "/reset", &[("email", email)]).says("Check your email");
            app.link_mailed_to(email)
        };
        // Whoever has a session of Ann's for a moment would have her address be theirs.
        let mut thief = app.browser();
        thief.put_cookie("__Host-skaas", ann.cookie("__Host-skaas").unwrap());
        let page = thief.open("/account");
        thief.submit(&page, "/account/email", &[("email", "thief@evil.test")]).says("Check your email");
        let stolen = app.link_mailed_to("thief@evil.test");
        assert_eq!(thief.visit(&stolen).status(), 200);
        let link = asks_reset("ann@example.test");
        let page = ann.open(&link);
        ann.submit(&page, "/reset/new", &[("password", NEW_PASSWORD)]).says("Password changed");
        assert_eq!(thief.visit(&stolen).status(), 404, "the owner chose a new password");

        signs_in(&mut ann, "ann", NEW_PASSWORD);
        let page = ann.open("/account/password");
        let (old, fields) =
            (asks_reset("ann@example.test"), [("current", NEW_PASSWORD), ("password", PASSWORD)]);
        ann.submit(&page, "/account/password", &fields).says("signed out of every other browser");
        assert_eq!(thief.visit(&old).status(), 404, "the owner changed it themselves");

        let old = asks_reset("ann@example.test");
        let page = ann.open("/account");
        ann.submit(&page, "/account/email", &[("email", "ann@new.test")]).says("Check your email");
        assert_eq!(thief.visit(&old).status(), 200, "until the new address is confirmed");
        let page = ann.open(&app.link_mailed_to("ann@new.test"));
        ann.submit(&page, "/verify", &[]).says("ann@new.test");
        assert_eq!(thief.visit(&old).status(), 404, "that mailbox is Ann's no longer");
    });
}
