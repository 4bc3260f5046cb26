//! Clients whose id is the address of their own description, through the whole server: a real https site under
//! a name of its own, which the operator permits or does not.

use jiff::SignedDuration;
use serde_json::{Value, json};
use skaas_app::devices::{self, Ask};
use skaas_domain::device::Place;
use skaas_testkit::app::{Site, story};
use skaas_testkit::process::Installation;
use skaas_testkit::wire::Answer;

use crate::browser::{Browser, answers, post, refusal};
use crate::clients::{BACK, call, code, exchange, pair, question, refresh, sent};

/// What the site says of its client, with some of it changed.
fn describes(site: &Site, id: &str, changed: &[(&str, Value)]) {
    let mut document = json!({
        "client_id": id,
        "client_name": "Herons",
        "redirect_uris": ["http://127.0.0.1/callback", "https://app.example/back"],
        "grant_types": ["authorization_code", "refresh_token"],
    });
    for (name, value) in changed {
        document[*name] = value.clone();
    }
    site.says(&document.to_string());
}

/// It is a page, it says this, and nobody was sent anywhere.
#[track_caller]
fn refused(answer: &Answer, says: &str) {
    assert_eq!((answer.status, answer.header("location")), (400, None), "{}", answer.text());
    assert!(answer.text().contains(says), "{says:?} is not on the page:\n{}", answer.text());
}

#[test]
fn a_client_that_describes_itself_is_named_with_the_host_that_does() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, true);
        let id = site.url("/client.json");
        describes(&site, &id, &[]);
        let mut ann = Browser::signed_up(node.port(), "ann");
        let question = question(&id, &[]);
        let page = ann.opens(&question);
        assert_eq!(page.status, 200, "{}", page.text());
        let host = id["https://".len()..].split('/').next().unwrap();
        for shown in ["<strong>Herons</strong>", &format!("published by <strong>{host}</strong>"), &id, BACK]
        {
            assert!(page.text().contains(shown), "{shown}: {}", page.text());
        }
        let code = code(&mut ann, &question);
        let (access, next) = pair(exchange(node.port(), &id, &code, &[]));
        assert_eq!(call(node.port(), &access).status, 200);
        pair(refresh(node.port(), &id, &next));
        assert_eq!(site.asked(), 1, "what was said holds as long as its server says");
        let list = ann.opens("/account/applications").text();
        assert!(list.contains("Herons") && list.contains(host), "{list}");
    });
}

#[test]
fn a_device_whose_client_describes_itself_is_asked_about_with_the_host_that_does() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, true);
        let (id, port) = (site.url("/client.json"), node.port());
        let device_code = "urn:ietf:params:oauth:grant-type:device_code";
        describes(&site, &id, &[("grant_types", json!([device_code]))]);
        let (status, begun) = post(port, "/oauth/device_authorization", &[("client_id", &id)]);
        assert_eq!(status, 200, "{begun}");
        let mut ann = Browser::signed_up(port, "ann");
        let shown = begun["user_code"].as_str().unwrap();
        let page = ann.opens(&format!("/device?user_code={shown}")).text();
        let host = id["https://".len()..].split('/').next().unwrap();
        assert!(page.contains(&format!("<dt>Published by</dt><dd>{host}</dd>")), "{page}");
        let done = ann.sends("/device", &[("user_code", shown), ("answer", "approve")]).text();
        assert!(done.contains("under <a href=\"/account/applications\">Authorized apps</a>"), "{done}");
        let code = begun["device_code"].as_str().unwrap();
        let fields = [("grant_type", device_code), ("client_id", &id), ("device_code", code)];
        let (status, given) = post(port, "/oauth/token", &fields);
        assert_eq!((status, &given["scope"]), (200, &"account read-only".into()), "{given}");
        assert!(ann.opens("/account/applications").text().contains(host));
    });
}

#[test]
fn what_a_client_says_of_itself_counts_as_it_stands_now() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, true);
        let id = site.url("/client.json");
        describes(&site, &id, &[]);
        let mut ann = Browser::signed_up(node.port(), "ann");
        for back in ["https://app.example/elsewhere", "https://evil.example/", "http://127.0.0.1:33418/other"]
        {
            let question = question(&id, &[("redirect_uri", back)]);
            refused(&ann.opens(&question), "has not registered");
            refused(&answers(&mut ann, &question, "approve"), "has not registered");
        }
        let moved = question(&id, &[("redirect_uri", "https://app.example/back")]);
        assert_eq!(sent(&answers(&mut ann, &moved, "approve")).0, "https://app.example/back");
        // The address is taken out of the document: from then on nobody is sent there.
        describes(&site, &id, &[("redirect_uris", json!(["http://127.0.0.1/callback"]))]);
        app.pass(SignedDuration::from_mins(10));
        refused(&ann.opens(&moved), "has not registered");
        assert_eq!(ann.opens(&question(&id, &[])).status, 200);
        assert_eq!(site.asked(), 2);
    });
}

