//! Owns the way from a place (a folder, a database) to an [`App`] over it. Refuses to change anything but the
//! schema.

use std::{num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use skaas_app::{
    App, AppConfig, DatabaseConfig, Limits, ObjectsConfig, Parts, Rate, S3Config, Store, StoreConfig,
    ThirdParties, Voice, outbound::ExposeSecret as _, publication::voice_in_use, vault,
};
use skaas_domain::{clock::Clock, master_key::Keyring};

use crate::{
    arguments::Place,
    config::{Overrides, Settings, defaults},
    master_key, output, third_parties,
};

/// The machine's clock: the one place where it is read.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the program hands in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Reads the configuration of a place; `values` of the command line come last.
pub(crate) fn settings(place: &Place, values: Vec<(&'static str, String)>) -> anyhow::Result<Settings> {
    let mut overrides = Overrides { file: place.config.clone(), values };
    if let Some(data) = &place.data {
        overrides.values.push(("data_dir", data.display().to_string()));
    }
    if let Some(url) = &place.database_url {
        overrides.values.push(("database.url", url.clone()));
    }
    Ok(Settings::read(&overrides, &|name| std::env::var(name).ok())?)
}

/// Opens the database and object storage, and brings the schema up to date.
pub(crate) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("cannot make the data folder {}", settings.data_dir.display()))?;
    let store = Store::open(store_config(settings)).await?;
    store.migrate().await?;
    Ok(store)
}

/// A place without an installation, given to a command that works on one. Only `serve`, `migrate` and `demo` make
/// one: a mistyped folder must not become an empty installation that all is well with.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no skaas installation in {place}\n  check --data (SKAAS_DATA_DIR) and database.url (DATABASE_URL), \
     or create an installation there with `skaas-server migrate` or `skaas-server serve`"
)]
pub(crate) struct NoInstallation {
    place: String,
}

/// The folder or file of an installation that is missing, if one is.
fn missing(settings: &Settings) -> Option<NoInstallation> {
    let config = store_config(settings);
    let file = match &config.database {
        DatabaseConfig::Sqlite { path } => Some(path),
        DatabaseConfig::Postgres { .. } => None,
    };
    let folder = match &config.objects {
        ObjectsConfig::Folder { path } => Some(path),
        ObjectsConfig::S3(_) => None,
    };
    let absent = file.into_iter().chain(folder).find(|path| !path.exists())?;
    let place = absent.parent().unwrap_or(absent).display().to_string();
    Some(NoInstallation { place })
}

/// Opens an installation that was made before, and brings its schema up to date.
async fn open_existing(settings: &Settings) -> anyhow::Result<Store> {
    if let Some(none) = missing(settings) {
        return Err(none.into());
    }
    let store = Store::open(store_config(settings)).await?;
    if !store.has_schema().await? {
        return Err(NoInstallation { place: "this database".to_owned() }.into());
    }
    store.migrate().await?;
    Ok(store)
}

/// Opens both as they are, for who only looks; `None` where there is no database yet.
pub(crate) async fn store_as_it_is(settings: &Settings) -> anyhow::Result<Option<Store>> {
    let config = store_config(settings);
    if let DatabaseConfig::Sqlite { path } = &config.database
        && !path.exists()
    {
        return Ok(None);
    }
    Ok(Some(Store::look(config).await?))
}

/// Which database is configured.
pub(crate) fn database_config(settings: &Settings) -> DatabaseConfig {
    let url = settings.database.url.expose_secret();
    match url.strip_prefix("sqlite:") {
        Some(path) => DatabaseConfig::Sqlite { path: PathBuf::from(path.strip_prefix("//").unwrap_or(path)) },
        None if url.is_empty() => DatabaseConfig::Sqlite { path: settings.data_dir.join("skaas.db") },
        None => DatabaseConfig::Postgres { url: url.to_owned() },
    }
}

fn store_config(settings: &Settings) -> StoreConfig {
    let database = database_config(settings);
    let o = &settings.objects;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let objects = match some(&o.bucket) {
        None => ObjectsConfig::Folder { path: settings.data_dir.join("objects") },
        Some(bucket) => ObjectsConfig::S3(S3Config {
            endpoint: some(&o.endpoint),
            bucket,
            region: o.region.clone(),
            access_key_id: some(o.access_key_id.expose_secret()),
            secret_access_key: some(o.secret_access_key.expose_secret()),
            allow_http: o.allow_http,
            prefix: o.prefix.clone(),
        }),
    };
    let mut config = StoreConfig::new(database, objects);
    config.connections = settings.database.connections;
    config.readers = settings.database.readers;
    config
}

/// An app over an open store, without third parties. It knows `keyring`, which may be too little for the vault: only a
/// start refuses that.
pub(crate) fn app(settings: &Settings, store: Store, voice: Voice, keyring: Keyring) -> App {
    let parts = parts(store, Rate::in_process(), keyring);
    with_third_parties(settings, parts, voice, ThirdParties::default())
}

