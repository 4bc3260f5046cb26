//! Many at once: nothing is lost, nothing is given twice, nobody waits for ever.

use std::{collections::BTreeSet, sync::Arc};

use skaas_domain::{entitlement::GrantKind, id::UserId};
use skaas_store::{
    Conflict, Store, StoreError, catalogue, grants, listings, settings,
    sources::{self, RefChange},
    steps::{self, Advance, Repo},
    testing::TestDatabase,
    users,
};
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    both,
    world::{World, oid, step},
};

both!(
    sixteen_writers_lose_nothing,
    of_many_that_advance_one_wins_each_step,
    of_many_trials_one_begins,
    catalogue_changes_happen_one_after_the_other,
    of_two_look_alikes_one_is_taken,
    of_two_pushes_to_one_ref_one_wins,
    many_nodes_may_migrate_at_once,
    two_nodes_agree_on_a_setting,
);

/// Runs `act(n)` for `count` tasks that all begin together; their answers.
pub(crate) async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    act: impl Fn(usize) -> F,
) -> Vec<T> {
    let gate = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for n in 0..count {
        let (gate, act) = (Arc::clone(&gate), act(n));
        tasks.spawn(async move {
            gate.wait().await;
            act.await
        });
    }
    tasks.join_all().await
}

async fn sixteen_writers_lose_nothing(database: TestDatabase) {
    // Two stores, as two nodes or a server and a command beside it.
    let (here, there) = (database.store().await, database.store().await);
    let mut world = World::new(here.clone());
    let user = world.user("alice").await.id;
    let writes = together(16, |n| {
        let store = if n % 2 == 0 { here.clone() } else { there.clone() };
        async move {
            for round in 0..20 {
                let mut tx = store.begin().await?;
                let name = format!("key-{n}-{round}");
                settings::set(&mut tx, &name, "x").await?;
                tx.bump_user(user).await?;
                tx.commit().await?;
            }
            Ok::<_, StoreError>(())
        }
    })
    .await;
    for written in writes {
        written.unwrap();
    }
    assert_eq!(there.revisions(user).await.unwrap().user, 1 + 16 * 20);
    let mut conn = here.read().await.unwrap();
    for n in 0..16 {
        let last = settings::get(&mut conn, &format!("key-{n}-19")).await.unwrap();
        assert_eq!(last.as_deref(), Some("x"));
    }
}

/// Advances once from whatever the tip is; whether it won.
async fn advance_once(store: &Store, user: UserId, n: u64) -> bool {
    let mut conn = store.read().await.unwrap();
    let tip = steps::tip(&mut conn, user, Repo::Marketplace).await.unwrap();
    drop(conn);
    let expected = tip.as_ref().map(|tip| (tip.seq, tip.commit));
    let new = step(expected.map_or(0, |(seq, _)| seq + 1), n);
    let mut tx = store.begin().await.unwrap();
    match steps::advance(&mut tx, user, Repo::Marketplace, expected, &new).await.unwrap() {
        Advance::Advanced => {
            tx.commit().await.unwrap();
            true
        }
        Advance::Lost(actual) => {
            let actual = actual.expect("somebody else was first");
            assert!(actual.seq >= new.seq && actual.commit != new.commit);
            false
        }
    }
}

async fn of_many_that_advance_one_wins_each_step(database: TestDatabase) {
    let (here, there) = (database.store().await, database.store().await);
    let mut world = World::new(here.clone());
    let user = world.user("alice").await.id;
    let mut steps_made = 0;
    for round in 0..10_u64 {
        let won = together(8, |n| {
            let store = if n % 2 == 0 { here.clone() } else { there.clone() };
            let n = u64::try_from(n).unwrap();
            async move { advance_once(&store, user, round * 100 + n).await }
        })
        .await;
        let winners = won.into_iter().filter(|won| *won).count();
        assert!(winners >= 1, "somebody always gets on");
        steps_made += winners;
    }
    let mut conn = here.read().await.unwrap();
    let chain = steps::list(&mut conn, user, Repo::Marketplace).await.unwrap();
    let places: Vec<_> = chain.iter().map(|step| step.seq).collect();
    assert_eq!(places, (0..i64::try_from(steps_made).unwrap()).collect::<Vec<_>>());
    assert_eq!(here.revisions(user).await.unwrap().user, 1 + i64::try_from(steps_made).unwrap());
}

async fn of_many_trials_one_begins(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let user = world.user("alice").await.id;
    let source = world.source(user, "kit").await;
    let skill = world.skill(&source, "lint-pro").await.skill;
    let trials: Vec<_> = (0..12).map(|_| world.grant(user, skill, GrantKind::Trial)).collect();
    let store = world.store.clone();
    let begun = together(12, |n| {
        let (store, trial) = (store.clone(), trials[n].clone());
        async move {
            let mut tx = store.begin().await.unwrap();
            match grants::add(&mut tx, &trial).await {
                Ok(()) => tx.commit().await.map(|()| true).unwrap(),
                Err(StoreError::Conflict(Conflict::TrialUsed)) => false,
                Err(error) => panic!("{error:?}"),
            }
        }
    })
    .await;
    assert_eq!(begun.into_iter().filter(|begun| *begun).count(), 1);
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(grants::list(&mut conn, user).await.unwrap().len(), 1);
}

