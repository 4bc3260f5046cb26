//! Owns how a catalogue comes to be: creators push generated monorepos with real git, everything is priced
//! and published, buyers get tokens and grants. Refuses to write what a use case would not have written.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{
    Actor, App, AppConfig, DatabaseConfig, Limits, ObjectsConfig, Parts, Rate, Store, StoreConfig,
    grants::{self, NewGrant},
    jobs,
    listings::{self, Change, PriceChange},
    publication::voice_in_use,
    tokens::{self, NewToken},
    users,
};
use skaas_domain::{
    clock::Clock,
    entitlement::GrantKind,
    listing::ListingState,
    master_key::Keyring,
    money::{Interval, Price},
};

use tokio::task::JoinSet;

use crate::{
    content::skill_name,
    git::{Person, url},
    ours::{Installation, Server},
};

/// Listings published side by side.
const AT_ONCE: usize = 32;

/// The machine's clock, for use cases run beside the server.
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the program hands in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The use cases over the data of an installation that has served once, as the administration commands run
/// them, without a process for each.
pub(crate) struct Office {
    app: App,
    actor: Actor,
    store: Store,
}

impl Office {
    pub(crate) async fn open(installation: &Installation) -> Result<Self> {
        let data = installation.data();
        let config = StoreConfig::new(
            DatabaseConfig::Sqlite { path: data.join("skaas.db") },
            ObjectsConfig::Folder { path: data.join("objects") },
        );
        let store = Store::open(config).await?;
        let voice = voice_in_use(&store).await?.context("the server has not rendered its catalogue yet")?;
        let parts = Parts {
            keyring: Keyring::default(),
            store: store.clone(),
            clock: Arc::new(SystemClock),
            rng: Box::new(StdRng::from_os_rng()),
            rate: Rate::in_process(),
        };
        let config = AppConfig { voice, scratch: data.join("scratch"), limits: Limits::default() };
        Ok(Self { app: App::new(config, parts), actor: Actor::operator("of the benchmark"), store })
    }

    /// Whether jobs that do nothing are still to be done.
    pub(crate) async fn has_probes(&self) -> Result<bool> {
        Ok(!jobs::list(&self.app, &self.actor, None, Some("probe"), 1).await?.is_empty())
    }

    /// Prices and publishes every listing; how many there are.
    pub(crate) async fn publish_all(&self) -> Result<usize> {
        let price = Price::new(900, "USD", Interval::Once)?;
        let change = Change {
            price: Some(PriceChange::Only(price)),
            state: Some(ListingState::Published),
            ..Change::default()
        };
        let all = listings::list(&self.app, &self.actor).await?;
        let mut under_way = JoinSet::new();
        for details in &all {
            if details.listing.state == ListingState::Draft {
                ensure!(!details.releases.is_empty(), "{} has no release", details.listing.name);
                // Each waits for the disk; several wait together.
                if under_way.len() >= AT_ONCE {
                    under_way.join_next().await.context("there are some")???;
                }
                let (app, actor) = (self.app.clone(), self.actor.clone());
                let (name, change) = (details.listing.name.clone(), change.clone());
                under_way.spawn(async move {
                    Box::pin(listings::set(&app, &actor, &name, &change)).await.map(drop)
                });
            }
        }
        while let Some(done) = under_way.join_next().await {
            done??;
        }
        Ok(all.len())
    }

    /// A new user's token.
    pub(crate) async fn add_user(&self, username: &str) -> Result<String> {
        users::add(&self.app, &self.actor, username, &format!("{username}@bench.example")).await?;
        let new = NewToken { name: "laptop", scopes: None, expires_at: None };
        let made = tokens::create(&self.app, &self.actor, username.into(), new).await?;
        Ok(made.token.reveal().to_owned())
    }

    /// Sells `skill` to a user.
    pub(crate) async fn sell(&self, username: &str, skill: &str) -> Result<()> {
        let new = NewGrant {
            username: username.to_owned(),
            skill: skill.to_owned(),
            kind: GrantKind::Purchase,
            until: None,
            updates_until: None,
            note: String::new(),
        };
        grants::add(&self.app, &self.actor, new).await?;
        Ok(())
    }

    /// What the rows of one user come to.
    pub(crate) async fn bytes_of(&self, username: &str) -> Result<BytesOfUser> {
        let user = users::find(&self.app, &self.actor, username).await?;
        let bytes = self.store.bytes_per_user(user.id).await?;
        Ok(BytesOfUser {
            steps: (bytes.step_rows, bytes.steps),
            grants: (bytes.grant_rows, bytes.grants),
            tokens: bytes.tokens,
        })
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

/// Rows and bytes that a user accounts for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BytesOfUser {
    pub(crate) steps: (i64, i64),
    pub(crate) grants: (i64, i64),
    pub(crate) tokens: i64,
}

/// What one push took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push {
    pub(crate) skills: usize,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// On the pusher's side, from the command to its end.
    pub(crate) wall: Duration,
    /// On the server's.
    pub(crate) cpu: Duration,
}

/// A creator at a serving node.
pub(crate) struct Creator<'a> {
    pub(crate) person: Person,
    pub(crate) server: &'a Server,
    /// Where checkouts are made.
    pub(crate) folder: PathBuf,
}

impl Creator<'_> {
    /// Commits what `write` puts into a folder and pushes it to a source of that name.
    pub(crate) fn push(
        &self,
        source: &str,
        skills: usize,
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Push> {
        let checkout = self.folder.join(source);
        fs::create_dir_all(&checkout)?;
        write(&checkout)?;
        let (files, bytes) = measure(&checkout)?;
        self.person.commit_all(&checkout, "Everything as it is today")?;
        let to = url(self.server.address, &format!("s/{}/{source}.git", self.person.username));
        let cpu = self.server.meter.cpu()?;
        let began = Instant::now();
        self.person.git(&checkout, &["push", "-q", &to, "main"])?;
        let push = Push {
            skills,
            files,
            bytes,
            wall: began.elapsed(),
            cpu: self.server.meter.cpu()?.saturating_sub(cpu),
        };
        fs::remove_dir_all(&checkout)?;
        Ok(push)
    }
}

/// Files and bytes below a folder.
fn measure(folder: &Path) -> Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            let (more, size) = measure(&entry.path())?;
            files += more;
            bytes += size;
        } else {
            files += 1;
            bytes += about.len();
        }
    }
    Ok((files, bytes))
}

/// The skills that a buyer of `count` owns, spread over a catalogue of `size`, and the next one to be bought.
pub(crate) fn spread(size: usize, count: usize) -> (Vec<String>, String) {
    let own = (0..count).map(|n| skill_name(n * size / count)).collect();
    (own, skill_name(size / 2 + 1))
}
