//! Passwords that attackers have already: on the list that ships with us, and at a service that knows breaches.

use skaas_testkit::app::{Browser, Page, TestApp, story};
use skaas_testkit::wire::Connection;

use super::{NEW_PASSWORD, PASSWORD, is_in, joins};

const BREACHED: &str = "umber quartz pelican staircase";

/// Tries to sign up with this password.
#[track_caller]
fn asks(browser: &mut Browser, name: &str, password: &str) -> Page {
    let page = browser.open("/signup");
    let email = format!("{name}@example.test");
    let fields = [("username", name), ("email", email.as_str()), ("password", password)];
    browser.submit(&page, "/signup", &fields)
}

/// How many look-ups had this outcome.
fn lookups(app: &TestApp, outcome: &str) -> u64 {
    let text = Connection::open(app.node().port()).get("/metrics").text();
    let name = format!("skaas_breach_lookups_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[test]
fn a_password_on_the_lists_of_attackers_is_refused_by_every_form() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        let asked = phone.open("/reset");
        phone.submit(&asked, "/reset", &[("email", "ann@example.test")]);
        let link = app.link_mailed_to("ann@example.test");
        for (known, why) in [
            ("correcthorsebatterystaple", "This passphrase is well known"),
            ("Correct Horse Battery Staple!", "This passphrase is well known"),
            ("Sommer2023!!", "A season, month or weekday with a year"),
        ] {
            let page = asks(&mut app.browser(), "bob", known);
            assert_eq!(page.status(), 422, "{known}");
            page.says(why).says("id=\"password-fault\"").omits(known);
            let page = ann.open("/account/password");
            let fields = [("current", PASSWORD), ("password", known)];
            ann.submit(&page, "/account/password", &fields).says(why);
            let page = phone.open(&link);
            phone.submit(&page, "/reset/new", &[("password", known)]).says(why);
        }
    });
}

#[test]
fn a_breached_password_is_refused_and_the_service_learns_five_digits_of_its_hash() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (node, breaches) = app.node_that_asks_about_breaches();
        breaches.learn(BREACHED);
        let refused = asks(&mut app.browser_at(&node), "bob", BREACHED);
        assert_eq!(refused.status(), 422);
        refused.says("This password appeared in a data breach").says("id=\"password-fault\"").omits(BREACHED);
        asks(&mut app.browser_at(&node), "bob", NEW_PASSWORD).says("Welcome.");
        ann = ann.at(&node);
        let page = ann.open("/account/password");
        let fields = [("current", PASSWORD), ("password", BREACHED)];
        ann.submit(&page, "/account/password", &fields).says("This password appeared in a data breach");
        // What our own list knows is not asked about.
        let asked = breaches.asked();
        asks(&mut app.browser_at(&node), "carl", "correcthorsebatterystaple").says("well known");
        assert_eq!(breaches.asked(), asked);
        // Five digits, padded: the service cannot tell which of hundreds of passwords it was.
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert_eq!(asked[0], asked[2]);
        for path in &asked {
            let prefix = path.strip_prefix("/range/").and_then(|rest| rest.strip_suffix(" padded"));
            let prefix = prefix.unwrap_or_else(|| panic!("{path}"));
            assert!(prefix.len() == 5 && prefix.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}");
        }
        assert_eq!((lookups(app, "breached"), lookups(app, "clean")), (2, 1));
    });
}

#[test]
fn a_breach_service_that_does_not_answer_keeps_nobody_out_and_the_operator_hears_of_it() {
    story(|app| {
        let (node, breaches) = app.node_that_asks_about_breaches();
        breaches.learn(BREACHED);
        breaches.is_down(true);
        let mut bob = app.browser_at(&node);
        asks(&mut bob, "bob", BREACHED).says("Welcome.");
        assert!(is_in(&mut bob));
        let failed = |line: &skaas_testkit::log::Line| line.event == "breach_lookup_failed";
        let lines: Vec<_> = app.log().lines().into_iter().filter(failed).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].to_string().contains(BREACHED), "{}", lines[0]);
        assert_eq!(lookups(app, "failed"), 1);
        breaches.is_down(false);
        assert_eq!(asks(&mut app.browser_at(&node), "carl", BREACHED).status(), 422);
    });
}
