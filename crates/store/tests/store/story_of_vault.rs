//! Sealed records and master keys: added, found, counted, rewrapped, gone. What is in them is opaque here.

use skaas_domain::master_key::MasterKeyId;
use skaas_store::{
    StoreError, users,
    vault::{self, KeyRow, SealedRow},
};

use crate::world::{World, at};

pub(crate) async fn tell(world: &mut World) {
    keys_are_added_once(world).await;
    records_are_put_and_found(world).await;
    a_wrapped_key_is_replaced_only_as_it_was_read(world).await;
    records_go_with_their_owner_and_their_key(world).await;
}

fn id(of: &str) -> MasterKeyId {
    of.repeat(16).parse().unwrap()
}

fn key(of: &str, proof: u8) -> KeyRow {
    KeyRow { id: id(of), proof_key: vec![proof; 3], proof: vec![proof; 4], added_at: at(1) }
}

fn row(kind: &str, name: &str, owner: &str, key: &str) -> SealedRow {
    SealedRow {
        kind: kind.to_owned(),
        id: name.to_owned(),
        owner: owner.to_owned(),
        master_key: id(key),
        wrapped_key: name.as_bytes().to_vec(),
        body: vec![1, 2, 3],
        sealed_at: at(5),
    }
}

async fn keys_are_added_once(world: &World) {
    let mut tx = world.store.begin().await.unwrap();
    for row in [key("a", 1), key("b", 2), key("a", 3)] {
        vault::add_key(&mut tx, &row).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(vault::keys(&mut conn).await.unwrap(), [key("a", 1), key("b", 2)]);
    assert!(!vault::is_used(&mut conn).await.unwrap());
}

async fn records_are_put_and_found(world: &World) {
    let mut tx = world.store.begin().await.unwrap();
    for row in [row("mail", "1", "", "a"), row("mail", "2", "", "a"), row("credential", "1", "x", "b")] {
        vault::put(&mut tx, &row).await.unwrap();
    }
    let replaced = SealedRow { body: vec![9], ..row("mail", "2", "y", "b") };
    vault::put(&mut tx, &replaced).await.unwrap();
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    assert!(vault::is_used(&mut conn).await.unwrap());
    assert_eq!(vault::find(&mut conn, "mail", "2").await.unwrap(), Some(replaced.clone()));
    assert_eq!(vault::find(&mut conn, "mail", "3").await.unwrap(), None);
    let all = [row("credential", "1", "x", "b"), row("mail", "1", "", "a"), replaced];
    assert_eq!(vault::list(&mut conn, ("", ""), 10).await.unwrap(), all);
    assert_eq!(vault::list(&mut conn, ("credential", "1"), 1).await.unwrap(), all[1..2]);
    let others = vault::list_sealed_with_others(&mut conn, id("a"), ("", ""), 10).await.unwrap();
    assert_eq!(others, [all[0].clone(), all[2].clone()]);
    let others = vault::list_sealed_with_others(&mut conn, id("a"), ("credential", "1"), 10).await.unwrap();
    assert_eq!(others, all[2..]);
    let counts = vault::count(&mut conn).await.unwrap();
    let told: Vec<_> =
        counts.iter().map(|count| (count.master_key, count.kind.as_str(), count.records)).collect();
    assert_eq!(told, [(id("a"), "mail", 1), (id("b"), "credential", 1), (id("b"), "mail", 1)]);
    drop(conn);

    // A record of a key that nobody added could not be told from damage.
    let mut tx = world.store.begin().await.unwrap();
    let stray = vault::put(&mut tx, &row("mail", "9", "", "c")).await;
    assert!(matches!(stray, Err(StoreError::Database(_))), "{stray:?}");
}

async fn a_wrapped_key_is_replaced_only_as_it_was_read(world: &World) {
    let mut tx = world.store.begin().await.unwrap();
    let read = vault::find(&mut tx, "mail", "1").await.unwrap().unwrap();
    assert!(vault::rewrap(&mut tx, &read, id("b"), b"new").await.unwrap());
    assert!(!vault::rewrap(&mut tx, &read, id("b"), b"newer").await.unwrap(), "another was faster");
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    let now = vault::find(&mut conn, "mail", "1").await.unwrap().unwrap();
    assert_eq!(now, SealedRow { master_key: id("b"), wrapped_key: b"new".to_vec(), ..read });
}

async fn records_go_with_their_owner_and_their_key(world: &mut World) {
    let vera = world.user("vera").await;
    let owner = vera.id.to_string();
    let mut tx = world.store.begin().await.unwrap();
    vault::put(&mut tx, &row("credential", "2", &owner, "a")).await.unwrap();
    vault::put(&mut tx, &row("credential", "3", &owner, "a")).await.unwrap();
    assert!(vault::remove(&mut tx, "credential", "3").await.unwrap());
    assert!(!vault::remove(&mut tx, "credential", "3").await.unwrap());
    users::delete(&mut tx, vera.id, at(80)).await.unwrap();
    assert_eq!(vault::find(&mut tx, "credential", "2").await.unwrap(), None);
    assert_eq!(vault::remove_all_of(&mut tx, "x").await.unwrap(), 1);
    assert_eq!(vault::remove_sealed_with(&mut tx, id("a")).await.unwrap(), 0);
    assert_eq!(vault::remove_sealed_with(&mut tx, id("b")).await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert!(!vault::is_used(&mut world.store.read().await.unwrap()).await.unwrap());
}
