//! Signing in and out, as users experience it.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use skaas_api::OAuthErrorCode::{AccessDenied, AuthorizationPending, ExpiredToken, SlowDown};

use crate::{
    desk::{Desk, Ran, ended},
    fake::{Fake, PREFIX, Poll, TOKEN},
};

pub(crate) fn signed_in(desk: &Desk, fake: &Fake, more: &[&str]) -> Ran {
    let url = fake.url();
    let args = [&["auth", "--with-token", "--url", &url], more].concat();
    desk.skaas_told(&args, &format!("{TOKEN}\n")).succeeds()
}

fn lists(desk: &Desk, fake: &Fake) -> Ran {
    desk.git(&["ls-remote", &fake.marketplace(), "HEAD"], "")
}

#[test]
fn after_auth_real_git_reads_the_marketplace_and_after_logout_it_does_not() {
    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Error(AuthorizationPending), Poll::Token]));
    let before = b"[user]\n\tname = Alice\n[credential \"https://notskaas.com\"]\n\thelper = store\n";
    desk.write(".gitconfig", before);
    lists(&desk, &fake).ends_with(128);

    let ran = desk.skaas(&["auth", "--url", &fake.url(), "--name", "my laptop"]).succeeds();
    assert!(ran.stderr.contains("BCDF-GHJK") && ran.stderr.contains("/device"), "{}", ran.stderr);
    assert!(ran.stdout.contains("as alice") && ran.stdout.contains(PREFIX), "{}", ran.stdout);
    assert_eq!(fake.lock().asked[0].device_name.as_deref(), Some("my laptop"));
    lists(&desk, &fake).succeeds().says("HEAD");
    assert_eq!(desk.mode(".config/skaas/hosts.toml"), 0o600);
    assert_eq!(desk.mode(".config/skaas"), 0o700);

    for printed in [&ran.stdout, &ran.stderr, &desk.text(".gitconfig"), &desk.argv()] {
        assert!(!printed.contains("0123456789abcdefghijklmnopqrstuv"), "{printed}");
    }
    assert!(fake.lock().requests.iter().all(|line| !line.contains("sk_live")));

    desk.skaas(&["logout"]).succeeds().says("revoked");
    assert!(!fake.alive(TOKEN));
    lists(&desk, &fake).ends_with(128);
    assert_eq!(desk.read(".gitconfig").unwrap(), before);
    assert!(!desk.everything().contains("sk_live"), "{}", desk.everything());
}

#[test]
fn polls_keep_the_interval_and_slow_down_when_told() {
    let polls = [Poll::Error(AuthorizationPending), Poll::Status(503), Poll::Token];
    let (desk, fake) = (Desk::new(), Fake::answering(&polls));
    let began = Instant::now();
    desk.skaas(&["auth", "--no-browser", "--url", &fake.url()]).succeeds();
    assert!(began.elapsed() >= Duration::from_secs(3), "three polls, a second before each");

    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Error(SlowDown), Poll::Token]));
    let began = Instant::now();
    desk.skaas(&["auth", "--no-browser", "--url", &fake.url()]).succeeds();
    assert!(began.elapsed() >= Duration::from_secs(7), "one second, then one and five");

    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Later(4), Poll::Token]));
    let began = Instant::now();
    desk.skaas(&["auth", "--no-browser", "--url", &fake.url()]).succeeds();
    assert!(began.elapsed() >= Duration::from_secs(5), "one second, then the four that it was told");
}

#[test]
fn a_denied_or_expired_sign_in_changes_nothing() {
    for (code, text) in [(AccessDenied, "was denied"), (ExpiredToken, "expired")] {
        let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Error(code)]));
        let ran = desk.skaas(&["auth", "--no-browser", "--url", &fake.url()]).ends_with(5).says(text);
        assert!(ran.stderr.contains("next:") && ran.stderr.contains("skaas auth"), "{}", ran.stderr);
        assert_eq!(desk.everything(), "");
    }
}

#[test]
fn an_interrupted_sign_in_says_so_and_changes_nothing() {
    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Error(AuthorizationPending)]));
    let child = desk.skaas_begun(&["auth", "--no-browser", "--url", &fake.url()]);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !fake.lock().requests.iter().any(|line| line.contains("/oauth/token")) {
        assert!(Instant::now() < deadline, "it never polled");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    ended(child).ends_with(130).says("interrupted");
    assert_eq!(desk.everything(), "");
}

