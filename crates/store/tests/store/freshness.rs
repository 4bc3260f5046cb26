//! A change that anybody committed is noticed by everybody, at the next look.

use std::process::{Command, Stdio};

use skaas_store::{DatabaseConfig, settings, testing::TestDatabase};

use crate::{both, world::World};

async fn set(store: &skaas_store::Store, value: &str) {
    let mut tx = store.begin().await.unwrap();
    settings::set(&mut tx, "k", value).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn equal_marks_mean_that_nobody_committed_anything() {
    let database = TestDatabase::sqlite();
    let (ours, theirs) = (database.store().await, database.store().await);
    let first = ours.mark().unwrap();
    assert_eq!(ours.mark(), Some(first));
    // Reading changes nothing, not even through the writer's connection.
    let mut conn = ours.read().await.unwrap();
    settings::get(&mut conn, "k").await.unwrap();
    ours.describe().await.unwrap();
    drop(ours.begin().await.unwrap());
    assert_eq!(ours.mark(), Some(first));

    // Our own writer's commit, and another store's.
    set(&ours, "1").await;
    let second = ours.mark().unwrap();
    assert_ne!(second, first);
    set(&theirs, "2").await;
    let third = ours.mark().unwrap();
    assert_ne!(third, second);

    // Uncommitted is not a change; committed is.
    let mut tx = theirs.begin().await.unwrap();
    settings::set(&mut tx, "k", "3").await.unwrap();
    assert_eq!(ours.mark(), Some(third));
    assert_eq!(settings::get(&mut conn, "k").await.unwrap().as_deref(), Some("2"));
    tx.commit().await.unwrap();
    assert_ne!(ours.mark(), Some(third));
    assert_eq!(settings::get(&mut conn, "k").await.unwrap().as_deref(), Some("3"));
}

/// What another process does: this test program, asked for this one test, with the file in its hands.
#[tokio::test]
async fn another_process_writes_when_told_to() {
    let Some(path) = std::env::var_os("SKAAS_TEST_WRITE_TO") else { return };
    let objects =
        skaas_store::ObjectsConfig::Folder { path: std::path::Path::new(&path).with_extension("o") };
    let database = DatabaseConfig::Sqlite { path: path.into() };
    let store = skaas_store::Store::open(skaas_store::StoreConfig::new(database, objects)).await.unwrap();
    store.migrate().await.unwrap();
    set(&store, "from outside").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_is_noticed_while_we_run() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    let before = store.mark().unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "freshness::another_process_writes_when_told_to"])
        .env("SKAAS_TEST_WRITE_TO", database.path().join("skaas.db"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
    assert_ne!(store.mark(), Some(before));
    let mut conn = store.read().await.unwrap();
    assert_eq!(settings::get(&mut conn, "k").await.unwrap().as_deref(), Some("from outside"));
    // And we still write.
    set(&store, "from inside").await;
}

both!(revisions_are_those_of_the_newest_commit_on_every_node);

async fn revisions_are_those_of_the_newest_commit_on_every_node(database: TestDatabase) {
    let mut here = World::new(database.store().await);
    let there = database.store().await;
    let user = here.user("alice").await.id;
    for expected in 2..50 {
        let mut tx = here.store.begin().await.unwrap();
        tx.bump_catalogue().await.unwrap();
        tx.bump_user(user).await.unwrap();
        tx.bump_user(user).await.unwrap();
        tx.commit().await.unwrap();
        let seen = there.revisions(user).await.unwrap();
        assert_eq!((seen.catalogue, seen.user), (expected - 1, expected));
    }
    assert_eq!(there.mark().is_none(), database.is_postgres());
    let stranger = here.person("nobody").id;
    assert_eq!(there.revisions(stranger).await.unwrap().user, 0);
}
