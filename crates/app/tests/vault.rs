//! The vault over real databases: what opens, what does not, and changing the master key meanwhile. Each test runs on
//! SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "all of it is tests, also what is not marked as one")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_app::{
    Actor, App, AppConfig, Error, Kind, Limits, Parts, Rate, Voice, causes, users,
    vault::{self, Locked, Rotation},
};
use skaas_domain::{
    clock::ManualClock,
    envelope::RecordName,
    master_key::{Keyring, MasterKey},
};
use skaas_store::{
    Store, settings,
    testing::{TestDatabase, run_sql},
    vault as rows,
};

const CANARY: &[u8] = b"CANARY of a credential";
const NAME: RecordName<'_> = RecordName { kind: "credential", id: "con_1", owner: "usr_1" };

fn operator() -> Actor {
    Actor::operator("test")
}

fn key(seed: u64) -> MasterKey {
    MasterKey::generate(&mut StdRng::seed_from_u64(seed))
}

fn keyring(seeds: &[u64]) -> Keyring {
    Keyring::new(seeds.iter().map(|seed| key(*seed)).collect()).unwrap()
}

/// A node with these keys, the first of them the current one. Not unlocked.
async fn node(database: &TestDatabase, keys: &[u64]) -> App {
    static SEED: AtomicU64 = AtomicU64::new(100);
    let voice = Voice { public_url: "https://skaas.test".into(), marketplace_name: "skaas".into() };
    let config = AppConfig { voice, scratch: database.path().join("scratch"), limits: Limits::default() };
    let parts = Parts {
        store: database.store().await,
        clock: Arc::new(ManualClock::new("2026-11-02T09:00:00Z".parse().unwrap())),
        rng: Box::new(StdRng::seed_from_u64(SEED.fetch_add(1, Ordering::Relaxed))),
        rate: Rate::in_process(),
        keyring: keyring(keys),
    };
    App::new(config, parts)
}

/// The same, ready to seal.
async fn unlocked(database: &TestDatabase, keys: &[u64]) -> App {
    let node = node(database, keys).await;
    vault::unlock(&node).await.unwrap();
    node
}

async fn opened(app: &App, name: &RecordName<'_>) -> Option<Vec<u8>> {
    let opened = vault::open(app, name).await.unwrap_or_else(|error| panic!("{}", causes(&error)));
    opened.map(|opened| opened.expose().to_vec())
}

/// Why a record does not open, with every cause.
async fn refusal(app: &App, name: &RecordName<'_>) -> String {
    let error = vault::open(app, name).await.expect_err("it must not open");
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    assert!(!error.to_string().contains(name.id), "a caller learns nothing of it: {error}");
    causes(&error)
}

async fn change(store: &Store, sql: &str) {
    let mut tx = store.begin().await.unwrap();
    run_sql(&mut tx, sql).await.unwrap();
    tx.commit().await.unwrap();
}

fn numbered(id: &str) -> RecordName<'_> {
    RecordName { kind: "credential", id, owner: "usr_1" }
}

