//! What the disk has been made to keep when something is acknowledged, on the embedded default.
//!
//! A preloaded library notes every fsync of the server and of the commands beside it. That counts what the
//! programs really ask of the system, with no tracer, which containers often forbid.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use skaas_testkit::wire::Connection;

use crate::story::{House, SKILL};

/// The notes of one house's programs.
struct Notes(PathBuf);

impl Notes {
    /// The files that were synced since the last look, in order.
    fn take(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        fs::write(&self.0, "").unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn is_log(path: &str) -> bool {
    path.ends_with("/skaas.db-wal")
}

/// A house whose programs note what they sync.
fn noted_house(folder: &Path) -> (House, Notes) {
    let (library, notes) = (folder.join("fsyncs.so"), folder.join("notes"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fsyncs/fsyncs.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(compiler.status().unwrap().success(), "the library cannot be compiled");
    let house = House::configured(&[SKILL], |installation| {
        installation
            .with_variable("LD_PRELOAD", library.to_str().unwrap())
            .with_variable("FSYNC_LOG", notes.to_str().unwrap())
    });
    (house, Notes(notes))
}

#[test]
fn what_is_acknowledged_was_synced_before_and_steps_wait_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (house, notes) = noted_house(folder.path());
    let at_start = notes.take();
    let data = house.server.installation().data().to_str().unwrap().to_owned();
    assert!(at_start.contains(&data), "the names of a new database and of its folders: {at_start:#?}");

    house.person("bob");
    for command in [
        &["token", "create", "bob"][..],
        &["grant", "add", "bob", SKILL, "--kind", "gift"],
        &["grant", "revoke", "bob", SKILL],
        &["listing", "set", SKILL, "--price", "2000"],
    ] {
        notes.take();
        house.admin(command);
        let synced = notes.take();
        assert!(synced.iter().any(|path| is_log(path)), "{command:?} synced {synced:#?}");
    }

    // A step is decided again after a power cut: a fetch does not wait for the disk.
    let carol = house.person("carol");
    notes.take();
    carol.clone(&carol.git, &house.server, "marketplace", "market", &[]);
    carol.clone(&carol.git, &house.server, SKILL, "skill", &[]);
    assert_eq!(notes.take(), Vec::<String>::new());

    let token = house.server.installation().token("bob");
    notes.take();
    let mut line = Connection::open(house.server.port());
    let bearer = format!("Bearer {token}");
    let revoked = line.send("DELETE", "/api/tokens/current", &[("authorization", &bearer)], b"");
    assert!(matches!(revoked.status, 200 | 204), "{}", revoked.text());
    let synced = notes.take();
    assert!(synced.iter().any(|path| is_log(path)), "a revocation synced {synced:#?}");
}

#[test]
fn a_pushs_objects_and_their_folders_are_synced_before_the_rows_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let (house, notes) = noted_house(folder.path());
    notes.take();
    house.release("1.3.0");
    let synced = notes.take();
    let rows = synced.iter().rposition(|path| is_log(path)).unwrap_or_else(|| panic!("{synced:#?}"));
    let data = house.server.installation().data().to_str().unwrap();
    for kind in ["contents", "sources"] {
        let below = format!("{data}/objects/{kind}/");
        let objects = synced[..rows].iter().filter(|path| path.starts_with(&below)).count();
        assert!(objects >= 2, "an object and its folder: {synced:#?}");
        // The last word is the database's: nothing of an object is synced after it.
        assert!(!synced[rows..].iter().any(|path| path.starts_with(&below)), "{synced:#?}");
    }
}
