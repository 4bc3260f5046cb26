//! Passkeys: signing in with one, and everything that a false answer, browser or site could try. What Chromium does is
//! in the browser's tests.

use jiff::SignedDuration;
use serde_json::Value;
use skaas_testkit::app::{Browser, Page, TestApp, story};
use skaas_testkit::authenticator::Authenticator;

use super::second_factor::{enters, waits};
use super::{PASSWORD, is_in, joins};

const ORIGIN: &str = "https://skaas.test";
const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

/// Changes what an authenticator says.
type Falsify = fn(&mut Authenticator);

/// A challenge: its name, and the options for the browser.
struct Asked {
    ceremony: String,
    options: Value,
}

/// What the page's script does first: asks for a challenge, with the fields of the form.
#[track_caller]
fn asks(browser: &mut Browser, page: &Page, form: &str, options: &str) -> Asked {
    let hidden = page.hidden_fields(form);
    let fields: Vec<(&str, &str)> =
        hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = browser.post(options, &fields, &OURS);
    assert_eq!(answer.status(), 200, "{}", answer.html());
    let mut json: Value = serde_json::from_str(&answer.html()).unwrap();
    Asked { ceremony: json["ceremony"].as_str().unwrap().to_owned(), options: json["publicKey"].take() }
}

/// What it does last: sends the form with the answer.
#[track_caller]
fn sends(browser: &mut Browser, page: &Page, form: &str, ceremony: &str, credential: &str) -> Page {
    let mut fields = page.hidden_fields(form);
    fields.retain(|(name, _)| name != "ceremony" && name != "credential");
    let more = [("ceremony", ceremony), ("credential", credential), ("label", "My laptop")];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(form, &fields, &OURS)
}

const ADD: &str = "/account/security/passkeys";
const ADD_OPTIONS: &str = "/account/security/passkeys/options";
const ALONE: &str = "/signin/passkey";
const SECOND: &str = "/signin/second-factor/passkey";
const OPTIONS: &str = "/signin/passkey/options";

/// Adds a passkey.
#[track_caller]
fn adds(browser: &mut Browser, authenticator: &mut Authenticator) -> Page {
    let page = browser.open("/account/security");
    let asked = asks(browser, &page, ADD, ADD_OPTIONS);
    let credential = authenticator.create(&asked.options);
    sends(browser, &page, ADD, &asked.ceremony, &credential)
}

/// Signs in with a passkey alone.
#[track_caller]
fn enters_with(browser: &mut Browser, authenticator: &mut Authenticator) -> Page {
    let page = browser.open("/signin?return_to=/account/tokens");
    let asked = asks(browser, &page, ALONE, OPTIONS);
    let credential = authenticator.get(&asked.options);
    sends(browser, &page, ALONE, &asked.ceremony, &credential)
}

/// Ann, who has a passkey.
fn ann_with_passkey(app: &TestApp) -> (Browser, Authenticator) {
    let mut ann = joins(app, "ann");
    let mut authenticator = Authenticator::new(7, ORIGIN);
    adds(&mut ann, &mut authenticator).says("Passkey added").says("download=");
    (ann, authenticator)
}

#[test]
fn a_passkey_signs_in_without_a_name_or_a_password_and_completes_a_sign_in_that_waits() {
    story(|app| {
        let (mut ann, mut authenticator) = ann_with_passkey(app);
        ann.open("/account/security").says("Remove My laptop").says("never").says("10 left");
        assert!(app.mails().iter().any(|mail| mail.contains("A passkey was added")));

        let mut phone = app.browser();
        let page = enters_with(&mut phone, &mut authenticator);
        assert_eq!(page.answer.header("location"), Some("/account/tokens"), "{}", page.html());
        assert!(is_in(&mut phone));
        ann.open("/account/security").omits("never");

        let mut laptop = app.browser();
        let page = waits(&mut laptop);
        let asked = asks(&mut laptop, &page, SECOND, OPTIONS);
        assert_eq!(asked.options["allowCredentials"].as_array().map(Vec::len), Some(1));
        let credential = authenticator.get(&asked.options);
        sends(&mut laptop, &page, SECOND, &asked.ceremony, &credential);
        assert!(is_in(&mut laptop));
    });
}

