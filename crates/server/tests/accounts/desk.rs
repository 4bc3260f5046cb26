//! The operator's desk: who may open it, what an operator can do there, and what that means for whom it is done to.

use jiff::SignedDuration;
use skaas_app::{Actor, Code, Error, Kind, listings, operators, sessions, suspension};
use skaas_testkit::app::{Browser, Page, TestApp, story};
use skaas_testkit::wire::Connection;

use super::{PASSWORD, is_in, joins, second_factor::adds_app, signs_in, signs_up};

const SKILL: &str = "lint-pro";

/// Signs up and becomes an operator with a second factor.
#[track_caller]
fn operator(app: &TestApp, name: &str) -> Browser {
    let browser = signs_up(app, name);
    app.protect(name);
    app.appoint(name);
    browser
}

/// Answers the question at `path`, which its form goes to.
#[track_caller]
fn does(desk: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let page = desk.open(path);
    desk.submit(&page, path, fields)
}

/// What the REST interface answers a bearer.
fn asks(app: &TestApp, token: &str, path: &str) -> (u16, String) {
    let answer = Connection::open(app.node().port()).bearer(token).get(path);
    (answer.status, answer.text())
}

/// The actor in a browser.
fn actor_in(app: &TestApp, browser: &Browser) -> Actor {
    let cookie = browser.cookie("__Host-skaas").unwrap().to_owned();
    app.run(sessions::find(app.node().app(), &cookie, None)).unwrap().unwrap()
}

fn is_absent<T>(outcome: &Result<T, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == Kind::NotFound)
}

#[test]
fn the_desk_is_absent_until_somebody_is_appointed_and_again_once_they_are_dismissed() {
    story(|app| {
        let mut olga = signs_up(app, "olga");
        app.protect("olga");
        let absent = olga.open("/operator");
        assert_eq!(absent.status(), 404);
        olga.open("/account").omits("href=\"/operator\"");
        app.appoint("olga");
        olga.open("/account").says("href=\"/operator\"");
        olga.open("/operator").says("Overview").says("olga");
        let again = app.run(operators::add(app.operator(), app.actor(), "olga"));
        assert!(again.is_err_and(|error| error.to_string().contains("is an operator already")));

        // On a page that was opened while she had the role, the button does nothing any more.
        signs_up(app, "bob");
        let page = olga.open("/operator/users/bob/suspend");
        app.dismiss("olga");
        let path = "/operator/users/bob/suspend";
        assert_eq!(olga.submit(&page, path, &[("reason", "spam")]).status(), 404);
        assert_eq!(olga.open("/operator").html(), absent.html(), "the same page as for anybody");
        assert!(app.run(operators::list(app.operator(), app.actor())).unwrap().is_empty());
    });
}

#[test]
fn an_operator_dismissed_between_page_and_act_does_nothing() {
    story(|app| {
        app.creator("ann").publishes(SKILL);
        let olga = operator(app, "olga");
        let actor = actor_in(app, &olga);
        let node = app.node();
        // The request has passed the door; the role goes before the act.
        assert_eq!(app.run(operators::door(node.app(), Some(&actor))).unwrap(), operators::Door::Open);
        app.dismiss("olga");
        assert!(is_absent(&app.run(suspension::suspend(node.app(), &actor, "ann", "spam"))));
        assert!(is_absent(&app.run(listings::quarantine(node.app(), &actor, SKILL, "malware"))));
        assert!(is_absent(&app.run(skaas_app::accounts::sign_out_everywhere(node.app(), &actor, "ann"))));
        assert!(is_absent(&app.run(skaas_app::jobs::retry_dead(node.app(), &actor, None))));
        assert!(is_absent(&app.run(skaas_app::users::details(node.app(), &actor, "ann"))));
        app.person("ann").clones(SKILL).sees_full("1.0.0");
        // A token of an operator's opens no desk, whatever its scopes.
        app.appoint("olga");
        let token = app.person("olga").token();
        let presented = skaas_app::Presented { username: None, secret: &token };
        let by_token = app.run(skaas_app::authenticate(node.app(), Some(&presented), None)).unwrap();
        assert_eq!(app.run(operators::door(node.app(), Some(&by_token))).unwrap(), operators::Door::Absent);
        assert!(is_absent(&app.run(suspension::suspend(node.app(), &by_token, "ann", "spam"))));
    });
}

