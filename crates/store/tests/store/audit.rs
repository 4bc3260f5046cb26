//! The audit log's rows: what the database itself refuses, and who gets to seal.

use skaas_domain::audit::{
    Action, ActorKind, Address, Chain, Entry, Head, NewEntry, Outcome, Seal, Subject, Who,
};
use skaas_store::{
    Store, audit,
    testing::{TestDatabase, run_sql},
    users,
};

use crate::{
    both,
    world::{World, at},
};

async fn record(store: &Store, subject: Subject, action: Action, thing: &str) {
    let actor = Who { kind: ActorKind::Session, user: subject.0, id: "ses_1".to_owned() };
    let address = Some("192.0.2.7");
    let new = NewEntry { at: at(5), subject, actor: &actor, address, action, thing, outcome: Outcome::Done };
    let mut tx = store.begin().await.unwrap();
    audit::add(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}

/// Seals all there is, as one worker does.
async fn seal_all(store: &Store) {
    let entries = audit::unsealed(&mut store.read().await.unwrap(), 0, 1000).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    for entry in entries {
        let seen = audit::head(&mut tx, entry.subject).await.unwrap();
        let mut chain = seen.map_or_else(|| Chain::new(entry.subject), |head| Chain::at(entry.subject, head));
        let seal = chain.seal(&entry, [7; 16]);
        assert!(audit::move_head(&mut tx, entry.subject, seen, chain.head()).await.unwrap());
        assert!(audit::seal(&mut tx, &entry, &seal).await.unwrap());
    }
    tx.commit().await.unwrap();
}

async fn entries(store: &Store) -> Vec<Entry> {
    audit::page(&mut store.read().await.unwrap(), 0, 1000).await.unwrap()
}

async fn the_database_refuses_to_change_or_delete_what_was_recorded(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let ann = world.user("ann").await;
    for thing in ["tok_1", "tok_2"] {
        record(&world.store, ann.id.into(), Action::TokenCreate, thing).await;
    }
    let forbidden = [
        "DELETE FROM audit",
        "DELETE FROM audit_heads",
        "UPDATE audit SET thing = 'another'",
        "UPDATE audit SET action = 'token.revoke' WHERE thing = 'tok_2'",
        "UPDATE audit SET address = '198.51.100.1'",
        "UPDATE audit SET outcome = 'refused', position = 9, hash = address_digest",
        "UPDATE audit SET subject = ''",
        "UPDATE audit SET happened_at = 0",
        "UPDATE audit_heads SET position = position",
        "UPDATE audit_heads SET position = 1, hash = hash",
    ];
    let sealed = [
        "UPDATE audit SET position = position + 1",
        "UPDATE audit SET position = NULL, hash = NULL, address_digest = NULL",
        "UPDATE audit SET hash = address_digest",
        "UPDATE audit SET salt = hash",
        "UPDATE audit SET address = ''",
    ];
    let refuses = async |sql: &str| {
        let mut tx = world.store.begin().await.unwrap();
        let error = run_sql(&mut tx, sql).await.expect_err(sql);
        let text = skaas_store::causes(&error);
        assert!(text.contains("append-only"), "{sql}: {text}");
    };
    for sql in &forbidden[..8] {
        if !sql.contains("audit_heads") {
            refuses(sql).await;
        }
    }
    seal_all(&world.store).await;
    for sql in forbidden.iter().chain(&sealed) {
        refuses(sql).await;
    }
    if database.is_postgres() {
        refuses("TRUNCATE audit").await;
        refuses("TRUNCATE audit_heads").await;
    }
    let kept = entries(&world.store).await;
    assert_eq!(kept.iter().map(|entry| entry.thing.as_str()).collect::<Vec<_>>(), ["tok_1", "tok_2"]);
    assert_eq!(kept[1].seal.as_ref().unwrap().position, 2);
}

async fn of_two_workers_that_seal_the_same_entry_one_succeeds(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let ann = Subject::from(world.user("ann").await.id);
    record(&world.store, ann, Action::SignIn, "password").await;
    let entry = entries(&world.store).await.remove(0);
    let mut seals: Vec<(Seal, Head)> = Vec::new();
    for salt in [1, 2] {
        let mut chain = Chain::new(ann);
        let seal = chain.seal(&entry, [salt; 16]);
        seals.push((seal, chain.head()));
    }
    let mut tx = world.store.begin().await.unwrap();
    assert!(audit::move_head(&mut tx, ann, None, seals[0].1).await.unwrap());
    assert!(audit::seal(&mut tx, &entry, &seals[0].0).await.unwrap());
    tx.commit().await.unwrap();

    let mut tx = world.store.begin().await.unwrap();
    assert!(!audit::move_head(&mut tx, ann, None, seals[1].1).await.unwrap());
    assert!(
        !audit::move_head(&mut tx, ann, Some(Head { position: 1, hash: [0; 32] }), seals[1].1).await.unwrap()
    );
    assert!(!audit::seal(&mut tx, &entry, &seals[1].0).await.unwrap());
    drop(tx);
    assert_eq!(audit::head(&mut world.store.read().await.unwrap(), ann).await.unwrap(), Some(seals[0].1));
}

async fn every_chain_is_listed_once_it_has_a_sealed_entry(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let ann = Subject::from(world.user("ann").await.id);
    let bob = Subject::from(world.user("bob").await.id);
    let (first, last) = (ann.min(bob), ann.max(bob));
    for subject in [ann, bob, Subject::SERVER, ann] {
        record(&world.store, subject, Action::SignIn, "").await;
    }
    let look = async |after| {
        let mut conn = world.store.read().await.unwrap();
        let subjects = audit::subjects(&mut conn, after, 10).await.unwrap();
        (subjects, audit::waiting(&mut conn).await.unwrap())
    };
    assert_eq!(look(Subject::SERVER).await, (Vec::new(), 4));
    seal_all(&world.store).await;
    assert_eq!(look(Subject::SERVER).await, (vec![first, last], 0));
    assert_eq!(look(first).await.0, [last]);
}

async fn a_deleted_account_leaves_entries_without_addresses(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    record(&world.store, ann.id.into(), Action::SignIn, "password").await;
    record(&world.store, bob.id.into(), Action::SignIn, "password").await;
    seal_all(&world.store).await;
    record(&world.store, ann.id.into(), Action::AccountDelete, "").await;
    let stale = entries(&world.store).await.remove(2);
    let mut tx = world.store.begin().await.unwrap();
    users::delete(&mut tx, ann.id, at(9)).await.unwrap();
    tx.commit().await.unwrap();
    // A worker that read the entry before its address was erased can't seal what it read.
    let mut tx = world.store.begin().await.unwrap();
    let seal = Chain::new(ann.id.into()).seal(&stale, [1; 16]);
    assert!(!audit::seal(&mut tx, &stale, &seal).await.unwrap());
    drop(tx);
    seal_all(&world.store).await;

    let kept = entries(&world.store).await;
    let addresses: Vec<&Address> = kept.iter().map(|entry| &entry.address).collect();
    assert_eq!(addresses, [&Address::Erased, &Address::Known("192.0.2.7".to_owned()), &Address::Erased]);
    let mut conn = world.store.read().await.unwrap();
    let mut chain = Chain::new(ann.id.into());
    for entry in audit::chain(&mut conn, ann.id.into(), 0, 10).await.unwrap() {
        assert!(audit::may_be_erased(&mut conn, &entry).await.unwrap());
        chain.verify(&entry, true).unwrap();
    }
    assert!(!audit::may_be_erased(&mut conn, &kept[1]).await.unwrap(), "bob is still there");
    assert_eq!(Some(chain.head()), audit::head(&mut conn, ann.id.into()).await.unwrap());
}

async fn lists_are_filtered_by_subject_action_and_time(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let ann = Subject::from(world.user("ann").await.id);
    let acts = [
        (ann, Action::TokenCreate),
        (Subject::SERVER, Action::VaultRotate),
        (ann, Action::TokenRevoke),
        (ann, Action::SignIn),
    ];
    for (subject, action) in acts {
        record(&world.store, subject, action, action.as_str()).await;
    }
    let list = async |filter: audit::Filter<'_>| {
        let mut conn = world.store.read().await.unwrap();
        let found = audit::list(&mut conn, &filter).await.unwrap();
        found.into_iter().map(|entry| entry.thing).collect::<Vec<_>>()
    };
    let all = audit::Filter { limit: 10, ..Default::default() };
    assert_eq!(list(all.clone()).await, ["session.create", "token.revoke", "vault.rotate", "token.create"]);
    assert_eq!(list(audit::Filter { limit: 1, ..all.clone() }).await, ["session.create"]);
    let of_ann = audit::Filter { subject: Some(ann), action: Some("token"), ..all.clone() };
    assert_eq!(list(of_ann).await, ["token.revoke", "token.create"]);
    let one = audit::Filter { action: Some("token.revoke"), ..all.clone() };
    assert_eq!(list(one).await, ["token.revoke"]);
    assert_eq!(list(audit::Filter { action: Some("tok"), ..all.clone() }).await, [""; 0]);
    let server = audit::Filter { subject: Some(Subject::SERVER), ..all.clone() };
    assert_eq!(list(server).await, ["vault.rotate"]);
    assert_eq!(list(audit::Filter { since: Some(at(6)), ..all }).await, [""; 0]);
}

both!(
    the_database_refuses_to_change_or_delete_what_was_recorded,
    of_two_workers_that_seal_the_same_entry_one_succeeds,
    every_chain_is_listed_once_it_has_a_sealed_entry,
    a_deleted_account_leaves_entries_without_addresses,
    lists_are_filtered_by_subject_action_and_time,
);
