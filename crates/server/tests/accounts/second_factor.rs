//! Authenticator apps and recovery codes: set up, asked for after the password, and what an attacker who has the
//! password can do.

use jiff::SignedDuration;
use skaas_testkit::app::{Browser, Page, TestApp, story, text_of};
use skaas_testkit::authenticator::Phone;

use super::{NEW_PASSWORD, PASSWORD, is_in, joins, signs_in};

/// Adds an authenticator app; the phone, and the recovery codes that were shown.
#[track_caller]
pub(crate) fn adds_app(app: &TestApp, browser: &mut Browser) -> (Phone, Vec<String>) {
    let page = browser.open("/account/security");
    let setup = browser.submit(&page, "/account/security/app", &[]);
    let phone = Phone::with(&in_code(&setup));
    let code = phone.shows(app.now());
    let codes = browser.submit(&setup, "/account/security/app/confirm", &[("code", &code)]);
    codes.says("Authenticator app added").says("download=\"skaas-recovery-codes.txt\"");
    // The next code is not the one that confirmed it.
    app.pass(SignedDuration::from_secs(30));
    (phone, in_code(&codes).lines().map(str::to_owned).collect())
}

/// What a page has in its first block to copy.
#[track_caller]
fn in_code(page: &Page) -> String {
    let html = page.html();
    let code = html.split("<code>").nth(1).unwrap_or_else(|| panic!("nothing to copy:\n{html}"));
    code.split("</code>").next().unwrap().to_owned()
}

/// Enters a code on the page that asks for the second factor.
#[track_caller]
pub(crate) fn enters(browser: &mut Browser, waiting: &Page, code: &str) -> Page {
    browser.submit(waiting, "/signin/second-factor", &[("code", code)])
}

/// The right password, in this browser: what asks for the second factor.
#[track_caller]
pub(crate) fn waits(browser: &mut Browser) -> Page {
    let page = signs_in(browser, "ann", PASSWORD);
    assert!(!is_in(browser), "a password alone is not enough");
    page.says("<h1>Two-factor authentication</h1>");
    page
}

/// Signs in again where somebody is signed in already.
#[track_caller]
fn signs_in_again(browser: &mut Browser) {
    let page = browser.open("/signin?again=1");
    browser.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
}

/// How many mails say this.
fn mails_saying(app: &TestApp, text: &str) -> usize {
    let lines = |mail: &String| mail.replace("\r\n", " ");
    app.mails().iter().map(lines).filter(|mail| mail.contains(text)).count()
}

#[test]
fn an_authenticator_app_is_asked_for_after_the_password_and_each_code_works_once() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (phone, codes) = adds_app(app, &mut ann);
        assert_eq!(codes.len(), 10);
        ann.open("/account/security").says("Added").says("10 left");
        assert_eq!(mails_saying(app, "An authenticator app was added to your account"), 1);

        let mut laptop = app.browser();
        let page = waits(&mut laptop);
        let code = phone.shows(app.now());
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let refused = enters(&mut laptop, &page, wrong);
        assert_eq!(refused.status(), 422);
        refused.says("This code is wrong, or was already used");
        enters(&mut laptop, &page, &code);
        assert!(is_in(&mut laptop));

        // The same code again, and the one before it, which a watcher may have seen.
        let earlier = phone.shows(app.now() - SignedDuration::from_secs(30));
        let mut thief = app.browser();
        let page = waits(&mut thief);
        for seen in [&code, &earlier] {
            assert_eq!(enters(&mut thief, &page, seen).status(), 422);
        }
        app.pass(SignedDuration::from_secs(30));
        enters(&mut thief, &page, &phone.shows(app.now()));
        assert!(is_in(&mut thief), "the next code is good");
    });
}

