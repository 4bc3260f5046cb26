//! Sealing and verifying the audit log over real databases: what somebody with write access changes is found. Each test
//! runs on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "all of it is tests, also what is not marked as one")]

use std::fmt::Write as _;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{
    Actor, App, AppConfig, Limits, Parts, Rate, Voice,
    audit::{self, Broken, Exported, Noted, Report, Subject, Wanted},
    tokens, users,
};
use skaas_domain::{clock::ManualClock, master_key::Keyring, scope::Scopes};
use skaas_store::testing::{TestDatabase, run_sql};

fn operator() -> Actor {
    Actor::operator("olga")
}

async fn node(database: &TestDatabase) -> App {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let voice = Voice { public_url: "https://skaas.test".into(), marketplace_name: "skaas".into() };
    let config = AppConfig { voice, scratch: database.path().join("scratch"), limits: Limits::default() };
    let parts = Parts {
        store: database.store().await,
        clock: Arc::new(ManualClock::new("2026-11-02T09:00:00Z".parse().unwrap())),
        rng: Box::new(StdRng::seed_from_u64(SEED.fetch_add(1, Ordering::Relaxed))),
        rate: Rate::in_process(),
        keyring: Keyring::default(),
    };
    App::new(config, parts)
}

/// Adds a user with so many tokens: one entry for each, and one for the user.
async fn acts(app: &App, name: &str, tokens: u32) -> Subject {
    let user = users::add(app, &operator(), name, &format!("{name}@example.com")).await.unwrap();
    for number in 0..tokens {
        let name = number.to_string();
        let new = tokens::NewToken { name: &name, scopes: Some(Scopes::full()), expires_at: None };
        tokens::create(app, &operator(), user.username.as_str().into(), new).await.unwrap();
    }
    user.id.into()
}

async fn verify(app: &App, noted: &[Noted]) -> Report {
    audit::verify(app, &operator(), noted).await.unwrap()
}

async fn heads(app: &App) -> Vec<Noted> {
    let mut heads = Vec::new();
    let note = |line: Exported<'_>| {
        if let Exported::Head(subject, head) = line {
            heads.push(Noted { subject, head });
        }
        Ok(())
    };
    audit::export(app, &operator(), note).await.unwrap();
    heads
}