/// An app over an open store that sends mail, asks identity providers, and counts with the other nodes. Its vault is
/// unlocked.
pub(crate) async fn serving_app(
    settings: &Settings,
    store: Store,
    public_url: String,
) -> anyhow::Result<App> {
    let third_parties = third_parties::from_settings(settings, &public_url)?;
    let voice = Voice { public_url, marketplace_name: settings.marketplace_name.clone() };
    let keyring = master_key::keyring_or_new(settings, &store).await?;
    let parts = parts(store, rate(settings)?, keyring);
    let app = with_third_parties(settings, parts, voice, third_parties);
    vault::unlock(&app).await?;
    Ok(app)
}

/// Where requests are counted: in Redis, where one is named.
pub(crate) fn rate(settings: &Settings) -> anyhow::Result<Rate> {
    match settings.redis.url.expose_secret() {
        "" => Ok(Rate::in_process()),
        url => Ok(Rate::redis(url)?),
    }
}

fn parts(store: Store, rate: Rate, keyring: Keyring) -> Parts {
    Parts { store, clock: Arc::new(SystemClock), rng: Box::new(StdRng::from_os_rng()), rate, keyring }
}

fn with_third_parties(settings: &Settings, parts: Parts, voice: Voice, third_parties: ThirdParties) -> App {
    let scratch = settings.data_dir.join("scratch");
    App::with_third_parties(AppConfig { voice, scratch, limits: limits(settings) }, parts, third_parties)
}

/// An app for commands beside the server: it speaks with the voice that the server last rendered with.
pub(crate) async fn beside_the_server(place: &Place) -> anyhow::Result<App> {
    let settings = settings(place, Vec::new())?;
    let store = open_existing(&settings).await?;
    // What is configured may be another address than the one that the server was started with, and what was
    // rendered with it would stay: a server renders everything anew only when its own address changes.
    let voice = voice_in_use(&store).await?.unwrap_or_else(|| configured_voice(&settings));
    let keyring = master_key::keyring(&settings)?;
    Ok(app(&settings, store, voice, keyring))
}

fn configured_voice(settings: &Settings) -> Voice {
    let public_url = match settings.public_url.as_str() {
        "" => format!("http://{}", settings.listen),
        url => url.to_owned(),
    };
    Voice { public_url, marketplace_name: settings.marketplace_name.clone() }
}

fn limits(settings: &Settings) -> Limits {
    let some = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
    let l = &settings.limits;
    Limits {
        token_burst: some(l.token_burst),
        token_per_second: some(l.token_per_second),
        address_burst: some(l.address_burst),
        address_per_second: some(l.address_per_second),
        concurrent_packs: l.concurrent_packs,
        concurrent_pushes: l.concurrent_pushes,
        queued_pushes: l.queued_pushes,
        push_patience: Duration::from_secs(l.push_wait_seconds),
        content_bytes: u64::from(l.content_memory_mib) << 20,
        push_bytes: u64::from(l.push_mib) << 20,
        patience: Duration::from_secs(10),
        authorization_lifetime: SignedDuration::from_hours(24 * i64::from(l.authorization_days)),
    }
}

/// `skaas-server migrate`.
pub(crate) async fn migrate(place: &Place, as_json: bool) -> anyhow::Result<()> {
    let settings = settings(place, Vec::new())?;
    std::fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("cannot make the data folder {}", settings.data_dir.display()))?;
    let store = Store::open(store_config(&settings)).await?;
    let migrated = store.migrate().await?;
    let described = store.describe().await?;
    let keyring = master_key::keyring_or_new(&settings, &store).await?;
    vault::unlock(&app(&settings, store, configured_voice(&settings), keyring)).await?;
    if as_json {
        return output::json(&json!({
            "database": described.kind,
            "schema_version": described.counts.schema_version,
            "applied": migrated.applied,
        }));
    }
    output::line(&format!(
        "{}: schema version {}, {} migration(s) applied now",
        described.kind,
        described.counts.schema_version,
        migrated.applied.len()
    ));
    Ok(())
}

/// `skaas-server config`.
pub(crate) fn show_config(place: &Place, of_defaults: bool) -> anyhow::Result<()> {
    if of_defaults {
        output::line(defaults().trim_end());
    } else {
        output::line(settings(place, Vec::new())?.to_string().trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_setting_reaches_the_store() {
        let variable = |name: &str| match name {
            "SKAAS_DATABASE_CONNECTIONS" => Some("23".to_owned()),
            "SKAAS_DATABASE_READERS" => Some("7".to_owned()),
            _ => None,
        };
        let config = store_config(&Settings::read(&Overrides::default(), &variable).unwrap());
        assert_eq!((config.connections, config.readers), (23, 7));
    }
}
