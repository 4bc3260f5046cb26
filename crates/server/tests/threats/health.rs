//! What `/readyz` and `doctor` say when something that the server depends on is not well: each fault is named,
//! with its reason and a cure, and nothing secret.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde_json::Value;
use skaas_app::{DatabaseConfig, ObjectsConfig, Store, StoreConfig};
use skaas_testkit::app::{TestApp, run_sql, story};
use skaas_testkit::folder::everything;
use skaas_testkit::git::Ran;
use skaas_testkit::process::Installation;
use skaas_testkit::wire::Connection;

use crate::faults::hardened;
use crate::story::{House, SKILL, installation};

/// What `/readyz` answers once its last answer is too old to be kept.
fn readyz(app: &TestApp) -> (u16, String) {
    app.pass(SignedDuration::from_secs(31));
    let answer = Connection::open(app.node().port()).get("/readyz");
    (answer.status, answer.text())
}

fn objects(app: &TestApp) -> PathBuf {
    let ObjectsConfig::Folder { path } = app.database().config().objects.clone() else { unreachable!() };
    path
}

fn files(folder: &Path) -> Vec<PathBuf> {
    everything(folder).into_keys().map(PathBuf::from).collect()
}

/// Changes one byte in the middle: the length stays as it was.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(file, bytes).unwrap();
}

fn said(app: &TestApp, event: &str) -> usize {
    app.log().lines().iter().filter(|line| line.event == event).count()
}

#[test]
fn readyz_notices_contents_that_are_gone_or_damaged_and_recovers() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").priced(900);
        assert_eq!(readyz(app), (200, "ok\n".to_owned()));
        let contents = objects(app).join("contents");
        let aside = contents.with_file_name("aside");
        skaas_testkit::git::copy_tree(&contents, &aside);
        fs::remove_dir_all(&contents).unwrap();
        for _ in 0..3 {
            let (status, text) = readyz(app);
            assert_eq!(status, 503, "{text}");
            assert!(text.contains("fault: contents: stored contents are missing or damaged"), "{text}");
        }
        assert_eq!(said(app, "unhealthy"), 1, "one line for one change");
        skaas_testkit::git::copy_tree(&aside, &contents);
        assert_eq!(readyz(app).0, 200);
        assert_eq!(said(app, "healthy_again"), 1);
        for file in files(&contents) {
            damage(&file);
        }
        let (status, text) = readyz(app);
        assert!(status == 503 && text.contains("damaged"), "{text}");
        fs::remove_dir_all(&contents).unwrap();
        fs::rename(&aside, &contents).unwrap();
        assert_eq!(readyz(app).0, 200);
    });
}

#[test]
fn readyz_notices_a_storage_that_refuses_writes_and_a_foreign_schema() {
    story(|app| {
        assert_eq!(readyz(app).0, 200);
        let (folder, aside) = (objects(app), objects(app).with_file_name("aside"));
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "not a folder").unwrap();
        let (status, text) = readyz(app);
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("storage: object storage refuses writes"), "{text}");
        assert!(!text.contains(folder.to_str().unwrap()), "where it is is nobody's business: {text}");
        fs::remove_file(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
        assert_eq!(readyz(app).0, 200);
        assert!(files(&folder).is_empty(), "the probes left {:?}", files(&folder));

        app.run(async {
            let mut tx = app.store().begin().await.unwrap();
            run_sql(&mut tx, "UPDATE migrations SET checksum = 'another' WHERE version = 1").await.unwrap();
            tx.commit().await.unwrap();
        });
        let (status, text) = readyz(app);
        assert!(status == 503 && text.contains("schema: the database has another schema"), "{text}");
    });
}

#[test]
fn readyz_looks_at_the_storage_at_intervals_however_often_it_is_asked() {
    story(|app| {
        assert_eq!(readyz(app).0, 200);
        fs::remove_dir_all(objects(app)).unwrap();
        let ask = || Connection::open(app.node().port()).get("/readyz").status;
        for _ in 0..50 {
            assert_eq!(ask(), 200, "the last answer holds");
        }
        fs::create_dir_all(objects(app)).unwrap();
    });
}

