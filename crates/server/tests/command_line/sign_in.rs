//! `skaas auth` and `skaas logout` in a terminal.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use skaas_testkit::app::{TestApp, TestDatabase, story_on};
use skaas_testkit::git::Ran;
use skaas_testkit::terminal::Terminal;

use crate::browser::Browser;
use crate::desk::{Desk, FOREIGN, GITCONFIG, status_of};
use crate::story::House;

/// From nothing to a marketplace that an agent reads: less than this.
const MINUTE: Duration = Duration::from_mins(1);

/// The code that the screen shows, in the address to open.
#[track_caller]
fn code_on(screen: &str) -> String {
    let after =
        screen.split("/device?user_code=").nth(1).unwrap_or_else(|| panic!("no address in:\n{screen}"));
    after.chars().take_while(|c| !c.is_whitespace()).collect()
}

/// The person opens the address in a browser, compares, and answers.
#[track_caller]
fn answer(browser: &mut Browser, code: &str, answer: &str) {
    let question = browser.opens(&format!("/device?user_code={code}"));
    assert!(question.text().contains(code) && question.text().contains("Sign in this device?"));
    let page = browser.sends("/device", &[("user_code", code), ("answer", answer)]);
    assert_eq!(page.status, 200, "{}", page.text());
}

#[track_caller]
fn approve(terminal: &Terminal, browser: &mut Browser) {
    let screen = terminal.until("Waiting for you to approve");
    answer(browser, &code_on(&screen), "approve");
    terminal.until("Signed in to");
}

#[track_caller]
fn is_refused(desk: &Desk, marketplace: &str) {
    let said = desk.git(&["ls-remote", marketplace]).expect_failure();
    assert!(said.contains("could not read Username"), "{said}");
}

#[test]
fn after_auth_in_a_terminal_git_and_claude_code_need_no_more_and_after_logout_both_are_refused() {
    let house = House::new();
    let desk = Desk::new();
    let has_claude = desk.with_claude();
    let Some(terminal) = desk.terminal(&[]) else { return };
    let (url, port) = (house.server.url(), house.server.port());
    let marketplace = house.server.at("u/carl/marketplace.git");
    let mut carl = Browser::signed_up(port, "carl");
    is_refused(&desk, &marketplace);

    terminal.types(&format!("skaas auth --no-browser --url {url}"));
    approve(&terminal, &mut carl);
    let token = desk.token();
    if has_claude {
        terminal.until("Run it now?");
        terminal.types("n");
    }
    terminal.types(&format!("git clone -q {marketplace} market; echo \"clone: $?\""));
    terminal.until("clone: 0");
    assert!(desk.text("market/.claude-plugin/marketplace.json").contains("migration-guard"));
    if has_claude {
        terminal.types(&format!("claude plugin marketplace add {marketplace}; echo \"added: $?\""));
        terminal.until("added: 0");
        desk.claude(&["plugin", "marketplace", "update", "skaas"]).expect_success();
    }
    // The token is in its one file, and on nobody's command line, screen or log.
    assert_eq!(desk.holding(&token), [".config/skaas/hosts.toml"]);
    for (place, text) in [("argv", desk.argv()), ("screen", terminal.screen()), ("log", house.server.log())] {
        assert!(!text.contains(&token) && !text.contains("password="), "the {place} holds the token: {text}");
    }

    terminal.types("skaas logout; echo \"out: $?\"");
    let screen = terminal.until("out: 0");
    assert!(screen.contains("Signed out of") && screen.contains("is revoked"), "{screen}");
    assert_eq!(status_of(port, "carl", &token), 401);
    is_refused(&desk, &marketplace);
    let pulled = desk.git(&["-C", "market", "pull", "-q"]);
    assert!(!pulled.succeeded(), "{pulled}");
    if has_claude {
        let updated = desk.claude(&["plugin", "marketplace", "update", "skaas"]);
        assert!(!updated.succeeded(), "{updated}");
    }
    assert_eq!(
        (desk.text(".gitconfig").as_str(), desk.text(".git-credentials").as_str()),
        (GITCONFIG, FOREIGN)
    );
    assert_eq!(desk.holding(&token), [""; 0]);
}

#[test]
fn where_there_is_a_browser_it_opens_the_question_and_the_code_is_there_to_compare() {
    let house = House::with(&[]);
    let desk = Desk::new();
    let Some(terminal) = desk.terminal(&[("BROWSER", &desk.browser())]) else { return };
    let mut carl = Browser::signed_up(house.server.port(), "carl");
    terminal.types(&format!("skaas auth --url {}", house.server.url()));
    let screen = terminal.until("Waiting for you to approve");
    let opened = desk.text("opened");
    let code = code_on(&opened);
    assert_eq!(opened, house.server.at(&format!("device?user_code={code}")));
    assert!(screen.contains(&format!("Check that it shows the code {code}")), "{screen}");
    answer(&mut carl, &code, "approve");
    terminal.until("Signed in to");
    assert_eq!(desk.skaas(&["whoami"]).expect_success(), "carl\n");
}

