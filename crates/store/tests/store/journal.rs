//! The journal of revocations: every way to revoke something leaves an entry outside the database, in a folder and in
//! a bucket.

use jiff::Timestamp;
use skaas_domain::{
    device::Place,
    entitlement::GrantKind,
    id::{OauthGrantId, SessionId, TokenId, UserId},
    secret::{Secret, SecretKind},
    session::Session,
};
use skaas_store::{
    grants,
    journal::{Revocation, Revoked},
    oauth_grants, sessions,
    testing::TestDatabase,
    tokens, users,
};

use crate::{
    story_of_oauth,
    world::{World, at},
};

async fn session(world: &mut World, user: UserId) -> SessionId {
    let session = Session {
        id: SessionId::new(at(1), &mut world.rng),
        user,
        created_at: at(1),
        seen_at: at(1),
        expires_at: at(100_000),
        revoked_at: None,
        place: Place { address: "192.0.2.7".to_owned(), agent: "Firefox".to_owned() },
    };
    let cookie = Secret::generate(SecretKind::Session, &mut world.rng);
    let mut tx = world.store.begin().await.unwrap();
    sessions::add(&mut tx, &session, &cookie.hash()).await.unwrap();
    tx.commit().await.unwrap();
    session.id
}

async fn token(world: &mut World, user: UserId) -> TokenId {
    let token = world.token(user, "laptop");
    let mut tx = world.store.begin().await.unwrap();
    tokens::add(&mut tx, &token).await.unwrap();
    tx.commit().await.unwrap();
    token.id
}

async fn app(world: &mut World, user: UserId) -> OauthGrantId {
    let grant = story_of_oauth::grant(world, user);
    let mut tx = world.store.begin().await.unwrap();
    oauth_grants::add(&mut tx, &grant).await.unwrap();
    tx.commit().await.unwrap();
    grant.id
}

/// What the journal holds, in order.
async fn journal(world: &World) -> Vec<(Timestamp, UserId, Revoked)> {
    let mut all: Vec<_> = world.store.revocations().await.unwrap();
    all.sort_by_key(|one| (one.at, one.user, one.what));
    all.into_iter().map(|Revocation { what, user, at }| (at, user, what)).collect()
}

async fn every_revocation_is_in_the_journal_once_and_only_if_it_was_committed(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let world = &mut world;
    let [ann, bob] = [world.user("ann").await.id, world.user("bob").await.id];
    let source = world.source(ann, "tools").await;
    let skill = world.skill(&source, "lint").await.skill;
    story_of_oauth::add_client(world).await;
    assert_eq!(journal(world).await, [], "an empty journal is no error");

    let [one, two, three] = [token(world, bob).await, token(world, bob).await, token(world, bob).await];
    let [app_one, app_two] = [app(world, bob).await, app(world, bob).await];
    let [left, kept, last] =
        [session(world, bob).await, session(world, bob).await, session(world, bob).await];
    let bought = world.grant(bob, skill, GrantKind::Purchase);
    let given = world.grant(bob, skill, GrantKind::Gift);
    let mut tx = world.store.begin().await.unwrap();
    grants::add(&mut tx, &bought).await.unwrap();
    grants::add(&mut tx, &given).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.store.begin().await.unwrap();
    tokens::revoke(&mut tx, bob, &two.to_string(), at(9)).await.unwrap();
    drop(tx);
    assert_eq!(journal(world).await, [], "nothing was committed");

    let mut tx = world.store.begin().await.unwrap();
    tokens::revoke(&mut tx, bob, &one.to_string(), at(10)).await.unwrap();
    oauth_grants::revoke(&mut tx, bob, app_one, at(10)).await.unwrap();
    sessions::revoke(&mut tx, bob, left, at(10)).await.unwrap();
    grants::revoke(&mut tx, bought.grant.id, at(10)).await.unwrap();
    tx.commit().await.unwrap();
    // Again, and by somebody who doesn't own it: nothing is revoked.
    let mut tx = world.store.begin().await.unwrap();
    tokens::revoke(&mut tx, bob, &one.to_string(), at(11)).await.unwrap();
    oauth_grants::revoke(&mut tx, bob, app_one, at(11)).await.unwrap();
    sessions::revoke(&mut tx, bob, left, at(11)).await.unwrap();
    tokens::revoke(&mut tx, ann, &two.to_string(), at(11)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(sessions::revoke_others(&mut tx, bob, Some(kept), at(12)).await.unwrap(), 1);
    assert_eq!(tokens::revoke_all(&mut tx, bob, at(12)).await.unwrap(), 2);
    assert_eq!(oauth_grants::revoke_all(&mut tx, bob, at(12)).await.unwrap(), 1);
    assert_eq!(grants::revoke_all(&mut tx, bob, skill, at(12)).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    let mut tx = world.store.begin().await.unwrap();
    users::delete(&mut tx, bob, at(13)).await.unwrap();
    tx.commit().await.unwrap();

    let mut expected = vec![
        (at(10), bob, Revoked::Token(one)),
        (at(10), bob, Revoked::App(app_one)),
        (at(10), bob, Revoked::Session(left)),
        (at(10), bob, Revoked::Grant(bought.grant.id)),
        (at(12), bob, Revoked::Token(two)),
        (at(12), bob, Revoked::Token(three)),
        (at(12), bob, Revoked::App(app_two)),
        (at(12), bob, Revoked::Session(last)),
        (at(12), bob, Revoked::Grant(given.grant.id)),
        (at(13), bob, Revoked::Session(kept)),
        (at(13), bob, Revoked::User),
    ];
    expected.sort();
    assert_eq!(journal(world).await, expected);

    // No sweep touches it, whatever the age; it goes after its own time, a day at once.
    world.store.sweep(at(1_000_000_000)).await.unwrap();
    assert_eq!(world.store.forget_revocations(at(13)).await.unwrap(), 0);
    assert_eq!(journal(world).await, expected);
    assert_eq!(world.store.forget_revocations(at(13 + 86_400)).await.unwrap(), 3);
    assert_eq!(journal(world).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_revocation_is_in_the_journal_on_sqlite_in_a_folder() {
    every_revocation_is_in_the_journal_once_and_only_if_it_was_committed(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_revocation_is_in_the_journal_on_postgresql_in_a_bucket() {
    if let Some(database) = TestDatabase::postgres().and_then(TestDatabase::with_s3) {
        every_revocation_is_in_the_journal_once_and_only_if_it_was_committed(database).await;
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_holds_even_if_the_journal_cannot_be_written() {
    let database = TestDatabase::sqlite();
    let mut world = World::new(database.store().await);
    let bob = world.user("bob").await.id;
    let id = token(&mut world, bob).await;
    // A file in place of the folder: nobody can write there, not even root.
    std::fs::write(database.path().join("objects/journal"), "in the way").unwrap();
    let mut tx = world.store.begin().await.unwrap();
    tokens::revoke(&mut tx, bob, &id.to_string(), at(10)).await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(tokens::find(&mut conn, bob, id).await.unwrap().unwrap().revoked_at, Some(at(10)));
}
