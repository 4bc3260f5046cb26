//! The operator's command line, as scripts use it: beside a running server, with exit codes and JSON.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

#[cfg(target_os = "linux")]
mod fsyncs;
mod story;

use serde_json::Value;
use skaas_app::{DatabaseConfig, ObjectsConfig, Store, StoreConfig};
use skaas_testkit::app::run_sql;
use story::{House, SKILL};

#[test]
fn every_admin_command_works_beside_a_running_server() {
    let house = House::new();
    let bob = house.person("bob");

    let listing = house.admin(&[
        "listing",
        "set",
        SKILL,
        "--price",
        "1250",
        "--currency",
        "EUR",
        "--interval",
        "month",
        "--trial-days",
        "7",
        "--category",
        "databases",
        "--tag",
        "sql",
        "--tag",
        "review",
        "--publish",
    ]);
    let shown = house.admin(&["listing", "show", SKILL]);
    assert_eq!(shown["name"], SKILL);
    assert_eq!(shown["state"], "published");
    assert_eq!(listing["name"], shown["name"]);
    let all = house.admin(&["listing", "show"]);
    assert_eq!(all.as_array().unwrap().len(), 1);

    house.admin(&["grant", "add", "bob", SKILL, "--kind", "subscription", "--until", "30d"]);
    house.admin(&["grant", "add", "bob", SKILL, "--kind", "trial", "--until", "2099-01-02T03:04:05Z"]);
    assert_eq!(house.admin(&["grant", "list", "bob"]).as_array().unwrap().len(), 2);
    assert_eq!(house.admin(&["grant", "list", "bob", SKILL]).as_array().unwrap().len(), 2);
    house.admin(&["grant", "revoke", "bob", SKILL]);
    for grant in house.admin(&["grant", "list", "bob"]).as_array().unwrap() {
        assert!(grant["revoked_at"].is_string(), "{grant}");
    }

    let second = house.admin(&["token", "create", "bob", "--name", "laptop", "--expires", "90d"]);
    let tokens = house.admin(&["token", "list", "bob"]);
    let tokens = tokens.as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    let text = Value::Array(tokens.clone()).to_string();
    assert!(!text.contains(bob.token.rsplit('_').next().unwrap()), "a list never shows a secret");
    let id = second["id"].as_str().unwrap_or_else(|| panic!("no id in {second}"));
    house.admin(&["token", "revoke", "bob", id]);
    assert_eq!(
        house.connect(&bob).get(&story::refs("me/marketplace")).status,
        200,
        "the other one still works"
    );

    let ended = house.admin(&["user", "sign-out", "bob"]);
    assert_eq!((&ended["username"], &ended["tokens"]), (&"bob".into(), &1.into()), "{ended}");
    assert_eq!(house.connect(&bob).get(&story::refs("me/marketplace")).status, 401);
}

#[test]
fn a_trial_is_given_once_per_person_and_skill_ever() {
    let house = House::new();
    house.person("bob");
    house.person("carol");
    let trial = |who: &str| {
        house
            .server
            .installation()
            .run(&["admin", "grant", "add", who, SKILL, "--kind", "trial", "--until", "7d"])
    };
    assert!(trial("bob").succeeded());
    house.admin(&["grant", "revoke", "bob", SKILL]);
    assert_eq!(trial("bob").code, Some(5));
    assert!(trial("carol").succeeded());
}

#[test]
fn a_failure_has_its_exit_code_and_says_what_to_do() {
    let house = House::new();
    house.person("bob");
    let run = |arguments: &[&str]| {
        let ran = house.server.installation().run(arguments);
        assert_eq!(ran.stdout, "", "results go to standard output, failures do not");
        (ran.code, ran.stderr)
    };
    for (code, arguments) in [
        (2, &["admin", "user", "add"][..]),
        (2, &["admin", "grant", "add", "bob", SKILL, "--kind", "wish"]),
        (4, &["admin", "grant", "add", "nobody", SKILL, "--kind", "gift"]),
        (4, &["admin", "grant", "add", "bob", "no-such-skill", "--kind", "gift"]),
        (4, &["admin", "listing", "set", "no-such-skill", "--publish"]),
        (4, &["admin", "token", "list", "nobody"]),
        (5, &["admin", "user", "add", "bob", "--email", "other@example.test"]),
        (5, &["admin", "user", "add", "robert", "--email", "bob@example.test"]),
    ] {
        let (got, said) = run(arguments);
        assert_eq!(got, Some(code), "{arguments:?}: {said}");
        assert!(said.trim().len() > 15, "{arguments:?}: {said:?}");
    }
    for wrong in ["Bob", "-bob", "b b", "../etc", "admin"] {
        let (got, said) = run(&["admin", "user", "add", wrong, "--email", "x@example.test"]);
        assert!(got.is_some_and(|code| code != 0), "{wrong}: {said}");
    }
}