#[test]
fn over_ssh_from_nothing_to_a_marketplace_in_the_agent_takes_one_command_and_two_answers() {
    let house = House::new();
    let desk = Desk::new();
    if !desk.with_claude() {
        return;
    }
    // A screen of somebody else's and a browser on it: over ssh neither is the person's.
    let ssh = [("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22"), ("DISPLAY", ":0")];
    let Some(terminal) = desk.terminal(&ssh) else { return };
    let began = Instant::now();
    terminal.types(&format!("skaas auth --url {}", house.server.url()));
    let screen = terminal.until("Waiting for you to approve");
    assert!(screen.contains("open this link in a browser on any device"), "{screen}");
    // The first answer, by somebody who had no account before; and the second, which is Enter.
    let mut carl = Browser::signed_up(house.server.port(), "carl");
    approve(&terminal, &mut carl);
    terminal.until("Run it now?");
    terminal.presses("Enter");
    terminal.until("Added marketplace: skaas");
    let took = began.elapsed();
    assert!(took < MINUTE, "it took {took:?}");
    let list = desk.claude(&["plugin", "marketplace", "list", "--json"]).expect_success();
    assert!(list.contains("skaas"), "{list}");
    desk.claude(&["plugin", "install", "migration-guard@skaas"]).expect_success();
}

#[test]
fn beside_somebody_elses_credential_in_gits_store_ours_comes_and_goes() {
    let house = House::new();
    let desk = Desk::new();
    let Some(terminal) = desk.terminal(&[]) else { return };
    let mut carl = Browser::signed_up(house.server.port(), "carl");
    let marketplace = house.server.at("u/carl/marketplace.git");
    terminal.types(&format!("skaas auth --no-browser --store --netrc --url {}", house.server.url()));
    approve(&terminal, &mut carl);
    desk.git(&["ls-remote", &marketplace]).expect_success();
    assert_eq!(desk.holding("sk_live_").len(), 3, "the store, .netrc, and its start in the record");
    assert!(desk.text(".git-credentials").contains(FOREIGN));
    assert!(!desk.argv().contains("sk_live_"));
    desk.skaas(&["logout"]).expect_success();
    is_refused(&desk, &marketplace);
    assert_eq!(
        (desk.text(".gitconfig").as_str(), desk.text(".git-credentials").as_str()),
        (GITCONFIG, FOREIGN)
    );
    assert_eq!(desk.holding("sk_live_"), [""; 0]);
}

#[test]
fn a_no_on_the_page_ends_it_in_the_terminal_and_changes_nothing() {
    let house = House::with(&[]);
    let desk = Desk::new();
    let Some(terminal) = desk.terminal(&[]) else { return };
    let mut carl = Browser::signed_up(house.server.port(), "carl");
    terminal.types(&format!("skaas auth --no-browser --url {}; echo \"auth: $?\"", house.server.url()));
    let screen = terminal.until("Waiting for you to approve");
    answer(&mut carl, &code_on(&screen), "deny");
    let screen = terminal.until("auth: 5");
    assert!(
        screen.contains("the sign-in was denied") && screen.contains("next: skaas auth --url"),
        "{screen}"
    );
    assert_eq!(desk.text(".gitconfig"), GITCONFIG);
    assert!(!desk.home().join(".config/skaas/hosts.toml").exists());

    let Some(terminal) = desk.terminal(&[]) else { return };
    terminal.types(&format!("skaas auth --no-browser --url {}", house.server.url()));
    terminal.until("Waiting for you to approve");
    terminal.presses("C-c");
    terminal.until("the sign-in was interrupted");
    terminal.types("echo \"auth: $?\"");
    terminal.until("auth: 130");
}

/// Waits until the program has begun to wait, and gives the code that it shows.
fn begun(app: &TestApp, desk: &Desk) -> (Child, std::path::PathBuf) {
    let said = desk.home().join("said");
    // The node is reached as a proxy, so that it has the address that it says it has.
    let node = app.node_speaking_as("http://skaas.test");
    let url = ["--insecure", "--url", "http://skaas.test"];
    let mut command = desk.skaas_command(&[&["auth", "--no-browser", "--json"][..], &url].concat());
    command.env("http_proxy", node.url());
    let file = std::fs::File::create(&said).unwrap();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
    (child, said)
}

#[test]
fn a_code_that_nobody_answers_in_time_ends_it_with_a_document() {
    story_on(TestDatabase::sqlite(), |app| {
        let desk = Desk::new();
        let (child, said) = begun(app, &desk);
        let end = Instant::now() + MINUTE;
        while !std::fs::read_to_string(&said).unwrap().contains("Waiting for you to approve") {
            assert!(Instant::now() < end, "it never began to wait");
            std::thread::yield_now();
        }
        app.pass(jiff::SignedDuration::from_mins(16));
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(5), 0));
        let said = std::fs::read_to_string(&said).unwrap();
        let document: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(document["error"]["code"], "refused", "{document}");
        assert_eq!(document["error"]["what"], "the code expired", "{document}");
        assert_eq!(desk.text(".gitconfig"), GITCONFIG);
    });
}

/// What a script sees.
#[track_caller]
pub(crate) fn ends(ran: Ran, code: i32, words: &str) -> Ran {
    assert_eq!(ran.code, Some(code), "{ran}");
    assert!(ran.stdout.contains(words) || ran.stderr.contains(words), "{words:?}? {ran}");
    ran
}