#[test]
fn an_act_holds_the_role_until_it_ends() {
    story(|app| {
        signs_up(app, "bob");
        let olga = operator(app, "olga");
        let actor = actor_in(app, &olga);
        let node = app.node();
        // Acts and dismissals in any order: whatever was done, the role was there when it was done.
        for _ in 0..20 {
            let (acted, dismissed) = app.run(async {
                tokio::join!(
                    suspension::suspend(node.app(), &actor, "bob", "spam"),
                    operators::remove(app.operator(), app.actor(), "olga"),
                )
            });
            dismissed.unwrap();
            let is_suspended =
                app.run(skaas_app::users::find(app.operator(), app.actor(), "bob")).unwrap().is_suspended();
            assert_eq!(acted.is_ok(), is_suspended, "{acted:?}");
            assert!(acted.is_ok() || is_absent(&acted), "{acted:?}");
            assert!(is_absent(&app.run(suspension::unsuspend(node.app(), &actor, "bob"))));
            if is_suspended {
                app.unsuspend("bob");
            }
            app.appoint("olga");
        }
    });
}

#[test]
fn the_desk_asks_to_sign_in_again_after_15_minutes() {
    story(|app| {
        signs_up(app, "bob");
        let mut olga = joins(app, "olga");
        let (phone, _) = adds_app(app, &mut olga);
        app.appoint("olga");
        let page = olga.open("/operator/users/bob/suspend");
        app.pass(SignedDuration::from_mins(15));
        let sent = olga.visit("/operator/users?q=bob");
        let back = "/signin?again=1&return_to=%2Foperator%2Fusers%3Fq%3Dbob";
        assert_eq!(sent.answer.header("location"), Some(back));
        let acted = olga.submit_only(&page, "/operator/users/bob/suspend", &[("reason", "spam")]);
        assert!(acted.answer.header("location").unwrap().starts_with("/signin?again=1"), "{acted:?}");
        let actor = actor_in(app, &olga);
        let late = app.run(suspension::suspend(app.node().app(), &actor, "bob", "spam"));
        assert!(late.is_err_and(|error| error.to_string().contains("sign in again")));

        let again = olga.open(back);
        let fields = [("login", "olga"), ("password", PASSWORD)];
        let waiting = olga.submit(&again, "/signin", &fields);
        let code = phone.shows(app.now());
        let desk = olga.submit(&waiting, "/signin/second-factor", &[("code", &code)]);
        desk.says("Find a user by name").says("bob");
        does(&mut olga, "/operator/users/bob/suspend", &[("reason", "spam")]).says("bob is suspended.");
    });
}

#[test]
fn an_operator_without_a_second_factor_is_led_to_set_one_up_and_does_nothing_before() {
    story(|app| {
        app.creator("ann").publishes(SKILL);
        let mut olga = joins(app, "olga");
        app.appoint("olga");
        let sent = olga.visit("/operator/users");
        assert_eq!(sent.answer.header("location"), Some("/account/security"));
        let actor = actor_in(app, &olga);
        let needs_one = |outcome: Result<(), Error>| {
            assert_eq!(outcome.unwrap_err().code(), Code::SecondFactorRequired);
        };
        needs_one(app.run(suspension::suspend(app.node().app(), &actor, "ann", "spam")).map(drop));
        needs_one(app.run(listings::quarantine(app.node().app(), &actor, SKILL, "malware")).map(drop));
        needs_one(app.run(operators::list(app.node().app(), &actor)).map(drop));
        adds_app(app, &mut olga);
        olga.open("/operator/users").says("ann");
        // Nor can she go without from then on.
        let asked = olga.open("/account/security/app/remove");
        let refused = olga.submit(&asked, "/account/security/app/remove", &[]);
        assert_eq!(refused.status(), 409);
        refused.says("Your role requires two-factor authentication; add another");
    });
}

