//! Contents and source packs, in a folder and in a bucket.

use bytes::Bytes;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use skaas_domain::id::SourceId;
use skaas_store::{
    NewContent, ObjectsConfig, PackPart, Store, StoreConfig, StoreError, Stored,
    contents::{self, Content},
    sources::SourcePack,
    testing::TestDatabase,
};

use crate::world::{at, oid};

/// Bytes of which no two pages are alike.
fn noise(length: usize) -> Vec<u8> {
    let mut page = [0; 4096];
    StdRng::seed_from_u64(length as u64).fill_bytes(&mut page);
    let mut bytes = Vec::with_capacity(length + page.len());
    while bytes.len() < length {
        let number = bytes.len().to_be_bytes();
        page[..number.len()].copy_from_slice(&number);
        bytes.extend_from_slice(&page);
    }
    bytes.truncate(length);
    bytes
}

async fn contents_and_packs_come_back_as_they_went(database: TestDatabase) {
    let store = database.store().await;
    store.ping().await.unwrap();
    // The last two go up in parts: one with a rest, one without.
    let sizes = [0, 1, 1000, (17 << 20) + 5, 24 << 20];
    let all: Vec<NewContent> = sizes
        .iter()
        .zip(1..)
        .map(|(size, n)| NewContent { tree: oid(n), objects: 4, data: noise(*size).into() })
        .collect();
    store.put_contents(all.clone(), at(1)).await.unwrap();
    store.put_contents(all.clone(), at(2)).await.unwrap();
    for content in &all {
        let back = store.get_content(content.tree).await.unwrap();
        assert!(back == content.data, "{} bytes changed on their way", content.data.len());
        let row = contents::find(&mut store.read().await.unwrap(), content.tree).await.unwrap().unwrap();
        assert_eq!(usize::try_from(row.bytes).unwrap(), content.data.len());
        assert_eq!(row.created_at, at(1), "storing again changes nothing");
    }
    let absent = store.get_content(oid(99)).await;
    assert!(matches!(absent, Err(StoreError::Missing("content"))), "{absent:?}");
    what_is_stored_is_told_from_what_is_not(&store, &all).await;

    let source = SourceId::new(at(0), &mut StdRng::seed_from_u64(1));
    let (from, to) = (database.path().join("from"), database.path().join("to"));
    for (part, size) in [(PackPart::Pack, 20 << 20), (PackPart::Index, 2000)] {
        std::fs::write(&from, noise(size)).unwrap();
        store.put_source_pack(source, oid(1), part, &from).await.unwrap();
        store.get_source_pack(source, oid(1), part, &to).await.unwrap();
        assert!(std::fs::read(&to).unwrap() == noise(size));
        std::fs::remove_file(&to).unwrap();
    }
    let pack =
        SourcePack { source, pack: oid(1), bytes: 20 << 20, objects: 1, created_at: at(1), retired_at: None };
    assert_eq!(store.compare_pack(&pack).await.unwrap(), Stored::Whole);
    let longer = SourcePack { bytes: pack.bytes + 1, ..pack.clone() };
    assert_eq!(store.compare_pack(&longer).await.unwrap(), Stored::OtherLength);
    for _ in 0..2 {
        store.delete_source_pack(source, oid(1)).await.unwrap();
    }
    assert_eq!(store.compare_pack(&pack).await.unwrap(), Stored::Missing);
    let absent = store.get_source_pack(source, oid(1), PackPart::Pack, &to).await;
    assert!(matches!(absent, Err(StoreError::Missing(_))), "{absent:?}");
    assert!(!to.exists(), "nothing half-made is left under the name");
}

/// What the doctor and `/readyz` ask of storage.
async fn what_is_stored_is_told_from_what_is_not(store: &Store, all: &[NewContent]) {
    store.probe_storage().await.unwrap();
    let first = store.contents_after(oid(1), 2).await.unwrap();
    assert_eq!(first.iter().map(|content| content.tree).collect::<Vec<_>>(), [oid(2), oid(3)]);
    for content in store.contents_after(oid(0), 100).await.unwrap() {
        assert_eq!(store.compare_content(&content).await.unwrap(), Stored::Whole);
        let longer = Content { bytes: content.bytes + 1, ..content.clone() };
        assert_eq!(store.compare_content(&longer).await.unwrap(), Stored::OtherLength);
        assert!(all.iter().any(|stored| stored.tree == content.tree));
        assert_eq!(store.uses_of_content(content.tree).await.unwrap(), [""; 0], "no release has it");
    }
    let absent = Content { tree: oid(99), objects: 1, bytes: 1, created_at: at(1) };
    assert_eq!(store.compare_content(&absent).await.unwrap(), Stored::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_and_packs_come_back_from_a_folder() {
    contents_and_packs_come_back_as_they_went(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_and_packs_come_back_from_s3() {
    if let Some(database) = TestDatabase::sqlite().with_s3() {
        contents_and_packs_come_back_as_they_went(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_stored_as_single_ones_are() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    let batch: Vec<NewContent> =
        (0..100).map(|n| NewContent { tree: oid(n), objects: 1, data: noise(5000).into() }).collect();
    store.put_contents(batch.clone(), at(1)).await.unwrap();
    for content in batch {
        assert_eq!(store.get_content(content.tree).await.unwrap(), content.data);
        assert!(contents::find(&mut store.read().await.unwrap(), content.tree).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn an_object_that_was_lost_is_put_back() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    let data = Bytes::from_static(b"content");
    store.put_content(oid(1), 1, data.clone(), at(1)).await.unwrap();
    let hex = oid(1).to_string();
    let file = database.path().join("objects/contents").join(&hex[..2]).join(&hex[2..]);
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(store.get_content(oid(1)).await, Err(StoreError::Missing(_))));
    store.put_content(oid(1), 1, data.clone(), at(2)).await.unwrap();
    assert_eq!(store.get_content(oid(1)).await.unwrap(), data);
}

#[tokio::test]
async fn without_object_storage_nothing_is_said_to_be_stored() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    let objects = database.path().join("objects");
    std::fs::remove_dir_all(&objects).unwrap();
    std::fs::write(&objects, "in the way").unwrap();
    assert!(store.probe_storage().await.is_err());
    let refusal = store.put_content(oid(1), 1, Bytes::from_static(b"x"), at(1)).await;
    assert!(refusal.is_err());
    let row = contents::find(&mut store.read().await.unwrap(), oid(1)).await.unwrap();
    assert_eq!(row, None, "no row without its object");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_and_not_an_empty_one() {
    let Some(database) = TestDatabase::sqlite().with_s3() else { return };
    let ObjectsConfig::S3(mut s3) = database.config().objects.clone() else { panic!("it is S3") };
    s3.bucket.push_str("-not");
    let config = StoreConfig { objects: ObjectsConfig::S3(s3), ..database.config().clone() };
    let store = Store::open(config).await.unwrap();
    store.migrate().await.unwrap();
    assert!(store.put_content(oid(1), 1, Bytes::from_static(b"x"), at(1)).await.is_err());
    assert!(store.probe_storage().await.is_err(), "a missing bucket is not ready");
}
