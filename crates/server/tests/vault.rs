//! The vault from outside: where the master key comes from, what a server says that lacks one, changing the key beside
//! a running server, and what a backup holds.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{App, AppConfig, Limits, Parts, Rate, Store, StoreConfig, Voice, vault};
use skaas_domain::{
    clock::ManualClock,
    envelope::RecordName,
    master_key::{Keyring, MasterKey},
};
use skaas_testkit::{
    app::TestDatabase,
    folder::{everything, holds},
    process::Installation,
};

const NAME: RecordName<'_> = RecordName { kind: "credential", id: "con_1", owner: "usr_1" };
const CANARY: &str = "CANARY-of-a-credential";

fn key(seed: u64) -> MasterKey {
    MasterKey::generate(&mut StdRng::seed_from_u64(seed))
}

fn text(seeds: &[u64]) -> String {
    seeds.iter().map(|seed| key(*seed).reveal().to_string()).collect::<Vec<_>>().join(",")
}

fn with_keys(installation: &Installation, seeds: &[u64]) -> Installation {
    installation.clone().with_variable("SKAAS_MASTER_KEY", &text(seeds))
}

/// Does something with an app over the same data, which has these keys.
fn beside<T>(config: &StoreConfig, keyring: Keyring, work: impl AsyncFnOnce(&App) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let voice = Voice { public_url: "https://skaas.test".into(), marketplace_name: "skaas".into() };
        let scratch = std::env::temp_dir().join("skaas-vault-test");
        let store = Store::open(config.clone()).await.unwrap();
        let parts = Parts {
            store: store.clone(),
            clock: Arc::new(ManualClock::new("2026-11-02T09:00:00Z".parse().unwrap())),
            rng: Box::new(StdRng::from_os_rng()),
            rate: Rate::in_process(),
            keyring,
        };
        let app = App::new(AppConfig { voice, scratch, limits: Limits::default() }, parts);
        let done = work(&app).await;
        store.close().await;
        done
    })
}

fn seal(config: &StoreConfig, keyring: Keyring) {
    beside(config, keyring, async |app| vault::seal(app, &NAME, CANARY.as_bytes()).await.unwrap());
}

fn opens(config: &StoreConfig, keyring: Keyring) -> bool {
    beside(config, keyring, async |app| {
        vault::open(app, &NAME).await.is_ok_and(|found| found.unwrap().expose() == CANARY.as_bytes())
    })
}

/// The data of an installation on the embedded database.
fn embedded(data: &Path) -> StoreConfig {
    StoreConfig::new(
        skaas_app::DatabaseConfig::Sqlite { path: data.join("skaas.db") },
        skaas_app::ObjectsConfig::Folder { path: data.join("objects") },
    )
}

fn file_keyring(data: &Path) -> Keyring {
    Keyring::parse(&fs::read_to_string(data.join("master.key")).unwrap()).unwrap()
}

/// Starts a server, and panics with what it said if it does not serve.
#[track_caller]
fn starts(installation: &Installation) {
    drop(installation.serve());
}

fn start(installation: &Installation) -> skaas_testkit::git::Ran {
    installation.run(&["serve", "--listen", "127.0.0.1:0"])
}

#[test]
fn the_embedded_default_makes_a_master_key_that_only_its_owner_can_read() {
    for command in ["serve", "migrate"] {
        let folder = tempfile::tempdir().unwrap();
        let installation = story::installation(folder.path());
        let path = installation.data().join("master.key");
        let again = || {
            if command == "serve" {
                starts(&installation);
            } else {
                installation.run(&["migrate"]).expect_success();
            }
        };
        again();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{command}");
        let made = file_keyring(installation.data());
        again();
        let kept = file_keyring(installation.data());
        assert!(made.ids().eq(kept.ids()), "a restart keeps the key");
        let status = installation.admin(&["vault", "status"]);
        assert_eq!(status["keys"][0]["id"], made.current().unwrap().id().to_string(), "{status}");
        assert_eq!(
            (&status["keys"][0]["current"], &status["records"]),
            (&true.into(), &0.into()),
            "{status}"
        );

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let doctor = installation.run(&["doctor", "--quick"]);
        assert!(doctor.stdout.contains("can read the master key") && doctor.code == Some(1), "{doctor}");
    }
}