#[test]
fn a_suspended_user_is_out_everywhere_on_the_next_request_and_back_when_it_is_lifted() {
    story(|app| {
        let other = app.another_node();
        let mut bob = joins(app, "bob");
        let person = app.person("bob");
        let copy = person.clones("marketplace");
        let elsewhere = person.at(&other).clones("marketplace");
        let mut olga = operator(app, "olga");
        olga.open("/operator/users?q=BO").says("bob@example.test");
        does(&mut olga, "/operator/users/bob/suspend", &[("reason", "  ")]).says("Give a reason");
        let after = does(&mut olga, "/operator/users/bob/suspend", &[("reason", "stolen\ncard")]);
        after.says("bob is suspended.").says("stolen card");

        // git: in words, and not as 401, after which it would erase the token.
        for copy in [&copy, &elsewhere] {
            let pulled = copy.try_pull();
            assert!(!pulled.succeeded() && pulled.stderr.contains("this account is suspended"), "{pulled}");
            assert!(!pulled.stderr.contains("stolen"), "the reason is for operators: {pulled}");
        }
        let (status, text) = asks(app, &person.token(), "/api/me");
        assert_eq!(status, 403, "{text}");
        assert!(text.contains("\"account-suspended\""), "{text}");
        // Whoever has no working token learns nothing.
        let (status, text) = asks(app, "sk_live_00000000", "/api/me");
        assert!(status == 401 && !text.contains("suspended"), "{text}");

        assert!(!is_in(&mut bob), "the session opens nothing");
        let mut browser = app.browser();
        signs_in(&mut browser, "bob", "not the password").omits("suspended").says("Wrong username");
        let told = signs_in(&mut browser, "bob", PASSWORD);
        told.says("This account is suspended").omits("stolen");
        assert!(!is_in(&mut browser));
        let again = app.run(suspension::suspend(app.operator(), app.actor(), "bob", "again"));
        assert!(again.is_err_and(|error| error.kind() == Kind::Conflict));

        does(&mut olga, "/operator/users/bob/unsuspend", &[]).says("bob is no longer suspended.");
        copy.pulls();
        elsewhere.pulls();
        assert_eq!(asks(app, &person.token(), "/api/me").0, 200);
        assert!(is_in(&mut bob), "the same session as before");
        let again = app.run(suspension::unsuspend(app.operator(), app.actor(), "bob"));
        assert!(again.is_err_and(|error| error.kind() == Kind::Conflict));
    });
}

#[test]
fn what_a_suspended_creator_sold_stays_and_is_offered_to_nobody() {
    story(|app| {
        let other = app.another_node();
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        ann.publishes("for-all").free();
        let (bob, carol) = (app.buyer("bob"), app.buyer("carol"));
        bob.buys(SKILL);
        let (held, market) = (bob.clones(SKILL), carol.at(&other).clones("marketplace"));
        market.lists_locked(SKILL);
        app.suspend("ann");
        held.pulls().sees_full("1.0.0");
        bob.clones(SKILL).sees_full("1.0.0");
        bob.clones("marketplace").lists_owned(SKILL, "1.0.0");
        market.pulls().omits(SKILL).omits("for-all");
        carol.cannot_clone(SKILL);
        carol.cannot_clone("for-all");
        let mut stranger = app.browser();
        assert_eq!(stranger.open(&format!("/skills/{SKILL}")).status(), 404);
        stranger.open("/@ann").omits(SKILL);
        ann.cannot_clone(SKILL);

        app.unsuspend("ann");
        market.pulls().lists_locked(SKILL);
        carol.clones("for-all").sees_full("1.0.0");
        assert_eq!(stranger.open(&format!("/skills/{SKILL}")).status(), 200);
        ann.releases(SKILL, "1.1.0");
        held.pulls().sees_full("1.1.0");
    });
}