#[test]
fn a_wrong_setting_stops_the_start_with_its_name_and_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let installation = story::installation(folder.path());
    for (name, value) in [
        ("SKAAS_PUBLIC_URL", "skills.example.com"),
        ("SKAAS_CONCURRENT_PACKS", "0"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "postgresql://host:port/name"),
        ("REDIS_URL", "redis://"),
        ("SKAAS_LOG", "chatty"),
        ("S3_ENDPOINT", "notaurl"),
        ("SKAAS_SMTP_URL", "mail.example"),
        ("SKAAS_MAIL_FROM", "nobody at all"),
        ("SKAAS_EGRESS_ALLOW", "10.0.0.0/99"),
        ("SKAAS_GOOGLE_CLIENT_ID", "no-secret"),
    ] {
        let ran = installation.clone().with_variable(name, value).run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(ran.code, Some(3), "{ran}");
        assert!(
            ran.stderr.contains(name.get(..12).unwrap_or(name)) && ran.stderr.contains("example"),
            "{ran}"
        );
    }
}

#[test]
fn plain_http_on_a_public_name_is_warned_of_and_on_this_machine_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    for (url, warned) in [("http://skills.example.com", true), ("http://skills.localhost", false)] {
        let server = story::installation(folder.path()).with_variable("SKAAS_PUBLIC_URL", url).serve();
        assert_eq!(server.log().contains("public_url_not_https"), warned, "{}", server.log());
        let doctor = server.installation().run(&["doctor"]);
        assert!(doctor.succeeded() && doctor.stdout.contains("plain http") == warned, "{doctor}");
    }
}

#[test]
fn an_identity_provider_cannot_take_a_name_that_begins_other_ids() {
    let folder = tempfile::tempdir().unwrap();
    let installation = story::installation(folder.path())
        .with_variable("SKAAS_OIDC_CLIENT_ID", "skaas")
        .with_variable("SKAAS_OIDC_ISSUER", "https://id.example.com");
    for name in ["skaas", "group", "org", "github", "google", "entra", "okta", ""] {
        let ran = installation.clone().with_variable("SKAAS_OIDC_NAME", name).run(&["config"]);
        assert_eq!(ran.code, Some(3), "{ran}");
        for part in ["identity_provider.name (SKAAS_OIDC_NAME) is wrong", name, "example: "] {
            assert!(ran.stderr.contains(part), "{ran}");
        }
    }
    let ran = installation.with_variable("SKAAS_OIDC_NAME", "keycloak").run(&["config"]);
    assert!(ran.succeeded(), "{ran}");
}

#[test]
fn marketplaces_go_by_the_name_that_the_operator_gave_them() {
    let house = House::configured(&[SKILL], |installation| {
        installation.with_variable("SKAAS_MARKETPLACE_NAME", "acme-skills")
    });
    let bob = house.person("bob");
    let copy = bob.clone(&bob.git, &house.server, "marketplace", "market", &[]);
    let text = std::fs::read(copy.join(".claude-plugin/marketplace.json")).unwrap();
    let market: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(market["name"], "acme-skills");
    let page = skaas_testkit::wire::Connection::open(house.server.port()).get("/").text();
    assert!(page.contains("claude plugin install NAME@acme-skills"), "{page}");
    // A command beside the server that was told nothing of it keeps the name.
    let untold = story::installation(house.folder.path());
    untold.admin(&["listing", "set", SKILL, "--price", "2000"]);
    bob.git.ok(&copy, &["pull", "--ff-only"]);
    let text = std::fs::read(copy.join(".claude-plugin/marketplace.json")).unwrap();
    let market: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(market["name"], "acme-skills");
}

