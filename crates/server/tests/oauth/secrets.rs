//! Canaries: what opens something for a person or a program is kept by them alone, and ends with the account.

use serde_json::Value;
use skaas_testkit::app::{PUBLIC_URL, story};
use skaas_testkit::folder::{everything, holds};
use skaas_testkit::process::Installation;
use skaas_testkit::wire::Connection;

use crate::browser::{Browser, PASSWORD, json, post, refusal};
use crate::clients::{VERIFIER, call, client, code, exchange, pair, question, refresh};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn text(of: &Value, key: &str) -> String {
    of[key].as_str().unwrap_or_else(|| panic!("{key} is not in {of}")).to_owned()
}

fn begins(port: u16) -> Value {
    post(port, "/oauth/device_authorization", &[("client_id", "skaas-cli")]).1
}

fn approves(browser: &mut Browser, user_code: &str) {
    let answer = browser.sends("/device", &[("user_code", user_code), ("answer", "approve")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn polls(port: u16, begun: &Value) -> (u16, Value) {
    let code = text(begun, "device_code");
    let fields = [("grant_type", DEVICE), ("client_id", "skaas-cli"), ("device_code", &*code)];
    post(port, "/oauth/token", &fields)
}

#[test]
fn no_secret_of_a_sign_in_is_found_in_the_log_the_metrics_or_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let installation = Installation::new(env!("CARGO_BIN_EXE_skaas-server"), &data)
        .with_variable("SKAAS_PUBLIC_URL", PUBLIC_URL)
        .with_variable("SKAAS_LOG", "trace");
    installation.run(&["migrate"]);
    let server = installation.serve();
    let port = server.port();
    let mut ann = Browser::signed_up(port, "ann");
    let mut secrets: Vec<String> = ann.cookies().map(str::to_owned).collect();
    assert_eq!(secrets.len(), 2);
    secrets.extend([PASSWORD.to_owned(), ann.csrf()]);

    let client = client(port);
    let (given, unused) = (code(&mut ann, &question(&client, &[])), code(&mut ann, &question(&client, &[])));
    let (access, next) = pair(exchange(port, &client, &given, &[]));
    assert_eq!(call(port, &access).status, 200);
    let (newer, newest) = pair(refresh(port, &client, &next));
    secrets.extend([given, unused, access, next, newer, newest, VERIFIER.to_owned()]);

    let (begun, waiting) = (begins(port), begins(port));
    approves(&mut ann, &text(&begun, "user_code"));
    let token = text(&polls(port, &begun).1, "access_token");
    assert_eq!(Connection::open(port).bearer(&token).get("/api/me").status, 200);
    let handle = post(port, "/auth/cli", &[]).1;
    let opened =
        format!("/auth/cli?session={}&code={}", text(&handle, "session"), text(&handle, "user_code"));
    assert_eq!(ann.opens(&opened).status, 200);
    secrets.extend([token, text(&handle, "session"), text(&handle, "secret"), text(&handle, "user_code")]);
    for device in [&begun, &waiting] {
        secrets.extend(["device_code", "user_code"].map(|key| text(device, key)));
    }

    let shown = [server.log(), Connection::open(port).get("/metrics").text()];
    assert!(shown[0].contains("oauth_tokens_given") && shown[0].contains("DEBUG"), "the log is heard");
    assert_eq!(server.stop(), Some(0));
    let mut files = everything(&data);
    // Mail is for who reads it, and says nothing of all that.
    assert!(files.values().any(|bytes| holds(bytes, "ann@example.com")), "the search finds what is there");
    files.extend(shown.into_iter().enumerate().map(|(at, text)| (format!("shown {at}"), text.into_bytes())));
    for (file, bytes) in &files {
        for secret in &secrets {
            assert!(!holds(bytes, secret), "{secret} stands in {file}");
        }
    }
}

#[test]
fn who_deletes_their_account_leaves_nothing_behind_that_opens_it() {
    story(|app| {
        let port = app.node().port();
        let mut ann = Browser::signed_up(port, "ann");
        let mut phone = Browser::at(port);
        assert_eq!(phone.sends("/signin", &[("login", "ann"), ("password", PASSWORD)]).status, 303);
        assert_eq!(phone.opens("/account").status, 200);
        let link = app.link_mailed_to("ann@example.com");
        assert_eq!(phone.opens(&link).status, 200);
        let client = client(port);
        let (given, unused) =
            (code(&mut ann, &question(&client, &[])), code(&mut ann, &question(&client, &[])));
        let (access, next) = pair(exchange(port, &client, &given, &[]));
        let (done, approved) = (begins(port), begins(port));
        for device in [&done, &approved] {
            approves(&mut ann, &text(device, "user_code"));
        }
        let token = text(&polls(port, &done).1, "access_token");
        let handle = post(port, "/auth/cli", &[]).1;
        let (session, shown) = (text(&handle, "session"), text(&handle, "user_code"));
        let fields = [("session", &*session), ("user_code", &*shown), ("answer", "approve")];
        assert_eq!(ann.sends("/device", &fields).status, 200);

        let deleted = ann.sends("/account/delete", &[("username", "ann"), ("current", PASSWORD)]);
        assert_eq!(deleted.header("location"), Some("/?done=deleted"), "{}", deleted.text());
        for browser in [&mut ann, &mut phone] {
            assert_eq!(browser.opens("/account").status, 303);
        }
        assert_eq!(call(port, &access).status, 401);
        assert_eq!(refusal(refresh(port, &client, &next)), "invalid_grant");
        assert_eq!(refusal(exchange(port, &client, &unused, &[])), "invalid_grant");
        assert_eq!(Connection::open(port).bearer(&token).get("/api/me").status, 401);
        assert_eq!(polls(port, &approved).0, 400, "a device that was let in and has not asked since");
        let status = format!("/auth/cli/status?session={session}");
        let status = json(&Connection::open(port).bearer(&text(&handle, "secret")).get(&status));
        assert_eq!((&status["status"], status.get("token")), (&"expired".into(), None));
        assert_eq!(phone.opens(&link).status, 404);
    });
}