#[test]
fn nothing_tells_of_a_second_factor_before_the_password_was_right() {
    story(|app| {
        let mut ann = joins(app, "ann");
        adds_app(app, &mut ann);
        joins(app, "bob");
        let mut stranger = app.browser();
        let answers = ["ann", "bob", "nobody"].map(|name| {
            let page = signs_in(&mut stranger, name, "not the password at all");
            assert_eq!(page.status(), 422);
            page.html().replace(&format!("value=\"{name}\""), "")
        });
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    });
}

#[test]
fn a_waiting_sign_in_is_its_browsers_alone_and_ends_with_time_and_with_the_password() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (phone, _) = adds_app(app, &mut ann);
        let (mut laptop, mut thief) = (app.browser(), app.browser());
        let page = waits(&mut laptop);
        // The address of the page, in another browser.
        let stolen = thief.open(&page.path);
        assert_eq!(stolen.status(), 403);
        stolen.says("started in another browser").says("href=\"/signin\"");
        let own = thief.open("/signin");
        let csrf = own.hidden_fields("/signin").into_iter().find(|(name, _)| name == "csrf").unwrap().1;
        let pending = page.hidden_fields("/signin/second-factor");
        let pending = pending.into_iter().find(|(name, _)| name == "pending").unwrap().1;
        let code = phone.shows(app.now());
        let fields = [("csrf", csrf.as_str()), ("pending", &pending), ("code", &code)];
        let headers = [("sec-fetch-site", "same-origin")];
        assert_eq!(thief.post("/signin/second-factor", &fields, &headers).status(), 403);
        assert!(!is_in(&mut thief));

        app.pass(SignedDuration::from_mins(10));
        assert_eq!(enters(&mut laptop, &page, &phone.shows(app.now())).status(), 403);
        assert!(!is_in(&mut laptop));

        // A new password ends what the old one began, and the second factor stays.
        let page = waits(&mut laptop);
        let asked = ann.open("/reset");
        ann.submit(&asked, "/reset", &[("email", "ann@example.test")]);
        let link = app.link_mailed_to("ann@example.test");
        let new = ann.open(&link);
        ann.submit(&new, "/reset/new", &[("password", NEW_PASSWORD)]).says("Password changed");
        assert_eq!(enters(&mut laptop, &page, &phone.shows(app.now())).status(), 403);
        let page = signs_in(&mut laptop, "ann", NEW_PASSWORD);
        page.says("<h1>Two-factor authentication</h1>");
        enters(&mut laptop, &page, &phone.shows(app.now()));
        assert!(is_in(&mut laptop));
    });
}

#[test]
fn a_recovery_code_signs_in_once_even_in_two_browsers_at_once_and_its_owner_is_told() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (_, codes) = adds_app(app, &mut ann);
        let mut browsers = [app.browser(), app.browser()];
        let pages: Vec<Page> = browsers.iter_mut().map(waits).collect();
        std::thread::scope(|scope| {
            for (browser, page) in browsers.iter_mut().zip(&pages) {
                scope.spawn(|| enters(browser, page, &codes[0]));
            }
        });
        let signed_in = browsers.iter_mut().map(is_in).filter(|is_in| *is_in).count();
        assert_eq!(signed_in, 1);
        assert_eq!(mails_saying(app, "with one of your recovery codes"), 1);
        ann.open("/account/security").says("9 left");
        let mut laptop = app.browser();
        let page = waits(&mut laptop);
        enters(&mut laptop, &page, &codes[0]).says("This recovery code is wrong, or was already used");
        enters(&mut laptop, &page, &codes[1].to_uppercase().replace('-', " "));
        assert!(is_in(&mut laptop));

        // New ones replace those that are left.
        let asked = ann.open("/account/security/codes");
        ann.submit(&asked, "/account/security/codes", &[]).says("New recovery codes");
        let mut phone = app.browser();
        let page = waits(&mut phone);
        assert_eq!(enters(&mut phone, &page, &codes[2]).status(), 422);
        assert_eq!(mails_saying(app, "New recovery codes were created"), 1);
    });
}

