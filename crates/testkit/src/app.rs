//! A whole skaas in this process: the real router behind the real listener, on a database of its own,
//! under a clock that the test moves.
//!
//! Owns: nodes and their end, time, what is left over. Refuses to shorten a way: whoever acts is a
//! person with real git and a token, or the operator with a store beside the nodes'.
//!
//! Everything blocks, as git does: two things at once are two threads (`std::thread::scope`), whoever
//! holds a `&TestApp` may act from any of them.

mod breaches;
mod browser;
mod copy;
mod front;
mod leftovers;
mod node;
mod operator;
mod person;
mod site;
mod source;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{
    Actor, App, AppConfig, Limits, Parts, Rate, Store, ThirdParties, Voice,
    jobs::{Terms, Worker},
    outbound::{
        Egress, Http,
        github::{Github, GithubConfig},
        mail::{Folder, Mailer, Sender, Smtp, SmtpConfig},
        oidc::{Provider, ProviderConfig},
    },
    publication,
    third_parties::{IdentityProvider, Way},
    vault,
};
use skaas_domain::{
    clock::{Clock as _, ManualClock},
    identity::ProviderKind,
    master_key::{Keyring, MasterKey},
};
use skaas_server::TrustedProxies;
pub use skaas_store::testing::{TestDatabase, redis_url, run_sql, text_of};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub use breaches::Breaches;
pub use browser::{Browser, Page};
pub use copy::{Copy, Entry};
pub use front::{Exchange, Front};
pub use node::Node;
pub use operator::{Given, Offer};
pub use person::Person;
pub use site::Site;
pub use source::{Pushed, Source};

use crate::log::Log;
use crate::mail_server::MailServer;
use person::Account;

/// The first moment of every story.
pub const BEGINNING: &str = "2026-11-02T09:00:00Z";
/// All nodes of all stories have one master key, made from this.
const MASTER_KEY_SEED: u64 = 4;
/// What the texts of the installation say its address is.
pub const PUBLIC_URL: &str = "https://skaas.test";

/// What a node has of its own. The default is bounds that no story reaches, and nobody in front.
pub struct Fitting {
    /// Its bounds.
    pub limits: Limits,
    /// Where it counts requests.
    pub rate: Rate,
    /// Whom it believes about who asks.
    pub proxies: TrustedProxies,
}

impl Default for Fitting {
    fn default() -> Self {
        // No story moves its clock for each request.
        let many = std::num::NonZeroU32::new(1_000_000).expect("not zero");
        Self {
            limits: Limits { token_burst: many, address_burst: many, ..Limits::default() },
            rate: Rate::in_process(),
            proxies: TrustedProxies::default(),
        }
    }
}

/// Tells a story once on SQLite, and once on PostgreSQL where there is a cluster.
pub fn story(tell: impl Fn(&TestApp)) {
    for database in TestDatabase::each() {
        story_on(database, &tell);
    }
}

/// Tells a story on one database, and fails if it leaves anything behind.
pub fn story_on(database: TestDatabase, tell: impl Fn(&TestApp)) {
    eprintln!("on {}", if database.is_postgres() { "PostgreSQL" } else { "SQLite" });
    let app = TestApp::new(database, 1);
    tell(&app);
    app.finish();
}

/// An installation with everybody in it.
pub struct TestApp {
    runtime: Runtime,
    database: TestDatabase,
    clock: Arc<ManualClock>,
    log: Log,
    recorder: &'static PrometheusRecorder,
    folder: TempDir,
    seed: u64,
    nodes: Mutex<Vec<Arc<Node>>>,
    /// Addresses for which everybody's git knows the password.
    bases: Mutex<Vec<String>>,
    accounts: Mutex<BTreeMap<String, Arc<Account>>>,
    operator: App,
    actor: Actor,
    beside: Store,
}

impl TestApp {
    /// One node and nobody in it; `seed` is for everything random.
    ///
    /// # Panics
    /// If something of it cannot be started.
    pub fn new(database: TestDatabase, seed: u64) -> Self {
        let log = Log::default();
        // Threads keep a pointer to it for as long as they live: it is never freed.
        let recorder: &'static PrometheusRecorder =
            Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let folder = tempfile::Builder::new().prefix("skaas-story-").tempdir().expect("a temporary folder");
        let runtime = runtime(&log, recorder);
        let clock = Arc::new(ManualClock::new(BEGINNING.parse().expect("a constant")));
        let store = runtime.block_on(database.store());
        let beside = store.clone();
        let scratch = folder.path().join("operator");
        let fitting = Fitting::default();
        let operator = app_over(store, &clock, &scratch, PUBLIC_URL, seed, ThirdParties::default(), &fitting);
        runtime.block_on(vault::unlock(&operator)).expect("nothing is sealed yet");
        let (nodes, bases, accounts) = Default::default();
        let app = Self {
            runtime,
            database,
            clock,
            log,
            recorder,
            folder,
            seed,
            nodes,
            bases,
            accounts,
            operator,
            actor: Actor::operator("of the story"),
            beside,
        };
        app.another_node();
        app
    }

