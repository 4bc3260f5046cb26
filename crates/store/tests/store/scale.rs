//! Ten thousand skills, and laws that hold for any history of the catalogue.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_domain::entitlement::StubReason;
use skaas_store::{
    NewContent, catalogue, listings, releases,
    stubs::{self, NewStub},
    testing::TestDatabase,
};

use crate::{
    both,
    world::{World, at, oid},
};

both!(any_revision_is_an_earlier_one_with_its_changes, the_whole_catalogue_loads_in_a_few_queries);

async fn any_revision_is_an_earlier_one_with_its_changes(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let user = world.user("ann").await.id;
    let source = world.source(user, "kit").await;
    let skill = world.skill(&source, "any").await.skill;
    let mut tx = world.store.begin().await.unwrap();
    for n in 0..8 {
        catalogue::add_fragments(&mut tx, &[(&n.to_string(), "text")]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut rng = StdRng::seed_from_u64(11);
    let mut model: BTreeMap<i64, Option<String>> = BTreeMap::new();
    let mut history = BTreeMap::new();
    for _ in 0..40 {
        let mut tx = world.store.begin().await.unwrap();
        let revision = tx.bump_catalogue().await.unwrap();
        for _ in 0..rng.random_range(0..4) {
            let position = rng.random_range(0..10);
            let fragment = rng.random_bool(0.8).then(|| rng.random_range(0..8).to_string());
            catalogue::put_entry(&mut tx, position, skill, fragment.as_deref()).await.unwrap();
            model.insert(position, fragment);
        }
        tx.commit().await.unwrap();
        history.insert(revision, model.clone());
    }
    let mut conn = world.store.snapshot().await.unwrap();
    let (first, last) = (*history.keys().next().unwrap(), *history.keys().last().unwrap());
    for a in first..=last {
        let at_a = catalogue::entries_at(&mut conn, a).await.unwrap();
        let at_a: BTreeMap<_, _> = at_a.into_iter().map(|e| (e.position, e.fragment)).collect();
        assert_eq!(at_a, history[&a]);
        let b = rng.random_range(a..=last);
        let mut rebuilt = at_a;
        let changes = catalogue::changes_between(&mut conn, a, b).await.unwrap();
        rebuilt.extend(changes.into_iter().map(|e| (e.position, e.fragment)));
        assert_eq!(rebuilt, history[&b], "{a}..{b}");
    }
}

/// How many skills: `SKAAS_TEST_CATALOGUE`, or as many as a debug build writes in a moment.
fn skills() -> u64 {
    std::env::var("SKAAS_TEST_CATALOGUE").map_or(300, |text| text.parse().expect("a number"))
}

async fn the_whole_catalogue_loads_in_a_few_queries(database: TestDatabase) {
    let count = skills();
    let mut world = World::new(database.store().await);
    let user = world.user("ann").await.id;
    let source = world.source(user, "kit").await;
    let contents = (0..count).map(|n| NewContent { tree: oid(n), objects: 1, data: "x".into() }).collect();
    let began = std::time::Instant::now();
    world.store.put_contents(contents, at(1)).await.unwrap();
    eprintln!("{count} contents stored in {:?}", began.elapsed());
    let began = std::time::Instant::now();
    let store = world.store.clone();
    let mut tx = store.begin().await.unwrap();
    for n in 0..count {
        let new = world.new_listing(&source, &format!("skill-{n}"));
        let listing = listings::add(&mut tx, &new).await.unwrap();
        let release = world.new_release(listing.skill, "1.0.0", oid(n));
        releases::add(&mut tx, &release).await.unwrap();
        let stub = NewStub {
            skill: listing.skill,
            reason: StubReason::NotPurchased,
            tree: oid(n),
            version: "0.0.1".to_owned(),
            commit: oid(n + 1),
            commit_raw: vec![1; 250],
            created_at: at(2),
        };
        stubs::set_current(&mut tx, &stub).await.unwrap();
        let (id, text) = (format!("{n:064x}"), "f".repeat(500));
        catalogue::add_fragments(&mut tx, &[(&id, &text)]).await.unwrap();
        catalogue::put_entry(&mut tx, listing.position, listing.skill, Some(&id)).await.unwrap();
    }
    tx.commit().await.unwrap();
    eprintln!("{count} skills written in {:?}", began.elapsed());

    let began = std::time::Instant::now();
    let mut conn = store.snapshot().await.unwrap();
    let revision = catalogue::revision(&mut conn).await.unwrap();
    let sizes = [
        listings::all(&mut conn).await.unwrap().len(),
        releases::all(&mut conn).await.unwrap().len(),
        stubs::all_current(&mut conn).await.unwrap().len(),
        catalogue::entries_at(&mut conn, revision).await.unwrap().len(),
        catalogue::fragments_at(&mut conn, revision).await.unwrap().len(),
    ];
    eprintln!("{count} skills on {:?} loaded in {:?}", database.is_postgres(), began.elapsed());
    assert_eq!(sizes, [usize::try_from(count).unwrap(); 5]);
}

/// Run by hand, in a release build: `cargo test --release -p skaas-store -- --ignored --nocapture mark`.
#[tokio::test]
#[ignore = "a measurement"]
async fn what_a_look_costs() {
    let database = TestDatabase::sqlite();
    let mut world = World::new(database.store().await);
    let user = world.user("ann").await.id;
    let rounds = 100_000;
    let began = std::time::Instant::now();
    for _ in 0..rounds {
        assert!(world.store.mark().is_some());
    }
    eprintln!("mark: {:?}", began.elapsed() / rounds);
    let began = std::time::Instant::now();
    for _ in 0..rounds {
        world.store.revisions(user).await.unwrap();
    }
    eprintln!("revisions: {:?}", began.elapsed() / rounds);
    let token = world.token(user, "t");
    let mut tx = world.store.begin().await.unwrap();
    skaas_store::tokens::add(&mut tx, &token).await.unwrap();
    tx.commit().await.unwrap();
    let began = std::time::Instant::now();
    for _ in 0..10_000 {
        let mut conn = world.store.read().await.unwrap();
        skaas_store::tokens::find_by_hash(&mut conn, &token.hash).await.unwrap().unwrap();
    }
    eprintln!("find_by_hash: {:?}", began.elapsed() / 10_000);
}