#[test]
fn an_operator_sets_archives_and_lists_prices() {
    let house = House::new();
    let texts = |listing: &Value| -> Vec<String> {
        let prices = listing["prices"].as_array().unwrap().iter();
        prices.map(|price| price["text"].as_str().unwrap().to_owned()).collect()
    };
    let set = |amount: &str, currency: &str, interval: &str| {
        let options = ["--amount", amount, "--currency", currency, "--interval", interval];
        house.admin(&[&["listing", "price", "set", SKILL][..], &options].concat())
    };
    house.admin(&["listing", "set", SKILL, "--price", "1900"]);
    assert_eq!(texts(&set("1700", "EUR", "once")), ["€17", "$19"]);
    assert_eq!(texts(&set("500", "EUR", "month")), ["€17", "$19", "€5 a month"]);
    let dearer = set("2000", "USD", "once");
    assert_eq!(texts(&dearer), ["€17", "$20", "€5 a month"]);
    assert_eq!((&dearer["price"]["amount"], &dearer["price"]["currency"]), (&1700.into(), &"EUR".into()));

    let euros = dearer["prices"][0]["id"].as_str().unwrap();
    assert_eq!(texts(&house.admin(&["listing", "price", "archive", SKILL, euros])), ["$20", "€5 a month"]);
    let again = house.server.installation().run(&["admin", "listing", "price", "archive", SKILL, euros]);
    assert_eq!(again.code, Some(4), "{again}");
    assert!(again.stderr.contains("is not an active price"), "{again}");
    let history = house.admin(&["listing", "price", "list", SKILL]);
    let is_archived = |price: &&Value| price["archived_at"].is_string();
    assert_eq!(history.as_array().unwrap().iter().filter(|price| is_archived(price)).count(), 2, "{history}");

    let bob = house.person("bob");
    let copy = bob.clone(&bob.git, &house.server, "marketplace", "market", &[]);
    let text = std::fs::read_to_string(copy.join(".claude-plugin/marketplace.json")).unwrap();
    assert!(text.contains("($20 or €5 a month)"), "{text}");
    let stub = bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    let readme = std::fs::read_to_string(stub.join("README.md")).unwrap();
    assert!(readme.contains("Price: $20 or €5 a month\n"), "{readme}");
    // The old option sets the only price.
    assert_eq!(texts(&house.admin(&["listing", "set", SKILL, "--price", "900"])), ["$9"]);
}

#[test]
fn health_and_metrics_answer_without_a_token() {
    let house = House::new();
    let bob = house.person("bob");
    bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    let mut line = skaas_testkit::wire::Connection::open(house.server.port());
    assert_eq!(line.get("/healthz").status, 200);
    assert_eq!(line.get("/readyz").status, 200);
    let metrics = line.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("skaas_git_requests_total"), "{}", metrics.text());
    assert!(!metrics.text().contains("bob"), "a metric names no person");
    let problem = line.get("/v1/nothing-here");
    assert_eq!((problem.status, problem.header("content-type")), (404, Some("application/problem+json")));
}

#[test]
fn a_command_beside_the_server_speaks_with_the_address_that_the_server_was_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let started = story::installation(folder.path()).with_variable("SKAAS_PUBLIC_URL", "https://one.example");
    let server = started.serve();
    let ann = story::Person::admitted(&server, folder.path(), "ann");
    ann.git.import(&story::samples().join(SKILL), &ann.folder.join(SKILL), "First release");
    ann.push(&server, SKILL);
    let other = story::installation(folder.path()).with_variable("SKAAS_PUBLIC_URL", "https://two.example");
    other.admin(&["listing", "set", SKILL, "--price", "900", "--publish"]);
    let copy = ann.clone(&ann.git, &server, "marketplace", "market", &[]);
    let text = std::fs::read_to_string(copy.join(".claude-plugin/marketplace.json")).unwrap();
    assert!(text.contains("https://one.example/me/skills/") && !text.contains("two.example"), "{text}");
}

