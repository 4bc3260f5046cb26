//! Other entries in the files that we change, and which program git really asks.

use proptest::prelude::*;

use crate::{
    desk::{Desk, ended, started},
    fake::{Fake, PREFIX, TOKEN},
    sign_in::signed_in,
};

#[test]
fn an_inherited_helper_is_neither_asked_for_our_server_nor_given_our_token() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let kept = desk.file("kept");
    desk.program(
        "git-credential-nosy",
        &format!(
            "if [ \"$1\" = get ]; then echo username=bob; echo password=wrong; else cat >> '{}'; fi",
            kept.display()
        ),
    );
    let before = b"[credential]\n\thelper = nosy\n\tuseHttpPath = true\n# a comment\n";
    desk.write(".gitconfig", before);
    signed_in(&desk, &fake, &[]);
    desk.git(&["ls-remote", &fake.marketplace()], "").succeeds();
    assert!(!kept.exists(), "{}", desk.text("kept"));
    assert_eq!(desk.password("https", "notskaas.com"), Some(("bob".into(), "wrong".into())));
    assert!(desk.read(".gitconfig").unwrap().starts_with(before));
    desk.skaas(&["logout"]).succeeds();
    assert_eq!(desk.read(".gitconfig").unwrap(), before);
}

#[test]
fn a_helper_that_somebody_named_for_our_server_comes_back_at_logout() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let before = format!("[credential \"{}\"]\n\thelper = cache\n\tusername = alice\n", fake.url());
    desk.write(".gitconfig", before.as_bytes());
    signed_in(&desk, &fake, &[]);
    assert_eq!(desk.password("http", &fake.address.to_string()), Some(("alice".into(), TOKEN.into())));
    desk.skaas(&["logout"]).succeeds();
    assert_eq!(desk.text(".gitconfig"), before);
}

#[test]
fn git_gets_nothing_for_another_host_port_scheme_or_user() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    let ask = |input: &str| desk.skaas_told(&["git-credential", "get"], input).succeeds().stdout;
    let host = fake.address;
    assert_eq!(
        ask(&format!("protocol=http\nhost={host}\n\n")),
        format!("username=alice\npassword={TOKEN}\n")
    );
    for foreign in [
        format!("protocol=https\nhost={host}\n"),
        format!("protocol=http\nhost=not{host}\n"),
        "protocol=http\nhost=127.0.0.1:1\n".to_owned(),
        "protocol=http\nhost=127.0.0.1\n".to_owned(),
        format!("protocol=http\nhost={host}\nusername=bob\n"),
        format!("protocol=http\nhost={host}.evil.example\n"),
        String::new(),
    ] {
        assert_eq!(ask(&foreign), "", "{foreign}");
    }
    for act in ["store", "erase"] {
        let input = format!("protocol=http\nhost={host}\nusername=alice\npassword=other\n\n");
        desk.skaas_told(&["git-credential", act], &input).succeeds();
    }
    assert_eq!(ask(&format!("protocol=http\nhost={host}\n")), format!("username=alice\npassword={TOKEN}\n"));
}

#[test]
fn netrc_lets_in_a_client_that_asks_no_helper() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let before = b"machine notskaas.com login x password y\ndefault login anonymous password z";
    desk.write(".netrc", before);
    signed_in(&desk, &fake, &["--netrc"]);
    assert_eq!(desk.mode(".netrc"), 0o600);
    let alone = desk
        .command("git")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["ls-remote", &fake.marketplace()])
        .status();
    assert!(alone.unwrap().success());
    desk.skaas(&["logout"]).succeeds();
    assert_eq!(desk.read(".netrc").unwrap(), before);
}

#[test]
fn a_netrc_entry_changed_by_hand_is_left_and_named() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &["--netrc"]);
    let changed = desk.text(".netrc").replace("login alice", "login bob");
    desk.write(".netrc", changed.as_bytes());
    desk.skaas(&["logout"]).succeeds().says("remove it yourself");
    assert_eq!(desk.text(".netrc"), changed);
}

#[test]
fn without_a_netrc_before_there_is_none_after() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &["--netrc"]);
    desk.skaas(&["logout"]).succeeds();
    assert_eq!(desk.read(".netrc"), None);
}

#[test]
fn a_linked_netrc_stays_a_link() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    desk.write("dotfiles/netrc", b"machine a login b password c\n");
    std::os::unix::fs::symlink(desk.file("dotfiles/netrc"), desk.file(".netrc")).unwrap();
    signed_in(&desk, &fake, &["--netrc"]);
    assert!(desk.file(".netrc").is_symlink());
    assert!(desk.text("dotfiles/netrc").contains(PREFIX));
    desk.skaas(&["logout"]).succeeds();
    assert_eq!(desk.text("dotfiles/netrc"), "machine a login b password c\n");
}

#[test]
fn store_keeps_the_token_with_git_and_nowhere_of_ours() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &["--store"]);
    assert!(!desk.text(".config/skaas/hosts.toml").contains(TOKEN));
    assert!(desk.text(".git-credentials").contains(TOKEN));
    desk.git(&["ls-remote", &fake.marketplace()], "").succeeds();
    desk.skaas(&["whoami"]).succeeds().says("alice");
    // And back again: the token moves, it is not doubled.
    desk.skaas(&["auth"]).succeeds();
    assert!(!desk.text(".git-credentials").contains(TOKEN));
    desk.git(&["ls-remote", &fake.marketplace()], "").succeeds();
    assert!(!desk.argv().contains(TOKEN));
}