#[test]
fn readyz_names_what_a_node_can_do_without() {
    let folder = tempfile::tempdir().unwrap();
    let server = installation(folder.path())
        .with_variable("REDIS_URL", "redis://127.0.0.1:1")
        .with_variable("SKAAS_SMTP_URL", "smtp+plain://127.0.0.1:1")
        .serve();
    let scratch = server.installation().data().join("scratch");
    crate::raw::eventually("the scratch folder is a file", || {
        let _ = fs::remove_dir_all(&scratch);
        fs::write(&scratch, "not a folder").is_ok()
    });
    let ask = || Connection::open(server.port()).get("/readyz");
    crate::raw::eventually("/readyz names the data folder", || ask().text().contains("degraded: scratch"));
    let answer = ask();
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    for part in
        ["degraded: redis: Redis does not answer", "degraded: mail: the mail server does not take mail"]
    {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

/// What the doctor finds at fault: what, reason and cure.
fn faults(ran: &Ran) -> Vec<(String, String, String)> {
    let findings: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let all = findings.as_array().unwrap().iter().filter(|finding| finding["ok"] == false);
    all.map(|finding| (text(finding, "what"), text(finding, "found"), text(finding, "cure"))).collect()
}

#[track_caller]
fn finds(installation: &Installation, what: &str, reason: &str, cure: &str) {
    let ran = installation.run(&["doctor", "--json"]);
    let found = faults(&ran);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(found.len(), 1, "{found:?}");
    let (at, why, how) = &found[0];
    assert_eq!(at, what, "{found:?}");
    assert!(why.contains(reason), "{reason:?} is not in {why:?}");
    assert!(how.contains(cure), "{cure:?} is not in {how:?}");
}

#[test]
fn the_doctor_names_each_fault_with_its_reason_and_cure_and_leaves_no_trace() {
    let house = House::new();
    let here = house.server.installation().clone();
    let data = here.data().to_owned();
    assert_eq!(house.server.stop(), Some(0));
    // SQLite removes its log files when the last connection closes; that is no trace of the doctor's.
    let kept = || {
        let all = everything(&data).into_keys();
        all.filter(|path| !path.ends_with("-wal") && !path.ends_with("-shm")).collect::<Vec<_>>()
    };
    let before = kept();
    let healthy = here.run(&["doctor"]);
    assert!(healthy.succeeded() && healthy.stdout.contains("contents and 1 source packs read"), "{healthy}");
    assert_eq!(kept(), before, "the doctor left something");

    let (contents, aside) = (data.join("objects/contents"), data.join("aside"));
    skaas_testkit::git::copy_tree(&contents, &aside);
    let restore = || {
        fs::remove_dir_all(&contents).unwrap();
        skaas_testkit::git::copy_tree(&aside, &contents);
    };
    for file in files(&contents) {
        fs::remove_file(file).unwrap();
    }
    finds(&here, "contents", "are missing, 0 damaged", "from a backup");
    finds(&here, "contents", SKILL, "S3_PREFIX");
    restore();
    damage(&files(&contents)[0]);
    finds(&here, "contents", "0 of", "from a backup");
    restore();
    let objects = data.join("objects");
    fs::rename(&objects, data.join("elsewhere")).unwrap();
    finds(&here, "storage", "No such file or directory", "restore the folder");
    fs::write(&objects, "not a folder").unwrap();
    finds(&here, "storage", "Not a directory", "writable");
    fs::remove_file(&objects).unwrap();
    fs::rename(data.join("elsewhere"), &objects).unwrap();

    let nowhere = here.clone().with_variable("SKAAS_SMTP_URL", "smtp+plain://me:CANARY@127.0.0.1:1");
    finds(&nowhere, "mail", "refused", "SKAAS_SMTP_URL");
    let ran = nowhere.run(&["doctor"]);
    assert!(!(ran.stdout + &ran.stderr).contains("CANARY"));

    edit(&data, "UPDATE migrations SET checksum = 'another' WHERE version = 1");
    finds(&here, "database", "0001_supply", "restore a backup");
    edit(&data, "DELETE FROM migrations WHERE version > 1");
    edit(&data, "UPDATE migrations SET name = 'other'");
    finds(&here, "database", "is not the one", "skaas-server");
}

#[test]
fn the_doctor_finds_lost_packs_leftovers_and_a_damaged_database() {
    let house = House::new();
    let here = house.server.installation().clone();
    let data = here.data().to_owned();
    assert_eq!(house.server.stop(), Some(0));

    let packs: Vec<_> = files(&data.join("objects/sources"))
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "pack" || end == "idx"))
        .collect();
    assert_eq!(packs.len(), 2, "{packs:?}");
    for file in packs {
        let kept = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        finds(&here, "contents", "1 of 1 source packs are missing or cut short", "from a backup");
        fs::write(&file, kept).unwrap();
    }

    let stray = data.join("objects/contents/ab").join("cd".repeat(19));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, [0; 2048]).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
    fs::File::options().write(true).open(&stray).unwrap().set_modified(long_ago).unwrap();
    let looked = here.run(&["doctor"]);
    assert!(looked.succeeded(), "a leftover is no fault: {looked}");
    assert!(looked.stdout.contains("1 unused objects and 0 temporary files, 2 KiB"), "{looked}");
    assert!(looked.stdout.contains("skaas-server admin storage sweep") && stray.exists(), "{looked}");
    // The hour in which the last sweep ran is over.
    edit(&data, "DELETE FROM job_schedules WHERE kind = 'sweep_storage'");
    let server = here.serve();
    crate::raw::eventually("a server removes it once an hour", || !stray.exists());
    assert_eq!(server.stop(), Some(0));

    overwrite_page_with(&data.join("skaas.db"), house.ann.token.split('_').nth(2).unwrap());
    finds(&here, "database", "the database file", "restore the database from a backup");
    assert!(here.run(&["doctor", "--quick"]).succeeded(), "the file is read only without --quick");
}