#[test]
fn an_interrupted_set_up_leaves_a_sign_in_that_works_and_is_known() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let (seen, gate) = (desk.file("seen"), desk.file("gate"));
    assert!(desk.run_anywhere("mkfifo", &[gate.to_str().unwrap()]).unwrap().code == Some(0));
    desk.program(
        "claude",
        &format!("echo here > '{}'; cat '{}' > /dev/null", seen.display(), gate.display()),
    );
    fake.lock().polls.push_back(Poll::Token);
    let child = desk.skaas_begun(&["auth", "--no-browser", "--yes", "--url", &fake.url()]);
    let deadline = Instant::now() + Duration::from_mins(1);
    while desk.text("seen").is_empty() {
        assert!(Instant::now() < deadline, "it never ran the agent's line");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // What the agent holds open is let go.
    std::fs::write(&gate, "").unwrap();
    ended(child).ends_with(130).says("you are signed in");
    std::fs::remove_file(&gate).unwrap();
    lists(&desk, &fake).succeeds();
    desk.skaas(&["logout"]).succeeds();
    assert!(!desk.everything().contains("sk_live"));
}

#[test]
fn the_browser_opens_the_page_with_the_code_where_there_is_one() {
    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Token]));
    let seen = desk.file("seen");
    let browser = desk.program("a-browser", &format!("printf %s \"$1\" > '{}'", seen.display()));
    let ran = desk
        .skaas_with(&["auth", "--url", &fake.url()], &[("BROWSER", browser.to_str().unwrap())])
        .succeeds();
    assert_eq!(desk.text("seen"), format!("{}/device?user_code=BCDF-GHJK", fake.url()));
    assert!(ran.stderr.contains("BCDF-GHJK"), "the code is shown, to compare: {}", ran.stderr);

    let (desk, fake) = (Desk::new(), Fake::answering(&[Poll::Token]));
    let display = [("DISPLAY", ":0"), ("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")];
    desk.skaas_with(&["auth", "--url", &fake.url()], &display).succeeds().says("on any device");
}

#[test]
fn a_token_on_standard_input_signs_in_and_a_wrong_one_changes_nothing() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    for wrong in ["sk_live_wrong", "", "two words\n"] {
        let ran = desk.skaas_told(&["auth", "--with-token", "--url", &fake.url()], wrong);
        assert!(matches!(ran.code, Some(2 | 3)), "{ran:?}");
        assert_eq!(desk.everything(), "");
    }
    signed_in(&desk, &fake, &[]);
    lists(&desk, &fake).succeeds();
}

#[test]
fn auth_done_again_keeps_the_token_that_works_and_repairs_what_is_missing() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let config = desk.read(".gitconfig").unwrap();
    desk.write(".gitconfig", b"");
    lists(&desk, &fake).ends_with(128);
    desk.skaas(&["status"]).succeeds().says("not connected");
    // Without a browser and without a terminal: nothing is left to ask.
    desk.skaas(&["auth"]).succeeds();
    assert_eq!(desk.read(".gitconfig").unwrap(), config);
    lists(&desk, &fake).succeeds();
    assert!(fake.lock().asked.is_empty(), "no new token was asked for");
}

#[test]
fn a_new_token_takes_the_place_of_the_old_which_is_revoked() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let old = "sk_live_OldToken_0123456789abcdefghijklmnopqrstuvABCDEF";
    let known = fake.lock().tokens.remove(TOKEN).unwrap();
    fake.lock().tokens.insert(old.to_owned(), known);
    desk.skaas_told(&["auth", "--with-token", "--netrc", "--url", &fake.url()], old).succeeds();
    fake.lock().polls.push_back(Poll::Token);
    desk.skaas(&["auth", "--again", "--no-browser"]).succeeds();
    assert!(!fake.alive(old) && fake.alive(TOKEN));
    assert!(!desk.everything().contains("OldToken"));
    assert!(desk.text(".netrc").contains(TOKEN), "the entry goes with the token");
}

