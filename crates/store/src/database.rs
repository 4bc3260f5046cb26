//! Owns opening, pools and the beginning of transactions. Refuses to know any table.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use futures_util::TryFutureExt as _;
use skaas_domain::id::UserId;
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    config::{DatabaseConfig, StoreConfig},
    connection::{Conn, Snapshot, Tx},
    error::{Result, StoreError},
    freshness::{Mark, REVISIONS, Revisions, Watcher},
    migration::{self, Migrated},
    objects::Objects,
    statement::{fetch_one, sql},
};

/// The first SQLite without the data race of `WAL` checkpoints that 3.51.3 mended.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);
/// How long a statement waits for another's lock.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// SQLite: the commit waits until the disk has the write-ahead log, with all earlier commits in it. The setting
/// belongs to the connection and cannot change inside a transaction, so each transaction begins with its own.
const DURABLE: &str = "PRAGMA synchronous = FULL; BEGIN IMMEDIATE";
/// SQLite: the commit waits for nothing. The disk gets it with the next durable commit or checkpoint.
const LAZY: &str = "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE";
/// How long a caller waits for a free connection.
const POOL_WAIT: Duration = Duration::from_secs(8);

sql! {
    /// A server that is set to acknowledge before its own disk has the commit is not asked to do so for us. What
    /// is stricter, such as waiting for replicas, stays as it is.
    WAIT_FOR_THE_DISK = "SELECT 1",
        pg = "SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') = 'off'";
}

#[derive(Clone)]
enum Db {
    /// One connection writes; the rest are kept from it.
    Lite {
        writer: SqlitePool,
        readers: SqlitePool,
        watcher: Arc<Watcher>,
    },
    Pg(PgPool),
}

/// The database and the object storage. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Store {
    db: Db,
    pub(crate) objects: Arc<Objects>,
}

impl Store {
    /// Connects; makes the database file and folders when absent. The schema is [`Store::migrate`]'s.
    ///
    /// # Errors
    /// [`StoreError::Config`] for an address or setting that cannot work, [`StoreError::Unavailable`] when
    /// nobody answers there.
    pub async fn open(config: StoreConfig) -> Result<Self> {
        let objects = Arc::new(Objects::open(&config.objects)?);
        let db = match &config.database {
            DatabaseConfig::Sqlite { path } => open_sqlite(path, config.readers.max(1)).await?,
            DatabaseConfig::Postgres { url } => open_postgres(url, config.connections.max(2)).await?,
        };
        Ok(Self { db, objects })
    }

    /// Connects to what is there, for programs that only look: makes no file and no folder, and refuses to
    /// write to an SQLite database.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Unavailable`] when the database file or the folder is missing.
    pub async fn look(config: StoreConfig) -> Result<Self> {
        let objects = Arc::new(Objects::look(&config.objects)?);
        let db = match &config.database {
            DatabaseConfig::Sqlite { path } => look_at_sqlite(path).await?,
            DatabaseConfig::Postgres { url } => open_postgres(url, 2).await?,
        };
        Ok(Self { db, objects })
    }

    /// Whether the schema is the one that this program makes. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when migrations are missing, or were made by another program.
    pub async fn check_schema(&self) -> Result<()> {
        migration::check(&mut self.read().await?).await
    }

    /// Whether a program like this one ever made its schema here. Changes nothing.
    pub async fn has_schema(&self) -> Result<bool> {
        migration::has_begun(&mut self.read().await?).await
    }

    /// Brings the schema up to date. Any number of processes may do so at once.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when the database was made by a program that is not a relative of this one.
    pub async fn migrate(&self) -> Result<Migrated> {
        let mut tx = self.begin().await?;
        let done = migration::migrate(&mut tx).await?;
        tx.commit().await?;
        if !done.unknown.is_empty() {
            tracing::warn!(migrations = ?done.unknown, "database_is_newer");
        }
        Ok(done)
    }

    /// A connection to read with. Let it go before asking for another or for a transaction: when everybody
    /// holds one and waits for a second, nobody gets on until the wait is up ([`StoreError::Busy`]).
    pub async fn read(&self) -> Result<Conn> {
        Ok(match &self.db {
            Db::Lite { readers, .. } => Conn::lite(readers.acquire().await?),
            Db::Pg(pool) => Conn::pg(pool.acquire().await?),
        })
    }

