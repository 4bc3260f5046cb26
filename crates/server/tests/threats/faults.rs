//! What a server stands on gives way: the disk is full, the database is held or gone, the process is
//! killed, yesterday's backup is put back. Nothing is claimed that did not happen, and all of it passes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::SeedableRng as _;
use skaas_app::DatabaseConfig;
use skaas_domain::token::ApiToken;
use skaas_testkit::app::{TestApp, TestDatabase, story_on};
use skaas_testkit::git::Ran;
use skaas_testkit::process::{Installation, Server};
use skaas_testkit::wire::Connection;

use crate::go_between::GoBetween;
use crate::raw::eventually;
use crate::story::{House, SKILL, Sight, full, refs, sight};

/// The server's program, told not to die of a file that may not grow: then a write fails, as on a full disk.
pub(crate) fn hardened(installation: &Installation) -> Installation {
    let folder = installation.data().parent().unwrap();
    let program = folder.join("skaas-server");
    let text = format!("#!/bin/sh\ntrap '' XFSZ\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_skaas-server"));
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Installation::new(program, installation.data())
}

/// From here on no file of the server's grows beyond so many bytes.
pub(crate) fn room(server: &Server, bytes: &str) {
    let pid = server.pid().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
    assert!(done.unwrap().success(), "prlimit (util-linux) sets the limit");
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_serves_the_rest() {
    let house = House::configured(&[SKILL], |installation| hardened(&installation));
    let bob = house.person("bob");
    house.grant(&bob);
    let kept = bob.clone(&bob.git, &house.server, SKILL, "kept", &[]);
    room(&house.server, "4096");
    house.edit("1.3.0");
    let work = house.ann.folder.join(SKILL);
    fs::write(work.join("references/more.bin"), crate::patience::noise(200_000)).unwrap();
    house.ann.git.commit(&work, "Release 1.3.0");
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let refused = house.ann.git.run(&work, &["push", &url, "main"]);
    assert!(!refused.succeeded(), "nothing was kept, and success was claimed: {refused}");
    assert!(!house.ann.git.remembered().is_empty(), "a fault is no reason to forget a password");
    bob.git.ok(&kept, &["pull", "-q", "--ff-only"]);
    assert_eq!(sight(&kept), full("1.2.0"), "what is there is served");
    room(&house.server, "unlimited");
    let pushed = house.ann.git.run(&work, &["push", &url, "main"]);
    assert!(pushed.succeeded(), "there is room again: {pushed}");
    bob.git.ok(&kept, &["pull", "-q", "--ff-only"]);
    assert_eq!(sight(&kept), full("1.3.0"));
    let doctor = house.server.installation().run(&["doctor"]);
    assert!(doctor.succeeded(), "{doctor}");
}

#[test]
fn a_database_that_is_held_refuses_in_time_and_serves_what_needs_no_writing() {
    story_on(TestDatabase::sqlite(), |app: &TestApp| {
        app.creator("ann").publishes("held").priced(900);
        let (bob, carol) = (app.buyer("bob"), app.buyer("carol"));
        let copy = bob.clones("held");
        let source = app.creator("ann").source("held");
        source.holds("held", "1.1.0");
        let writer = app.run(app.store().begin()).unwrap();
        copy.pulls().sees_stub();
        // Their first look has to be written down.
        let said = carol.cannot_clone("held");
        assert!(said.contains("503") && said.contains("busy"), "{said}");
        source.pushes().is_refused().says("busy");
        app.run(async move { drop(writer) });
        carol.clones("held").sees_stub();
        source.pushes().is_taken();
        bob.buys("held");
        copy.pulls().sees_full("1.1.0");
    });
}

#[test]
fn a_database_that_goes_away_is_told_by_readyz_and_comes_back_by_itself() {
    let Some(database) = TestDatabase::postgres() else { return };
    let DatabaseConfig::Postgres { url } = database.config().database.clone() else { unreachable!() };
    let between = GoBetween::before(&url);
    let house = House::configured(&[SKILL], |installation| {
        installation.on_database(&between.url()).with_variable("SKAAS_TOKEN_BURST", "100000")
    });
    let bob = house.person("bob");
    house.grant(&bob);
    let kept = bob.clone(&bob.git, &house.server, SKILL, "kept", &[]);
    let ready = || Connection::open(house.server.port()).get("/readyz").status;
    assert_eq!(ready(), 200);
    let unknown = ApiToken::generate(&mut rand::rngs::StdRng::seed_from_u64(7)).reveal().to_owned();
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = Vec::new();
                    while !over.load(Ordering::SeqCst) {
                        let answer = house.connect(&bob).get(&refs("me/skills/migration-guard"));
                        seen.push((answer.status, answer.header("retry-after").is_some()));
                    }
                    seen
                })
            })
            .collect();
        between.cut();
        eventually("/readyz says so", || ready() == 503);
        // What is no token is refused without a question to the database, what may be one is not.
        let knock = |token: &str| {
            Connection::open(house.server.port()).basic("bob", token).get(&refs("me/marketplace")).status
        };
        assert_eq!(knock("sk_live_abcd1234_nothing"), 401);
        assert_eq!(knock(&format!("{}x", bob.token)), 401);
        assert_eq!(knock(&unknown), 503);
        // Long enough that some ask while it is away.
        std::thread::sleep(Duration::from_millis(500));
        between.mend();
        eventually("it is ready again", || ready() == 200);
        over.store(true, Ordering::SeqCst);
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect::<Vec<_>>()
    });
    // Never 401: git would forget a password that is good.
    assert!(seen.iter().all(|(status, retry)| *status == 200 || (*status == 503 && *retry)), "{seen:?}");
    assert!(seen.iter().any(|(status, _)| *status == 503), "somebody asked meanwhile");
    house.release("1.3.0");
    bob.git.ok(&kept, &["pull", "-q", "--ff-only"]);
    assert_eq!(sight(&kept), full("1.3.0"));
}