#[test]
fn guesses_run_out_for_the_account_and_its_owner_still_gets_in() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (phone, codes) = adds_app(app, &mut ann);
        let mut thief = app.browser();
        let page = waits(&mut thief);
        let code = phone.shows(app.now());
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for _ in 0..10 {
            assert_eq!(enters(&mut thief, &page, wrong).status(), 422);
        }
        let refused = enters(&mut thief, &page, &code);
        assert_eq!(refused.status(), 429);
        refused.says("Too many attempts");
        // A new browser and a new sign-in are no new tries.
        let mut another = app.browser();
        let page = waits(&mut another);
        assert_eq!(enters(&mut another, &page, &code).status(), 429);
        // In a browser that ann signed in with before, codes are counted apart; and nobody guesses a recovery code.
        let own = ann.open("/account");
        ann.submit(&own, "/signout", &[]);
        let page = waits(&mut ann);
        enters(&mut ann, &page, &code);
        assert!(is_in(&mut ann));
        let page = waits(&mut another);
        enters(&mut another, &page, &codes[0]);
        assert!(is_in(&mut another));
    });
}

#[test]
fn the_guesses_of_a_day_run_out_however_patient_somebody_is() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (phone, _) = adds_app(app, &mut ann);
        let mut thief = app.browser();
        let mut taken = 0;
        for _ in 0..20 {
            app.pass(SignedDuration::from_mins(15));
            let page = waits(&mut thief);
            let code = phone.shows(app.now());
            let wrong = if code == "000000" { "000001" } else { "000000" };
            taken += (0..10).filter(|_| enters(&mut thief, &page, wrong).status() == 422).count();
        }
        assert_eq!(taken, 50);
    });
}

#[test]
fn adding_and_removing_a_factor_needs_a_recent_sign_in_and_is_mailed() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/security");
        let setup = ann.submit(&page, "/account/security/app", &[]);
        app.pass(SignedDuration::from_mins(16));
        for (page, action) in [
            (&page, "/account/security/app"),
            (&setup, "/account/security/app/confirm"),
            (&page, "/account/security/passkeys"),
        ] {
            let sent = ann.submit_only(page, action, &[("code", "123456"), ("label", "x")]);
            let to = sent.answer.header("location").unwrap_or_default().to_owned();
            assert!(to.starts_with("/signin?again=1"), "{action}: {} {to}", sent.status());
        }
        signs_in_again(&mut ann);
        adds_app(app, &mut ann);
        app.pass(SignedDuration::from_mins(16));
        for action in ["/account/security/app/remove", "/account/security/codes"] {
            ann.open(action).says("Sign in again");
        }
        ann.open("/account/security").says("10 left");
        assert_eq!(mails_saying(app, "The authenticator app was removed"), 0);
    });
}

#[test]
fn an_app_that_is_removed_is_asked_for_no_more_and_takes_its_recovery_codes_along() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (_, codes) = adds_app(app, &mut ann);
        let asked = ann.open("/account/security/app/remove");
        ann.submit(&asked, "/account/security/app/remove", &[]).says("Authenticator app removed");
        assert_eq!(mails_saying(app, "The authenticator app was removed"), 1);
        let mut laptop = app.browser();
        signs_in(&mut laptop, "ann", PASSWORD);
        assert!(is_in(&mut laptop));
        // The next factor comes with codes of its own; the old ones stay dead.
        let (_, fresh) = adds_app(app, &mut ann);
        assert!(fresh.iter().all(|code| !codes.contains(code)));
        let mut phone = app.browser();
        let page = waits(&mut phone);
        assert_eq!(enters(&mut phone, &page, &codes[0]).status(), 422);
    });
}

