//! The audit log as people and operators meet it: one entry for each act, the page, the interface, the commands.

use jiff::SignedDuration;
use serde_json::Value;
use skaas_app::audit::{self, Entry, Wanted};
use skaas_domain::entitlement::GrantKind;
use skaas_testkit::{
    app::{Browser, Given, TestApp, story},
    process::Installation,
};

use super::{NEW_PASSWORD, PASSWORD, is_in, joins, signs_in, signs_up};

/// Everything recorded, oldest first.
fn recorded(app: &TestApp) -> Vec<Entry> {
    let wanted = Wanted { limit: 1000, ..Wanted::default() };
    let mut all = app.run(audit::list(app.operator(), app.actor(), &wanted)).unwrap();
    all.reverse();
    all
}

/// What `act` records: action, means and outcome of each entry.
fn records<T>(app: &TestApp, act: impl FnOnce() -> T) -> (T, Vec<String>) {
    let before = recorded(app).len();
    let result = act();
    let new = recorded(app).split_off(before);
    let told = |entry: Entry| {
        format!("{} by {}: {}", entry.action, entry.actor.kind.as_str(), entry.outcome.as_str())
    };
    (result, new.into_iter().map(told).collect())
}

fn activity(browser: &mut Browser) -> Vec<Value> {
    let answer = browser.send("GET", "/api/me/activity", &[("sec-fetch-site", "same-origin")], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list["activity"].as_array().unwrap().clone()
}

#[test]
fn each_act_of_a_person_leaves_exactly_one_entry_with_who_did_it() {
    story(|app| {
        let (mut ann, new) = records(app, || signs_up(app, "ann"));
        assert_eq!(new, ["account.create by visitor: done"]);
        let link = app.link_mailed_to("ann@example.test");
        let page = ann.open(&link);
        let (_, new) = records(app, || ann.submit(&page, "/verify", &[]));
        assert_eq!(new, ["email.change by visitor: done"]);

        let mut phone = app.browser();
        let (_, new) = records(app, || signs_in(&mut phone, "ann", "not the password"));
        assert_eq!(new, ["session.create by visitor: refused"]);
        let (_, new) = records(app, || signs_in(&mut phone, "ann", PASSWORD));
        assert_eq!(new, ["session.create by visitor: done"]);
        let (_, new) = records(app, || is_in(&mut phone));
        assert_eq!(new, [""; 0], "looking at a page is no act");

        let fields = [("name", "laptop"), ("access", "full"), ("days", "30")];
        let page = ann.open("/account/tokens");
        let (_, new) = records(app, || ann.submit(&page, "/account/tokens", &fields));
        assert_eq!(new, ["token.create by session: done"]);
        let asked = ann.open("/account/tokens").link_to("/account/tokens/revoke");
        let asked = ann.open(&asked);
        let (_, new) = records(app, || ann.submit(&asked, "/account/tokens/revoke", &[]));
        assert_eq!(new, ["token.revoke by session: done"]);

        let others = ann.open("/account/sessions/others");
        let (_, new) = records(app, || ann.submit(&others, "/account/sessions/others", &[]));
        assert_eq!(new, ["session.revoke_all by session: done"]);
        let page = ann.open("/account/password");
        let fields = [("current", PASSWORD), ("password", NEW_PASSWORD)];
        let (_, new) = records(app, || ann.submit(&page, "/account/password", &fields));
        assert_eq!(new, ["password.change by session: done"]);
        let page = ann.open("/account");
        let (_, new) = records(app, || ann.submit(&page, "/signout", &[]));
        assert_eq!(new, ["session.end by session: done"]);

        let user = recorded(app)[0].subject;
        assert!(recorded(app).iter().all(|entry| entry.subject == user), "all of it is on her own page");
        let from = |entry: &Entry| entry.address.known() == Some("127.0.0.1");
        assert!(recorded(app).iter().all(from));
    });
}

#[test]
fn each_act_of_the_operator_is_recorded_with_whom_it_concerns() {
    story(|app| {
        let ann = app.creator("ann");
        app.buyer("bob");
        ann.publishes("lint").priced(900);
        let all: Vec<String> = recorded(app).into_iter().map(|entry| entry.action).collect();
        for action in ["account.create", "token.create", "release.create", "price.set"] {
            assert!(all.iter().any(|one| one == action), "{action}: {all:?}");
        }
        let ((), new) = records(app, || app.give("bob", "lint", Given::of(GrantKind::Gift)));
        assert_eq!(new, ["grant.add by operator: done"]);
        let (_, new) = records(app, || app.revoke("bob", "lint"));
        assert_eq!(new, ["grant.revoke by operator: done"]);
        let (_, new) = records(app, || app.revoke("bob", "lint"));
        assert_eq!(new, [""; 0], "nothing was left to revoke");
        let (_, new) = records(app, || app.offer("lint").withdrawn());
        assert_eq!(new, ["listing.withdraw by operator: done"]);
        let ((), new) = records(app, || app.delete_user("bob"));
        assert_eq!(new, ["account.delete by operator: done"]);
        let entries = recorded(app);
        let grant = entries.iter().find(|entry| entry.action == "grant.add").unwrap();
        assert_eq!(grant.thing, "lint");
        let push = entries.iter().find(|entry| entry.action == "release.create").unwrap();
        assert_eq!(push.actor.kind.as_str(), "token");
        assert_eq!(push.subject.0, push.actor.user);
    });
}

#[test]
fn a_fetch_writes_nothing_to_the_audit_log() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes("lint").priced(900);
        ann.publishes("tidy").free();
        let bob = app.buyer("bob");
        app.give("bob", "lint", Given::of(GrantKind::Gift));
        let ((), new) = records(app, || {
            bob.clones("marketplace").pulls();
            bob.clones("lint");
            bob.clones("tidy");
            bob.cannot_clone("nothing");
            app.tidies();
        });
        assert_eq!(new, [""; 0]);
    });
}