/// The house after its server was ended in some way and started again where it was.
pub(crate) fn comes_back(house: House, end: impl FnOnce(Server)) -> House {
    let House { server, ann, folder } = house;
    let (port, installation) = (server.port(), server.installation().clone());
    end(server);
    House { server: installation.serve_on(port), ann, folder }
}

#[test]
fn a_server_killed_during_a_push_has_the_old_state_or_the_new_one() {
    let mut house = House::new();
    let work = house.ann.folder.join(SKILL);
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let bob = house.person("bob");
    house.grant(&bob);
    let kept = bob.clone(&bob.git, &house.server, SKILL, "kept", &[]);
    let mut version = "1.2.0".to_owned();
    for (round, delay) in [0, 15, 40, 70, 100, 140, 200, 300].into_iter().enumerate() {
        let next = format!("1.{}.0", 3 + round);
        house.edit(&next);
        fs::write(work.join("references/data.bin"), crate::patience::noise(400_000 + round)).unwrap();
        house.ann.git.commit(&work, &next);
        let mut push = house.ann.git.command(&work, &["push", "-q", &url, "main"]);
        let pushing = std::thread::spawn(move || Ran::capture(&mut push, b""));
        std::thread::sleep(Duration::from_millis(delay));
        let mut pushed = None;
        house = comes_back(house, |server| {
            server.kill();
            pushed = Some(pushing.join().unwrap());
        });
        let pushed = pushed.unwrap();
        bob.git.ok(&kept, &["pull", "-q", "--ff-only"]);
        bob.git.ok(&kept, &["fsck", "--strict", "--no-dangling"]);
        let found = sight(&kept);
        assert!(found == full(&version) || found == full(&next), "{found:?}");
        assert!(!pushed.succeeded() || found == full(&next), "acknowledged and lost: {next}\n{pushed}");
        // What was cut short is pushed again, as its creator would.
        house.ann.push(&house.server, SKILL);
        bob.git.ok(&kept, &["pull", "-q", "--ff-only"]);
        assert_eq!(sight(&kept), full(&next));
        version = next;
    }
}

