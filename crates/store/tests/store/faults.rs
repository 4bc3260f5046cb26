//! Databases that are full, held up, restarted, damaged or not ours: an error each time, never a success.

use std::time::Duration;

use skaas_store::{
    Store, StoreConfig, StoreError, listings, settings,
    testing::{TestDatabase, run_sql},
    users,
};

use crate::{both, world::World};

both!(
    a_failed_statement_cannot_be_committed,
    a_dropped_transaction_leaves_nothing,
    an_unmigrated_database_is_not_ready,
    a_foreign_migration_is_refused_and_nothing_changed,
    a_newer_database_is_served,
    impossible_rows_are_refused_by_name,
);

/// The cluster's owner may have it acknowledge commits that its disk does not have yet: not ours.
#[tokio::test]
async fn a_postgresql_that_acknowledges_early_waits_for_the_disk_when_we_commit() {
    let Some(database) = TestDatabase::postgres() else { return };
    let admin = database.store().await;
    for (set, expected) in [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
    {
        let change = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = {set}', current_database()); \
             END $$"
        );
        run_sql(&mut admin.read().await.unwrap(), &change).await.unwrap();
        let store = Store::open(database.config().clone()).await.unwrap();
        let asked = format!("SELECT 1 / (current_setting('synchronous_commit') = '{expected}')::int");
        run_sql(&mut store.begin().await.unwrap(), &asked)
            .await
            .unwrap_or_else(|error| panic!("{set}: {error}"));
        store.close().await;
    }
}

#[tokio::test]
async fn no_more_connections_read_an_sqlite_database_than_are_configured() {
    let database = TestDatabase::sqlite();
    database.store().await.close().await;
    let store = Store::open(StoreConfig { readers: 3, ..database.config().clone() }).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(store.read().await.unwrap());
    }
    let mut fourth = Box::pin(store.read());
    // A connection that may be opened is open within milliseconds; the first poll alone proves nothing.
    let early = tokio::time::timeout(Duration::from_secs(1), &mut fourth).await;
    assert!(early.is_err(), "three read at once, not four");
    held.pop();
    fourth.await.unwrap();
}

async fn is_set(store: &Store, name: &str) -> bool {
    settings::get(&mut store.read().await.unwrap(), name).await.unwrap().is_some()
}

async fn a_failed_statement_cannot_be_committed(database: TestDatabase) {
    let store = database.store().await;
    let mut tx = store.begin().await.unwrap();
    settings::set(&mut tx, "kept", "?").await.unwrap();
    assert!(run_sql(&mut tx, "INSERT INTO settings (name, value) VALUES ('kept', 'twice')").await.is_err());
    // PostgreSQL answers this commit with a rollback that looks like success.
    assert!(matches!(tx.commit().await, Err(StoreError::Aborted)));
    assert!(!is_set(&store, "kept").await);
}

async fn a_dropped_transaction_leaves_nothing(database: TestDatabase) {
    let store = database.store().await;
    for _ in 0..20 {
        let mut tx = store.begin().await.unwrap();
        settings::set(&mut tx, "kept", "?").await.unwrap();
        drop(tx);
    }
    assert!(!is_set(&store, "kept").await);
    // A use case that is cancelled in the middle of a statement leaves nothing either.
    for _ in 0..20 {
        let mut tx = store.begin().await.unwrap();
        let mut write = Box::pin(settings::set(&mut tx, "kept", "?"));
        let _ = futures_util::poll!(&mut write);
        drop(write);
        drop(tx);
    }
    assert!(!is_set(&store, "kept").await);
    let mut tx = store.begin().await.unwrap();
    settings::set(&mut tx, "kept", "!").await.unwrap();
    tx.commit().await.unwrap();
    assert!(is_set(&store, "kept").await);
}

async fn an_unmigrated_database_is_not_ready(database: TestDatabase) {
    let store = Store::open(database.config().clone()).await.unwrap();
    assert!(store.ping().await.is_err());
    assert!(!store.has_schema().await.unwrap());
    store.migrate().await.unwrap();
    assert!(store.has_schema().await.unwrap());
    store.ping().await.unwrap();
}

