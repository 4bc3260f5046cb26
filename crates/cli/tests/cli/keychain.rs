//! The token in a real keychain: GNOME's keyring on a separate bus, which scripts/test-keychain.sh starts.

use std::process::Command;

use super::{
    desk::{Desk, Ran},
    fake::{Fake, TOKEN},
};

/// The address of the keychain's bus; `None` if these tests run without one.
fn bus() -> Option<String> {
    let bus = std::env::var("SKAAS_TEST_KEYCHAIN").ok();
    if bus.is_none() {
        eprintln!("no keychain here: run scripts/test-keychain.sh");
    }
    bus
}

/// Runs a program of this machine that can use the keychain.
fn with(bus: &str, desk: &Desk, program: &str, args: &[&str], input: &str) -> Ran {
    let bus = format!("DBUS_SESSION_BUS_ADDRESS={bus}");
    desk.run("env", &[&[bus.as_str(), program], args].concat(), input)
}

fn skaas(bus: &str, desk: &Desk, args: &[&str], input: &str) -> Ran {
    with(bus, desk, env!("CARGO_BIN_EXE_skaas"), args, input)
}

/// The keychain's entry as another program reads it.
fn kept(bus: &str, service: &str, username: &str) -> Option<String> {
    let mut lookup = Command::new("secret-tool");
    lookup.args(["lookup", "service", service, "username", username]);
    let output = lookup.env("DBUS_SESSION_BUS_ADDRESS", bus).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_token_is_in_the_keychain_and_nowhere_else_until_logout() {
    let Some(bus) = bus() else { return };
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    desk.link_skaas();
    let ours = format!("skaas:{}", fake.url());
    let foreign = ["store", "--label=not ours", "service", "another", "username", "alice"];
    with(&bus, &desk, "secret-tool", &foreign, "a secret of hers").succeeds();

    let ran = skaas(&bus, &desk, &["auth", "--with-token", "--url", &fake.url()], &format!("{TOKEN}\n"));
    ran.succeeds().says("keychain");
    assert_eq!(kept(&bus, &ours, "alice").as_deref(), Some(TOKEN));
    assert!(!desk.everything().contains(TOKEN), "no file holds it");
    let list = ["ls-remote", &fake.marketplace(), "HEAD"];
    with(&bus, &desk, "git", &list, "").succeeds().says("HEAD");
    skaas(&bus, &desk, &["status"], "").succeeds().says("keychain");

    // Without the keychain, git gets no token.
    desk.git(&list, "").ends_with(128);

    skaas(&bus, &desk, &["logout"], "").succeeds();
    assert_eq!(kept(&bus, &ours, "alice"), None);
    assert_eq!(kept(&bus, "another", "alice").as_deref(), Some("a secret of hers"));
    with(&bus, &desk, "git", &list, "").ends_with(128);
    assert!(!fake.alive(TOKEN));
}

#[test]
fn whoever_wants_no_keychain_has_a_file() {
    let Some(bus) = bus() else { return };
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    skaas(&bus, &desk, &["config", "set", "keychain", "false"], "").succeeds();
    let ran = skaas(&bus, &desk, &["auth", "--with-token", "--url", &fake.url()], &format!("{TOKEN}\n"));
    ran.succeeds();
    assert_eq!(kept(&bus, &format!("skaas:{}", fake.url()), "alice"), None);
    assert!(desk.text(".config/skaas/hosts.toml").contains(TOKEN));
    assert_eq!(desk.mode(".config/skaas/hosts.toml"), 0o600);
}
