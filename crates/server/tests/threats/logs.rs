//! What the operator reads: a line for what people do, one for what fails, and no flood and no secret in either.

use std::fs;

use skaas_app::{DatabaseConfig, ObjectsConfig};
use skaas_testkit::app::{TestDatabase, story};
use skaas_testkit::wire::Connection;

use crate::go_between::GoBetween;
use crate::raw::{eventually, metric};
use crate::story::{House, SKILL, refs};

#[test]
fn a_fault_names_the_route_and_what_it_was_about() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").priced(900);
        let ObjectsConfig::Folder { path } = app.database().config().objects.clone() else { unreachable!() };
        // A node that has read nothing yet.
        app.restart();
        let bob = app.buyer("bob");
        fs::remove_dir_all(path.join("contents")).unwrap();
        app.log().expect("fault");
        for _ in 0..3 {
            let said = bob.cannot_clone("lint-pro");
            assert!(said.contains("500"), "{said}");
        }
        let faults: Vec<_> = app.log().lines().into_iter().filter(|line| line.event == "fault").collect();
        assert_eq!(faults.len(), 1, "one line for one reason: {faults:?}");
        let said = &faults[0].fields;
        for part in ["git upload-pack of a skill", "lint-pro", "is missing from object storage"] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    });
}

#[test]
fn a_database_that_is_away_is_one_line_however_many_ask() {
    let Some(database) = TestDatabase::postgres() else { return };
    let DatabaseConfig::Postgres { url } = database.config().database.clone() else { unreachable!() };
    let between = GoBetween::before(&url);
    let house = House::configured(&[SKILL], |installation| installation.on_database(&between.url()));
    let bob = house.person("bob");
    let ask = || house.connect(&bob).get(&refs("me/marketplace.git")).status;
    assert_eq!(ask(), 200);
    between.cut();
    let statuses: Vec<u16> = (0..100).map(|_| ask()).collect();
    assert!(statuses.iter().filter(|status| **status == 503).count() > 90, "{statuses:?}");
    eventually("/readyz says so", || Connection::open(house.server.port()).get("/readyz").status == 503);
    let log = house.server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(log.lines().filter(|line| line.contains("WARN")).count() < 10, "{log}");
    assert_eq!(log.matches("part=\"database\"").count(), 1, "{log}");
    between.mend();
}

#[test]
fn what_people_and_operators_do_is_a_line_each_with_who_did_it_and_no_address() {
    let house = House::new();
    let ran = house.server.installation().clone().with_variable("USER", "operator-7").run(&[
        "admin",
        "user",
        "add",
        "zed",
        "--email",
        "canary-mail@canary.example",
    ]);
    assert!(ran.succeeded(), "{ran}");
    assert!(ran.stderr.contains("admin_change") && ran.stderr.contains("operator operator-7"), "{ran}");
    assert!(ran.stderr.contains("user add") && !ran.stderr.contains("canary-mail"), "{ran}");
    let looked = house.server.installation().run(&["admin", "user", "list"]);
    assert!(!looked.stderr.contains("admin_change"), "looking is no change: {looked}");
    let pushed = house.server.log();
    let line =
        pushed.lines().find(|line| line.contains("event=\"pushed\"")).unwrap_or_else(|| panic!("{pushed}"));
    assert!(line.contains("user_id=usr_") && line.contains(SKILL) && line.contains("taken"), "{line}");
}

#[test]
fn pages_rest_connections_and_storage_are_counted_and_nobody_is_named() {
    let house = House::new();
    let bob = house.person("bob");
    bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    let mut line = Connection::open(house.server.port());
    assert_eq!(line.get("/").status, 200);
    assert_eq!(house.connect(&bob).get("/api/me").status, 200);
    assert_eq!(line.get("/readyz").status, 200);
    let text = line.get("/metrics").text();
    for part in [
        "area=\"pages\",route=\"/\",status=\"2xx\"",
        "area=\"rest\",route=\"/api/me\",status=\"2xx\"",
        "skaas_request_seconds_count{area=\"rest\"}",
        "skaas_storage_requests_total{op=\"get\",outcome=\"ok\"}",
        "skaas_storage_requests_total{op=\"put\",outcome=\"ok\"}",
        "skaas_database_connections{state=\"idle\"}",
        "skaas_healthy{part=\"storage\"} 1",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(metric(&house.server, "skaas_connections") >= 1);
    assert!(!text.contains("bob") && !text.contains(SKILL), "{text}");
}
