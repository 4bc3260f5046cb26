//! Jobs: added with what wants them, claimed once, kept, taken over, and ended by their holder alone.

use jiff::SignedDuration;
use rand::RngCore;
use skaas_domain::id::{JobId, UserId};
use skaas_store::{
    Store,
    jobs::{self, Claimed, Due, JobState, Lease, NewJob, desk},
    testing::TestDatabase,
    users,
};

use crate::{
    both,
    world::{World, at},
};

/// An immediate job of a kind.
fn job(rng: &mut dyn RngCore, kind: &'static str, made: i64) -> NewJob<'static> {
    NewJob {
        id: JobId::new(at(made), rng),
        kind,
        payload: "{}",
        user: None,
        unique_key: None,
        priority: 0,
        due: Due::Now,
        created_at: at(made),
    }
}

async fn add(store: &Store, new: &NewJob<'_>) -> bool {
    let mut tx = store.begin().await.unwrap();
    let added = jobs::add(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    added
}

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let mut transaction = $store.begin().await.unwrap();
        let $tx = &mut transaction;
        let outcome = $body.await.unwrap();
        transaction.commit().await.unwrap();
        outcome
    }};
}

async fn claim(store: &Store, id: JobId, holder: &str) -> Option<Claimed> {
    change!(store, |tx| jobs::claim(tx, id, holder, at(5)))
}

async fn order(store: &Store, kind: &str, now: i64) -> Vec<JobId> {
    let mut conn = store.read().await.unwrap();
    let some = jobs::candidates(&mut conn, kind, at(now), 100).await.unwrap();
    some.into_iter().map(|candidate| candidate.id).collect()
}

async fn state(store: &Store, id: JobId) -> Option<JobState> {
    let mut conn = store.read().await.unwrap();
    desk::find(&mut conn, id).await.unwrap().map(|job| job.state)
}

async fn a_job_exists_exactly_if_the_change_that_wants_it_was_committed(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let (kept, dropped) = (job(&mut world.rng, "mail", 1), job(&mut world.rng, "mail", 1));
    let mut tx = world.store.begin().await.unwrap();
    assert!(jobs::add(&mut tx, &dropped).await.unwrap());
    drop(tx);
    assert!(add(&world.store, &kept).await);
    assert_eq!(order(&world.store, "mail", 1).await, [kept.id]);
    assert_eq!(order(&world.store, "other", 1).await, []);
}
both!(a_job_exists_exactly_if_the_change_that_wants_it_was_committed);

async fn urgent_jobs_come_first_and_none_before_its_time(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let rng = &mut world.rng;
    let later = NewJob { due: Due::At(at(100)), priority: 9, ..job(rng, "mail", 1) };
    let (first, second) = (job(rng, "mail", 2), job(rng, "mail", 3));
    let urgent = NewJob { priority: 1, ..job(rng, "mail", 4) };
    // A clock that is a year ahead delays nothing.
    let ahead = job(rng, "mail", 365 * 86_400);
    for new in [&ahead, &later, &second, &first, &urgent] {
        add(&world.store, new).await;
    }
    assert_eq!(order(&world.store, "mail", 99).await, [urgent.id, first.id, second.id, ahead.id]);
    assert_eq!(order(&world.store, "mail", 100).await[0], later.id);
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(jobs::next_due(&mut conn).await.unwrap(), Some(Due::Now));
    drop(conn);
    for id in [ahead.id, second.id, first.id, urgent.id] {
        claim(&world.store, id, "a").await.unwrap();
    }
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(jobs::next_due(&mut conn).await.unwrap(), Some(Due::At(at(100))));
    drop(conn);
    claim(&world.store, later.id, "a").await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(jobs::next_due(&mut conn).await.unwrap(), None);
}
both!(urgent_jobs_come_first_and_none_before_its_time);

