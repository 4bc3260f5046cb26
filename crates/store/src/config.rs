//! Owns where the store keeps things. Refuses to print secrets.

use std::{fmt, path::PathBuf, str::FromStr as _};

use sqlx::postgres::PgConnectOptions;

use crate::error::Result;

/// Which database.
#[derive(Clone)]
pub enum DatabaseConfig {
    /// A file on this machine, made when absent. For one node.
    Sqlite {
        /// The database file; its `-wal` and `-shm` stand beside it.
        path: PathBuf,
    },
    /// A server, for one node or many.
    Postgres {
        /// `postgres://user:password@host:port/database`, with libpq's options.
        url: String,
    },
}

/// Where contents and source packs are kept.
#[derive(Clone)]
pub enum ObjectsConfig {
    /// A folder, made when absent. For one node, or a shared file system.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// An S3 bucket or anything that speaks its protocol.
    S3(S3Config),
}

/// An S3 bucket.
#[derive(Clone)]
pub struct S3Config {
    /// Base URL of the service; `None` is Amazon's own for the region.
    pub endpoint: Option<String>,
    /// The bucket; it must exist.
    pub bucket: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// `None` asks the machine's role, as Amazon's tools do.
    pub access_key_id: Option<String>,
    /// Belongs to `access_key_id`.
    pub secret_access_key: Option<String>,
    /// Whether an `http://` endpoint is acceptable.
    pub allow_http: bool,
    /// What every key begins with, such as `skaas/`; empty for none.
    pub prefix: String,
}

/// Everything the store needs to be told.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Which database.
    pub database: DatabaseConfig,
    /// Where contents and source packs are kept.
    pub objects: ObjectsConfig,
    /// SQLite: how many connections read at once. The writer is always one.
    pub readers: u32,
    /// PostgreSQL: how many connections this process holds at most.
    pub connections: u32,
}

impl StoreConfig {
    /// With the default pool sizes: 4 readers on SQLite, 16 connections on PostgreSQL.
    pub fn new(database: DatabaseConfig, objects: ObjectsConfig) -> Self {
        Self { database, objects, readers: 4, connections: 16 }
    }
}

impl DatabaseConfig {
    /// Reads the address without connecting.
    ///
    /// # Errors
    /// [`StoreError::Config`] with what is wrong with it; a password is not repeated.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Sqlite { .. } => Ok(()),
            Self::Postgres { url } => Ok(PgConnectOptions::from_str(url).map(drop)?),
        }
    }
}

impl fmt::Debug for DatabaseConfig {
    /// Without the URL: it holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgres { .. } => f.write_str("Postgres([redacted])"),
        }
    }
}

impl fmt::Debug for ObjectsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path } => f.debug_struct("Folder").field("path", path).finish(),
            Self::S3(config) => config.fmt(f),
        }
    }
}

impl fmt::Debug for S3Config {
    /// Without the key pair.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_configuration_holds_no_secret() {
        let config = StoreConfig::new(
            DatabaseConfig::Postgres { url: "postgres://me:canary@host/db".into() },
            ObjectsConfig::S3(S3Config {
                endpoint: None,
                bucket: "b".into(),
                region: "r".into(),
                access_key_id: Some("canary".into()),
                secret_access_key: Some("canary".into()),
                allow_http: false,
                prefix: String::new(),
            }),
        );
        assert!(!format!("{config:?}").contains("canary"));
    }
}