async fn catalogue_changes_happen_one_after_the_other(database: TestDatabase) {
    let (here, there) = (database.store().await, database.store().await);
    let mut world = World::new(here.clone());
    let user = world.user("alice").await.id;
    let source = world.source(user, "kit").await;
    let listing = world.skill(&source, "lint-pro").await;
    let before = here.revisions(user).await.unwrap().catalogue;
    // Each reads the listing, adds a tag and writes it back: under the lock nobody's is lost.
    let revisions = together(16, |n| {
        let store = if n % 2 == 0 { here.clone() } else { there.clone() };
        async move {
            let mut tx = store.begin().await.unwrap();
            let revision = tx.bump_catalogue().await.unwrap();
            let mut listing = listings::find_by_id(&mut tx, listing.skill).await.unwrap().unwrap();
            listing.tags.push(format!("tag-{n}"));
            listings::update(&mut tx, &listing).await.unwrap();
            assert_eq!(catalogue::revision(&mut tx).await.unwrap(), revision);
            tx.commit().await.unwrap();
            revision
        }
    })
    .await;
    let made: BTreeSet<_> = revisions.into_iter().collect();
    assert_eq!(made, (before + 1..=before + 16).collect());
    let mut conn = there.read().await.unwrap();
    let listing = listings::find_by_id(&mut conn, listing.skill).await.unwrap().unwrap();
    assert_eq!(listing.tags.len(), 2 + 16);
}

async fn of_two_look_alikes_one_is_taken(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    for round in 0..5 {
        let twins = [world.person(&format!("lisa-{round}")), world.person(&format!("l1sa-{round}"))];
        let store = world.store.clone();
        let added = together(2, |n| {
            let (store, user) = (store.clone(), twins[n].clone());
            async move {
                let mut tx = store.begin().await.unwrap();
                match users::add(&mut tx, &user).await {
                    Ok(()) => tx.commit().await.unwrap(),
                    Err(StoreError::Conflict(_)) => {
                        // Nothing is kept of the loser, even by a commit.
                        let _ = tx.commit().await;
                        return false;
                    }
                    Err(error) => panic!("{error:?}"),
                }
                true
            }
        })
        .await;
        assert_eq!(added.iter().filter(|added| **added).count(), 1);
        let mut conn = world.store.read().await.unwrap();
        let mut found = 0;
        for twin in &twins {
            found += usize::from(users::find_by_id(&mut conn, twin.id).await.unwrap().is_some());
        }
        assert_eq!(found, 1);

        let mut listings_of = Vec::new();
        for n in 0..2 {
            let creator = world.user(&format!("creator-{round}-{n}")).await.id;
            let source = world.source(creator, "kit").await;
            listings_of
                .push(world.new_listing(&source, [&format!("lint{round}"), &format!("1int{round}")][n]));
        }
        let added = together(2, |n| {
            let (store, new) = (store.clone(), listings_of[n].clone());
            async move {
                let mut tx = store.begin().await.unwrap();
                let added = listings::add(&mut tx, &new).await.is_ok();
                if added {
                    tx.commit().await.unwrap();
                }
                added
            }
        })
        .await;
        assert_eq!(added.iter().filter(|added| **added).count(), 1, "{added:?}");
    }
}

async fn of_two_pushes_to_one_ref_one_wins(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let user = world.user("ann").await.id;
    let source = world.source(user, "kit").await.id;
    let store = world.store.clone();
    let pushed = together(6, |n| {
        let store = store.clone();
        let target = oid(u64::try_from(n).unwrap());
        async move {
            let change = RefChange { name: "refs/heads/main".to_owned(), old: None, new: Some(target) };
            let mut tx = store.begin().await.unwrap();
            let moved = sources::compare_and_swap_refs(&mut tx, source, &[change]).await;
            tx.commit().await.unwrap();
            moved.is_ok().then_some(target)
        }
    })
    .await;
    let winners: Vec<_> = pushed.into_iter().flatten().collect();
    let mut conn = world.store.read().await.unwrap();
    let refs = sources::refs(&mut conn, source).await.unwrap();
    assert_eq!(refs.iter().map(|r| r.target).collect::<Vec<_>>(), winners);
}

async fn many_nodes_may_migrate_at_once(database: TestDatabase) {
    let config = database.config().clone();
    let migrated = together(6, |_| {
        let config = config.clone();
        async move { Store::open(config).await?.migrate().await }
    })
    .await;
    let applied = migrated.into_iter().map(|done| done.unwrap().applied);
    let who: Vec<Vec<String>> = applied.filter(|names| !names.is_empty()).collect();
    assert_eq!(who.len(), 1, "one of them did it: {who:?}");
    assert!(who[0].is_sorted() && who[0][0] == "0001_supply", "each once, in order: {who:?}");
    database.store().await.ping().await.unwrap();
}

async fn two_nodes_agree_on_a_setting(database: TestDatabase) {
    let (here, there) = (database.store().await, database.store().await);
    let keys = together(8, |n| {
        let store = if n % 2 == 0 { here.clone() } else { there.clone() };
        async move {
            let mut tx = store.begin().await.unwrap();
            let key = settings::get_or_add(&mut tx, "render_key", &n.to_string()).await.unwrap();
            tx.commit().await.unwrap();
            key
        }
    })
    .await;
    let keys: BTreeSet<_> = keys.into_iter().collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
}