async fn of_many_workers_at_once_one_gets_a_job(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    for made in 0..20 {
        let new = job(&mut world.rng, "mail", made);
        add(&world.store, &new).await;
        let workers = (0..8).map(|worker| {
            let store = world.store.clone();
            tokio::spawn(async move { claim(&store, new.id, &format!("worker-{worker}")).await.is_some() })
        });
        let mut winners = 0;
        for worker in workers.collect::<Vec<_>>() {
            winners += u32::from(worker.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
}
both!(of_many_workers_at_once_one_gets_a_job);

async fn a_worker_that_lost_a_job_changes_nothing_of_it(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let new = job(&mut world.rng, "mail", 1);
    add(&world.store, &new).await;
    let slow = claim(&world.store, new.id, "slow").await.unwrap().lease;
    assert_eq!(slow.attempt, 1);
    let store = &world.store;
    assert!(change!(store, |tx| jobs::beat(tx, &slow)));
    assert!(change!(store, |tx| jobs::wait_again(tx, &slow, Due::Now, Some("silent"), at(6))));
    // Even if it is the same worker that claims it again.
    let other = claim(store, new.id, "slow").await.unwrap().lease;
    assert_eq!(other.attempt, 2);
    assert!(!change!(store, |tx| jobs::beat(tx, &slow)));
    assert!(!change!(store, |tx| jobs::finish(tx, &slow, "mail", None)));
    assert!(!change!(store, |tx| jobs::wait_again(tx, &slow, Due::Now, None, at(7))));
    assert!(!change!(store, |tx| jobs::bury(tx, &slow, "mail", "no", at(7))));
    assert!(!change!(store, |tx| jobs::release(tx, &slow, at(7))));
    assert_eq!(state(store, new.id).await, Some(JobState::Running));
    assert!(change!(store, |tx| jobs::finish(tx, &other, "mail", None)));
    assert_eq!(state(store, new.id).await, None);
}
both!(a_worker_that_lost_a_job_changes_nothing_of_it);

async fn a_job_given_back_counts_no_attempt(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let new = job(&mut world.rng, "mail", 1);
    add(&world.store, &new).await;
    for _ in 0..3 {
        let lease = claim(&world.store, new.id, "a").await.unwrap().lease;
        assert_eq!(lease.attempt, 1);
        assert!(change!(world.store, |tx| jobs::release(tx, &lease, at(6))));
    }
}
both!(a_job_given_back_counts_no_attempt);

async fn a_worker_is_silent_only_as_long_as_it_gives_no_sign(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let new = job(&mut world.rng, "mail", 1);
    add(&world.store, &new).await;
    let lease = claim(&world.store, new.id, "a").await.unwrap().lease;
    let mut conn = world.store.read().await.unwrap();
    let seen = jobs::held(&mut conn).await.unwrap().remove(0);
    drop(conn);
    assert_eq!((&seen.lease, seen.kind.as_str()), (&lease, "mail"));
    assert!(change!(world.store, |tx| jobs::is_silent(tx, &seen)));
    assert!(change!(world.store, |tx| jobs::beat(tx, &lease)));
    assert!(!change!(world.store, |tx| jobs::is_silent(tx, &seen)));
}
both!(a_worker_is_silent_only_as_long_as_it_gives_no_sign);

async fn of_two_waiting_jobs_with_one_key_the_second_is_not_added(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let store = world.store.clone();
    let mut keyed = |kind, made| NewJob { unique_key: Some("k"), ..job(&mut world.rng, kind, made) };
    let (first, second, third) = (keyed("sync", 1), keyed("sync", 2), keyed("sync", 3));
    assert!(add(&store, &first).await);
    assert!(!add(&store, &second).await);
    assert!(add(&store, &keyed("other", 2)).await, "another kind");
    // While it runs the next may wait: what it is about may have changed since it began.
    let lease = claim(&store, first.id, "a").await.unwrap().lease;
    assert!(add(&store, &third).await);
    // Then a failure has nothing to wait for.
    assert!(change!(store, |tx| jobs::wait_again(tx, &lease, Due::Now, Some("no"), at(6))));
    assert_eq!(order(&store, "sync", 9).await, [third.id]);
    // Of dead letters the newest stays, until a later run is done.
    let lease = claim(&store, third.id, "a").await.unwrap().lease;
    assert!(change!(store, |tx| jobs::bury(tx, &lease, "sync", "no", at(7))));
    let fourth = keyed("sync", 8);
    assert!(add(&store, &fourth).await);
    let lease = claim(&store, fourth.id, "a").await.unwrap().lease;
    assert!(change!(store, |tx| jobs::bury(tx, &lease, "sync", "no", at(9))));
    assert_eq!((state(&store, third.id).await, state(&store, fourth.id).await), (None, Some(JobState::Dead)));
    let fifth = keyed("sync", 10);
    assert!(add(&store, &fifth).await);
    let lease = claim(&store, fifth.id, "a").await.unwrap().lease;
    assert!(change!(store, |tx| jobs::finish(tx, &lease, "sync", Some("k"))));
    assert_eq!((state(&store, fourth.id).await, state(&store, fifth.id).await), (None, None));
}
both!(of_two_waiting_jobs_with_one_key_the_second_is_not_added);

async fn dead_jobs_are_listed_retried_and_forgotten(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let store = world.store.clone();
    let (kept, old) = (job(&mut world.rng, "mail", 1), job(&mut world.rng, "sync", 2));
    for (new, when) in [(&kept, 1000), (&old, 6)] {
        add(&store, new).await;
        let lease = claim(&store, new.id, "a").await.unwrap().lease;
        assert!(change!(store, |tx| jobs::bury(tx, &lease, new.kind, "it refused", at(when))));
    }
    let mut conn = store.read().await.unwrap();
    let dead = desk::list(&mut conn, Some(JobState::Dead), None, 10).await.unwrap();
    assert_eq!(dead.iter().map(|job| job.id).collect::<Vec<_>>(), [old.id, kept.id]);
    assert_eq!(dead[1].error.as_deref(), Some("it refused"));
    assert_eq!(desk::list(&mut conn, None, Some("mail"), 10).await.unwrap().len(), 1);
    assert_eq!(desk::list(&mut conn, Some(JobState::Waiting), None, 10).await.unwrap(), []);
    assert_eq!(desk::oldest(&mut conn, at(5000)).await.unwrap(), None);
    drop(conn);
    assert_eq!(change!(store, |tx| jobs::forget(tx, at(500))), 1);
    assert_eq!((state(&store, old.id).await, state(&store, kept.id).await), (None, Some(JobState::Dead)));
    assert!(change!(store, |tx| desk::retry(tx, kept.id, at(2000))));
    let lease = claim(&store, kept.id, "b").await.unwrap().lease;
    assert_eq!(lease, Lease { job: kept.id, holder: "b".into(), attempt: 1 });
    assert!(!change!(store, |tx| desk::retry(tx, kept.id, at(2000))), "it runs");
    assert!(change!(store, |tx| desk::cancel(tx, kept.id)));
    assert!(!change!(store, |tx| desk::cancel(tx, kept.id)));
    assert!(!change!(store, |tx| jobs::beat(tx, &lease)), "its worker is told with the next sign it gives");
}
both!(dead_jobs_are_listed_retried_and_forgotten);

async fn jobs_about_a_deleted_user_go_with_them(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let user: UserId = world.user("ann").await.id;
    let about = NewJob { user: Some(user), ..job(&mut world.rng, "mail", 1) };
    add(&world.store, &about).await;
    change!(world.store, |tx| users::delete(tx, user, at(9)));
    assert_eq!(state(&world.store, about.id).await, None);
}
both!(jobs_about_a_deleted_user_go_with_them);

async fn a_scheduled_run_is_added_by_one_of_many_workers(database: TestDatabase) {
    let store = database.store().await;
    for (seen, slot) in [(None, at(0)), (Some(at(0)), at(3600)), (Some(at(3600)), at(7200))] {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { change!(store, |tx| jobs::advance(tx, "forget", seen, slot)) })
            })
            .collect();
        let mut winners = 0;
        for worker in workers {
            winners += u32::from(worker.await.unwrap());
        }
        assert_eq!(winners, 1);
        let mut conn = store.read().await.unwrap();
        assert_eq!(jobs::slot(&mut conn, "forget").await.unwrap(), Some(slot));
    }
}
both!(a_scheduled_run_is_added_by_one_of_many_workers);

async fn the_age_of_the_queue_is_that_of_the_oldest_job_that_is_due(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let store = world.store.clone();
    let put_off = NewJob { due: Due::At(at(100)), ..job(&mut world.rng, "mail", 1) };
    add(&store, &put_off).await;
    let mut conn = store.read().await.unwrap();
    assert_eq!(desk::oldest(&mut conn, at(50)).await.unwrap(), None);
    assert_eq!(desk::oldest(&mut conn, at(160)).await.unwrap(), Some(at(100)));
    drop(conn);
    add(&store, &job(&mut world.rng, "mail", 90)).await;
    let mut conn = store.read().await.unwrap();
    let oldest = desk::oldest(&mut conn, at(150)).await.unwrap().unwrap();
    assert_eq!(at(150).duration_since(oldest), SignedDuration::from_mins(1));
    assert_eq!(desk::counts(&mut conn).await.unwrap().iter().map(|count| count.jobs).sum::<i64>(), 2);
}
both!(the_age_of_the_queue_is_that_of_the_oldest_job_that_is_due);