/// The same on both databases: a server with this key, and one record sealed with it.
fn each_with_a_sealed_record(tell: impl Fn(&Installation, &StoreConfig)) {
    for database in TestDatabase::each() {
        let folder = tempfile::tempdir().unwrap();
        let plain = story::installation(folder.path());
        let (plain, config) = if database.is_postgres() {
            (plain.as_node_of(database.config()), database.config().clone())
        } else {
            let config = embedded(plain.data());
            (plain, config)
        };
        with_keys(&plain, &[1]).run(&["migrate"]).expect_success();
        assert!(!plain.data().join("master.key").exists(), "a configured key needs no file");
        seal(&config, Keyring::new(vec![key(1)]).unwrap());
        tell(&plain, &config);
    }
}

#[test]
fn a_server_without_the_master_key_of_sealed_records_does_not_start_and_says_what_to_do() {
    each_with_a_sealed_record(|plain, _| {
        let id = key(1).id().to_string();
        for (installation, says) in [
            (plain.clone(), "no master key is configured"),
            (with_keys(plain, &[2]), "none of the configured master keys"),
        ] {
            for ran in [start(&installation), installation.run(&["migrate"])] {
                assert_eq!(ran.code, Some(3), "{ran}");
                for part in [says, "1 credential", "SKAAS_MASTER_KEY", &id] {
                    assert!(ran.stderr.contains(part), "{part}: {ran}");
                }
            }
            let doctor = installation.run(&["doctor", "--quick"]);
            assert_eq!(doctor.code, Some(1), "{doctor}");
            assert!(doctor.stdout.contains(&format!("discard {id} --yes")), "{doctor}");
        }
        assert!(!plain.data().join("master.key").exists(), "another key would not help");
        // What an operator needs to find out works without the key.
        assert_eq!(plain.admin(&["vault", "status"])["keys"][0]["configured"], false);
        starts(&with_keys(plain, &[2, 1]));

        let lost = with_keys(plain, &[2]);
        assert_eq!(lost.run(&["admin", "vault", "discard", &id]).code, Some(2), "only with --yes");
        assert_eq!(lost.admin(&["vault", "discard", &id, "--yes"])["removed"], 1);
        starts(&lost);
    });
}

#[test]
fn a_wrong_master_key_is_named_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let installation = story::installation(folder.path());
    for value in ["CANARY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &text(&[1, 1])] {
        let ran = start(&installation.clone().with_variable("SKAAS_MASTER_KEY", value));
        assert_eq!(ran.code, Some(3), "{ran}");
        assert!(ran.stderr.contains("vault.master_key (SKAAS_MASTER_KEY) is wrong"), "{ran}");
        assert!(ran.stderr.contains("example") && !ran.stderr.contains(value), "{ran}");
    }
    let path = folder.path().join("key");
    fs::write(&path, format!("{}\n", text(&[1]))).unwrap();
    let of_file = installation.with_variable("SKAAS_MASTER_KEY_FILE", path.to_str().unwrap());
    of_file.run(&["migrate"]).expect_success();
    assert_eq!(of_file.admin(&["vault", "status"])["keys"][0]["id"], key(1).id().to_string());
    let shown = of_file.run(&["config"]);
    assert!(shown.stdout.contains("[redacted]") && !shown.stdout.contains(&text(&[1])), "{shown}");
}

