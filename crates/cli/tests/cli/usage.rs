//! What a user types wrong, and which server a command means.

use crate::{
    desk::Desk,
    fake::{Fake, TOKEN},
    sign_in::signed_in,
};

#[test]
fn usage_errors_are_json_when_asked_for() {
    let desk = Desk::new();
    for wrong in [
        &["atuh", "--json"][..],
        &["--json"],
        &["token", "--json"],
        &["--json", "token", "create"],
        &["token", "create", "x", "--expires", "soon", "--json"],
        &["auth", "--with-token", "--again", "--json"],
        &["config", "set", "color", "red", "--json"],
        &["whoami", "--url", "ftp://a", "--json"],
    ] {
        let ran = desk.skaas(wrong).ends_with(2);
        assert_eq!(ran.stdout, "", "{wrong:?}");
        let document: serde_json::Value = serde_json::from_str(&ran.stderr)
            .unwrap_or_else(|error| panic!("{wrong:?}: {error}: {}", ran.stderr));
        assert_eq!(
            (&document["error"]["code"], &document["error"]["exit_code"]),
            (&"usage".into(), &2.into())
        );
        assert!(document["error"]["what"].as_str().is_some_and(|what| !what.is_empty()), "{document}");
    }
    // After `--` it is a value.
    let ran = desk.skaas(&["config", "get", "url", "more", "--", "--json"]).ends_with(2);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
}

#[test]
fn a_token_in_an_argument_is_never_echoed() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let secret = &TOKEN[17..];
    let in_url = format!("https://alice:{TOKEN}@skills.example.com");
    let as_option = format!("--token={TOKEN}");
    for wrong in [
        &["auth", "--with-token", TOKEN][..],
        &["auth", "--token", TOKEN],
        &["auth", &as_option],
        &["auth", "--url", &in_url],
        &["auth", "--url", TOKEN],
        &["auth", "--name", TOKEN],
        &["auth", "--scopes", TOKEN],
        &[TOKEN],
        &["token", "revoke", TOKEN],
        &["token", "create", TOKEN],
        &["token", "create", "x", "--expires", TOKEN],
        &["config", "set", "url", TOKEN],
        &["config", "set", TOKEN, "x"],
        &["config", "get", TOKEN],
        &["completions", TOKEN],
    ] {
        for more in [&[][..], &["--json"]] {
            let args = [wrong, more].concat();
            let ran = desk.skaas(&args).ends_with(2);
            assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{wrong:?}: {ran:?}");
        }
    }
    // Other kinds of secrets cannot be recognized for certain, and are not echoed either.
    let other = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    for wrong in [
        &["auth", other][..],
        &["auth", "--with-token", other],
        &[other],
        &["token", "revoke", other],
        &["completions", other],
        &["token", "create", "x", "--expires", other],
        &["config", "get", other],
    ] {
        for more in [&[][..], &["--json"]] {
            let ran = desk.skaas(&[wrong, more].concat());
            assert!(matches!(ran.code, Some(2 | 4)), "{ran:?}");
            assert!(!ran.stderr.contains(other) && !ran.stdout.contains(other), "{wrong:?}: {ran:?}");
        }
    }
    assert!(fake.alive(TOKEN));
}

#[test]
fn with_several_servers_a_command_means_the_one_that_is_named_and_says_so() {
    let (desk, one, two) = (Desk::new(), Fake::with_alice(), Fake::with_alice());
    signed_in(&desk, &one, &[]);
    signed_in(&desk, &two, &[]);
    for command in [
        &["whoami"][..],
        &["status"],
        &["logout"],
        &["doctor"],
        &["auth"],
        &["token", "list"],
        &["token", "create", "ci"],
        &["token", "revoke", "Xy12Ab9Q"],
    ] {
        let ran = desk.skaas(command).ends_with(2);
        assert!(
            ran.stderr.contains(&one.url()) && ran.stderr.contains(&two.url()),
            "{command:?}: {}",
            ran.stderr
        );
    }
    assert!(one.alive(TOKEN) && two.alive(TOKEN), "nothing was revoked");

    let named = desk.skaas_with(&["whoami"], &[("SKAAS_URL", &two.url())]).succeeds();
    assert_eq!(named.stdout, "alice\n");
    assert!(named.stderr.contains(&two.url()) && named.stderr.contains("SKAAS_URL"), "{}", named.stderr);
    desk.skaas(&["config", "set", "url", &one.url()]).succeeds();
    desk.skaas(&["token", "list"]).succeeds().says(&format!("Using {}", one.url()));
    assert_eq!(desk.skaas(&["whoami", "--url", &two.url()]).succeeds().stderr, "");
    assert_eq!(desk.skaas(&["whoami", "--json"]).succeeds().stderr, "");

    desk.skaas(&["logout", "--url", &two.url()]).succeeds().says(&two.url());
    assert!(one.alive(TOKEN) && !two.alive(TOKEN));
}

#[test]
fn the_next_step_names_the_server_that_it_is_about() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let ran = desk.skaas(&["whoami", "--url", "https://skaas.com"]).ends_with(3);
    assert!(ran.stderr.contains("skaas auth --url https://skaas.com"), "{}", ran.stderr);
}