#[test]
fn options_ask_for_a_verified_owner_and_name_no_account() {
    story(|app| {
        let (mut ann, _) = ann_with_passkey(app);
        let page = ann.open("/account/security");
        let options = asks(&mut ann, &page, ADD, ADD_OPTIONS).options;
        assert_eq!(options["rp"]["id"], "skaas.test");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred");
        assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1));
        let mut stranger = app.browser();
        let page = stranger.open("/signin");
        let options = asks(&mut stranger, &page, ALONE, OPTIONS).options;
        assert_eq!(
            (&options["userVerification"], &options["rpId"]),
            (&"required".into(), &"skaas.test".into())
        );
        assert_eq!(options["allowCredentials"].as_array().map_or(0, Vec::len), 0);
    });
}

#[test]
fn an_answer_of_another_site_or_without_a_verified_owner_is_refused() {
    story(|app| {
        let (_, honest) = ann_with_passkey(app);
        let falsehoods: [(&str, Falsify); 6] = [
            ("another origin", |it| it.origin = "https://skaas.test.evil.example".into()),
            ("another port", |it| it.origin = "https://skaas.test:8443".into()),
            ("plain http", |it| it.origin = "http://skaas.test".into()),
            ("a subdomain", |it| it.origin = "https://evil.skaas.test".into()),
            ("another RP ID", |it| it.rp_id = Some("evil.example".into())),
            ("no verified owner", |it| it.verifies = false),
        ];
        for (what, falsify) in falsehoods {
            let mut false_one = honest.clone();
            falsify(&mut false_one);
            let mut browser = app.browser();
            let page = enters_with(&mut browser, &mut false_one);
            assert_eq!(page.status(), 422, "{what}");
            page.says("could not be verified");
            assert!(!is_in(&mut browser), "{what}");
        }
        // The same falsehoods when a passkey is made.
        let mut bob = joins(app, "bob");
        for (what, falsify) in falsehoods {
            let mut false_one = Authenticator::new(9, ORIGIN);
            falsify(&mut false_one);
            let page = adds(&mut bob, &mut false_one);
            assert_eq!(page.status(), 422, "{what}");
        }
        bob.open("/account/security").omits("Remove My laptop");
        let mut browser = app.browser();
        enters_with(&mut browser, &mut honest.clone());
        assert!(is_in(&mut browser), "the true answer is accepted");
    });
}

#[test]
fn a_challenge_is_answered_once_in_its_browser_in_time_and_for_its_purpose() {
    story(|app| {
        let (mut ann, mut authenticator) = ann_with_passkey(app);
        let (mut phone, mut thief) = (app.browser(), app.browser());
        let page = phone.open("/signin");
        let asked = asks(&mut phone, &page, ALONE, OPTIONS);
        let credential = authenticator.get(&asked.options);
        // Whoever copied the answer on its way has another browser.
        let own = thief.open("/signin");
        let stolen = sends(&mut thief, &own, ALONE, &asked.ceremony, &credential);
        stolen.says("started in another browser or has expired");
        assert!(!is_in(&mut thief));
        sends(&mut phone, &page, ALONE, &asked.ceremony, &credential);
        assert!(is_in(&mut phone));
        // Again, in the very browser.
        let account = phone.open("/account");
        phone.submit(&account, "/signout", &[]);
        let page = phone.open("/signin");
        sends(&mut phone, &page, ALONE, &asked.ceremony, &credential).says("has expired");
        // An old signature under a new challenge.
        let fresh = asks(&mut phone, &page, ALONE, OPTIONS);
        sends(&mut phone, &page, ALONE, &fresh.ceremony, &credential).says("could not be verified");
        // Too late.
        let late = asks(&mut phone, &page, ALONE, OPTIONS);
        let credential = authenticator.get(&late.options);
        app.pass(SignedDuration::from_mins(5));
        sends(&mut phone, &page, ALONE, &late.ceremony, &credential).says("has expired");
        assert!(!is_in(&mut phone));
        // A challenge to add a passkey signs nobody in, and one to sign in adds none.
        let settings = ann.open("/account/security");
        let adding = asks(&mut ann, &settings, ADD, ADD_OPTIONS);
        let mut options = adding.options.clone();
        options["rpId"] = "skaas.test".into();
        let credential = authenticator.get(&options);
        let sign_in = ann.open("/signin?again=1");
        sends(&mut ann, &sign_in, ALONE, &adding.ceremony, &credential).says("has expired");
    });
}