#[test]
fn the_master_key_is_changed_beside_a_running_server() {
    each_with_a_sealed_record(|plain, config| {
        let early = with_keys(plain, &[2, 1]).run(&["admin", "vault", "rotate"]);
        assert_eq!(early.code, Some(5), "no server knows the new key yet: {early}");
        let both = with_keys(plain, &[2, 1]);
        let server = both.serve();
        let doctor = both.run(&["doctor", "--quick"]);
        assert!(doctor.succeeded() && doctor.stdout.contains("admin vault rotate"), "{doctor}");
        let done = both.admin(&["vault", "rotate"]);
        assert_eq!((&done["rewrapped"], &done["left"]), (&1.into(), &0.into()), "{done}");
        assert_eq!(both.admin(&["vault", "rotate"])["rewrapped"], 0);
        assert!(opens(config, Keyring::new(vec![key(2)]).unwrap()));
        assert!(!opens(config, Keyring::new(vec![key(1)]).unwrap()));
        let doctor = both.run(&["doctor"]);
        assert!(doctor.stdout.contains("these are lost: 1 credential"), "{doctor}");
        assert_eq!(server.stop(), Some(0));
        // The old key is no longer needed.
        starts(&with_keys(plain, &[2]));
    });
}

/// Copies these files into a folder for a restored installation.
fn copied(data: &Path, into: &Path, files: &[&str]) -> PathBuf {
    let folder = into.join("data");
    fs::create_dir_all(&folder).unwrap();
    for file in files.iter().filter(|file| data.join(file).exists()) {
        assert!(Command::new("cp").arg("-r").arg(data.join(file)).arg(&folder).status().unwrap().success());
    }
    folder
}

/// A backup of a running server, as docs/operating.md describes it; `None`, with a line that says so, where there is no
/// `sqlite3`.
fn backup_online(data: &Path, into: &Path) -> Option<PathBuf> {
    fs::create_dir_all(into.join("data")).unwrap();
    let command = format!(".backup \"{}\"", into.join("data/skaas.db").display());
    match Command::new("sqlite3").arg(data.join("skaas.db")).arg(command).status() {
        Ok(ran) => assert!(ran.success()),
        Err(error) => {
            assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "sqlite3: {error}");
            eprintln!("note: there is no sqlite3 ({error}): its backup was NOT exercised");
            return None;
        }
    }
    Some(copied(data, into, &["objects"]))
}

/// The other way: of a stopped server.
fn backup_stopped(data: &Path, into: &Path) -> PathBuf {
    copied(data, into, &["skaas.db", "skaas.db-wal", "objects"])
}

#[test]
fn the_manual_says_what_a_backup_copies_and_that_the_key_is_kept_apart() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    let manual = fs::read_to_string(manual).unwrap();
    let (_, section) = manual.split_once("## Backup and restore").unwrap();
    for word in
        ["sqlite3 /var/lib/skaas/skaas.db \".backup", "`skaas.db-wal`", "copy `objects`", "`master.key`"]
    {
        assert!(section.contains(word), "{word}");
    }
}

#[test]
fn a_backup_made_the_documented_way_holds_no_key_and_is_no_use_without_it() {
    let house = story::House::new();
    let data = house.server.installation().data().to_owned();
    let keyring = file_keyring(&data);
    let key_text = fs::read_to_string(data.join("master.key")).unwrap();
    let key_text = key_text.trim();
    seal(&embedded(&data), keyring.clone());
    assert!(holds(&fs::read(data.join("master.key")).unwrap(), key_text), "the search finds what is there");
    let online = backup_online(&data, &house.folder.path().join("online"));
    assert_eq!(house.server.stop(), Some(0));
    let stopped = backup_stopped(&data, &house.folder.path().join("stopped"));
    for backup in online.into_iter().chain([stopped]) {
        let files = everything(&backup);
        assert!(files.len() > 2, "{:?}", files.keys());
        for (file, bytes) in &files {
            let secrets = [key_text, CANARY];
            assert!(!secrets.iter().any(|secret| holds(bytes, secret)), "{file}");
        }
        assert!(!opens(&embedded(&backup), Keyring::default()));
        let restored = story::installation(backup.parent().unwrap());
        let ran = start(&restored);
        assert_eq!(ran.code, Some(3), "{ran}");
        assert!(!backup.join("master.key").exists(), "no new key takes the place of the lost one");
        // With the key that was kept apart, everything opens again.
        fs::copy(data.join("master.key"), backup.join("master.key")).unwrap();
        starts(&restored);
        assert!(opens(&embedded(&backup), file_keyring(&backup)));
    }
}