#[test]
fn failing_to_sign_in_fills_neither_the_log_nor_the_disk() {
    story(|app| {
        joins(app, "ann");
        let past_the_hour = app.now().as_second().rem_euclid(3600);
        app.pass(SignedDuration::from_secs(3600 - past_the_hour));
        for number in 0..36 {
            let page = signs_in(&mut app.browser(), "ann", &format!("wrong {number}"));
            page.says("rong username, email address or password");
            // Before a limit on sign-ins ends it.
            if number % 9 == 8 && number < 35 {
                app.pass(SignedDuration::from_mins(15));
            }
        }
        let refused =
            recorded(app).into_iter().filter(|entry| entry.outcome == audit::Outcome::Refused).count();
        assert_eq!(refused, 20);
        let before = recorded(app).len();
        let mut stranger = app.browser();
        signs_in(&mut stranger, "my secret passphrase", "whatever");
        let entry = recorded(app).pop().unwrap();
        assert_eq!(recorded(app).len(), before + 1);
        assert_eq!(
            (entry.subject, entry.thing.as_str()),
            (audit::Subject::SERVER, ""),
            "never what was typed"
        );
    });
}

#[test]
fn people_see_what_was_done_in_their_account_and_nobody_elses() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/tokens");
        ann.submit(&page, "/account/tokens", &[("name", "laptop"), ("access", "full"), ("days", "30")]);
        signs_in(&mut app.browser(), "ann", "not the password");
        let page = ann.open("/account/activity");
        page.says("<h1>Activity</h1>")
            .says("API token created")
            .says("laptop")
            .says("Account created")
            .says(">You<");
        page.says(">refused<").says("127.0.0.1").says("You, in a browser").says("Someone not signed in");
        let found = ann.open("/account/activity?q=laptop&view=access");
        found.says("API token created").omits("Account created");
        ann.open("/account/activity?q=nothing-like-it").says("Nothing found.");
        let mut eve = signs_up(app, "eve");
        eve.open("/account/activity").says("Account created").omits("laptop");

        let listed = activity(&mut ann);
        assert_eq!(listed[0]["action"], "session.create");
        assert_eq!((&listed[0]["outcome"], &listed[0]["by"]), (&"refused".into(), &"visitor".into()));
        assert_eq!(
            (&listed[1]["summary"], &listed[1]["thing"]),
            (&"API token created".into(), &"laptop".into())
        );
        assert!(listed[0].get("position").is_none());
        app.keeps_house();
        let listed = activity(&mut ann);
        assert_eq!(listed.last().unwrap()["position"], 1);
        assert_eq!(listed[0]["position"], listed.len());
        assert_eq!(listed[0]["hash"].as_str().unwrap().len(), 64);
    });
}