    /// A read-only transaction: everything read in it is of one moment.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        Ok(match &self.db {
            Db::Lite { readers, .. } => Snapshot::lite(readers.begin().await?),
            Db::Pg(pool) => {
                Snapshot::pg(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// A writing transaction. Once committed it survives a power cut, and so does all that was committed before.
    pub async fn begin(&self) -> Result<Tx> {
        self.begin_with(DURABLE).await
    }

    /// A writing transaction for what is made again from the rest, or missed by nobody: steps, and when a token
    /// was last used. On SQLite a power cut may lose it after the commit, which in turn costs no wait for the
    /// disk; a crash of this program does not.
    pub async fn begin_lazy(&self) -> Result<Tx> {
        self.begin_with(LAZY).await
    }

    async fn begin_with(&self, on_sqlite: &'static str) -> Result<Tx> {
        let objects = Arc::clone(&self.objects);
        Ok(match &self.db {
            Db::Lite { writer, .. } => Tx::lite(writer.begin_with(on_sqlite).await?, objects),
            Db::Pg(pool) => Tx::pg(pool.begin().await?, objects),
        })
    }

    /// SQLite: the mark of this moment, in about 2 µs and without yielding. `None` on PostgreSQL, or when
    /// the file cannot be read: ask [`Store::revisions`] then, whose error says why.
    pub fn mark(&self) -> Option<Mark> {
        match &self.db {
            Db::Lite { watcher, .. } => watcher.mark().ok(),
            Db::Pg(_) => None,
        }
    }

    /// How often the catalogue and this user's own state have changed: one query.
    pub async fn revisions(&self, user: UserId) -> Result<Revisions> {
        match &self.db {
            Db::Lite { watcher, .. } => watcher.revisions(user),
            // Boxed: a connection on its way would make every request's future larger, on SQLite as well.
            Db::Pg(_) => Box::pin(self.asked_revisions(user)).await,
        }
    }

    async fn asked_revisions(&self, user: UserId) -> Result<Revisions> {
        let mut conn = self.read().await?;
        fetch_one!(&mut conn, REVISIONS, [user])
    }

    /// How many connections for reading are busy, and how many idle.
    pub fn pool_use(&self) -> (u32, u32) {
        let (all, idle) = match &self.db {
            Db::Lite { readers, .. } => (readers.size(), readers.num_idle()),
            Db::Pg(pool) => (pool.size(), pool.num_idle()),
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(all);
        (all - idle, idle)
    }

    /// Ends all connections in good order. Later calls fail with [`StoreError::Unavailable`].
    pub async fn close(&self) {
        match &self.db {
            Db::Lite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Db::Pg(pool) => pool.close().await,
        }
    }
}

/// Makes the file, readable by its owner alone: it holds addresses of people. A new one is on the disk, name and
/// all, before anything is committed to it.
fn make_file(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_new = !path.exists();
    std::fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if is_new {
        file.sync_all()?;
        sync_folders(&folder.canonicalize()?)?;
    }
    Ok(())
}

/// Has the disk keep the names in `folder`, and those of the folders above that may be as new. A file system that
/// cannot do that for folders keeps them on its own.
fn sync_folders(folder: &Path) -> Result<()> {
    for folder in folder.ancestors().take(2) {
        match std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
            Err(error) if !is_unsupported(&error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a folder cannot be opened or synced here at all: the one above the data is often not ours to open.
fn is_unsupported(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as E;
    matches!(error.kind(), E::PermissionDenied | E::Unsupported | E::InvalidInput | E::IsADirectory)
}

fn check_sqlite_version(text: &str) -> Result<()> {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) >= OLDEST_SQLITE {
        return Ok(());
    }
    let (major, minor, patch) = OLDEST_SQLITE;
    Err(StoreError::Config(format!(
        "this program was built with SQLite {text}; it needs {major}.{minor}.{patch} or newer"
    )))
}

async fn open_sqlite(path: &Path, readers: u32) -> Result<Db> {
    check_sqlite_version(rusqlite::version())?;
    let path: PathBuf = path.to_owned();
    let made = path.clone();
    tokio::task::spawn_blocking(move || make_file(&made))
        .await
        .map_err(|error| StoreError::Unavailable(error.into()))??;
    let options = sqlite_options(&path);
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let writer = sqlite_pool(1).connect_with(writing).await?;
    let readers = sqlite_pool(readers).connect_with(options.pragma("query_only", "ON")).await?;
    let watcher = Arc::new(Watcher::open(&path)?);
    Ok(Db::Lite { writer, readers, watcher })
}

/// Opens the file as it is; every connection refuses to write.
async fn look_at_sqlite(path: &Path) -> Result<Db> {
    check_sqlite_version(rusqlite::version())?;
    let options = sqlite_options(path).pragma("query_only", "ON");
    let readers = sqlite_pool(2).connect_with(options).await?;
    let watcher = Arc::new(Watcher::open(path)?);
    Ok(Db::Lite { writer: readers.clone(), readers, watcher })
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(LOCK_WAIT)
        .foreign_keys(true)
        .statement_cache_capacity(256)
        // Rows that the driver's thread may be ahead of us: whole catalogues are read.
        .row_buffer_size(1024)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(POOL_WAIT)
        // A line for each request that waits: a storm whenever the database is slow.
        .acquire_slow_threshold(Duration::MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not go away as a server does.
        .test_before_acquire(false)
        // A full disk ends a transaction on its own; the driver's count of open transactions is wrong from
        // then on, so the connection is closed.
        .before_acquire(|conn, _| Box::pin(std::future::ready(Ok(!conn.is_in_transaction()))))
}

async fn open_postgres(url: &str, connections: u32) -> Result<Db> {
    let millis = LOCK_WAIT.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)?
        .application_name("skaas")
        .statement_cache_capacity(256)
        // A node that hangs in a transaction must not block the others indefinitely.
        .options([("lock_timeout", millis.as_str()), ("idle_in_transaction_session_timeout", "60000")])
        .disable_statement_logging();
    // The pool would try again and again, and then say only that time was up.
    options.connect().await?.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(POOL_WAIT)
        .acquire_slow_threshold(Duration::MAX)
        .after_connect(|conn, _| Box::pin(sqlx::query(WAIT_FOR_THE_DISK.pg).execute(conn).map_ok(drop)))
        .connect_with(options)
        .await?;
    Ok(Db::Pg(pool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sqlite_is_refused_at_start() {
        for good in ["3.51.3", "3.52.0", "4.0.0"] {
            assert!(check_sqlite_version(good).is_ok(), "{good}");
        }
        for bad in ["3.51.2", "3.9.9", "2.99.99", "", "x"] {
            assert!(check_sqlite_version(bad).is_err(), "{bad}");
        }
        check_sqlite_version(rusqlite::version()).unwrap();
    }
}