#[test]
fn a_counter_that_does_not_grow_is_refused_even_in_two_browsers_at_once() {
    story(|app| {
        let (_, mut authenticator) = ann_with_passkey(app);
        let mut browser = app.browser();
        authenticator.counter = 5;
        enters_with(&mut browser, &mut authenticator);
        assert!(is_in(&mut browser));
        for counter in [5, 4, 0] {
            let mut copy = authenticator.clone();
            copy.counter = counter;
            let mut thief = app.browser();
            let page = enters_with(&mut thief, &mut copy);
            assert_eq!(page.status(), 422);
            page.says("may have been copied");
            assert!(!is_in(&mut thief));
        }
        // Two copies that count alike.
        authenticator.counter = 6;
        let mut browsers = [app.browser(), app.browser()];
        std::thread::scope(|scope| {
            for browser in &mut browsers {
                let mut copy = authenticator.clone();
                scope.spawn(move || enters_with(browser, &mut copy));
            }
        });
        assert_eq!(browsers.iter_mut().map(is_in).filter(|is_in| *is_in).count(), 1);
    });
}

#[test]
fn a_passkey_serves_its_own_account_alone() {
    story(|app| {
        let (_, mut of_ann) = ann_with_passkey(app);
        let mut eve = joins(app, "eve");
        // Eve adds a credential that is ann's: nothing of ann's changes.
        let mut stolen = Authenticator::new(7, ORIGIN);
        adds(&mut eve, &mut stolen).says("already belongs to an account");
        let mut of_eve = Authenticator::new(9, ORIGIN);
        adds(&mut eve, &mut of_eve).says("Passkey added");
        // Eve knows ann's password, and answers with her own passkey.
        let mut thief = app.browser();
        let page = waits(&mut thief);
        let asked = asks(&mut thief, &page, SECOND, OPTIONS);
        let credential = of_eve.get(&asked.options);
        sends(&mut thief, &page, SECOND, &asked.ceremony, &credential).says("belongs to no account here");
        // Her own challenge for somebody else's waiting sign-in.
        let own = thief.open("/signin");
        let asked = asks(&mut thief, &own, ALONE, OPTIONS);
        let credential = of_eve.get(&asked.options);
        sends(&mut thief, &page, SECOND, &asked.ceremony, &credential).says("requested for something else");
        assert!(!is_in(&mut thief));
        // Her own credential with ann's user handle.
        let page = thief.open("/signin");
        let asked = asks(&mut thief, &page, ALONE, OPTIONS);
        let mut answer: Value = serde_json::from_str(&of_eve.get(&asked.options)).unwrap();
        let of_ann: Value = serde_json::from_str(&of_ann.get(&asked.options)).unwrap();
        answer["response"]["userHandle"] = of_ann["response"]["userHandle"].clone();
        let refused = sends(&mut thief, &page, ALONE, &asked.ceremony, &answer.to_string());
        refused.says("belongs to no account here");
        assert!(!is_in(&mut thief));
    });
}