#[test]
fn what_the_operator_did_is_shown_as_the_operators() {
    story(|app| {
        let mut ann = joins(app, "ann");
        app.run(skaas_app::accounts::sign_out_everywhere(app.operator(), app.actor(), "ann")).unwrap();
        signs_in(&mut ann, "ann", PASSWORD);
        ann.open("/account/activity").says("The operator of this server").says("Signed out everywhere");
        let entry = &activity(&mut ann)[1];
        assert_eq!(entry["by"], "operator");
        assert!(!entry.to_string().contains(&app.actor().to_string().replace("operator ", "")), "{entry}");
    });
}

#[test]
fn an_operator_lists_verifies_and_exports_and_an_export_is_what_verify_compares_with() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::new(env!("CARGO_BIN_EXE_skaas-server"), folder.path().join("data"));
    installation.run(&["migrate"]).expect_success();
    installation.admin(&["user", "add", "ann", "--email", "ann@example.com"]);
    installation.admin(&["token", "create", "ann"]);
    let listed = installation.admin(&["audit", "list", "--user", "ann"]);
    let actions: Vec<&str> =
        listed.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["token.create", "account.create"]);
    assert_eq!(listed[0]["actor"]["kind"], "operator");
    assert_eq!(installation.admin(&["audit", "list", "--action", "token"]).as_array().unwrap().len(), 1);
    assert_eq!(
        installation.admin(&["audit", "list", "--since", "1h", "--limit", "1"]).as_array().unwrap().len(),
        1
    );
    assert_eq!(installation.run(&["admin", "audit", "list", "--action", "nonsense"]).code, Some(2));
    assert_eq!(installation.run(&["admin", "audit", "list", "--user", "nobody"]).code, Some(4));

    let verified = installation.admin(&["audit", "verify"]);
    assert_eq!((&verified["intact"], &verified["unsealed"]), (&true.into(), &2.into()));
    let server = installation.serve();
    for _ in 0..600 {
        if installation.admin(&["audit", "verify"])["unsealed"] == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    drop(server);
    assert_eq!(installation.admin(&["audit", "verify"])["entries"], 2);
    let export = installation.run(&["admin", "audit", "export"]).expect_success();
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| line["type"] == "entry").count(), 2);
    assert_eq!(lines.last().unwrap()["type"], "head");
    let heads = installation.run(&["admin", "audit", "export", "--heads"]).expect_success();
    let file = folder.path().join("heads.jsonl");
    std::fs::write(&file, &heads).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(installation.admin(&["audit", "verify", "--against", file])["intact"], true);
    std::fs::write(file, heads.replace("\"position\":2", "\"position\":3")).unwrap();
    let broken = installation.run(&["admin", "audit", "verify", "--against", file]);
    assert_eq!(broken.code, Some(1));
    assert!(broken.stdout.contains("should end at position 3, but it ends at 2"), "{}", broken.stdout);
    std::fs::write(file, "").unwrap();
    assert_eq!(installation.run(&["admin", "audit", "verify", "--against", file]).code, Some(2));
}