#[test]
fn the_doctor_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let looked = story::installation(folder.path()).run(&["doctor"]);
    assert!(!looked.succeeded() && looked.stdout.contains("does not exist"), "{looked}");
    assert!(!folder.path().join("data").exists(), "not even the folder");
    // A database that nobody brought up to date is not the doctor's to bring there.
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::create_dir(folder.path().join("data/objects")).unwrap();
    std::fs::write(folder.path().join("data/skaas.db"), "").unwrap();
    let looked = story::installation(folder.path()).run(&["doctor"]);
    assert!(!looked.succeeded() && looked.stdout.contains("skaas-server migrate"), "{looked}");
    assert_eq!(std::fs::metadata(folder.path().join("data/skaas.db")).unwrap().len(), 0);
}

#[test]
fn whoever_loses_everything_loses_what_is_no_longer_listed_too() {
    let house = House::new();
    house.person("bob");
    house.admin(&["grant", "add", "bob", SKILL, "--kind", "gift"]);
    house.admin(&["listing", "delete", SKILL, "--yes"]);
    let ended = house.admin(&["grant", "revoke", "bob"]);
    assert_eq!(ended.as_array().unwrap().len(), 1, "{ended}");
    assert_eq!(house.admin(&["grant", "list", "bob"])[0]["state"], "revoked");
}

#[test]
fn a_mistyped_data_folder_is_named_and_nothing_is_made_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let typo = folder.path().join("tpyo");
    let data = typo.to_str().unwrap();
    let nowhere = story::installation(folder.path());
    for command in
        [&["admin", "user", "list"][..], &["admin", "user", "add", "ann", "--email", "ann@example.test"]]
    {
        let ran = nowhere.run(&[&["--data", data], command].concat());
        assert_eq!(ran.code, Some(3), "{ran}");
        assert!(ran.stderr.contains(data) && ran.stderr.contains("skaas-server serve"), "{ran}");
    }
    let looked = nowhere.run(&["--data", data, "doctor"]);
    assert!(!looked.succeeded() && looked.stdout.contains(data), "{looked}");
    assert!(!typo.exists());
    // A database without a schema is no installation either.
    std::fs::create_dir_all(typo.join("objects")).unwrap();
    std::fs::write(typo.join("skaas.db"), "").unwrap();
    assert_eq!(nowhere.run(&["--data", data, "admin", "user", "list"]).code, Some(3));
    nowhere.run(&["--data", data, "migrate"]).expect_success();
    nowhere.run(&["--data", data, "admin", "user", "list"]).expect_success();
}

/// Changes the database of a house by hand.
fn sql(house: &House, text: &str) {
    let data = house.server.installation().data();
    let database = DatabaseConfig::Sqlite { path: data.join("skaas.db") };
    let objects = ObjectsConfig::Folder { path: data.join("objects") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(StoreConfig::new(database, objects)).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        run_sql(&mut tx, text).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
    });
}

#[test]
fn stamps_from_the_future_are_found_and_corrected() {
    let house = House::new();
    let bob = house.person("bob");
    let copy = bob.clone(&bob.git, &house.server, "marketplace", "market", &[]);
    house.admin(&["grant", "add", "bob", SKILL, "--kind", "gift"]);
    bob.git.ok(&copy, &["pull", "--ff-only"]);
    let installation = house.server.installation();
    let doctor = || installation.run(&["doctor", "--quick"]).stdout;
    assert!(doctor().contains("nothing bears a stamp from the future"), "{}", doctor());
    sql(&house, "UPDATE steps SET created_at = created_at + 34560000000000");
    sql(
        &house,
        "UPDATE grants SET created_at = created_at + 34560000000000, starts_at = starts_at + 34560000000000",
    );
    assert!(doctor().contains("skaas-server admin restamp"), "{}", doctor());
    let corrected = house.admin(&["restamp"]);
    assert!(corrected["steps"].as_u64().unwrap() >= 2 && corrected["grants"] == 1, "{corrected}");
    assert!(doctor().contains("nothing bears a stamp from the future"), "{}", doctor());
    bob.git.ok(&copy, &["pull", "--ff-only"]);
}
