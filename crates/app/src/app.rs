//! Owns what use cases share: the store, the clock, random numbers, caches, bounds. Refuses to do anything
//! by itself.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use rand::RngCore;
use skaas_domain::{clock::Clock, master_key::Keyring};
use skaas_outbound::ways_out::WaysOut;
use skaas_store::{Store, rate::Rate};

use crate::{
    accounts::Hashing,
    authentication::Authentication,
    catalogue::Catalogues,
    contents::Contents,
    error::Result,
    health,
    jobs::Bell,
    limits::{Limits, Places, Rates},
    lineage::Histories,
    push::{PushQueue, SourceLocks},
    quiet::Quiet,
    render::Voice,
    second_factor::RelyingParty,
    third_parties::ThirdParties,
};

/// What an operator decides about a node.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// What texts say about this installation.
    pub voice: Voice,
    /// A folder for what may be lost at any time: packs under way, copies of sources.
    pub scratch: PathBuf,
    /// Bounds.
    pub limits: Limits,
}

/// What the caller supplies.
pub struct Parts {
    /// Database and object storage, migrated.
    pub store: Store,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Fit for secrets.
    pub rng: Box<dyn RngCore + Send>,
    /// Where requests are counted.
    pub rate: Rate,
    /// The master keys of the vault, if there are any.
    pub keyring: Keyring,
}

/// One node of skaas. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What all clones of an [`App`] share.
pub struct Inner {
    pub(crate) config: AppConfig,
    pub(crate) store: Store,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<dyn Clock>,
    rng: Mutex<Box<dyn RngCore + Send>>,
    pub(crate) authentication: Authentication,
    pub(crate) catalogues: Catalogues,
    pub(crate) histories: Histories,
    pub(crate) contents: Contents,
    pub(crate) rates: Rates,
    pub(crate) packs: Places,
    pub(crate) pushes: PushQueue,
    pub(crate) source_locks: SourceLocks,
    pub(crate) hashing: Hashing,
    pub(crate) relying_party: RelyingParty,
    pub(crate) third_parties: ThirdParties,
    pub(crate) jobs: Bell,
    pub(crate) health: health::Kept,
    /// Uses of sessions and tokens that could not be written down.
    pub(crate) uses_not_noted: Quiet,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// A node over `parts` without third parties: no mail, no identity providers. Nothing is read or
    /// written yet.
    pub fn new(config: AppConfig, parts: Parts) -> Self {
        Self::with_third_parties(config, parts, ThirdParties::default())
    }

    /// A node over `parts` that talks to `third_parties`.
    pub fn with_third_parties(config: AppConfig, parts: Parts, third_parties: ThirdParties) -> Self {
        let Parts { store, clock, rng, rate, keyring } = parts;
        let limits = config.limits;
        Self(Arc::new(Inner {
            authentication: Authentication::new(),
            catalogues: Catalogues::new(store.clone(), config.voice.clone()),
            histories: Histories::new(),
            contents: Contents::new(store.clone(), limits.content_bytes, limits.patience),
            rates: Rates::new(rate, &limits),
            packs: Places::new(limits.concurrent_packs, limits.patience),
            pushes: PushQueue::new(&limits),
            source_locks: SourceLocks::default(),
            hashing: Hashing::new(),
            relying_party: RelyingParty::at(&config.voice.public_url, &config.voice.marketplace_name),
            third_parties,
            jobs: Bell::default(),
            health: health::Kept::default(),
            uses_not_noted: Quiet::default(),
            rng: Mutex::new(rng),
            config,
            store,
            keyring,
            clock,
        }))
    }

    /// What texts say about this installation.
    pub fn voice(&self) -> &Voice {
        &self.config.voice
    }

    /// The bounds this node runs under.
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The present moment, as exact as the database keeps it: what is written reads back as the same.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Work with random numbers.
    pub(crate) fn with_rng<T>(&self, work: impl FnOnce(&mut dyn RngCore) -> T) -> T {
        let mut rng = self.rng.lock().expect("no one panics while drawing numbers");
        work(&mut **rng)
    }

    /// The way to addresses that users name; none where nothing outside is configured.
    pub(crate) fn way_for_users(&self) -> Option<&skaas_outbound::Http> {
        self.third_parties.ways_out.as_ref().map(WaysOut::for_users)
    }

    /// Writes down when tokens were last used: for every node to do each minute or so, since only it knows. What one
    /// node does for all of them is a scheduled job.
    pub async fn tidy(&self) -> Result<()> {
        self.authentication.write_last_used(&self.store).await
    }
}