#[test]
fn a_restored_backup_knows_what_it_knew_and_serves_every_copy_or_says_why() {
    let house = House::new();
    let (bob, carol) = (house.person("bob"), house.person("carol"));
    house.admin(&["token", "revoke", "carol"]);
    let kept = bob.clone(&bob.git, &house.server, SKILL, "kept", &[]);
    let (port, data) = (house.server.port(), house.server.installation().data().to_owned());
    let backup = house.folder.path().join("backup");
    let house = comes_back(house, |server| {
        assert_eq!(server.stop(), Some(0));
        skaas_testkit::git::copy_tree(&data, &backup);
    });
    house.grant(&bob);
    bob.git.ok(&kept, &["pull", "-q", "--ff-only"]);
    assert_eq!(sight(&kept), full("1.2.0"));
    let later = house.server.installation().token("bob");
    let house = comes_back(house, |server| {
        server.kill();
        fs::remove_dir_all(&data).unwrap();
        skaas_testkit::git::copy_tree(&backup, &data);
    });
    let status = |name: &str, token: &str| {
        Connection::open(port).basic(name, token).get(&refs("me/marketplace.git")).status
    };
    assert_eq!(status("carol", &carol.token), 401, "revoked before the backup stays revoked");
    assert_eq!(status("bob", &later), 401, "made after the backup is unknown");
    assert_eq!(status("bob", &bob.token), 200);
    // The grant is forgotten, and with it the step that bob's copy has. It is told, or goes back to the stub.
    let pulled = bob.git.run(&kept, &["pull", "-q", "--ff-only"]);
    assert!(pulled.succeeded() || !pulled.stderr.contains("500"), "{pulled}");
    let fresh = bob.clone(&bob.git, &house.server, SKILL, "fresh", &[]);
    assert_eq!(sight(&fresh), Sight::Stub);
    house.grant(&bob);
    bob.git.ok(&fresh, &["pull", "-q", "--ff-only"]);
    assert_eq!(sight(&fresh), full("1.2.0"));
}

/// Copies the database of a server that has stopped, with what is not in its main file yet.
fn copy_database(from: &Path, to: &Path) {
    for file in ["skaas.db", "skaas.db-wal"] {
        let _ = fs::remove_file(to.join(file));
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
    let _ = fs::remove_file(to.join("skaas.db-shm"));
}

#[test]
fn a_restored_backup_revokes_again_what_its_journal_knows() {
    let house = House::new();
    let (bob, carol) = (house.person("bob"), house.person("carol"));
    let (port, data) = (house.server.port(), house.server.installation().data().to_owned());
    let backup = house.folder.path().join("backup");
    let house = comes_back(house, |server| {
        assert_eq!(server.stop(), Some(0));
        fs::create_dir(&backup).unwrap();
        copy_database(&data, &backup);
    });
    let status = |name: &str, token: &str| {
        Connection::open(port).basic(name, token).get(&refs("me/marketplace.git")).status
    };
    house.admin(&["token", "revoke", "bob"]);
    house.admin(&["user", "delete", "carol", "--yes"]);
    let restored = |house: House, arguments: &[&str]| {
        let mut said = None;
        let house = comes_back(house, |server| {
            let installation = server.installation().clone();
            assert_eq!(server.stop(), Some(0));
            copy_database(&backup, &data);
            said = Some(installation.run(&[&["admin", "restored"], arguments].concat()));
        });
        (house, said.unwrap())
    };
    let (house, said) = restored(house, &[]);
    assert!(said.succeeded() && said.stdout.contains("bob") && said.stdout.contains("carol"), "{said}");
    assert!(said.stderr.contains("admin restored --revoke"), "{said}");
    assert_eq!((status("bob", &bob.token), status("carol", &carol.token)), (200, 200), "as in the backup");

    let (_house, said) = restored(house, &["--revoke", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let mut kinds: Vec<(&str, &str)> = said["revoked_since"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["username"].as_str().unwrap()))
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("token", "bob"), ("token", "carol"), ("user", "carol")], "{said}");
    assert_eq!((status("bob", &bob.token), status("carol", &carol.token)), (401, 401));
}
