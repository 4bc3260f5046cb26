//! Rates: one law in this process and in Redis, and what happens when Redis is gone.
//!
//! Redis is used where `SKAAS_TEST_REDIS_URL` names one that may be written to.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_store::{
    StoreError,
    rate::{Lost, Quota, Rate, Verdict},
};

use crate::world::at;

const GIT: Quota =
    Quota { name: "git_token", burst: 3, every: Duration::from_millis(500), when_lost: Lost::Admit };
const SIGN_IN: Quota = Quota { name: "sign_in", when_lost: Lost::Refuse, ..GIT };

fn redis() -> Option<Rate> {
    let url = std::env::var("SKAAS_TEST_REDIS_URL").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("note: SKAAS_TEST_REDIS_URL is not set: Redis was NOT exercised");
    }
    url.map(|url| Rate::redis(&url).unwrap())
}

/// A key that no other run of the tests has used.
fn key() -> String {
    let folder = tempfile::tempdir().unwrap();
    folder.path().to_string_lossy().into_owned()
}

async fn a_burst_passes_then_one_each_half_second(rate: &Rate) {
    let key = key();
    let take = async |millis: i64| {
        let now = at(0) + SignedDuration::from_millis(millis);
        rate.take(&GIT, &key, now).await.unwrap()
    };
    let wait = |millis| Verdict::Limited { retry_after: Duration::from_millis(millis) };
    for _ in 0..3 {
        assert_eq!(take(0).await, Verdict::Admitted);
    }
    assert_eq!(take(0).await, wait(500));
    assert_eq!(take(499).await, wait(1));
    assert_eq!(take(500).await, Verdict::Admitted);
    assert_eq!(take(500).await, wait(500));
    // Another quota of the same key, and another key, have their own.
    assert_eq!(rate.take(&SIGN_IN, &key, at(0)).await.unwrap(), Verdict::Admitted);
    assert_eq!(rate.take(&GIT, "somebody else", at(0)).await.unwrap(), Verdict::Admitted);
}

#[tokio::test]
async fn in_this_process_a_burst_passes_and_then_one_at_a_time() {
    a_burst_passes_then_one_each_half_second(&Rate::in_process()).await;
}

#[tokio::test]
async fn in_redis_a_burst_passes_and_then_one_at_a_time() {
    if let Some(rate) = redis() {
        a_burst_passes_then_one_each_half_second(&rate).await;
    }
}

#[tokio::test]
async fn redis_says_what_this_process_says() {
    let Some(shared) = redis() else { return };
    let own = Rate::in_process();
    let mut rng = StdRng::seed_from_u64(11);
    for _ in 0..20 {
        let (key, mut now) = (key(), at(0));
        let quota = Quota {
            burst: rng.random_range(1..5),
            every: Duration::from_micros(rng.random_range(1..2_000_000)),
            ..GIT
        };
        for _ in 0..40 {
            now += SignedDuration::from_micros(rng.random_range(0..1_000_000));
            let (here, there) = (own.take(&quota, &key, now).await, shared.take(&quota, &key, now).await);
            assert_eq!(here.unwrap(), there.unwrap(), "{quota:?} at {now}");
        }
    }
}

#[tokio::test]
async fn nodes_share_what_redis_counts() {
    let (Some(here), Some(there)) = (redis(), redis()) else { return };
    let key = key();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (rate, key) = (if n % 2 == 0 { here.clone() } else { there.clone() }, key.clone());
        tasks.spawn(async move { rate.take(&GIT, &key, at(0)).await.unwrap() == Verdict::Admitted });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|passed| *passed).count(), 3);
}

#[tokio::test]
async fn without_redis_reads_pass_and_guesses_do_not() {
    // Bound and let go: nobody answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rate = Rate::redis(&format!("redis://:secret-word@127.0.0.1:{port}")).unwrap();
    assert_eq!(rate.take(&GIT, "k", at(0)).await.unwrap(), Verdict::Admitted);
    let refusal = rate.take(&SIGN_IN, "k", Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Unavailable(_)), "{refusal:?}");
    assert!(!format!("{rate:?} {refusal:?}").contains("secret-word"));
}

#[test]
fn an_address_that_cannot_work_is_refused_without_being_repeated() {
    for bad in ["", "http://secret-word@h", "redis://secret-word@", "secret-word"] {
        let refusal = Rate::redis(bad).unwrap_err();
        assert!(matches!(refusal, StoreError::Config(_)), "{bad}: {refusal:?}");
        assert!(!format!("{refusal:?} {refusal}").contains("secret-word"), "{refusal:?}");
    }
}
