//! What works once works once, however many come at once from however many nodes.

use skaas_domain::{
    id::CodeId,
    oauth::{Challenge, OauthCode},
    scope::Scopes,
    secret::{Secret, SecretKind},
};
use skaas_store::{
    Store,
    budgets::{self, Budget, Spent},
    codes::{self, Code, CodeKind},
    devices, oauth_codes, oauth_grants,
    oauth_tokens::{self, Rotation},
    testing::TestDatabase,
    tokens,
};

use crate::{
    both,
    races::together,
    story_of_oauth::{add_client, device, grant, granted, tokens as new_tokens},
    world::{World, at},
};

both!(
    of_fifty_polls_one_gets_the_token,
    of_fifty_clicks_on_a_link_one_counts,
    of_fifty_that_bring_one_code_at_most_one_gets_tokens_and_none_keeps_them,
    fifty_refreshes_with_one_token_at_once_each_give_working_tokens,
    of_fifty_tries_no_more_than_the_budget_pass,
    a_refresh_and_a_revocation_leave_nothing_that_works,
);

/// Two stores, as two nodes; a task's own.
fn of(nodes: &(Store, Store), n: usize) -> Store {
    if n.is_multiple_of(2) { nodes.0.clone() } else { nodes.1.clone() }
}

async fn of_fifty_polls_one_gets_the_token(database: TestDatabase) {
    let nodes = (database.store().await, database.store().await);
    let mut world = World::new(nodes.0.clone());
    let user = world.user("alice").await.id;
    let (record, hashes) = device(&mut world, 0);
    let mut tx = nodes.0.begin().await.unwrap();
    devices::add(&mut tx, &record, &hashes).await.unwrap();
    devices::approve(&mut tx, record.id, user, &Scopes::full(), at(1)).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let made: Vec<_> = (0..50).map(|n| world.token(user, &n.to_string())).collect();
    let got = together(50, |n| {
        let (store, token, id) = (of(&nodes, n), made[n].clone(), record.id);
        async move {
            let mut tx = store.begin().await.unwrap();
            let redeemed = devices::redeem(&mut tx, id, at(2)).await.unwrap().is_some();
            if redeemed {
                tokens::add(&mut tx, &token).await.unwrap();
            }
            tx.commit().await.unwrap();
            redeemed
        }
    })
    .await;
    assert_eq!(got.into_iter().filter(|got| *got).count(), 1);
    let mut conn = nodes.1.read().await.unwrap();
    assert_eq!(tokens::list(&mut conn, user).await.unwrap().len(), 1);
}

async fn of_fifty_clicks_on_a_link_one_counts(database: TestDatabase) {
    let nodes = (database.store().await, database.store().await);
    let mut world = World::new(nodes.0.clone());
    let user = world.user("alice").await.id;
    let hash = Secret::generate(SecretKind::Link, &mut world.rng).hash();
    let code = Code {
        id: CodeId::new(at(0), &mut world.rng),
        kind: CodeKind::Reset,
        user,
        sent_to: "alice@example.com".to_owned(),
        created_at: at(0),
        expires_at: at(60),
        used_at: None,
    };
    let mut tx = nodes.0.begin().await.unwrap();
    codes::add(&mut tx, &code, &hash).await.unwrap();
    tx.commit().await.unwrap();
    let counted = together(50, |n| {
        let store = of(&nodes, n);
        async move {
            let mut tx = store.begin().await.unwrap();
            let counted = codes::redeem(&mut tx, CodeKind::Reset, &hash, at(1)).await.unwrap().is_some();
            tx.commit().await.unwrap();
            counted
        }
    })
    .await;
    assert_eq!(counted.into_iter().filter(|counted| *counted).count(), 1);
}

async fn of_fifty_that_bring_one_code_at_most_one_gets_tokens_and_none_keeps_them(database: TestDatabase) {
    let nodes = (database.store().await, database.store().await);
    let mut world = World::new(nodes.0.clone());
    let user = world.user("alice").await.id;
    add_client(&mut world).await;
    let grant = grant(&mut world, user);
    let hash = Secret::generate(SecretKind::OauthCode, &mut world.rng).hash();
    let code = OauthCode {
        grant: grant.id,
        redirect_uri: "http://127.0.0.1/cb".to_owned(),
        challenge: Challenge::of("x"),
        created_at: at(0),
        expires_at: at(60),
        used_at: None,
    };
    let mut tx = nodes.0.begin().await.unwrap();
    oauth_grants::add(&mut tx, &grant).await.unwrap();
    oauth_codes::add(&mut tx, &code, &hash).await.unwrap();
    tx.commit().await.unwrap();
    let given: Vec<_> = (0..50).map(|_| new_tokens(&mut world, 1)).collect();
    let got = together(50, |n| {
        let (store, given) = (of(&nodes, n), given[n]);
        async move {
            let mut tx = store.begin().await.unwrap();
            let redeemed = oauth_codes::redeem(&mut tx, &hash, at(1)).await.unwrap();
            if let oauth_codes::Redeemed::Redeemed(_, grant) = &redeemed {
                oauth_tokens::issue(&mut tx, grant, &given, at(1)).await.unwrap();
            }
            tx.commit().await.unwrap();
            matches!(redeemed, oauth_codes::Redeemed::Redeemed(..))
        }
    })
    .await;
    assert_eq!(got.into_iter().filter(|got| *got).count(), 1);
    let mut conn = nodes.1.read().await.unwrap();
    let mut bearers = Vec::new();
    for tokens in &given {
        bearers.extend(oauth_tokens::find_access(&mut conn, &tokens.access.hash).await.unwrap());
    }
    let [bearer] = bearers.as_slice() else { panic!("one got tokens: {bearers:?}") };
    assert!(!bearer.works(at(2)), "a code that many hold is nobody's");
}

