//! What `skaas doctor` says about each problem.

use crate::{
    desk::{Desk, Ran},
    fake::{Fake, TOKEN},
    sign_in::signed_in,
};

#[test]
fn a_healthy_machine_has_no_fault_and_real_git_is_the_witness() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let ran = desk.skaas(&["doctor", "--json"]).succeeds();
    let findings = ran.json();
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{findings}");
    assert!(ran.stdout.contains("git can read it"));
    let requests = fake.lock().requests.clone();
    assert!(requests.iter().any(|line| line.starts_with("GET /u/alice/marketplace.git/info/refs") && line.ends_with("Basic")));
}

#[test]
fn nobody_signed_in_is_the_first_fault() {
    let (desk, fake) = (Desk::new(), Fake::start());
    desk.skaas(&["doctor", "--url", &fake.url()]).ends_with(3).says("skaas auth --url");
}

#[test]
fn a_server_out_of_reach_is_named_with_the_proxy_only_if_one_is_used() {
    let (desk, mut fake) = (Desk::new(), Fake::start());
    let url = fake.url();
    fake.stop();
    let proxy = |ran: &Ran| format!("{}{}", ran.stdout, ran.stderr).to_lowercase().contains("proxy");
    let ran = desk.skaas(&["doctor", "--url", &url]).ends_with(6).says("cannot reach");
    assert!(!proxy(&ran), "{ran:?}");
    let used = ("http_proxy", "http://127.0.0.1:9");
    desk.skaas_with(&["doctor", "--url", &url], &[used]).ends_with(6).says("through the proxy in http_proxy");
    // One that this request does not go through is not to blame.
    for unused in [
        &[used, ("NO_PROXY", "127.0.0.1")][..],
        &[used, ("no_proxy", "localhost,127.0.0.0/8")],
        &[("HTTPS_PROXY", "http://127.0.0.1:9")],
        &[("http_proxy", "")],
    ] {
        for command in ["doctor", "auth"] {
            let ran = desk.skaas_with(&[command, "--url", &url], unused).ends_with(6).says("cannot reach");
            assert!(!proxy(&ran), "{unused:?}: {ran:?}");
        }
    }
}

#[test]
fn another_server_at_that_address_is_noticed() {
    let (desk, fake) = (Desk::new(), Fake::start());
    fake.lock().moved_to = Some("https://login.hotel.example/welcome".into());
    desk.skaas(&["doctor", "--url", &fake.url()]).ends_with(5).says("login.hotel.example");
}

#[test]
fn a_helper_that_answers_before_us_is_named_with_its_file() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    desk.program("git-credential-stale", "[ \"$1\" = get ] && printf 'username=alice\\npassword=old\\n'");
    // Set later, by hand, and in front of ours.
    let mine = desk.text(".gitconfig");
    let before = format!("[credential \"{}\"]\n\thelper = stale\n", fake.url());
    let theirs = format!(
        "{}{before}",
        mine.replace("\thelper = \n", "").replace("git-credential", "git-credential-gone")
    );
    desk.write(".gitconfig", theirs.as_bytes());
    desk.skaas(&["doctor"])
        .ends_with(1)
        .says("another credential helper answers first")
        .says("stale")
        .says(".gitconfig");
    assert!(
        !fake.lock().requests.iter().any(|line| line.ends_with("Basic")),
        "nothing was sent to be erased"
    );
}

#[test]
fn a_username_that_git_adds_by_itself_is_named() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    desk.git(&["config", "--global", &format!("credential.{}.username", fake.url()), "bob"], "").succeeds();
    desk.skaas(&["doctor"]).ends_with(1).says("signed in").says("skaas auth");
}

#[test]
fn an_address_that_git_rewrites_is_named() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    desk.git(&["config", "--global", "url.ssh://git@elsewhere/.insteadOf", &format!("{}/", fake.url())], "")
        .succeeds();
    desk.skaas(&["doctor"]).ends_with(1).says("insteadOf").says("elsewhere");
}

#[test]
fn the_findings_hold_no_secret() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let ran = desk.skaas(&["doctor"]).succeeds();
    assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN) && !desk.argv().contains(TOKEN));
}
