//! `skaas token`, and the words of the whole command line.

use std::fmt::Write as _;

use crate::{
    desk::Desk,
    fake::{Fake, TOKEN},
    sign_in::signed_in,
};

#[test]
fn a_token_is_printed_alone_and_once_then_listed_without_its_secret_then_revoked() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let made =
        desk.skaas(&["token", "create", "ci", "--scopes", "marketplaces read-only", "--expires", "90d"]);
    let token = made.succeeds().stdout.trim().to_owned();
    assert!(fake.alive(&token), "standard output is the token and nothing else");
    let listed = desk.skaas(&["token", "list"]).succeeds();
    assert!(
        listed.stdout.contains("ci") && listed.stdout.contains("marketplaces read-only"),
        "{}",
        listed.stdout
    );
    assert!(!listed.stdout.contains(&token) && !listed.stdout.contains(TOKEN));
    desk.skaas(&["token", "revoke", "NewToken"]).succeeds();
    assert!(!fake.alive(&token) && fake.alive(TOKEN));
    desk.skaas(&["token", "list"]).succeeds().says("revoked");
}

#[test]
fn a_mistyped_name_among_several_revokes_nothing() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    desk.skaas(&["token", "revoke", "Xy12Ab9Q", "Xy12Ab9R"]).ends_with(4).says("nothing was revoked");
    assert!(fake.alive(TOKEN));
}

#[test]
fn what_the_server_says_reaches_the_person_without_its_escape_sequences() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let ran = desk.skaas(&["token", "create", "ci", "--scopes", "everything"]).ends_with(5);
    assert!(
        ran.stderr.contains("this token may not give that") && !ran.stderr.contains('\u{1b}'),
        "{}",
        ran.stderr
    );
}

#[test]
fn lists_are_documents_when_asked_for() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    insta::assert_json_snapshot!(desk.skaas(&["token", "list", "--json"]).succeeds().json());
}

#[test]
fn every_command_explains_itself() {
    let desk = Desk::new();
    let mut all = String::new();
    for command in [
        "",
        "auth",
        "status",
        "whoami",
        "logout",
        "token create",
        "token revoke",
        "doctor",
        "config set",
        "completions",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        writeln!(all, "$ skaas {}\n{}", args.join(" "), desk.skaas(&args).succeeds().stdout).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn completions_are_what_each_shell_understands() {
    let desk = Desk::new();
    let script = desk.skaas(&["completions", "bash"]).succeeds().stdout;
    desk.write("skaas.bash", script.as_bytes());
    let bash = desk.command("bash").args(["-n", "skaas.bash"]).status().unwrap();
    assert!(bash.success());
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        desk.skaas(&["completions", shell]).succeeds().says("logout");
    }
}

#[test]
fn wrong_words_are_usage_errors() {
    let desk = Desk::new();
    for wrong in [
        &["atuh"][..],
        &["token"],
        &["config", "set", "colour", "red"],
        &["token", "create", "x", "--expires", "soon"],
    ] {
        desk.skaas(wrong).ends_with(2);
    }
}