#[test]
fn a_copy_that_runs_out_of_a_package_runners_cache_leaves_a_lasting_one_for_git() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    let cached = desk.file(".npm/_npx/1f2e/node_modules/skaas-linux-x64/bin/skaas");
    std::fs::create_dir_all(cached.parent().unwrap()).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_skaas"), &cached).unwrap();
    desk.run(&cached, &["auth", "--with-token", "--url", &fake.url()], TOKEN).succeeds();
    std::fs::remove_dir_all(desk.file(".npm")).unwrap();
    desk.git(&["ls-remote", &fake.marketplace()], "").succeeds();
    let lasting = desk.file(".local/share/skaas/bin/skaas");
    desk.run(&lasting, &["logout"], "").succeeds();
    assert!(!lasting.exists());
    assert!(desk.folders().is_empty(), "{:?}", desk.folders());
}

#[test]
fn gits_helper_never_points_into_a_projects_node_modules() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    desk.write("project/package.json", b"{}");
    let modules = desk.file("project/node_modules/skaas-linux-x64/bin/skaas");
    std::fs::create_dir_all(modules.parent().unwrap()).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_skaas"), &modules).unwrap();
    // As under `npx` and in npm scripts, the project's program is first on the PATH.
    let bin = modules.parent().unwrap();
    let mut auth = desk.command(&modules);
    auth.args(["auth", "--with-token", "--url", &fake.url()]);
    auth.env(
        "PATH",
        format!("{}:{}/bin:/usr/bin:/bin", bin.display(), desk.home().parent().unwrap().display()),
    );
    let ran = ended(started(auth, TOKEN)).succeeds();
    assert!(ran.stdout.contains("~/.local/share/skaas/bin/skaas, a copy"), "{}", ran.stdout);
    let config = desk.text(".gitconfig");
    assert!(!config.contains("node_modules") && config.contains(".local/share/skaas/bin/skaas"), "{config}");
    std::fs::remove_dir_all(desk.file("project")).unwrap();
    desk.git(&["ls-remote", &fake.marketplace()], "").succeeds();
}

#[test]
fn logout_leaves_no_folder_that_was_not_there_before() {
    for way in [&[][..], &["--netrc"], &["--store"]] {
        let (desk, fake) = (Desk::new(), Fake::with_alice());
        signed_in(&desk, &fake, way);
        desk.skaas(&["logout"]).succeeds();
        assert!(desk.folders().is_empty(), "{way:?}: {:?}", desk.folders());

        // Other programs' files in the same folders stay, and so do settings.
        let fake = Fake::with_alice();
        desk.write(".config/other/file", b"x");
        desk.skaas(&["config", "set", "browser", "false"]).succeeds();
        signed_in(&desk, &fake, way);
        desk.skaas(&["logout"]).ends_with(0);
        assert!(desk.file(".config/other/file").exists() && desk.file(".config/skaas/config.toml").exists());
    }
}

#[test]
fn the_program_on_the_path_is_named_as_people_would_and_any_other_by_its_place() {
    let (desk, fake) = (Desk::new(), Fake::with_alice());
    signed_in(&desk, &fake, &[]);
    assert!(desk.text(".gitconfig").contains("helper = !/"), "{}", desk.text(".gitconfig"));
    desk.link_skaas();
    desk.skaas(&["auth"]).succeeds();
    assert!(
        desk.text(".gitconfig").contains("helper = !skaas git-credential"),
        "{}",
        desk.text(".gitconfig")
    );
    desk.git(&["ls-remote", &fake.marketplace()], "").succeeds();
}

/// A line in git's store that is not ours, look-alikes first.
fn foreign_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("https://alice:secret@notskaas.com".to_owned()),
        Just("http://alice:secret@not127.0.0.1".to_owned()),
        Just("http://alice:secret@127.0.0.1".to_owned()),
        Just("http://alice:secret@127.0.0.1%3a1".to_owned()),
        Just("# a comment".to_owned()),
        "https://[a-z]{1,6}:[a-zA-Z0-9%]{1,9}@[a-z.]{1,12}(:[0-9]{1,4})?",
        "[ -~]{1,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn foreign_lines_in_gits_store_stay_byte_for_byte(lines in prop::collection::vec(foreign_line(), 0..8)) {
        let (desk, fake) = (Desk::new(), Fake::with_alice());
        let before: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        desk.write(".git-credentials", before.as_bytes());
        signed_in(&desk, &fake, &["--store"]);
        let during = desk.text(".git-credentials");
        let without_ours: String =
            during.split_inclusive('\n').filter(|line| !line.contains(TOKEN)).collect();
        prop_assert_eq!(&without_ours, &before);
        prop_assert_eq!(during.matches(TOKEN).count(), 1);
        desk.skaas(&["logout"]).succeeds();
        prop_assert_eq!(desk.text(".git-credentials"), before);
    }
}