#[test]
fn logout_out_of_reach_removes_everything_here_and_says_what_still_works() {
    let (desk, mut fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &["--netrc"]);
    fake.stop();
    let ran = desk.skaas(&["logout"]).ends_with(6).says(PREFIX);
    assert!(ran.stderr.contains("/account/tokens"), "{}", ran.stderr);
    assert!(!desk.everything().contains("sk_live"));
    assert_eq!(desk.text(".gitconfig"), "");
    desk.skaas(&["logout", "--url", &fake.url()]).ends_with(3);
}

#[test]
fn logout_falls_back_on_rfc_7009() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    fake.lock().without_rest_revocation = true;
    signed_in(&desk, &fake, &[]);
    desk.skaas(&["logout"]).succeeds();
    assert!(!fake.alive(TOKEN));
}

#[test]
fn a_token_revoked_elsewhere_is_named_as_such() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    fake.revoke(TOKEN);
    for command in ["status", "whoami", "doctor"] {
        desk.skaas(&[command]).ends_with(3).says("skaas auth");
    }
    // git asks twice and gives up; the helper says why, where git can only say that it failed.
    lists(&desk, &fake).ends_with(128).says("rejected this machine's token");
    desk.skaas(&["logout"]).succeeds();
}

#[test]
fn a_redirect_is_reported_and_the_token_does_not_follow_it() {
    let (desk, fake, elsewhere) = (Desk::new(), Fake::with_alice(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    fake.lock().moved_to = Some(format!("{}/api/me", elsewhere.url()));
    desk.skaas(&["whoami"]).ends_with(5).says(&elsewhere.url());
    assert!(elsewhere.lock().requests.is_empty());
}

#[test]
fn agents_found_here_get_their_line_and_run_it_only_when_told() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let seen = desk.file("seen");
    desk.program("claude", &format!("echo \"$GIT_TERMINAL_PROMPT $*\" >> '{}'; echo noise", seen.display()));
    desk.write(".gemini/settings.json", b"{}");
    let ran = signed_in(&desk, &fake, &[]);
    let line = format!("claude plugin marketplace add {}", fake.marketplace());
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    let at = |text: &str| ran.stdout.find(text).unwrap_or_else(|| panic!("{text}? {}", ran.stdout));
    let first = format!("skaas auth --url {} --netrc", fake.url());
    assert!(at(&first) < at("gemini extensions install"), "the step before comes first: {}", ran.stdout);
    assert!(!seen.exists(), "nobody was asked, so nothing was run");

    let ran = signed_in(&desk, &fake, &["--yes", "--json"]);
    assert_eq!(desk.text("seen"), format!("0 plugin marketplace add {}\n", fake.marketplace()));
    let agents = ran.json()["agents"].clone();
    assert_eq!((&agents[0]["added"], &agents[0]["name"]), (&true.into(), &"Claude Code".into()));
    assert_eq!((&agents[1]["added"], &agents[1]["complete"]), (&false.into(), &false.into()));
}

#[test]
fn the_server_is_the_one_named_first_or_the_only_one_signed_in_to() {
    let (desk, fake, other) = (Desk::new(), Fake::with_alice(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    desk.skaas(&["whoami"]).succeeds().says("alice");
    desk.skaas_with(&["whoami"], &[("SKAAS_URL", &other.url())]).ends_with(3);
    desk.skaas_with(&["whoami", "--url", &fake.url()], &[("SKAAS_URL", &other.url())]).succeeds();
    desk.skaas(&["config", "set", "url", &other.url()]).succeeds();
    desk.skaas(&["whoami"]).ends_with(3).says(&other.url());
    desk.skaas(&["config", "unset", "url"]).succeeds();
    desk.skaas(&["whoami"]).succeeds();
    desk.skaas(&["whoami", "--url", "http://skills.example.com"]).ends_with(2).says("plain HTTP");
}

#[test]
fn failures_are_documents_too_when_asked_for() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let ran = desk.skaas(&["status", "--json", "--url", &fake.url()]).ends_with(3);
    let document: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(document["error"]["code"], "not-signed-in");
    assert_eq!(document["error"]["exit_code"], 3);
    assert_eq!(ran.stdout, "");
    desk.skaas(&["auth", "--no-browser", "--scopes", "everything", "--url", &fake.url()]).ends_with(2);
}