#[test]
fn an_app_that_nobody_confirmed_is_no_factor_and_is_forgotten() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/security");
        let setup = ann.submit(&page, "/account/security/app", &[]);
        let phone = Phone::with(&in_code(&setup));
        let code = phone.shows(app.now());
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let refused = ann.submit(&setup, "/account/security/app/confirm", &[("code", wrong)]);
        assert_eq!(refused.status(), 422);
        refused.says("This is not the code that the app shows now");
        let mut laptop = app.browser();
        signs_in(&mut laptop, "ann", PASSWORD);
        assert!(is_in(&mut laptop));
        app.pass(SignedDuration::from_mins(61));
        app.keeps_house();
        signs_in_again(&mut ann);
        let gone = ann.open("/account/security/app");
        assert_eq!(gone.status(), 404);
        let kinds = app.run(async {
            let mut conn = app.store().read().await.unwrap();
            text_of(&mut conn, "SELECT kind FROM sealed_records").await.unwrap()
        });
        assert_eq!(kinds, Vec::<String>::new(), "its secret is gone as well");
    });
}

#[test]
fn a_creator_who_is_paid_is_led_to_set_up_a_factor_and_keeps_the_last_one() {
    story(|app| {
        app.creator("ann").publishes("paid").priced(900);
        let mut ann = app.browser();
        let asked = ann.open("/reset");
        ann.submit(&asked, "/reset", &[("email", "ann@example.test")]);
        let new = ann.open(&app.link_mailed_to("ann@example.test"));
        ann.submit(&new, "/reset/new", &[("password", PASSWORD)]);
        let page = signs_in(&mut ann, "ann", PASSWORD);
        page.says("Your role requires two-factor authentication");
        adds_app(app, &mut ann);
        ann.open("/account/security").omits("Your role requires");
        let asked = ann.open("/account/security/app/remove");
        let refused = ann.submit(&asked, "/account/security/app/remove", &[]);
        assert_eq!(refused.status(), 409);
        refused.says("Your role requires two-factor authentication; add another");
        waits(&mut app.browser());
    });
}

#[test]
fn the_operator_resets_the_second_factor_of_somebody_who_lost_all_of_it() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let (phone, codes) = adds_app(app, &mut ann);
        let mut laptop = app.browser();
        let page = waits(&mut laptop);
        app.resets_second_factor("ann");
        assert_eq!(mails_saying(app, "The operator of the server removed all passkeys"), 1);
        for code in [&codes[0], &phone.shows(app.now())] {
            assert_eq!(enters(&mut laptop, &page, code).status(), 403);
        }
        signs_in(&mut laptop, "ann", PASSWORD);
        assert!(is_in(&mut laptop));
    });
}

#[test]
fn the_secrets_of_second_factors_are_not_in_the_database() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/security");
        let setup = ann.submit(&page, "/account/security/app", &[]);
        let typed = in_code(&setup);
        let phone = Phone::with(&typed);
        let code = phone.shows(app.now());
        let shown = ann.submit(&setup, "/account/security/app/confirm", &[("code", &code)]);
        let recovery = in_code(&shown);
        let as_hex = |column| {
            if app.database().is_postgres() {
                format!("encode({column}, 'hex')")
            } else {
                format!("lower(hex({column}))")
            }
        };
        let rows = app.run(async {
            let mut conn = app.store().read().await.unwrap();
            let mut rows = Vec::new();
            for (column, table) in [("hash", "recovery_codes"), ("body", "sealed_records")] {
                let sql = format!("SELECT {} FROM {table}", as_hex(column));
                rows.extend(text_of(&mut conn, &sql).await.unwrap());
            }
            rows
        });
        assert_eq!(rows.len(), 11, "{rows:?}");
        let rows = rows.concat();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert!(!rows.contains(&hex(phone.secret())), "the secret is stored as it is");
        for code in recovery.lines() {
            let plain = [code.to_owned(), code.replace('-', "")];
            assert!(
                plain.iter().all(|code| !rows.contains(&hex(code.as_bytes()))),
                "{code} is stored as it is"
            );
        }
    });
}
