//! A server that lies: every field it can send, with values that would write a line into a file, pass an option to a
//! program, run a command, or move the cursor.

use serde_json::Value;

use crate::{
    desk::{Desk, Ran},
    fake::{Fake, Poll, TOKEN},
    sign_in::signed_in,
};

/// In every hostile value, so that it can be recognized anywhere.
const MARK: &str = "PWNED";

/// Nothing of the value was printed, written, or passed to git, and nothing that a terminal obeys was printed.
#[track_caller]
fn harmless(desk: &Desk, ran: &Ran, value: &str) {
    for text in [&ran.stdout, &ran.stderr, &desk.everything(), &desk.argv()] {
        assert!(!text.contains(MARK), "{value:?}: {text}");
    }
    nothing_obeyed(ran, value);
}

#[track_caller]
fn nothing_obeyed(ran: &Ran, value: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        let obeyed =
            |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{200b}\u{2028}".contains(c);
        assert!(!text.contains(obeyed), "{value:?}: {text:?}");
    }
}

fn usernames() -> Vec<String> {
    [
        "-PWNED",
        "--upload-pack=PWNED",
        "alice\nmachine github.com login x password PWNED",
        "alice\rPWNED",
        "alice PWNED",
        "alice\tPWNED",
        "alice\0PWNED",
        "alice\u{202e}PWNED",
        "alice\u{1b}[2JPWNED",
        "$(PWNED)",
        "x'; PWNED; '",
        "alice\"PWNED",
        "alice/../PWNED",
        "alice:PWNED",
        "Alice-PWNED",
    ]
    .map(str::to_owned)
    .into()
}

fn marketplaces(url: &str) -> Vec<String> {
    [
        "https://evil.example/u/alice/PWNED.git",
        "-PWNED",
        "--upload-pack=PWNED",
        "ext::sh -c PWNED",
        "file:///PWNED.git",
        "http://127.0.0.1:1/PWNED.git",
        "URL@evil.example/PWNED.git",
        "URL/me/$(PWNED).git",
        "URL/me/`PWNED`.git",
        "URL/me/a;PWNED.git",
        "URL/me/a PWNED.git",
        "URL/me/a'PWNED.git",
        "URL/me/a\nPWNED.git",
        "URL\n/PWNED.git",
        "URL/me/\u{202e}PWNED.git",
        "URL/me/\u{1b}[2JPWNED.git",
        "URL/-PWNED.git",
        "URL/me/PWNED.git?x",
        "URL/me/PWNED.git#x",
        "URL/me/PWNED",
    ]
    .map(|text| text.replace("URL", url))
    .into()
}

/// A machine with an agent and a browser that leave a trace when they run.
fn with_agent() -> Desk {
    let desk = Desk::new();
    desk.program("claude", &format!("echo {MARK} > '{}'", desk.file("agent-ran").display()));
    desk.program("a-browser", &format!("echo opened > '{}'", desk.file("browser-ran").display()));
    desk
}

#[test]
fn a_hostile_username_or_marketplace_changes_nothing_and_is_not_printed() {
    let fake = Fake::with_alice();
    let names = usernames().into_iter().map(|value| ("/username", value));
    for (field, value) in
        names.chain(marketplaces(&fake.url()).into_iter().map(|value| ("/links/marketplace", value)))
    {
        let desk = with_agent();
        fake.lies("/api/me", field, value.clone());
        for way in [&["--netrc"][..], &["--store"], &["--json"]] {
            let url = fake.url();
            let args = [&["auth", "--with-token", "--yes", "--url", &url], way].concat();
            let ran = desk.skaas_told(&args, TOKEN).ends_with(5);
            harmless(&desk, &ran, &value);
            assert_eq!(desk.everything(), "", "{value:?}");
            assert!(desk.folders().is_empty(), "{value:?}: {:?}", desk.folders());
        }
    }
}

#[test]
fn a_server_that_turns_hostile_later_changes_nothing_either() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &["--netrc"]);
    let before = desk.everything();
    for (field, value) in [
        ("/username", "alice\nPWNED".to_owned()),
        ("/username", "-PWNED".to_owned()),
        ("/links/marketplace", "--upload-pack=PWNED".to_owned()),
        ("/links/marketplace", format!("{}/me/$(PWNED).git", fake.url())),
    ] {
        fake.lies("/api/me", field, value.clone());
        for command in [&["status"][..], &["whoami"], &["whoami", "--json"], &["doctor"], &["auth", "--yes"]]
        {
            let ran = desk.skaas(command).ends_with(5);
            harmless(&desk, &ran, &value);
            assert_eq!(desk.everything(), before, "{value:?}");
        }
    }
}

