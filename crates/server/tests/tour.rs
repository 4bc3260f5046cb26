//! The demo, as a stranger meets it: it tells its story, and what it prints can be typed.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use skaas_testkit::git::Ran;
use story::{SKILL, Sight, full, sight};

fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_skaas-server"));
    demo.arg("demo").args(arguments).current_dir(folder);
    // What is configured around it is none of the demo's business: it would fail on any of these.
    demo.env("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/live").env("S3_BUCKET", "live");
    std::fs::write(folder.join("skaas.toml"), "database = 'not even a configuration'").unwrap();
    demo
}

#[test]
fn the_tour_ends_by_itself_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::capture(&mut demo(folder.path(), &["--exit"]), b"");
    assert!(ran.succeeded(), "{ran}");
    assert!(ran.stdout.contains("claude plugin marketplace add http"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("sk_live_"), "a token stands in the tour");
    assert!(!ran.stdout.contains('\u{1b}'), "colour where there is no terminal");
    let again = Ran::capture(&mut demo(folder.path(), &["--exit"]), b"");
    assert!(again.succeeded(), "its own folder is emptied: {again}");
}

#[test]
fn the_commands_it_prints_can_be_typed_while_it_stays_up() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut child =
        demo(folder.path(), &["--port", &port.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = Vec::new();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in output.by_ref() {
        printed.push(line.unwrap().trim().to_owned());
        if printed.last().unwrap().starts_with("Ctrl-C") {
            break;
        }
    }
    let turn =
        printed.iter().position(|line| line.starts_with("7  ")).unwrap_or_else(|| panic!("{printed:#?}"));
    let commands: Vec<&String> = printed[turn..].iter().filter(|line| !line.starts_with('#')).collect();
    let (_, config) = commands.iter().find_map(|line| line.split_once("GIT_CONFIG_GLOBAL=")).unwrap();

    the_mail_folder_it_names_is_the_servers(folder.path(), &printed);

    let copy = folder.path().join("demo-data/try").join(SKILL);
    let mut seen = Vec::new();
    let typed = commands.iter().filter(|line| line.starts_with("git ") || line.contains(" admin "));
    for line in typed {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(folder.path()).env("GIT_CONFIG_GLOBAL", config);
        let ran = Ran::capture(&mut shell, b"");
        assert!(ran.succeeded(), "{ran}");
        if line.starts_with("git ") {
            seen.push(sight(&copy));
        }
    }
    assert_eq!(seen, [Sight::Stub, full("1.2.0"), Sight::Stub]);

    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(output.any(|line| line.unwrap().contains("Stopped.")));
    assert!(child.wait().unwrap().success());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "the server outlived the demo");
}

/// Runs one of npm's programs, or a script that uses them, with a cache in this folder.
fn with_npm(folder: &Path, program: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).env("npm_config_cache", folder.join("cache")).current_dir(folder);
    Ran::capture(&mut command, b"")
}

#[test]
fn the_npm_package_alone_gives_the_tour() {
    let there = Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success());
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) || !there {
        eprintln!("npm is not here (or this is not linux-x64): nothing was tested");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (at, packages) = (folder.path(), folder.path().join("packages"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/npm-pack.sh");
    let program = format!("linux-x64={}", env!("CARGO_BIN_EXE_skaas-server"));
    let out = packages.to_str().unwrap();
    let packed =
        with_npm(at, script, &["--package", "skaas-server", "--out", out, &program]).expect_success();
    let tarballs: Vec<&str> = packed.lines().collect();
    assert_eq!(tarballs.len(), 2, "{packed}");
    let install =
        [&["install", "--offline", "--no-audit", "--no-fund", "--prefix", "."], &*tarballs].concat();
    with_npm(at, "npm", &install).expect_success();
    for package in ["skaas-server", "skaas-server-linux-x64"] {
        let installed = at.join("node_modules").join(package);
        let manifest = std::fs::read_to_string(installed.join("package.json")).unwrap();
        assert!(!manifest.contains("\"scripts\""), "nothing runs at install time: {manifest}");
        assert!(installed.join("LICENSE-MIT").is_file() && installed.join("LICENSE-APACHE").is_file());
    }

    // As on a machine that has Node and git and nothing else of ours.
    let home = tempfile::tempdir().unwrap();
    let mut tour = Command::new(at.join("node_modules/.bin/skaas-server"));
    tour.args(["demo", "--exit"]).current_dir(home.path()).env_clear();
    tour.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home.path());
    let ran = Ran::capture(&mut tour, b"");
    assert!(ran.succeeded(), "{ran}");
    assert!(ran.stdout.contains("claude plugin marketplace add http"), "{}", ran.stdout);
    assert!(ran.stdout.contains("node_modules/skaas-server-linux-x64/bin/skaas-server"), "{}", ran.stdout);
}

/// The folder that it names for mail is there, and is the one that the server writes into.
fn the_mail_folder_it_names_is_the_servers(folder: &Path, printed: &[String]) {
    let named = printed.iter().find_map(|line| line.split_once("emails are written to "));
    let named = Path::new(named.unwrap_or_else(|| panic!("{printed:#?}")).1.trim_matches('\''));
    assert!(named.is_dir(), "{} cannot be opened", named.display());
    let log = std::fs::read_to_string(folder.join("demo-data/server.log")).unwrap();
    let logged = log.lines().find(|line| line.contains("mail_to_folder")).unwrap_or_else(|| panic!("{log}"));
    assert!(logged.contains(named.to_str().unwrap()), "{logged}");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
