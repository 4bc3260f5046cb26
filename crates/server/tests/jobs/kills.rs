//! `kill -9` in the middle of mails and jobs: none lost, none doubled in effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_app::{
    Actor, App, AppConfig, DatabaseConfig, Limits, ObjectsConfig, Parts, Rate, Store, StoreConfig, Voice,
    accounts, jobs,
};
use skaas_domain::{clock::Clock, device::Place, master_key::Keyring};
use skaas_testkit::app::TestDatabase;
use skaas_testkit::mail_server::{MailServer, Manner};
use skaas_testkit::process::{Installation, Server};
use tokio::runtime::Runtime;

use crate::operator::until;

/// How many kills; `SKAAS_TEST_KILLS=200` for the long run.
fn kills() -> usize {
    std::env::var("SKAAS_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(6)
}

/// The machine's clock: the server that is killed has no other.
struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "a process beside the test reads the same clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The use cases in this process, on the data of the processes that are killed.
struct Desk {
    runtime: Runtime,
    app: App,
}

impl Desk {
    fn new(config: StoreConfig, scratch: std::path::PathBuf) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let store = Store::open(config).await.unwrap();
            store.migrate().await.unwrap();
            store
        });
        let config = AppConfig {
            voice: Voice {
                public_url: "https://skaas.test".to_owned(),
                marketplace_name: "skaas".to_owned(),
            },
            scratch,
            limits: Limits::default(),
        };
        let rng = Box::new(StdRng::seed_from_u64(5));
        let app = App::new(
            config,
            Parts {
                store,
                clock: std::sync::Arc::new(Now),
                rng,
                rate: Rate::in_process(),
                keyring: Keyring::default(),
            },
        );
        Self { runtime, app }
    }

    /// Adds somebody with a confirmed address.
    fn person(&self, number: usize) -> String {
        let name = format!("person{number}");
        let email = format!("{name}@example.test");
        let operator = Actor::operator("of the test");
        self.runtime.block_on(skaas_app::users::add(&self.app, &operator, &name, &email)).unwrap();
        email
    }

    /// Asks for a new password. Once this returns the mail must come.
    fn asks_reset(&self, number: usize, email: &str) {
        let place = Place::new(&format!("10.{}.{}.7", number / 250, number % 250), "test");
        self.runtime.block_on(accounts::ask_reset(&self.app, email, &place)).unwrap();
    }

    fn is_done(&self) -> bool {
        let operator = Actor::operator("of the test");
        let left = self.runtime.block_on(jobs::list(&self.app, &operator, None, None, 500)).unwrap();
        // What is retried waits longer and longer: nobody has that much time here.
        for job in left.iter().filter(|job| job.attempts > 0) {
            drop(self.runtime.block_on(jobs::retry(&self.app, &operator, job.id)));
        }
        left.is_empty()
    }
}

fn installation(data: &std::path::Path, mail: &MailServer) -> Installation {
    Installation::new(env!("CARGO_BIN_EXE_skaas-server"), data)
        .with_variable("SKAAS_SMTP_URL", &mail.url())
        .with_variable("SKAAS_JOBS_LEASE_SECONDS", "2")
}

/// Every person got exactly one mail, however often it was sent, and nobody else any.
#[track_caller]
fn each_got_one(mail: &MailServer, people: &BTreeSet<String>) {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let received = mail.received();
    for one in &received {
        ids.entry(one.to.clone()).or_default().insert(one.id.clone());
    }
    let lost: Vec<_> = people.iter().filter(|email| !ids.contains_key(*email)).collect();
    assert!(lost.is_empty(), "no mail reached {lost:?}");
    let doubled: Vec<_> = ids.iter().filter(|(_, ids)| ids.len() != 1).collect();
    assert!(doubled.is_empty(), "more than one mail reached {doubled:?}");
    assert_eq!(ids.len(), people.len());
    eprintln!("{} mails to {} people, each the same mail", received.len(), people.len());
}

/// Mails are asked for without pause while `kill` kills; then everything is left to end in peace.
fn under_fire(desk: &Desk, mail: &MailServer, kill: impl FnOnce() -> Vec<Box<dyn std::any::Any>>) {
    mail.treats(Manner::Moody);
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let survivors = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = asked.load(Ordering::Relaxed);
                let email = desk.person(number);
                desk.asks_reset(number, &email);
                desk.runtime.block_on(jobs::probe(&desk.app, 3)).unwrap();
                asked.store(number + 1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let survivors = kill();
        stop.store(true, Ordering::Relaxed);
        survivors
    });
    mail.treats(Manner::Takes);
    until(|| desk.is_done());
    drop(survivors);
    let people = (0..asked.load(Ordering::Relaxed)).map(|number| format!("person{number}@example.test"));
    each_got_one(mail, &people.collect());
}

fn pause(rng: &mut StdRng) {
    std::thread::sleep(Duration::from_millis(rng.random_range(5..400)));
}

#[test]
fn no_mail_is_lost_or_doubled_by_kills_of_the_only_node() {
    let (folder, mail) = (tempfile::tempdir().unwrap(), MailServer::start());
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let config = StoreConfig::new(
        DatabaseConfig::Sqlite { path: data.join("skaas.db") },
        ObjectsConfig::Folder { path: data.join("objects") },
    );
    let desk = Desk::new(config, folder.path().join("desk"));
    let installation = installation(&data, &mail);
    under_fire(&desk, &mail, || {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..kills() {
            let server = installation.serve();
            pause(&mut rng);
            server.kill();
        }
        vec![Box::new(installation.serve())]
    });
}

#[test]
fn no_mail_is_lost_or_doubled_by_kills_of_two_nodes_and_a_worker() {
    let Some(database) = TestDatabase::postgres() else { return };
    let (folder, mail) = (tempfile::tempdir().unwrap(), MailServer::start());
    let desk = Desk::new(database.config().clone(), folder.path().join("desk"));
    let at = |name: &str| installation(&folder.path().join(name), &mail).as_node_of(database.config());
    let installations = ["one", "two", "worker"].map(at);
    under_fire(&desk, &mail, || {
        let start = |which: usize| match which {
            2 => Running::Worker(installations[2].worker()),
            node => Running::Node(installations[node].serve()),
        };
        let mut rng = StdRng::seed_from_u64(2);
        let mut running: Vec<Running> = (0..3).map(start).collect();
        for _ in 0..kills() {
            pause(&mut rng);
            let which = rng.random_range(0..3);
            let replaced = std::mem::replace(&mut running[which], Running::None);
            replaced.kill();
            running[which] = start(which);
        }
        vec![Box::new(running)]
    });
}

/// A process that is killed.
enum Running {
    Node(Server),
    Worker(skaas_testkit::process::Worker),
    None,
}

impl Running {
    fn kill(self) {
        match self {
            Self::Node(server) => server.kill(),
            Self::Worker(worker) => worker.kill(),
            Self::None => {}
        }
    }
}