#[test]
fn a_device_login_shows_and_keeps_nothing_hostile() {
    let elsewhere = ["https://evil.example/PWNED", "javascript:PWNED", "-PWNED", "URL/device\u{1b}[2JPWNED"];
    let elsewhere = elsewhere.into_iter().chain(["file:///PWNED", "URL/\u{202e}PWNED", "URL/ PWNED"]);
    let mut lies: Vec<(&str, &str, String)> = Vec::new();
    for page in elsewhere {
        lies.push(("/oauth/device_authorization", "/verification_uri", page.to_owned()));
        lies.push(("/oauth/device_authorization", "/verification_uri_complete", page.to_owned()));
    }
    for code in ["\u{1b}[2JPWNED", "\u{202e}PWNED", "BCDF\nPWNED", "$(PWNED)", ""] {
        lies.push(("/oauth/device_authorization", "/user_code", code.to_owned()));
    }
    for token in
        ["sk_live_x\nmachine github.com login PWNED", "sk_live PWNED", "\u{1b}[2JPWNED", "PWNED\"", ""]
    {
        lies.push(("/oauth/token", "/access_token", token.to_owned()));
    }
    for (path, field, value) in lies {
        let (desk, fake) = (with_agent(), Fake::answering(&[Poll::Token]));
        let value = value.replace("URL", &fake.url());
        fake.lies(path, field, value.clone());
        let browser = desk.home().join("../bin/a-browser");
        let args = ["auth", "--netrc", "--yes", "--url", &fake.url()];
        let ran = desk.skaas_with(&args, &[("BROWSER", browser.to_str().unwrap())]).ends_with(5);
        harmless(&desk, &ran, &value);
        // The browser may have shown the honest page before the token was a lie.
        assert!(path == "/oauth/token" || desk.everything().is_empty(), "{value:?}");
        assert!(!desk.file(".netrc").exists() && !desk.file(".config").exists(), "{value:?}");
    }
}

#[test]
fn an_account_that_turns_out_to_be_a_lie_after_a_device_login_is_not_kept() {
    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Token]));
    fake.lies("/api/me", "/username", "alice\nPWNED");
    let ran = desk.skaas(&["auth", "--no-browser", "--netrc", "--url", &fake.url()]).ends_with(5);
    harmless(&desk, &ran, "alice");
    assert_eq!(desk.everything(), "");
    assert!(!fake.alive(TOKEN), "the token that nobody needs is revoked");
}

#[test]
fn a_list_of_tokens_moves_no_cursor_and_leads_to_no_other_path() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let text = "lap\u{1b}]0;x\u{7}top\u{202e}\u{2066}\u{200b}\u{9b}31m\nmore";
    for field in ["/tokens/0/name", "/tokens/0/prefix", "/tokens/0/scopes"] {
        fake.lies("/api/tokens", field, text);
        for command in [&["token", "list"][..], &["token", "list", "--json"]] {
            nothing_obeyed(&desk.skaas(command).succeeds(), field);
        }
    }
    for id in ["../me/PWNED", "x;PWNED", "-PWNED", "\u{1b}[2JPWNED", "", "a b PWNED", "a?PWNED"] {
        fake.lies("/api/tokens", "/tokens/0/id", id);
        let ran = desk.skaas(&["token", "revoke", "Xy12Ab9Q"]).ends_with(5);
        harmless(&desk, &ran, id);
        fake.lies("/api/tokens", "/id", id);
        let ran = desk.skaas(&["token", "create", "ci"]).ends_with(5);
        harmless(&desk, &ran, id);
    }
    assert!(fake.alive(TOKEN));
    for token in ["sk_live_x\nPWNED", "\u{1b}[2JPWNED", "PWNED; rm"] {
        fake.lies("/api/tokens", "/token", token);
        let ran = desk.skaas(&["token", "create", "ci"]).ends_with(5);
        harmless(&desk, &ran, token);
    }
}

#[test]
fn what_is_only_shown_is_shown_without_what_a_terminal_obeys() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let text = "a\u{1b}[2Jb\u{202e}c\u{2066}d\u{200b}e\u{9b}f\r\ng";
    for field in ["/email", "/id", "/links/account", "/token/scopes", "/token/name"] {
        fake.lies("/api/me", field, text);
        for command in
            [&["status"][..], &["status", "--json"], &["whoami", "--json"], &["doctor"], &["auth", "--json"]]
        {
            nothing_obeyed(&desk.skaas(command).succeeds(), field);
        }
    }
    // JSON keeps the text: it is escaped, not changed.
    fake.lies("/api/me", "/email", text);
    assert_eq!(desk.skaas(&["whoami", "--json"]).succeeds().json()["email"], text);

    fake.lock().forged = vec![("/api/tokens", "/detail", Value::from(text))];
    nothing_obeyed(&desk.skaas(&["token", "create", "ci", "--scopes", "everything"]).ends_with(5), "detail");
    fake.lies("/oauth/device_authorization", "/error_description", text);
    let args = ["auth", "--again", "--no-browser", "--scopes", "everything"];
    nothing_obeyed(&desk.skaas(&args).ends_with(2), "error_description");
}