/// Destroys the table page that holds `text`: its count of rows is then impossible.
fn overwrite_page_with(file: &Path, text: &str) {
    const PAGE: usize = 4096;
    const TABLE_LEAF: u8 = 13;
    let mut bytes = fs::read(file).unwrap();
    let holds = |page: &[u8]| page.windows(text.len()).any(|window| window == text.as_bytes());
    let mut pages = bytes.chunks_mut(PAGE).filter(|page| page[0] == TABLE_LEAF && holds(page));
    pages.next().expect("a row holds it")[3..5].fill(0xff);
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_doctor_names_a_redis_that_is_away_and_an_address_that_is_no_longer_served() {
    let house = House::new();
    let here = house.server.installation().clone();
    finds(
        &here.clone().with_variable("REDIS_URL", "redis://127.0.0.1:1"),
        "redis",
        "counts alone",
        "REDIS_URL",
    );
    let moved = here.with_variable("SKAAS_PUBLIC_URL", "https://skills.example");
    finds(&moved, "address", "the configuration https://skills.example", "restart the server");
    let advised = moved.run(&["doctor"]);
    assert!(advised.stdout.contains("count as one address"), "{advised}");
    assert!(advised.stdout.contains("SKAAS_TRUSTED_PROXIES"), "{advised}");
    let named = moved.with_variable("SKAAS_TRUSTED_PROXIES", "10.0.0.0/8").run(&["doctor"]);
    assert!(named.stdout.contains("10.0.0.0/8 trusted to say who asks"), "{named}");
}

/// Changes the database behind the program's back.
fn edit(data: &Path, sql: &str) {
    let database = DatabaseConfig::Sqlite { path: data.join("skaas.db") };
    let config = StoreConfig::new(database, ObjectsConfig::Folder { path: data.join("objects") });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(config).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        run_sql(&mut tx, sql).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_full_disk_is_named_by_the_doctor_and_by_readyz() {
    let house = House::configured(&[SKILL], |installation| hardened(&installation));
    let pid = house.server.pid().to_string();
    crate::faults::room(&house.server, "4096");
    let port = house.server.port();
    let told = || Connection::open(port).get("/readyz").text();
    crate::raw::eventually(&format!("/readyz of {pid} says so"), || {
        told().contains("storage refuses writes")
    });
    // For the doctor's own process as well.
    let full = house.folder.path().join("full");
    let text =
        format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f 8\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_skaas-server"));
    fs::write(&full, text).unwrap();
    fs::set_permissions(&full, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ran = Installation::new(&full, house.server.installation().data()).run(&["doctor", "--json"]);
    let found = faults(&ran);
    let of =
        |what: &str| found.iter().find(|(at, ..)| at == what).unwrap_or_else(|| panic!("{what}: {found:?}"));
    assert!(of("data folder").2.contains("free space"), "{found:?}");
    assert!(of("storage").2.contains("free space"), "{found:?}");
}

/// An S3 that answers everything with one error, as Amazon words it.
fn failing_s3(status: &'static str, code: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // One request is one packet here.
            drop(stream.read(&mut [0; 8192]));
            let body = format!(
                "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a CANARY</Message>\
                 <Region>eu-central-1</Region><AWSAccessKeyId>CANARY-ID</AWSAccessKeyId></Error>"
            );
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    url
}

#[test]
fn every_fault_of_a_bucket_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let base = installation(folder.path());
    base.run(&["migrate"]).expect_success();
    let with = |endpoint: &str| {
        [
            ("S3_ENDPOINT", endpoint),
            ("S3_BUCKET", "skaas"),
            ("S3_ACCESS_KEY_ID", "CANARY-ID"),
            ("S3_SECRET_ACCESS_KEY", "CANARY-SECRET"),
            ("S3_ALLOW_HTTP", "true"),
        ]
        .iter()
        .fold(base.clone(), |all, (name, value)| all.with_variable(name, value))
    };
    for (status, code, reason, cure) in [
        ("403 Forbidden", "InvalidAccessKeyId", "does not know the access key", "S3_ACCESS_KEY_ID"),
        ("403 Forbidden", "SignatureDoesNotMatch", "secret key", "S3_SECRET_ACCESS_KEY"),
        ("404 Not Found", "NoSuchBucket", "no such bucket", "S3_BUCKET"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "it is in eu-central-1", "S3_REGION"),
        ("301 Moved Permanently", "PermanentRedirect", "another region", "S3_REGION"),
        ("403 Forbidden", "RequestTimeTooSkewed", "clock", "NTP"),
        ("403 Forbidden", "AccessDenied", "may not", "allow this key"),
    ] {
        let url = failing_s3(status, code);
        finds(&with(&url), "storage", reason, cure);
        let ran = with(&url).run(&["doctor"]);
        let said = ran.stdout + &ran.stderr;
        assert!(!said.contains("CANARY"), "{said}");
    }
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent =
        format!("http://{}", silent.local_addr().map(|at| (at, Box::leak(Box::new(silent))).0).unwrap());
    finds(&with("http://127.0.0.1:1"), "storage", "refused the connection", "S3_ENDPOINT");
    finds(&with("http://storage.invalid"), "storage", "cannot be resolved", "DNS");
    finds(&with(&silent), "storage", "did not answer in time", "network");
}
