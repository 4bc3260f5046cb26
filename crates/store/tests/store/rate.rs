//! Rates: one law in this process and in Redis, and what happens when Redis is gone.
//!
//! Redis is used where `SKAAS_TEST_REDIS_URL` names one that may be written to.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_domain::id::TokenId;
use skaas_store::{
    StoreError,
    rate::{Quota, Rate, Subject, Verdict},
    testing::redis_url,
};

use crate::world::at;

const GIT: Quota = Quota { name: "git_token", burst: 3, every: Duration::from_millis(500) };
const OTHER: Quota = Quota { name: "other", ..GIT };

fn redis() -> Option<Rate> {
    redis_url().map(|url| Rate::redis(&url).unwrap())
}

/// One that no other run of the tests has counted.
fn subject() -> Subject {
    Subject::Token(TokenId::new(at(0), &mut StdRng::from_os_rng()))
}

fn wait(millis: u64) -> Verdict {
    Verdict::Limited { retry_after: Duration::from_millis(millis) }
}

async fn a_burst_passes_then_one_each_half_second(rate: &Rate) {
    let subject = subject();
    let take = async |millis: i64| {
        let now = at(0) + SignedDuration::from_millis(millis);
        rate.take(&GIT, subject, now).await
    };
    for _ in 0..3 {
        assert_eq!(take(0).await, Verdict::Admitted);
    }
    assert_eq!(take(0).await, wait(500));
    assert_eq!(take(499).await, wait(1));
    assert_eq!(take(500).await, Verdict::Admitted);
    assert_eq!(take(500).await, wait(500));
    // Another quota of the same subject, and another subject, have their own.
    assert_eq!(rate.take(&OTHER, subject, at(0)).await, Verdict::Admitted);
    assert_eq!(rate.take(&GIT, self::subject(), at(0)).await, Verdict::Admitted);
}

#[tokio::test]
async fn in_this_process_a_burst_passes_and_then_one_at_a_time() {
    let rate = Rate::in_process();
    rate.check().await.unwrap();
    a_burst_passes_then_one_each_half_second(&rate).await;
}

#[tokio::test]
async fn in_redis_a_burst_passes_and_then_one_at_a_time() {
    if let Some(rate) = redis() {
        rate.check().await.unwrap();
        a_burst_passes_then_one_each_half_second(&rate).await;
    }
}

#[tokio::test]
async fn redis_says_what_this_process_says() {
    let Some(shared) = redis() else { return };
    let own = Rate::in_process();
    let mut rng = StdRng::seed_from_u64(11);
    for _ in 0..20 {
        let (subject, mut now) = (subject(), at(0));
        let quota = Quota {
            burst: rng.random_range(1..5),
            every: Duration::from_micros(rng.random_range(1..2_000_000)),
            ..GIT
        };
        for _ in 0..40 {
            now += SignedDuration::from_micros(rng.random_range(0..1_000_000));
            let both = (own.take(&quota, subject, now).await, shared.take(&quota, subject, now).await);
            assert_eq!(both.0, both.1, "{quota:?} at {now}");
        }
    }
}

#[tokio::test]
async fn nodes_share_what_redis_counts() {
    let (Some(here), Some(there)) = (redis(), redis()) else { return };
    let subject = subject();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let rate = if n % 2 == 0 { here.clone() } else { there.clone() };
        tasks.spawn(async move { rate.take(&GIT, subject, at(0)).await == Verdict::Admitted });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|passed| *passed).count(), 3);
}

#[tokio::test]
async fn without_redis_a_node_counts_by_itself() {
    // Bound and let go: nobody answers there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rate = Rate::redis(&format!("redis://:secret-word@127.0.0.1:{port}")).unwrap();
    a_burst_passes_then_one_each_half_second(&rate).await;
    let fault = rate.check().await.unwrap_err();
    assert!(matches!(fault, StoreError::Unavailable(_)), "{fault:?}");
    assert!(!format!("{rate:?} {fault:?}").contains("secret-word"));
}

#[tokio::test]
async fn a_redis_that_takes_connections_and_says_nothing_holds_up_one_request_and_not_the_rest() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let rate = Rate::redis(&format!("redis://{}", silent.local_addr().unwrap())).unwrap();
    let (subject, began) = (subject(), Instant::now());
    for admitted in [true, true, true, false, false, false, false, false, false, false, false, false] {
        assert_eq!(rate.take(&GIT, subject, at(0)).await == Verdict::Admitted, admitted);
    }
    // Twelve waits would be three seconds.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn an_address_that_cannot_work_is_refused_without_being_repeated() {
    for bad in ["", "http://secret-word@h", "redis://secret-word@", "secret-word"] {
        let refusal = Rate::redis(bad).unwrap_err();
        assert!(matches!(refusal, StoreError::Config(_)), "{bad}: {refusal:?}");
        assert!(!format!("{refusal:?} {refusal}").contains("secret-word"), "{refusal:?}");
    }
}