    /// Does asynchronous work under this story's log and metrics.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        tracing::dispatcher::with_default(&self.log.dispatch(), || {
            metrics::with_local_recorder(self.recorder, || self.runtime.block_on(work))
        })
    }

    /// One more node on the same database, with an empty scratch folder.
    pub fn another_node(&self) -> Arc<Node> {
        self.node_speaking_as(PUBLIC_URL)
    }

    /// The same with another public address, as after a change of the configuration.
    pub fn node_speaking_as(&self, public_url: &str) -> Arc<Node> {
        self.node_with(public_url, self.third_parties())
    }

    /// One more node with bounds, counts or proxies of its own.
    pub fn node_fitted(&self, fitting: Fitting) -> Arc<Node> {
        self.start(PUBLIC_URL, self.third_parties(), fitting)
    }

    /// One more node that lets people sign in with the GitHub at `base`, an address on loopback, and with a forge
    /// that speaks like it and stands there too.
    pub fn node_with_github(&self, base: &str) -> Arc<Node> {
        let mut egress = Egress::default();
        egress.allow("127.0.0.1").expect("a constant");
        let http = Http::new(egress).expect("a client can be made");
        let url = |path: &str| format!("{base}{path}").parse().expect("an address");
        let provider = |kind: ProviderKind| {
            let config = GithubConfig {
                web_base: url(""),
                api_base: url("/api"),
                client_id: "skaas".to_owned(),
                client_secret: "a-secret".to_owned().into(),
                redirect_uri: format!("{PUBLIC_URL}/auth/{kind}/callback").parse().expect("an address"),
            };
            let way = Way::Github(Box::new(Github::new(http.clone(), config)));
            IdentityProvider { kind, way }
        };
        let providers = [ProviderKind::Github, ProviderKind::Oidc("forge".to_owned())].map(provider).into();
        self.node_with(PUBLIC_URL, ThirdParties { providers, ..self.third_parties() })
    }

    /// One more node that lets people sign in with the OIDC provider `issuer`, an address on loopback.
    pub fn node_with_issuer(&self, issuer: &str) -> Arc<Node> {
        let mut egress = Egress::default();
        egress.allow("127.0.0.1").expect("a constant");
        let http = Http::new(egress).expect("a client can be made");
        let kind = ProviderKind::Oidc("keycloak".to_owned());
        let back = format!("{PUBLIC_URL}/auth/{kind}/callback").parse().expect("an address");
        let config = ProviderConfig::standard(issuer, "skaas", Some("a-secret".to_owned().into()), back);
        let way = Way::Oidc(Box::new(Provider::new(http, config).expect("an issuer's address")));
        self.node_with(
            PUBLIC_URL,
            ThirdParties { providers: vec![IdentityProvider { kind, way }], ..self.third_parties() },
        )
    }

    /// One more node that hands mail to a server, and gives it 200 ms for each.
    pub fn node_with_mail_server(&self, server: &MailServer) -> Arc<Node> {
        let mut config: SmtpConfig = server.url().parse().expect("an address");
        config.patience = Duration::from_millis(200);
        let smtp = self.run(async { Smtp::new(&config, sender()).expect("no certificates to read") });
        let mailer = Some(Mailer::Smtp(smtp));
        let node = self.node_with(PUBLIC_URL, ThirdParties { mailer, ..ThirdParties::default() });
        // Its pool of connections can be dropped in a runtime only, and ours ends first.
        std::mem::forget(Arc::clone(&node));
        node
    }

    fn node_with(&self, public_url: &str, third_parties: ThirdParties) -> Arc<Node> {
        self.start(public_url, third_parties, Fitting::default())
    }

    fn start(&self, public_url: &str, third_parties: ThirdParties, fitting: Fitting) -> Arc<Node> {
        let number = self.nodes().len();
        let scratch = self.folder.path().join(format!("node-{number}"));
        let store = self.run(self.database.store());
        let seed = self.seed.wrapping_add(1 + number as u64);
        let app = app_over(store, &self.clock, &scratch, public_url, seed, third_parties, &fitting);
        self.run(publication::render_all(&app)).expect("a node can render the catalogue");
        let node = Arc::new(self.run(Node::start(app, scratch, self.metrics(), fitting.proxies)));
        self.nodes().push(Arc::clone(&node));
        self.remember_base(&node.url());
        node
    }

    /// Mail into a folder; nobody vouches for anybody.
    fn third_parties(&self) -> ThirdParties {
        let mailer = Some(Mailer::Folder(Folder::new(self.mail_folder(), sender())));
        ThirdParties { mailer, ..ThirdParties::default() }
    }

    /// The node that everybody talks to unless they say otherwise: the newest that runs.
    pub fn node(&self) -> Arc<Node> {
        let nodes = self.nodes();
        Arc::clone(nodes.iter().rev().find(|node| node.runs()).expect("a node runs"))
    }

    /// Stops every node and starts another one.
    pub fn restart(&self) -> Arc<Node> {
        self.stop_nodes();
        self.another_node()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass, on every node at once.
    pub fn pass(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// Lets days pass.
    pub fn pass_days(&self, days: i64) {
        self.pass(SignedDuration::from_hours(24 * days));
    }

    /// Every node that runs does what it does every minute or so.
    pub fn tidies(&self) {
        let nodes = self.nodes().clone();
        for node in nodes.iter().filter(|node| node.runs()) {
            self.run(node.app().tidy()).expect("a node can tidy");
        }
    }

    /// A worker does every job that is due.
    pub fn works(&self) {
        let node = self.node();
        self.run(Worker::new(node.app(), Terms::default()).drain()).expect("a worker can work");
    }

    /// A worker does what is scheduled, and every other job that is due.
    pub fn keeps_house(&self) {
        let node = self.node();
        let mut worker = Worker::new(node.app(), Terms::default());
        self.run(worker.schedule()).expect("a worker can look at the schedule");
        self.run(worker.drain()).expect("a worker can work");
    }

    /// What the nodes logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A gauge or counter of all nodes together, the sum over its labels; 0 if it was never touched.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().render();
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// A store of its own on the same data, as a program beside the server has.
    pub fn store(&self) -> &Store {
        self.operator_store()
    }

    /// Where this installation's files are; gone at its end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where mail lands.
    fn mail_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("mail")
    }

    /// Which database it is on.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Ends the story: nothing may be left under way, and nothing left over.
    ///
    /// # Panics
    /// With what was left.
    pub fn finish(self) {
        self.stop_nodes();
        self.assert_nothing_left();
    }

    fn stop_nodes(&self) {
        let nodes = self.nodes().clone();
        for node in nodes {
            assert!(self.run(node.stop()), "a node had to leave connections unfinished");
        }
    }

    fn metrics(&self) -> PrometheusHandle {
        self.recorder.handle()
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Arc<Node>>> {
        self.nodes.lock().expect("nobody panics while adding a node")
    }

    /// Makes everybody's git know its password for an address.
    fn remember_base(&self, base: &str) {
        self.bases.lock().expect("nobody panics while remembering").push(base.to_owned());
        for account in self.accounts.lock().expect("nobody panics while remembering").values() {
            account.write_credentials(&self.bases());
        }
    }

    fn bases(&self) -> Vec<String> {
        self.bases.lock().expect("nobody panics while remembering").clone()
    }
}

/// Who mail comes from.
fn sender() -> Sender {
    "skaas <skaas@skaas.test>".parse().expect("a constant")
}

/// Two threads, as the machines have that this runs on; every one of them reports to the story's own log
/// and metrics.
fn runtime(log: &Log, recorder: &'static PrometheusRecorder) -> Runtime {
    let dispatch = log.dispatch();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || {
            // Both hold for as long as the thread lives.
            std::mem::forget(tracing::dispatcher::set_default(&dispatch));
            std::mem::forget(metrics::set_default_local_recorder(recorder));
        })
        .build()
        .expect("threads can be started")
}

fn app_over(
    store: Store,
    clock: &Arc<ManualClock>,
    scratch: &Path,
    public_url: &str,
    seed: u64,
    third_parties: ThirdParties,
    fitting: &Fitting,
) -> App {
    let config = AppConfig {
        voice: Voice { public_url: public_url.to_owned(), marketplace_name: "skaas".to_owned() },
        scratch: scratch.to_path_buf(),
        limits: fitting.limits,
    };
    let key = MasterKey::generate(&mut StdRng::seed_from_u64(MASTER_KEY_SEED));
    let keyring = Keyring::new(vec![key]).expect("one key is not listed twice");
    let rng = Box::new(StdRng::seed_from_u64(seed));
    let rate = fitting.rate.clone();
    App::with_third_parties(
        config,
        Parts { store, clock: Arc::<ManualClock>::clone(clock), rng, rate, keyring },
        third_parties,
    )
}