#[test]
fn a_quarantined_skill_is_served_to_its_creator_alone_until_it_is_released_as_what_it_was() {
    story(|app| {
        let other = app.another_node();
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        bob.buys(SKILL);
        let held = bob.at(&other).clones(SKILL);
        let mut olga = operator(app, "olga");
        olga.open("/operator/listings?q=lint").says(SKILL).says("published");
        let path = format!("/operator/listings/{SKILL}/quarantine");
        does(&mut olga, &path, &[("reason", "")]).says("Give a reason");
        does(&mut olga, &path, &[("reason", "reads SSH keys")]).says("reads SSH keys").says("quarantined");
        held.pulls().sees_stub_saying("on hold for review");
        bob.clones(SKILL).sees_stub().holds_nothing_paid();
        ann.clones(SKILL).sees_full("1.0.0");
        ann.releases(SKILL, "1.1.0");
        held.pulls().sees_stub();
        app.buyer("carol").cannot_clone(SKILL);
        // Nothing but a release ends it.
        let publish = listings::Change {
            state: Some(skaas_domain::listing::ListingState::Published),
            ..listings::Change::default()
        };
        let refused = app.offer(SKILL).try_set(&publish).unwrap_err();
        assert!(refused.to_string().contains("release it first"), "{refused}");
        assert!(app.offer(SKILL).try_quarantine(app.actor()).is_err());
        olga.open("/operator/listings?view=quarantined").says(SKILL);

        does(&mut olga, &format!("/operator/listings/{SKILL}/release"), &[]).says("published");
        held.pulls().sees_full("1.1.0");
        app.buyer("carol").clones("marketplace").lists_locked(SKILL);
        // What was withdrawn before is withdrawn again, not offered.
        app.offer(SKILL).withdrawn().quarantined().released();
        app.buyer("carol").clones("marketplace").omits(SKILL);
        held.pulls().sees_full("1.1.0");
    });
}

#[test]
fn operators_are_not_suspended_and_make_no_operators() {
    story(|app| {
        let mut olga = operator(app, "olga");
        operator(app, "omar");
        for name in ["omar", "olga"] {
            let page = does(&mut olga, &format!("/operator/users/{name}/suspend"), &[("reason", "mine now")]);
            assert_eq!(page.status(), 409, "{page:?}");
            page.says("is an operator");
        }
        let actor = actor_in(app, &olga);
        signs_up(app, "bob");
        let made = app.run(operators::add(app.node().app(), &actor, "bob"));
        assert!(made.is_err_and(|error| error.kind() == Kind::Forbidden));
        app.suspend("bob");
        let made = app.run(operators::add(app.operator(), app.actor(), "bob"));
        assert!(made.is_err_and(|error| error.to_string().contains("bob is suspended")));
        // A deleted operator's role goes with the account.
        app.delete_user("omar");
        let left = app.run(operators::list(app.operator(), app.actor())).unwrap();
        assert_eq!(left.iter().map(|one| one.user.username.as_str()).collect::<Vec<_>>(), ["olga"]);
    });
}

#[test]
fn operators_sign_people_out_and_see_jobs_and_numbers() {
    story(|app| {
        let mut bob = joins(app, "bob");
        let token = app.person("bob").token();
        app.creator("ann").publishes(SKILL);
        let mut olga = operator(app, "olga");
        olga.open("/operator").says("1 published").says("ready");
        olga.open("/operator/users/bob").says("1 session, 1 API token");
        let log = olga.open("/operator/audit");
        log.says("API token created").says("Made an operator").says("href=\"/operator/users/bob\"");
        does(&mut olga, "/operator/users/bob/sign-out", &[]).says("bob is signed out everywhere.");
        assert!(!is_in(&mut bob));
        assert_eq!(asks(app, &token, "/api/me").0, 401);
        assert_eq!(olga.open("/operator/users/nobody").status(), 404);

        app.works();
        olga.open("/operator/jobs").says("No jobs.");
        app.run(skaas_app::jobs::probe(app.operator(), 2)).unwrap();
        let jobs = olga.open("/operator/jobs").says("probe").clone();
        let question = olga.open(&jobs.link_to("/operator/jobs/cancel"));
        let canceled = olga.submit(&question, "/operator/jobs/cancel", &[]);
        canceled.says("The job is canceled.");
        let retried = olga.submit(&canceled, "/operator/jobs/retry", &[]);
        retried.says("Retrying.");
        app.works();
        olga.open("/operator/jobs").says("No jobs.");
        // A session of another site's page changes nothing.
        let forged = olga.post("/operator/users/bob/suspend", &[("reason", "x")], &[]);
        assert_eq!(forged.status(), 403);
        olga.open("/operator/users?view=suspended").says("Nothing found");
    });
}
