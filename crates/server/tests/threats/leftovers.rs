//! Kills and full disks in the middle of pushes: after a sweep there is not one byte that no row names.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_app::{DatabaseConfig, ObjectsConfig, Store, StoreConfig};
use skaas_testkit::git::Ran;
use skaas_testkit::process::{Installation, Server};

use crate::faults::{comes_back, hardened, room};
use crate::patience::noise;
use crate::story::{House, SKILL};

/// How many kills; `SKAAS_TEST_KILLS=200` for the long run.
fn kills() -> usize {
    std::env::var("SKAAS_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(6)
}

/// Bytes of all files below a folder whose name passes.
fn bytes_below(folder: &Path, counts: &dyn Fn(&str) -> bool) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => bytes_below(&path, counts),
                false if counts(&name) => fs::metadata(&path).unwrap().len(),
                false => 0,
            }
        })
        .sum()
}

/// What rows name, in bytes: contents, and packs without their indexes.
fn named_bytes(config: &StoreConfig) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let counts = Store::open(config.clone()).await.unwrap().describe().await.unwrap().counts;
        (counts.content_bytes.unsigned_abs(), counts.source_bytes.unsigned_abs())
    })
}

fn store_of(installation: &Installation) -> StoreConfig {
    let data = installation.data();
    StoreConfig::new(
        DatabaseConfig::Sqlite { path: data.join("skaas.db") },
        ObjectsConfig::Folder { path: data.join("objects") },
    )
}

/// Sweeps, and holds what is on the disk against what rows name. Gives the bytes that the sweep removed.
#[track_caller]
fn nothing_is_left(house: &House) -> u64 {
    let sweep = |options: &[&str]| {
        let arguments = [&["storage", "sweep", "--older-than", "0s"], options].concat();
        let swept = house.admin(&arguments);
        swept["object_bytes"].as_u64().unwrap() + swept["temporary_bytes"].as_u64().unwrap()
    };
    let (counted, swept) = (sweep(&["--dry-run"]), sweep(&[]));
    assert_eq!(counted, swept, "what was counted is what was removed");
    assert_eq!(sweep(&["--dry-run"]), 0);
    let data = house.server.installation().data();
    let (contents, packs) = named_bytes(&store_of(house.server.installation()));
    assert_eq!(bytes_below(&data.join("objects/contents"), &|_| true), contents);
    assert_eq!(bytes_below(&data.join("objects/sources"), &|name| !has_ending(name, "idx")), packs);
    let indexes = |folder: &str, ending: &str| {
        let mut count = 0;
        for source in fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(files) = fs::read_dir(source) else { continue };
            count += files
                .filter(|file| file.as_ref().unwrap().path().to_string_lossy().ends_with(ending))
                .count();
        }
        count
    };
    assert_eq!(indexes("objects/sources", ".pack"), indexes("objects/sources", ".idx"));
    // The node's own copies hold whole packs and nothing else.
    let copies =
        bytes_below(&data.join("scratch"), &|name| !has_ending(name, "idx") && !has_ending(name, "lock"));
    assert!(copies <= packs, "{copies} bytes in copies of {packs}");
    swept
}

#[test]
fn kills_in_the_middle_of_pushes_leave_no_byte_that_no_row_names() {
    let mut house = House::new();
    let work = house.ann.folder.join(SKILL);
    let mut random = StdRng::seed_from_u64(7);
    let (mut swept, mut acknowledged) = (0, 0);
    for round in 0..kills() {
        let url = house.server.at(&format!("s/ann/{SKILL}.git"));
        house.edit(&format!("2.{round}.0"));
        let size = random.random_range(10_000..2_000_000);
        fs::write(work.join("references/data.bin"), noise(size)).unwrap();
        house.ann.git.commit(&work, &format!("Round {round}"));
        let mut push = house.ann.git.command(&work, &["push", "-q", &url, "main"]);
        let pushing = std::thread::spawn(move || Ran::capture(&mut push, b""));
        std::thread::sleep(Duration::from_millis(random.random_range(0..600)));
        house = comes_back(house, Server::kill);
        acknowledged += usize::from(pushing.join().unwrap().succeeded());
        if round % 10 == 9 {
            swept += nothing_is_left(&house);
        }
    }
    house.ann.push(&house.server, SKILL);
    swept += nothing_is_left(&house);
    eprintln!("{} kills, {acknowledged} pushes acknowledged before, {swept} bytes swept", kills());
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let copy = house.ann.folder.join("copy");
    house.ann.git.ok(&house.ann.folder, &["clone", "-q", &url, &copy.to_string_lossy()]);
    house.ann.git.ok(&copy, &["fsck", "--strict"]);
    assert_eq!(
        house.ann.git.ok(&copy, &["rev-parse", "HEAD"]),
        house.ann.git.ok(&work, &["rev-parse", "HEAD"])
    );
}

#[test]
fn pushes_to_a_full_disk_are_told_so_and_leave_nothing_on_it() {
    let house = House::configured(&[SKILL], |installation| hardened(&installation));
    let work = house.ann.folder.join(SKILL);
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let data = house.server.installation().data().join("objects");
    let before = bytes_below(&data, &|_| true);
    house.edit("1.3.0");
    fs::write(work.join("references/more.bin"), noise(600_000)).unwrap();
    house.ann.git.commit(&work, "Release 1.3.0");
    // From too little for the body to too little for the last file of all.
    for bytes in [4_096, 100_000, 400_000, 601_000, 602_000, 603_000] {
        room(&house.server, &bytes.to_string());
        // Another pack each time: git compresses with several threads.
        house.ann.git.ok(&work, &["commit", "-q", "--amend", "-m", &format!("Release 1.3.0 with {bytes}")]);
        let refused = house.ann.git.run(&work, &["push", &url, "main"]);
        if refused.succeeded() {
            continue;
        }
        assert!(refused.stderr.contains("out of disk space"), "{bytes}: {refused}");
        assert!(refused.stderr.contains("push again"), "{refused}");
        let packs = bytes_below(&data.join("sources"), &|_| true);
        assert!(packs <= before, "{bytes}: {packs} bytes of packs, {before} before");
    }
    room(&house.server, "unlimited");
    house.ann.push(&house.server, SKILL);
    nothing_is_left(&house);
}

fn has_ending(name: &str, ending: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == ending)
}