async fn a_foreign_migration_is_refused_and_nothing_changed(database: TestDatabase) {
    let store = database.store().await;
    let mut tx = store.begin().await.unwrap();
    run_sql(&mut tx, "UPDATE migrations SET checksum = 'other' WHERE version = 1").await.unwrap();
    tx.commit().await.unwrap();
    let refusal = store.migrate().await;
    let Err(StoreError::Migration(text)) = &refusal else { panic!("{refusal:?}") };
    assert!(text.contains("0001_supply") && text.contains("nothing was changed"), "{text}");
}

async fn a_newer_database_is_served(database: TestDatabase) {
    let store = database.store().await;
    let mut tx = store.begin().await.unwrap();
    let later = "INSERT INTO migrations (version, name, checksum) VALUES (1000, '1000_later', 'c')";
    run_sql(&mut tx, later).await.unwrap();
    tx.commit().await.unwrap();
    let done = store.migrate().await.unwrap();
    assert_eq!((done.applied, done.unknown), (vec![], vec!["1000_later".to_owned()]));
    store.ping().await.unwrap();
}

async fn impossible_rows_are_refused_by_name(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let user = world.user("alice").await;
    let source = world.source(user.id, "kit").await;
    let skill = world.skill(&source, "lint-pro").await.skill;
    for (damage, column) in [
        ("trial_days = -1", "trial_days"),
        ("created_at = 9223372036854775807", "created_at"),
        ("id = 'skl_short'", "id"),
    ] {
        let mut tx = world.store.begin().await.unwrap();
        run_sql(&mut tx, &format!("UPDATE skills SET {damage}")).await.unwrap();
        let read = listings::find_by_name(&mut tx, "lint-pro").await;
        let Err(StoreError::Corrupt { what, .. }) = &read else { panic!("{damage}: {read:?}") };
        assert!(what.contains(column), "{damage}: {what}");
    }
    let price = |number: u8, columns: &str| {
        format!(
            "INSERT INTO prices (id, skill_id, price_minor, price_currency, price_interval, created_at)
            VALUES ('prc_0000000000000000000000000{number}', '{skill}', {columns}, 1)"
        )
    };
    for damage in ["100000000, 'USD', 'once'", "5, 'ZZQ', 'once'"] {
        let mut tx = world.store.begin().await.unwrap();
        run_sql(&mut tx, &price(1, damage)).await.unwrap();
        let read = listings::find_by_name(&mut tx, "lint-pro").await;
        let Err(StoreError::Corrupt { what, .. }) = &read else { panic!("{damage}: {read:?}") };
        assert!(what.contains("price_minor"), "{damage}: {what}");
    }
    // A free price beside a paid one.
    let mut tx = world.store.begin().await.unwrap();
    run_sql(&mut tx, &price(1, "5, 'USD', 'once'")).await.unwrap();
    run_sql(&mut tx, &price(2, "0, NULL, NULL")).await.unwrap();
    let read = listings::find_by_name(&mut tx, "lint-pro").await;
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
    drop(tx);
    // And those that the schema can tell are not even written.
    for damage in
        ["5, NULL, NULL", "-1, NULL, NULL", "0, 'USD', 'once'", "5, 'USD', NULL", "5, 'USD', 'week'"]
    {
        let mut tx = world.store.begin().await.unwrap();
        assert!(run_sql(&mut tx, &price(1, damage)).await.is_err(), "{damage}");
    }
    for twice in ["5, 'USD', 'once'", "0, NULL, NULL"] {
        let mut tx = world.store.begin().await.unwrap();
        run_sql(&mut tx, &price(1, twice)).await.unwrap();
        assert!(run_sql(&mut tx, &price(2, twice)).await.is_err(), "{twice}");
    }
    for damage in [
        "price_minor = 5",
        "price_minor = -1",
        "price_currency = 'USD'",
        "state = 'published'",
        "state = 'sold'",
        "tags = 'no json'",
    ] {
        let mut tx = world.store.begin().await.unwrap();
        assert!(run_sql(&mut tx, &format!("UPDATE skills SET {damage}")).await.is_err(), "{damage}");
    }
    let found = listings::find_by_id(&mut world.store.read().await.unwrap(), skill).await.unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_there_stays() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    let mut tx = store.begin().await.unwrap();
    settings::set(&mut tx, "before", "x").await.unwrap();
    // The one writing connection may not let the file grow from here on, as on a full disk.
    run_sql(&mut tx, "PRAGMA max_page_count = 1").await.unwrap();
    tx.commit().await.unwrap();
    let big = "x".repeat(1 << 20);
    let mut tx = store.begin().await.unwrap();
    let refusal = settings::set(&mut tx, "big", &big).await;
    assert!(matches!(refusal, Err(StoreError::Full(_))), "{refusal:?}");
    // SQLite may have rolled back by itself: what comes after in the same transaction is not kept.
    assert!(settings::set(&mut tx, "after", "x").await.is_err());
    assert!(tx.commit().await.is_err());
    assert!(is_set(&store, "before").await && !is_set(&store, "big").await && !is_set(&store, "after").await);

    // With room again, it is written again.
    let mut tx = store.begin().await.unwrap();
    settings::set(&mut tx, "big", &big).await.unwrap();
    tx.commit().await.unwrap();
    assert!(is_set(&store, "big").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_held_up_by_another_process_is_busy_and_then_not() {
    let database = TestDatabase::sqlite();
    let (here, there) = (database.store().await, database.store().await);
    let mut held = there.begin().await.unwrap();
    settings::set(&mut held, "theirs", "x").await.unwrap();
    // Readers are not held up.
    assert!(!is_set(&here, "theirs").await);
    let refusal = here.begin().await.err();
    assert!(matches!(refusal, Some(StoreError::Busy(_))), "{refusal:?}");
    assert!(refusal.unwrap().is_transient());
    held.commit().await.unwrap();
    drop(here.begin().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_held_too_long_is_busy_on_postgresql_too() {
    let Some(database) = TestDatabase::postgres() else { return };
    let mut world = World::new(database.store().await);
    let user = world.user("alice").await.id;
    let mut held = world.store.begin().await.unwrap();
    held.bump_user(user).await.unwrap();
    let mut tx = world.store.begin().await.unwrap();
    let refusal = tx.bump_user(user).await;
    assert!(matches!(refusal, Err(StoreError::Busy(_))), "{refusal:?}");
    held.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_database_fails_what_was_open_and_serves_what_follows() {
    let Some(database) = TestDatabase::postgres() else { return };
    let mut world = World::new(database.store().await);
    let alice = world.user("alice").await;
    let bob = world.person("bob");
    let mut open = world.store.begin().await.unwrap();
    users::add(&mut open, &bob).await.unwrap();
    let other = database.store().await;
    // What a restart does to every connection.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    run_sql(&mut other.read().await.unwrap(), cut).await.unwrap();

    let lost = open.commit().await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(users::find_by_id(&mut conn, alice.id).await.unwrap(), Some(alice));
    assert_eq!(users::find_by_id(&mut conn, bob.id).await.unwrap(), None);
    let mut tx = world.store.begin().await.unwrap();
    users::add(&mut tx, &bob).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_a_database_is_refused_with_a_reason() {
    let database = TestDatabase::sqlite();
    let path = database.path().join("skaas.db");
    std::fs::write(&path, "this is a letter and not a database, however long it is".repeat(100)).unwrap();
    let refusal = Store::open(database.config().clone()).await.err().unwrap();
    assert!(matches!(refusal, StoreError::Corrupt { .. }), "{refusal:?}");
    let refused = async |url: &str| {
        let config = StoreConfig {
            database: skaas_store::DatabaseConfig::Postgres { url: url.to_owned() },
            ..database.config().clone()
        };
        Store::open(config).await.err().unwrap()
    };
    let config = refused("no address at all").await;
    assert!(matches!(config, StoreError::Config(_)), "{config:?}");
    let nobody = refused("postgres://nobody@127.0.0.1:1/none").await;
    assert!(matches!(nobody, StoreError::Unavailable(_)), "{nobody:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_database_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = TestDatabase::sqlite();
    let _store = database.store().await;
    for name in ["skaas.db", "skaas.db-wal", "skaas.db-shm"] {
        let mode = std::fs::metadata(database.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}
