//! Tokens by hand: from standard input, listed, made, revoked; as text and as documents.

use serde_json::Value;
use skaas_testkit::git::Ran;

use crate::desk::{Desk, status_of};
use crate::sign_in::ends;
use crate::story::House;

#[track_caller]
fn document(ran: &Ran) -> Value {
    assert!(ran.succeeded(), "{ran}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

#[track_caller]
fn refusal(ran: &Ran, code: i32) -> Value {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran}");
    let document: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|error| panic!("{error}: {ran}"));
    assert_eq!(document["error"]["exit_code"], code);
    document["error"].clone()
}

#[test]
fn a_token_from_standard_input_is_all_that_ci_needs() {
    let house = House::new();
    let desk = Desk::new();
    let (url, bob) = (house.server.url(), house.person("bob"));
    for (wrong, code) in [("", 2), ("sk_live_nonsense", 3)] {
        ends(desk.skaas_told(&["auth", "--with-token", "--url", &url], wrong), code, "");
        assert!(!desk.home().join(".config/skaas/hosts.toml").exists());
    }
    let signed_in = desk.skaas_told(&["auth", "--with-token", "--yes", "--json", "--url", &url], &bob.token);
    let report = document(&signed_in);
    assert_eq!((&report["username"], &report["kept"]), (&"bob".into(), &"file".into()), "{report}");
    assert_eq!(report["marketplace"], house.server.at("me/marketplace.git"));
    assert_eq!(desk.token(), bob.token);
    desk.git(&["clone", "-q", &house.server.at("u/bob/marketplace.git"), "market"]).expect_success();
    // The only server that one is signed in to needs no naming.
    ends(desk.skaas(&["whoami"]), 0, "bob\n");
    let status = document(&desk.skaas(&["status", "--json"]));
    assert_eq!(
        (&status["signed_in"], &status["git_helper_in_place"]),
        (&true.into(), &true.into()),
        "{status}"
    );
    assert_eq!(document(&desk.skaas(&["whoami", "--json"]))["username"], "bob");
    for said in [&signed_in.stdout, &signed_in.stderr, &desk.argv(), &house.server.log()] {
        assert!(!said.contains(&bob.token), "{said}");
    }
}

#[test]
fn tokens_are_made_listed_and_revoked_and_the_next_request_is_refused() {
    let house = House::new();
    let desk = Desk::new();
    let (url, bob) = (house.server.url(), house.person("bob"));
    assert_eq!(refusal(&desk.skaas(&["token", "list", "--json", "--url", &url]), 3)["code"], "not-signed-in");
    desk.skaas_told(&["auth", "--with-token", "--url", &url], &bob.token).expect_success();

    let made =
        desk.skaas(&["token", "create", "ci", "--scopes", "marketplaces read-only", "--expires", "90d"]);
    let token = made.expect_success().trim().to_owned();
    assert_eq!(status_of(house.server.port(), "bob", &token), 200);
    let listed = desk.skaas(&["token", "list"]).expect_success();
    assert!(listed.contains("marketplaces read-only") && listed.contains("ci"), "{listed}");
    assert!(!listed.contains(&token) && !listed.contains(&bob.token));
    let all = document(&desk.skaas(&["token", "list", "--json"]));
    let ours = all.as_array().unwrap().iter().find(|one| one["name"] == "ci").unwrap();
    let id = ours["id"].as_str().unwrap();

    assert_eq!(
        refusal(&desk.skaas(&["token", "revoke", id, "tok_nobodys", "--json"]), 4)["code"],
        "not-found"
    );
    assert_eq!(status_of(house.server.port(), "bob", &token), 200, "nothing was revoked");
    let revoked = document(&desk.skaas(&["token", "revoke", id, "--json"]));
    assert_eq!(revoked["revoked"][0], id);
    assert_eq!(status_of(house.server.port(), "bob", &token), 401);
    ends(desk.skaas(&["token", "list"]), 0, "revoked");

    // A token never makes one that may do more than itself.
    let weak = desk.skaas(&["token", "create", "weak", "--scopes", "marketplaces account"]).expect_success();
    let other = Desk::new();
    other.skaas_told(&["auth", "--with-token", "--url", &url], &weak).expect_success();
    let refused = refusal(&other.skaas(&["token", "create", "strong", "--scopes", "creator", "--json"]), 5);
    assert!(refused["why"].as_str().is_some_and(|why| !why.is_empty()), "{refused}");
    ends(desk.skaas(&["token", "create", "x", "--scopes", "everything"]), 5, "everything");
    ends(desk.skaas(&["token"]), 2, "");
}