async fn fifty_refreshes_with_one_token_at_once_each_give_working_tokens(database: TestDatabase) {
    let nodes = (database.store().await, database.store().await);
    let mut world = World::new(nodes.0.clone());
    let user = world.user("alice").await.id;
    add_client(&mut world).await;
    let (grant, first) = granted(&mut world, user).await;
    let given: Vec<_> = (0..50).map(|_| new_tokens(&mut world, 200)).collect();
    let outcomes = together(50, |n| {
        let (store, given, hash) = (of(&nodes, n), given[n], first.refresh.unwrap().hash);
        async move {
            let mut tx = store.begin().await.unwrap();
            let outcome =
                oauth_tokens::rotate(&mut tx, &hash, "ocl_inspector", &given, None, at(200)).await.unwrap();
            tx.commit().await.unwrap();
            outcome
        }
    })
    .await;
    let count = |wanted: fn(&Rotation) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    assert_eq!(count(|outcome| matches!(outcome, Rotation::Rotated(_))), 1);
    assert_eq!(count(|outcome| matches!(outcome, Rotation::Overlapped(_))), 49);
    let mut tx = nodes.1.begin().await.unwrap();
    assert_eq!(oauth_grants::find(&mut tx, grant.id).await.unwrap().unwrap().revoked_at, None);
    for tokens in &given {
        let bearer = oauth_tokens::find_access(&mut tx, &tokens.access.hash).await.unwrap().unwrap();
        assert!(bearer.works(at(201)));
        let (hash, next) = (tokens.refresh.unwrap().hash, new_tokens(&mut world, 300));
        let outcome =
            oauth_tokens::rotate(&mut tx, &hash, "ocl_inspector", &next, None, at(300)).await.unwrap();
        assert!(matches!(outcome, Rotation::Rotated(_)), "each holder goes on by itself: {outcome:?}");
    }
    tx.commit().await.unwrap();
}

async fn of_fifty_tries_no_more_than_the_budget_pass(database: TestDatabase) {
    let nodes = (database.store().await, database.store().await);
    let budget = Budget { name: "user_code", limit: 7, window: jiff::SignedDuration::from_mins(10) };
    let passed = together(50, |n| {
        let store = of(&nodes, n);
        async move {
            let mut tx = store.begin().await.unwrap();
            let spent = budgets::spend(&mut tx, &budget, "192.0.2.1", at(0)).await.unwrap();
            tx.commit().await.unwrap();
            matches!(spent, Spent::Left(_))
        }
    })
    .await;
    assert_eq!(passed.into_iter().filter(|passed| *passed).count(), 7);
}

async fn a_refresh_and_a_revocation_leave_nothing_that_works(database: TestDatabase) {
    let nodes = (database.store().await, database.store().await);
    let mut world = World::new(nodes.0.clone());
    let user = world.user("alice").await.id;
    add_client(&mut world).await;
    for _ in 0..10 {
        let (grant, first) = granted(&mut world, user).await;
        let next = new_tokens(&mut world, 200);
        together(2, |n| {
            let (store, hash, grant) = (of(&nodes, n), first.refresh.unwrap().hash, grant.id);
            async move {
                let mut tx = store.begin().await.unwrap();
                if n == 0 {
                    oauth_tokens::rotate(&mut tx, &hash, "ocl_inspector", &next, None, at(200))
                        .await
                        .unwrap();
                } else {
                    oauth_grants::revoke(&mut tx, user, grant, at(200)).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
        })
        .await;
        let mut conn = nodes.1.read().await.unwrap();
        let bearer = oauth_tokens::find_access(&mut conn, &next.access.hash).await.unwrap();
        assert!(bearer.is_none_or(|bearer| !bearer.works(at(201))));
    }
}
