//! What failed and killed writes leave behind, and that a sweep takes that and nothing else.

use bytes::Bytes;
use jiff::Timestamp;
use skaas_domain::id::SourceId;
use skaas_store::{
    Leftovers, Oid, PackPart, Store, contents, releases,
    sources::{self, SourcePack},
    testing::{TestDatabase, run_sql},
};

use crate::{
    both,
    world::{World, at, oid},
};

both!(a_sweep_takes_what_no_row_names_and_nothing_else, a_sweep_never_takes_what_is_being_written);

/// Later than any file that a test writes.
fn later() -> Timestamp {
    at(1_000_000_000)
}

async fn put_pack(store: &Store, database: &TestDatabase, source: SourceId, pack: Oid) {
    let from = database.path().join(format!("from-{pack}"));
    for (part, text) in [(PackPart::Pack, "a pack"), (PackPart::Index, "its index")] {
        std::fs::write(&from, text).unwrap();
        while store.put_source_pack(source, pack, part, &from).await.is_err() {}
    }
}

fn row(source: SourceId, pack: Oid) -> SourcePack {
    SourcePack { source, pack, bytes: 6, objects: 1, created_at: at(5), retired_at: None }
}

async fn a_sweep_takes_what_no_row_names_and_nothing_else(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let ann = world.user("ann").await;
    let source = world.source(ann.id, "tools").await;
    let listing = world.skill(&source, "lint").await;
    for number in 1..=3 {
        world.content(oid(number)).await;
    }
    let release = world.new_release(listing.skill, "1.0.0", oid(1));
    let mut tx = world.store.begin().await.unwrap();
    releases::add(&mut tx, &release).await.unwrap();
    sources::add_pack(&mut tx, &row(source.id, oid(11))).await.unwrap();
    // The second content is used by nothing; the third has lost its row, as if it never had one.
    run_sql(&mut tx, &format!("DELETE FROM contents WHERE tree = {}", literal(oid(3), &database)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for pack in [11, 12] {
        put_pack(&world.store, &database, source.id, oid(pack)).await;
    }
    // Only a folder has temporary files.
    let half = database.path().join(format!("objects/sources/{}/{}.pack#1", source.id, oid(13)));
    let in_folder = half.parent().unwrap().exists();
    if in_folder {
        std::fs::write(&half, "half a pack").unwrap();
        std::fs::write(database.path().join("objects/not-ours.txt"), "stays").unwrap();
    }

    let long_ago = Timestamp::UNIX_EPOCH;
    assert_eq!(
        world.store.leftovers(long_ago).await.unwrap(),
        Leftovers::default(),
        "all of it is too young"
    );
    let expected = Leftovers {
        objects: 4,
        object_bytes: 40 + 40 + 6 + 9,
        temporary_files: u64::from(in_folder),
        temporary_bytes: if in_folder { 11 } else { 0 },
    };
    assert_eq!(world.store.leftovers(later()).await.unwrap(), expected, "counted and kept");
    assert_eq!(world.store.sweep(later()).await.unwrap(), expected);
    assert_eq!(world.store.leftovers(later()).await.unwrap(), Leftovers::default());

    world.store.get_content(oid(1)).await.unwrap();
    assert!(world.store.has_source_pack(source.id, oid(11)).await.unwrap());
    assert!(!world.store.has_source_pack(source.id, oid(12)).await.unwrap());
    for gone in [2, 3] {
        assert!(world.store.get_content(oid(gone)).await.is_err());
        let mut conn = world.store.read().await.unwrap();
        assert_eq!(contents::find(&mut conn, oid(gone)).await.unwrap(), None);
    }
    if in_folder {
        assert!(!half.exists() && database.path().join("objects/not-ours.txt").exists());
    }
    // What was swept away can be stored again.
    world.content(oid(2)).await;
    world.store.get_content(oid(2)).await.unwrap();
}

fn literal(tree: Oid, database: &TestDatabase) -> String {
    if database.is_postgres() { format!("'\\x{tree}'") } else { format!("x'{tree}'") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_takes_what_no_row_names_from_s3() {
    if let Some(database) = TestDatabase::sqlite().with_s3() {
        a_sweep_takes_what_no_row_names_and_nothing_else(database).await;
    }
}

/// Writers store what an earlier, failed write had left, while two sweeps take just that. Whoever is told that
/// something is stored finds it there.
async fn a_sweep_never_takes_what_is_being_written(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let ann = world.user("ann").await;
    let source = world.source(ann.id, "tools").await;
    let listing = world.skill(&source, "lint").await;
    for round in 0..8_u64 {
        let trees: Vec<Oid> = (0..4).map(|number| oid(1000 * round + number)).collect();
        for tree in &trees {
            world.content(*tree).await;
        }
        let mut conn = world.store.begin().await.unwrap();
        run_sql(&mut conn, "DELETE FROM contents WHERE tree NOT IN (SELECT tree FROM releases)")
            .await
            .unwrap();
        conn.commit().await.unwrap();
        put_pack(&world.store, &database, source.id, oid(round)).await;
        let new: Vec<_> = (0..4)
            .map(|number| {
                let tree = oid(1000 * round + number);
                world.new_release(listing.skill, &format!("{round}.0.{number}"), tree)
            })
            .collect();
        let store = &world.store;
        let writing = async {
            for release in &new {
                loop {
                    let data = Bytes::from(release.tree.to_string());
                    // A sweep of this very moment may take a file that is half written: then it is written again.
                    while store.put_content(release.tree, 3, data.clone(), at(3)).await.is_err() {}
                    let mut tx = store.begin().await.unwrap();
                    if !contents::keep(&mut tx, release.tree).await.unwrap() {
                        continue;
                    }
                    releases::add(&mut tx, release).await.unwrap();
                    tx.commit().await.unwrap();
                    break;
                }
            }
        };
        let pushing = async {
            put_pack(store, &database, source.id, oid(round)).await;
            let mut tx = store.begin().await.unwrap();
            sources::add_pack(&mut tx, &row(source.id, oid(round))).await.unwrap();
            if store.has_source_pack(source.id, oid(round)).await.unwrap() {
                tx.commit().await.unwrap();
            }
        };
        let sweeping = async || {
            for _ in 0..3 {
                store.sweep(later()).await.unwrap();
            }
        };
        tokio::join!(writing, pushing, sweeping(), sweeping());
    }
    let mut conn = world.store.read().await.unwrap();
    let all = releases::list(&mut conn, listing.skill).await.unwrap();
    assert_eq!(all.len(), 32);
    for release in all {
        world.store.get_content(release.tree).await.unwrap();
    }
    for pack in sources::packs(&mut conn, source.id).await.unwrap() {
        assert!(world.store.has_source_pack(source.id, pack.pack).await.unwrap(), "{}", pack.pack);
    }
}