#[tokio::test]
async fn a_sealed_record_opens_on_every_node_that_has_its_key() {
    for database in TestDatabase::each() {
        let one = unlocked(&database, &[1]).await;
        assert_eq!(opened(&one, &NAME).await, None);
        vault::seal(&one, &NAME, CANARY).await.unwrap();
        let two = unlocked(&database, &[2, 1]).await;
        assert_eq!(opened(&two, &NAME).await.unwrap(), CANARY);
        vault::seal(&two, &NAME, b"another").await.unwrap();
        assert_eq!(opened(&two, &NAME).await.unwrap(), b"another", "it replaces what was sealed before");
        let why = refusal(&one, &NAME).await;
        assert!(why.contains(&key(2).id().to_string()), "{why}");

        let mut tx = database.store().await.begin().await.unwrap();
        assert!(vault::remove_in(&mut tx, NAME.kind, NAME.id).await.unwrap());
        assert!(!vault::remove_in(&mut tx, NAME.kind, NAME.id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(opened(&two, &NAME).await, None);
    }
}

#[tokio::test]
async fn a_stolen_database_without_the_key_opens_nothing() {
    for database in TestDatabase::each() {
        let owner = unlocked(&database, &[1]).await;
        for number in 0..20 {
            vault::seal(&owner, &numbered(&format!("con_{number}")), CANARY).await.unwrap();
        }
        for keys in [&[][..], &[2], &[2, 3]] {
            let thief = node(&database, keys).await;
            for number in 0..20 {
                refusal(&thief, &numbered(&format!("con_{number}"))).await;
            }
        }
        let store = database.store().await;
        let stolen = rows::list(&mut store.read().await.unwrap(), ("", ""), 100).await.unwrap();
        let stolen_keys = rows::keys(&mut store.read().await.unwrap()).await.unwrap();
        let secrets = [CANARY, key(1).reveal().as_bytes()].map(<[u8]>::to_vec);
        for secret in &secrets {
            let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!stolen.iter().any(|row| holds(&row.body) || holds(&row.wrapped_key)));
            assert!(!stolen_keys.iter().any(|row| holds(&row.proof) || holds(&row.proof_key)));
            let files = ["skaas.db", "skaas.db-wal"].map(|name| database.path().join(name));
            assert!(!files.iter().any(|file| std::fs::read(file).is_ok_and(|bytes| holds(&bytes))));
        }
    }
}

#[tokio::test]
async fn a_sealed_record_copied_to_another_kind_id_or_owner_does_not_open() {
    for database in TestDatabase::each() {
        let app = unlocked(&database, &[1]).await;
        vault::seal(&app, &NAME, CANARY).await.unwrap();
        let store = database.store().await;
        let copy = |kind: &str, id: &str, owner: &str| {
            format!(
                "INSERT INTO sealed_records (kind, id, owner, master_key, wrapped_key, body, sealed_at)
                 SELECT '{kind}', '{id}', '{owner}', master_key, wrapped_key, body, sealed_at
                 FROM sealed_records WHERE id = 'con_1' AND kind = 'credential'"
            )
        };
        for (kind, id, owner) in
            [("credential", "con_2", "usr_1"), ("credential", "con_3", "usr_2"), ("mail", "con_1", "usr_1")]
        {
            change(&store, &copy(kind, id, owner)).await;
            let why = refusal(&app, &RecordName { kind, id, owner }).await;
            assert!(why.contains("belongs to another kind, ID or owner"), "{why}");
        }
        // In place: the row says that it is another's, and so does the caller.
        change(
            &store,
            "UPDATE sealed_records SET owner = 'usr_2' WHERE id = 'con_1' AND kind = 'credential'",
        )
        .await;
        refusal(&app, &RecordName { owner: "usr_2", ..NAME }).await;
        // Whoever knows whose it is gets it, whatever the row says.
        assert_eq!(opened(&app, &NAME).await.unwrap(), CANARY);
        let damaged = vault::examine(&app).await.unwrap();
        assert_eq!(vault::counted(&damaged), "3 credential, 1 mail");

        change(&store, "UPDATE sealed_records SET wrapped_key = body").await;
        let error = vault::open(&app, &NAME).await.unwrap_err();
        assert!(causes(&error).contains("not a sealed record"), "{}", causes(&error));
    }
}

#[tokio::test]
async fn a_start_is_refused_without_the_keys_that_sealed_records_need() {
    for database in TestDatabase::each() {
        // Nothing is sealed yet: any key will do, and none.
        unlocked(&database, &[]).await;
        unlocked(&database, &[3]).await;
        let app = unlocked(&database, &[1]).await;
        vault::seal(&app, &NAME, CANARY).await.unwrap();
        vault::seal(&app, &RecordName { kind: "mail", ..NAME }, CANARY).await.unwrap();

        for (keys, says) in
            [(&[][..], "no master key is configured"), (&[2], "none of the configured master keys")]
        {
            let locked = vault::unlock(&node(&database, keys).await).await.unwrap_err();
            assert!(matches!(locked, Locked::Missing { .. }), "{locked:?}");
            let said = locked.to_string();
            let id = key(1).id().to_string();
            for part in [says, "SKAAS_MASTER_KEY", &id, "1 credential, 1 mail", "2 sealed records"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
        let known = rows::keys(&mut database.store().await.read().await.unwrap()).await.unwrap();
        let known: BTreeSet<_> = known.into_iter().map(|row| row.id).collect();
        assert_eq!(
            known,
            BTreeSet::from([key(1).id(), key(3).id()]),
            "a refused start leaves nothing behind"
        );
        unlocked(&database, &[2, 1]).await;
        unlocked(&database, &[1, 2]).await;
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_the_proof_of_its_id_is_refused() {
    for database in TestDatabase::each() {
        unlocked(&database, &[1]).await;
        unlocked(&database, &[2, 1]).await;
        let swap = "UPDATE master_keys SET proof = (SELECT other.proof FROM master_keys AS other
            WHERE other.id <> master_keys.id)";
        change(&database.store().await, swap).await;
        let locked = vault::unlock(&node(&database, &[1]).await).await.unwrap_err();
        assert!(matches!(locked, Locked::Wrong(id) if id == key(1).id()), "{locked:?}");
    }
}

#[tokio::test]
async fn sealing_is_part_of_the_callers_transaction() {
    for database in TestDatabase::each() {
        let app = unlocked(&database, &[1]).await;
        let store = database.store().await;
        for commits in [false, true] {
            let mut tx = store.begin().await.unwrap();
            settings::set(&mut tx, "beside", "it").await.unwrap();
            vault::seal_in(&app, &mut tx, &NAME, CANARY).await.unwrap();
            let seen = vault::open_in(&app, &mut tx, &NAME).await.unwrap().unwrap();
            assert_eq!(seen.expose(), CANARY, "the transaction sees its own record");
            if commits {
                tx.commit().await.unwrap();
            } else {
                drop(tx);
            }
            assert_eq!(opened(&app, &NAME).await.is_some(), commits);
            let beside = settings::get(&mut store.read().await.unwrap(), "beside").await.unwrap();
            assert_eq!(beside.is_some(), commits);
        }
    }
}

#[tokio::test]
async fn without_a_master_key_nothing_is_sealed() {
    for database in TestDatabase::each() {
        let app = unlocked(&database, &[]).await;
        let error = vault::seal(&app, &NAME, CANARY).await.unwrap_err();
        assert!(causes(&error).contains("SKAAS_MASTER_KEY"), "{}", causes(&error));
        assert!(!vault::is_used(&database.store().await).await.unwrap());
    }
}

#[tokio::test]
async fn a_rotation_waits_until_a_server_has_started_with_the_new_key() {
    for database in TestDatabase::each() {
        let serving = unlocked(&database, &[1]).await;
        vault::seal(&serving, &NAME, CANARY).await.unwrap();
        let beside = node(&database, &[2, 1]).await;
        let error = vault::rotate(&beside, &operator()).await.unwrap_err();
        assert!(
            error.kind() == Kind::Conflict && error.to_string().contains("Restart every server"),
            "{error}"
        );
        assert_eq!(opened(&serving, &NAME).await.unwrap(), CANARY);
        unlocked(&database, &[2, 1]).await;
        let done = vault::rotate(&beside, &operator()).await.unwrap();
        assert_eq!(done, Rotation { key: key(2).id(), rewrapped: 1, left: 0 });
        assert_eq!(opened(&unlocked(&database, &[2]).await, &NAME).await.unwrap(), CANARY);
        let locked = vault::unlock(&node(&database, &[1]).await).await.unwrap_err();
        assert!(matches!(locked, Locked::Missing { .. }), "{locked:?}");
    }
}

#[tokio::test]
async fn a_rotation_stopped_in_the_middle_goes_on_where_it_was() {
    for database in TestDatabase::each() {
        let app = unlocked(&database, &[1]).await;
        for number in 0..250 {
            vault::seal(&app, &numbered(&format!("con_{number}")), CANARY).await.unwrap();
        }
        let new = unlocked(&database, &[2, 1]).await;
        // Half of it, as a rotation leaves it that is killed between two transactions.
        let store = database.store().await;
        let mut conn = store.read().await.unwrap();
        let page = rows::list_sealed_with_others(&mut conn, key(2).id(), ("", ""), 120).await.unwrap();
        drop(conn);
        for row in &page {
            vault::seal(&new, &numbered(&row.id), CANARY).await.unwrap();
        }
        for number in 0..250 {
            assert_eq!(opened(&new, &numbered(&format!("con_{number}"))).await.unwrap(), CANARY);
        }
        assert_eq!(vault::rotate(&new, &operator()).await.unwrap().rewrapped, 130);
        assert_eq!(vault::rotate(&new, &operator()).await.unwrap().rewrapped, 0);
        // A damaged record stays, is counted, and keeps nothing else from being rotated.
        change(&store, "UPDATE sealed_records SET owner = 'usr_2' WHERE id = 'con_7'").await;
        let third = unlocked(&database, &[3, 2]).await;
        let done = vault::rotate(&third, &operator()).await.unwrap();
        assert_eq!((done.rewrapped, done.left), (249, 1));
    }
}

/// What the load of [`no_open_fails_while_the_master_key_changes`] does until it is told to stop.
async fn opens_and_seals(app: App, seed: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::Relaxed) {
        let id = format!("con_{}", rng.random_range(0..400));
        if rng.random_range(0..8) == 0 {
            vault::seal(&app, &numbered(&id), id.as_bytes()).await.unwrap();
        } else {
            assert_eq!(opened(&app, &numbered(&id)).await.unwrap(), id.as_bytes());
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_open_fails_while_the_master_key_changes() {
    for database in TestDatabase::each() {
        let old = unlocked(&database, &[1, 2]).await;
        for number in 0..400 {
            let id = format!("con_{number}");
            vault::seal(&old, &numbered(&id), id.as_bytes()).await.unwrap();
        }
        let new = unlocked(&database, &[2, 1]).await;
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        // Half of the nodes were not restarted yet: they seal with the old key.
        let load: Vec<_> = [&old, &new, &old, &new]
            .into_iter()
            .zip(0..)
            .map(|(app, seed)| tokio::spawn(opens_and_seals(app.clone(), seed, stop.clone(), done.clone())))
            .collect();
        while done.load(Ordering::Relaxed) < 50 {
            tokio::task::yield_now().await;
        }
        let beside = node(&database, &[2, 1]).await;
        let actor = operator();
        let (one, two) = tokio::join!(vault::rotate(&new, &actor), vault::rotate(&beside, &actor));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.rewrapped + two.rewrapped >= 300, "{one:?} {two:?}");
        stop.store(true, Ordering::Relaxed);
        for worker in load {
            worker.await.unwrap();
        }
        // The last node is restarted with the new key first, and the rotation run once more.
        assert_eq!(vault::rotate(&beside, &operator()).await.unwrap().left, 0);
        let alone = unlocked(&database, &[2]).await;
        for number in 0..400 {
            let id = format!("con_{number}");
            assert_eq!(opened(&alone, &numbered(&id)).await.unwrap(), id.as_bytes());
        }
        assert!(vault::examine(&alone).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_a_lost_key_sealed_is_counted_and_can_be_given_up() {
    for database in TestDatabase::each() {
        let app = unlocked(&database, &[1]).await;
        vault::seal(&app, &NAME, CANARY).await.unwrap();
        let other = unlocked(&database, &[2, 1]).await;
        vault::seal(&other, &RecordName { kind: "mail", ..NAME }, CANARY).await.unwrap();
        let error = vault::discard(&other, &operator(), key(1).id()).await.unwrap_err();
        assert!(error.kind() == Kind::Conflict, "{error}");

        let lost = node(&database, &[2]).await;
        let status = vault::status(&lost).await.unwrap();
        let told: Vec<_> = status
            .iter()
            .map(|key| (key.id, key.is_current, key.is_known, vault::counted(&key.records)))
            .collect();
        let wanted = [
            (key(2).id(), true, true, "1 mail".to_owned()),
            (key(1).id(), false, false, "1 credential".to_owned()),
        ];
        assert_eq!(told, wanted);
        assert_eq!(vault::discard(&lost, &operator(), key(1).id()).await.unwrap(), 1);
        let again = vault::discard(&lost, &operator(), key(1).id()).await;
        assert!(again.as_ref().is_err_and(|error| error.kind() == Kind::NotFound), "{again:?}");
        vault::unlock(&lost).await.unwrap();
    }
}

#[tokio::test]
async fn the_secrets_of_a_deleted_user_are_deleted() {
    for database in TestDatabase::each() {
        let app = unlocked(&database, &[1]).await;
        let operator = Actor::operator("of the test");
        let ann = users::add(&app, &operator, "ann", "ann@example.test").await.unwrap();
        let bob = users::add(&app, &operator, "bob", "bob@example.test").await.unwrap();
        for user in [&ann, &bob] {
            let owner = user.id.to_string();
            vault::seal(&app, &RecordName { kind: "credential", id: &owner, owner: &owner }, CANARY)
                .await
                .unwrap();
        }
        users::delete(&app, &operator, "ann").await.unwrap();
        let left = rows::list(&mut database.store().await.read().await.unwrap(), ("", ""), 10).await.unwrap();
        assert_eq!(left.iter().map(|row| row.owner.clone()).collect::<Vec<_>>(), [bob.id.to_string()]);
    }
}