/// What somebody does who has the rights to change the schema: the triggers stop nobody like that.
async fn tamper(database: &TestDatabase, sql: &str) {
    let on = |table: &str| if database.is_postgres() { format!(" ON {table}") } else { String::new() };
    let mut all = String::new();
    for (trigger, table) in [
        ("audit_not_changed", "audit"),
        ("audit_not_deleted", "audit"),
        ("audit_heads_not_deleted", "audit_heads"),
        ("audit_heads_not_moved_back", "audit_heads"),
    ] {
        write!(all, "DROP TRIGGER IF EXISTS {trigger}{};", on(table)).unwrap();
    }
    let mut tx = database.store().await.begin().await.unwrap();
    run_sql(&mut tx, &(all + sql)).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_was_recorded_is_sealed_once_and_holds() {
    for database in TestDatabase::each() {
        let app = node(&database).await;
        let ann = acts(&app, "ann", 4).await;
        assert_eq!(verify(&app, &[]).await, Report { unsealed: 5, ..Report::default() });
        assert_eq!(audit::seal(&app).await.unwrap(), 5);
        assert_eq!(audit::seal(&app).await.unwrap(), 0);
        acts(&app, "bob", 2).await;
        assert_eq!(audit::seal(&app).await.unwrap(), 3);
        let report = verify(&app, &heads(&app).await).await;
        assert_eq!(report, Report { chains: 2, entries: 8, unsealed: 0, faults: Vec::new() });
        let wanted = Wanted { username: Some("ann"), limit: 100, ..Wanted::default() };
        let listed = audit::list(&app, &operator(), &wanted).await.unwrap();
        assert_eq!(listed.len(), 5);
        let first = listed.last().unwrap();
        assert_eq!((first.subject, first.action.as_str()), (ann, "account.create"));
        assert_eq!((first.actor.kind.as_str(), first.actor.id.as_str()), ("operator", "olga"));
    }
}

#[tokio::test]
async fn two_workers_that_seal_at_once_make_one_chain() {
    for database in TestDatabase::each() {
        let (one, two) = (node(&database).await, node(&database).await);
        for round in 0..5 {
            acts(&one, &format!("user-{round}"), 30).await;
            let sealing =
                [one.clone(), two.clone()].map(|app| tokio::spawn(async move { audit::seal(&app).await }));
            for worker in sealing {
                worker.await.unwrap().unwrap();
            }
            audit::seal(&one).await.unwrap();
            let report = verify(&one, &[]).await;
            assert_eq!((report.unsealed, report.faults), (0, Vec::new()), "round {round}");
            assert_eq!(report.entries, 31 * (round + 1));
        }
    }
}

#[tokio::test]
async fn each_change_behind_the_servers_back_is_found_where_it_is() {
    let cases = [
        ("UPDATE audit SET thing = 'tok_other' WHERE position = 3", Broken::Changed(3)),
        ("UPDATE audit SET outcome = 'refused' WHERE position = 1", Broken::Changed(1)),
        ("UPDATE audit SET actor_id = 'mallory' WHERE position = 5", Broken::Changed(5)),
        ("UPDATE audit SET address = '192.0.2.1' WHERE position = 2", Broken::Address(2)),
        ("UPDATE audit SET address = NULL, salt = NULL WHERE position = 2", Broken::Erased(2)),
        ("DELETE FROM audit WHERE position = 4", Broken::Missing(4)),
        ("DELETE FROM audit WHERE position >= 4", Broken::End { expected: 6, found: 3 }),
        ("DELETE FROM audit", Broken::End { expected: 6, found: 0 }),
        (
            "UPDATE audit SET position = 100 WHERE position = 2; UPDATE audit SET position = 2 WHERE position = 3;
             UPDATE audit SET position = 3 WHERE position = 100",
            Broken::Changed(2),
        ),
        (
            "DELETE FROM audit WHERE position = 6; DELETE FROM audit_heads",
            Broken::End { expected: 0, found: 5 },
        ),
    ];
    for (sql, broken) in cases {
        for database in TestDatabase::each() {
            let app = node(&database).await;
            let ann = acts(&app, "ann", 5).await;
            audit::seal(&app).await.unwrap();
            tamper(&database, sql).await;
            let faults = verify(&app, &[]).await.faults;
            assert_eq!(faults.len(), 1, "{sql}: {faults:?}");
            assert_eq!((faults[0].subject, faults[0].broken), (ann, broken), "{sql}");
        }
    }
}

#[tokio::test]
async fn what_an_export_noted_shows_that_a_chain_was_cut_or_made_anew() {
    for database in TestDatabase::each() {
        let app = node(&database).await;
        let ann = acts(&app, "ann", 5).await;
        audit::seal(&app).await.unwrap();
        let noted = heads(&app).await;
        acts(&app, "bob", 1).await;
        audit::seal(&app).await.unwrap();
        assert_eq!(verify(&app, &noted).await.faults, []);
        // The whole chain with its end: nothing in the database tells of it any more.
        tamper(&database, "DELETE FROM audit WHERE position >= 2; DELETE FROM audit_heads").await;
        tamper(
            &database,
            "UPDATE audit SET position = NULL, hash = NULL, address_digest = NULL, salt = NULL",
        )
        .await;
        audit::seal(&app).await.unwrap();
        assert_eq!(verify(&app, &[]).await.faults, [], "it is consistent in itself");
        let faults = verify(&app, &noted).await.faults;
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].subject, faults[0].broken), (ann, Broken::End { expected: 6, found: 1 }));
    }
}

#[tokio::test]
async fn a_wrong_action_is_refused_with_those_that_there_are() {
    let database = TestDatabase::sqlite();
    let app = node(&database).await;
    let wanted = Wanted { action: Some("tokens"), limit: 1, ..Wanted::default() };
    let error = audit::list(&app, &operator(), &wanted).await.unwrap_err();
    assert!(error.to_string().contains("token.create"), "{error}");
    let wanted = Wanted { username: Some("nobody"), limit: 1, ..Wanted::default() };
    assert!(audit::list(&app, &operator(), &wanted).await.is_err());
}