#[test]
fn a_removed_passkey_signs_nobody_in_even_if_the_challenge_is_older() {
    story(|app| {
        let (mut ann, mut authenticator) = ann_with_passkey(app);
        let mut phone = app.browser();
        let page = phone.open("/signin");
        let asked = asks(&mut phone, &page, ALONE, OPTIONS);
        let credential = authenticator.get(&asked.options);
        let list = ann.open("/account/security");
        let renaming = ann.open(&list.link_to("/account/security/passkeys/rename"));
        ann.submit(&renaming, "/account/security/passkeys/rename", &[("label", "Old <laptop>")])
            .says("Old &#60;laptop&#62;");
        let asking = ann.open(&list.link_to("/account/security/passkeys/remove"));
        asking.says("Remove Old &#60;laptop&#62;?");
        ann.submit(&asking, "/account/security/passkeys/remove", &[]).says("Passkey removed");
        sends(&mut phone, &page, ALONE, &asked.ceremony, &credential).says("belongs to no account here");
        assert!(!is_in(&mut phone));
        assert!(app.mails().iter().any(|mail| mail.contains("A passkey was removed")));
        // What is another's is as absent as what never was.
        let mut eve = joins(app, "eve");
        let gone = eve.open(&list.link_to("/account/security/passkeys/remove"));
        assert_eq!(gone.status(), 404);
    });
}

#[test]
fn rubbish_and_browsers_without_scripts_are_told_what_to_do() {
    story(|app| {
        // Where the server runs, its log leaves out what the library says.
        app.log().expect("try_from authenticator_data_parser");
        let (_, mut authenticator) = ann_with_passkey(app);
        let mut browser = app.browser();
        let page = browser.open("/signin");
        browser.submit(&page, ALONE, &[]).says("Passkeys need JavaScript");
        for rubbish in ["{}", "[]", "null", "\u{0}", "{\"id\":7}", &"[".repeat(20_000)] {
            let asked = asks(&mut browser, &page, ALONE, OPTIONS);
            let page = sends(&mut browser, &page, ALONE, &asked.ceremony, rubbish);
            assert_eq!(page.status(), 422, "{rubbish:.20}");
        }
        // Every part of a true answer, cut short or emptied.
        let asked = asks(&mut browser, &page, ALONE, OPTIONS);
        let whole: Value = serde_json::from_str(&authenticator.get(&asked.options)).unwrap();
        for part in ["authenticatorData", "clientDataJSON", "signature"] {
            let text = whole["response"][part].as_str().unwrap().to_owned();
            for cut in [0, 4, text.len() / 8 * 4] {
                let asked = asks(&mut browser, &page, ALONE, OPTIONS);
                let mut answer: Value = serde_json::from_str(&authenticator.get(&asked.options)).unwrap();
                answer["response"][part] = text[..cut].into();
                let page = sends(&mut browser, &page, ALONE, &asked.ceremony, &answer.to_string());
                assert_eq!(page.status(), 422, "{part} cut to {cut}");
            }
        }
        assert!(!is_in(&mut browser));
    });
}

#[test]
fn a_plain_http_server_says_why_it_has_no_passkeys() {
    story(|app| {
        let node = app.node_speaking_as("http://skaas.test");
        let mut ann = app.browser_at(&node);
        let page = ann.open("/signup");
        page.omits("passkey");
        let fields = [("username", "ann"), ("email", "ann@example.test"), ("password", PASSWORD)];
        ann.submit(&page, "/signup", &fields).says("Welcome.");
        ann.open("/account/security").says("Passkeys need https").omits("data-passkey");
        let mut stranger = app.browser_at(&node);
        stranger.open("/signin").omits("passkey");
    });
}

#[test]
fn a_lost_authenticator_is_replaced_by_a_recovery_code() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut authenticator = Authenticator::new(7, ORIGIN);
        let shown = adds(&mut ann, &mut authenticator);
        let html = shown.html();
        let codes = html.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
        let code = codes.lines().next().unwrap().to_owned();
        let mut laptop = app.browser();
        let page = waits(&mut laptop);
        page.says("Recovery code");
        assert_eq!(enters(&mut laptop, &page, "123456").status(), 422);
        enters(&mut laptop, &page, &code);
        assert!(is_in(&mut laptop));
    });
}
