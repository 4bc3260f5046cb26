//! `skaas doctor`: a healthy machine, and what it says of each fault.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;
use skaas_testkit::wire::Connection;

use crate::desk::Desk;
use crate::sign_in::ends;
use crate::story::House;

fn signed_in(house: &House) -> Desk {
    let desk = Desk::new();
    let bob = house.person("bob");
    desk.skaas_told(&["auth", "--with-token", "--url", &house.server.url()], &bob.token).expect_success();
    desk
}

/// What is wrong: the first finding that is not well, in the document.
#[track_caller]
fn fault(desk: &Desk, arguments: &[&str]) -> (String, String) {
    let ran = desk.skaas(&[&["doctor", "--json"], arguments].concat());
    let findings: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    let first = findings.as_array().unwrap().iter().find(|finding| finding["ok"] == false);
    let first = first.unwrap_or_else(|| panic!("all is well: {findings}"));
    let text = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
    (text("found"), text("cure"))
}

#[test]
fn a_machine_that_is_well_is_said_to_be_and_the_server_saw_a_real_git() {
    let house = House::new();
    let desk = signed_in(&house);
    let ran = ends(desk.skaas(&["doctor"]), 0, "git can read it");
    assert!(!ran.stdout.contains("error"), "{ran}");
    assert!(desk.argv().contains("ls-remote") && !desk.argv().contains("sk_live_"));
}

#[test]
fn a_revoked_token_is_named_and_signing_in_again_is_the_cure() {
    let house = House::new();
    let desk = signed_in(&house);
    let token = desk.token();
    let gone =
        Connection::open(house.server.port()).bearer(&token).send("DELETE", "/api/tokens/current", &[], b"");
    assert_eq!(gone.status, 200, "{}", gone.text());
    ends(desk.skaas(&["doctor"]), 3, "rejected this machine's token");
    let (found, cure) = fault(&desk, &[]);
    assert!(found.contains("was revoked or has expired"), "{found}");
    assert_eq!(cure, format!("skaas auth --url {}", house.server.url()));
    // git says so as well, through the helper; and what is signed out of is a dead sign-in.
    let said = desk.git(&["ls-remote", &house.server.at("u/bob/marketplace.git")]).expect_failure();
    assert!(said.contains("rejected this machine's token"), "{said}");
    ends(desk.skaas(&["whoami"]), 3, "skaas auth --url");
    desk.skaas(&["logout"]).expect_success();
}

#[test]
fn a_wrong_address_is_named_whether_nobody_or_somebody_else_answers() {
    let house = House::with(&[]);
    let desk = signed_in(&house);
    ends(desk.skaas(&["doctor", "--url", "http://127.0.0.1:1"]), 6, "cannot reach http://127.0.0.1:1");
    ends(desk.skaas(&["doctor", "--url", "http://skills.example.com"]), 2, "plain HTTP");

    // Somebody else's site: it answers everything with a page.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // One request is one packet here.
            drop(stream.read(&mut [0; 4096]));
            drop(
                stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                ),
            );
        }
    });
    ends(desk.skaas(&["doctor", "--url", &url]), 6, "does not respond like a skaas server");
    ends(desk.skaas(&["doctor", "--url", &house.server.url()]), 0, "git can read it");
}

#[test]
fn a_helper_that_was_removed_is_missed_and_auth_puts_it_back() {
    let house = House::new();
    let desk = signed_in(&house);
    let config = desk.text(".gitconfig");
    let key = format!("credential.{}.helper", house.server.url());
    desk.git(&["config", "--global", "--unset-all", &key]).expect_success();
    ends(desk.skaas(&["doctor"]), 1, "git gets no password for this server");
    let (_, cure) = fault(&desk, &[]);
    assert_eq!(cure, format!("skaas auth --url {}", house.server.url()));
    ends(desk.skaas(&["status"]), 0, "not connected");
    // The token still works, so nobody is asked anything.
    ends(desk.skaas(&cure.split(' ').skip(1).collect::<Vec<_>>()), 0, "Signed in");
    desk.skaas(&["doctor"]).expect_success();
    assert_eq!(desk.text(".gitconfig"), config);
}