#[test]
fn a_description_that_is_anothers_or_none_at_all_lets_nobody_in() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, true);
        let id = site.url("/client.json");
        let mut ann = Browser::signed_up(node.port(), "ann");
        let question = question(&id, &[]);
        for changed in [
            ("client_id", json!("https://app.example/client.json")),
            ("client_id", json!("https://victim.example/client.json")),
            ("client_id", Value::Null),
            ("client_secret", json!("x")),
            ("redirect_uris", json!(["javascript:alert(1)"])),
            ("redirect_uris", json!([])),
        ] {
            describes(&site, &id, std::slice::from_ref(&changed));
            refused(&ann.opens(&question), "<h1>Invalid request</h1>");
            refused(&answers(&mut ann, &question, "approve"), "<h1>Invalid request</h1>");
        }
        site.says("<html>");
        refused(&ann.opens(&question), "description cannot be read");
        assert_eq!(refusal(exchange(node.port(), &id, "sk_code_0", &[])), "invalid_client");
        assert!(ann.opens("/account/applications").text().contains("No authorized apps."));
        // A name that holds more than a name stays one.
        describes(&site, &id, &[("client_name", json!("Herons\u{202e}<script>alert(1)</script>"))]);
        let page = ann.opens(&question);
        assert_eq!(page.status, 200);
        assert!(
            !page.text().contains("<script>alert") && !page.text().contains('\u{202e}'),
            "{}",
            page.text()
        );
    });
}

#[test]
fn what_is_permitted_for_signing_in_is_not_permitted_for_what_strangers_name() {
    let bait = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let id = format!("https://{}/client.json", bait.local_addr().unwrap());
    let asked = |variable: &str| {
        let folder = tempfile::tempdir().unwrap();
        let installation = Installation::new(env!("CARGO_BIN_EXE_skaas-server"), folder.path().join("data"));
        let server = installation.with_variable(variable, "127.0.0.0/8").serve();
        let mut ann = Browser::signed_up(server.port(), "ann");
        assert_eq!(ann.opens(&question(&id, &[])).status, 400, "it is no client's document");
        bait.accept().is_ok()
    };
    assert!(!asked("SKAAS_EGRESS_ALLOW"), "a stranger had us call into our own network");
    assert!(asked("SKAAS_EGRESS_ALLOW_FOR_USERS"));
    assert!(asked("SKAAS_EGRESS_ALLOW_FOR_CLIENTS"), "the former name");
}

#[test]
fn no_client_has_us_call_what_its_operator_does_not_permit() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, false);
        let id = site.url("/client.json");
        describes(&site, &id, &[]);
        let mut ann = Browser::signed_up(node.port(), "ann");
        let port = id.rsplit(':').next().unwrap().split('/').next().unwrap();
        // By a name that leads to this machine, by its number in two spellings, and by a machine's own address.
        for id in [
            id.clone(),
            format!("https://127.0.0.1:{port}/client.json"),
            format!("https://[::ffff:7f00:1]:{port}/client.json"),
            "https://169.254.169.254/client.json".to_owned(),
        ] {
            refused(&ann.opens(&question(&id, &[])), "is not the address of a public server");
        }
        assert_eq!(site.asked(), 0, "no request reached it");
    });
}

#[test]
fn nobody_has_us_ask_one_host_after_the_other() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, true);
        let id = site.url("/client.json");
        describes(&site, &id, &[]);
        let mut ann = Browser::signed_up(node.port(), "ann");
        for number in 0..60 {
            let stranger = format!("https://10.0.0.{number}/client.json");
            refused(&ann.opens(&question(&stranger, &[])), "is not the address of a public server");
        }
        refused(&ann.opens(&question(&id, &[])), "Too many attempts");
        let known = post(node.port(), "/oauth/device_authorization", &[("client_id", &id)]);
        assert_eq!((known.0, site.asked()), (429, 0), "{}", known.1);
        app.pass(SignedDuration::from_hours(1));
        assert_eq!(ann.opens(&question(&id, &[])).status, 200);
    });
}

#[test]
fn who_makes_up_clients_at_a_host_does_not_keep_its_true_one_from_others() {
    story(|app| {
        let site = app.site("app.example");
        let node = app.node_near(&site, true);
        let id = site.url("/client.json");
        describes(&site, &id, &[("grant_types", json!(["urn:ietf:params:oauth:grant-type:device_code"]))]);
        let mut statuses = Vec::new();
        for number in 0..150 {
            let made_up = site.url(&format!("/{number}.json"));
            statuses
                .push(post(node.port(), "/oauth/device_authorization", &[("client_id", made_up.as_str())]).0);
        }
        assert!(statuses[..60].iter().all(|status| *status == 400), "{statuses:?}");
        assert!(statuses[60..].iter().all(|status| *status == 429), "{statuses:?}");
        let place = Place::new("203.0.113.9", "a television");
        let begun = app.run(devices::start(node.app(), Ask { client_id: &id, place, ..Ask::default() }));
        assert!(begun.is_ok(), "{begun:?}");
    });
}
