//! Owns databases and buckets for tests: fresh, and gone when dropped. Refuses to touch any that it did
//! not make.
//!
//! PostgreSQL is used where `SKAAS_TEST_DATABASE_URL` names the superuser's database of a throw-away
//! cluster, S3 where `SKAAS_TEST_S3_ENDPOINT` names a service that needs no real keys (moto), Redis where
//! `SKAAS_TEST_REDIS_URL` names one that may be written to. With `SKAAS_TEST_ALL` set, doing without one of
//! them is a failure.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    str::FromStr as _,
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::{Conn, DatabaseConfig, ObjectsConfig, Result, S3Config, Store, StoreConfig, connection::Lent};

/// Names the cluster.
const DATABASE_URL: &str = "SKAAS_TEST_DATABASE_URL";
/// Names the S3 service.
const S3_ENDPOINT: &str = "SKAAS_TEST_S3_ENDPOINT";
/// Names the Redis.
const REDIS_URL: &str = "SKAAS_TEST_REDIS_URL";
/// Says that nothing may be left out.
const ALL: &str = "SKAAS_TEST_ALL";

/// A fresh database and object storage. Both are gone when it is dropped.
pub struct TestDatabase {
    config: StoreConfig,
    folder: TempDir,
    /// The cluster's address and the name of the database in it.
    postgres: Option<(String, String)>,
}

/// What an environment variable says; where it is unset, that the part it is for was not exercised.
fn address(variable: &str, part: &str) -> Option<String> {
    let address = std::env::var(variable).ok().filter(|text| !text.is_empty());
    if address.is_none() {
        assert!(std::env::var_os(ALL).is_none(), "{ALL} is set, but {variable} is not: {part} is missing");
        eprintln!("note: {variable} is not set: {part} was NOT exercised");
    }
    address
}

/// The address of a Redis, which other tests use as well; `None`, with a line that says so, where there is
/// none.
pub fn redis_url() -> Option<String> {
    address(REDIS_URL, "Redis")
}

/// Runs a statement on the cluster, wherever it is called from: on a thread with a runtime of its own.
fn on_cluster(url: &str, statement: String) {
    let url = url.to_owned();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(async {
            let options = PgConnectOptions::from_str(&url).expect("a database address");
            let mut conn = options.connect().await.expect("the test cluster answers");
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut conn).await.expect("the cluster obeys");
            conn.close().await.expect("the cluster lets go");
        });
    };
    std::thread::spawn(run).join().expect("the test cluster did as it was told");
}

impl TestDatabase {
    fn folder() -> (TempDir, ObjectsConfig) {
        let folder = tempfile::Builder::new().prefix("skaas-test-").tempdir().expect("a temporary folder");
        let objects = ObjectsConfig::Folder { path: folder.path().join("objects") };
        (folder, objects)
    }

    /// A database file and a folder.
    pub fn sqlite() -> Self {
        let (folder, objects) = Self::folder();
        let database = DatabaseConfig::Sqlite { path: folder.path().join("skaas.db") };
        Self { config: StoreConfig::new(database, objects), folder, postgres: None }
    }

    /// A database in the test cluster and a folder; `None`, with a line that says so, where there is no
    /// cluster.
    pub fn postgres() -> Option<Self> {
        let cluster = address(DATABASE_URL, "PostgreSQL")?;
        let (folder, objects) = Self::folder();
        let name: String = folder.path().to_string_lossy().bytes().rev().take(6).map(char::from).collect();
        // Letters of both cases are random; the name keeps them by being quoted.
        let name = format!("skaas_test_{}_{name}", std::process::id());
        on_cluster(&cluster, format!("CREATE DATABASE \"{name}\""));
        let url = match cluster.split_once('?') {
            Some((address, options)) => format!("{}?{options}", with_database(address, &name)),
            None => with_database(&cluster, &name),
        };
        let config = StoreConfig::new(DatabaseConfig::Postgres { url }, objects);
        Some(Self { config, folder, postgres: Some((cluster, name)) })
    }

    /// With a fresh bucket in place of the folder; `None`, with a line that says so, where there is no S3.
    pub fn with_s3(mut self) -> Option<Self> {
        let endpoint = address(S3_ENDPOINT, "S3")?;
        let name = self.folder.path().file_name().expect("it was given one").to_string_lossy().to_lowercase();
        let bucket = format!("{name}-{}", std::process::id()).replace('.', "");
        make_bucket(&endpoint, &bucket);
        self.config.objects = ObjectsConfig::S3(S3Config {
            endpoint: Some(endpoint),
            bucket,
            region: "us-east-1".to_owned(),
            access_key_id: Some("test".to_owned()),
            secret_access_key: Some("test".to_owned()),
            allow_http: true,
            prefix: "a/prefix/".to_owned(),
        });
        Some(self)
    }

    /// SQLite, and PostgreSQL where there is a cluster.
    pub fn each() -> Vec<Self> {
        std::iter::once(Self::sqlite()).chain(Self::postgres()).collect()
    }

    /// How to open it: for another store on the same data.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// Whether it is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    /// A folder that goes when the database does.
    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A store on it, migrated. Each call opens another: they share the data as nodes do.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn store(&self) -> Store {
        let store = Store::open(self.config.clone()).await.expect("a fresh database can be opened");
        store.migrate().await.expect("a fresh database can be migrated");
        store
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((cluster, name)) = self.postgres.take() {
            on_cluster(&cluster, format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
        }
    }
}

/// The address of another database of the same cluster.
fn with_database(address: &str, name: &str) -> String {
    let (_, after_scheme) = address.split_once("://").expect("a database address has a scheme");
    let base = if after_scheme.contains('/') {
        address.rsplit_once('/').map_or(address, |(base, _)| base)
    } else {
        address
    };
    format!("{base}/{name}")
}

/// Makes a bucket by the one request that the object storage crate does not know. The signature is none:
/// the services that this is for check none.
fn make_bucket(endpoint: &str, bucket: &str) {
    let host = endpoint.strip_prefix("http://").expect("the test S3 speaks plain HTTP").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).expect("the test S3 answers");
    let request = format!(
        "PUT /{bucket} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the test S3 listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the test S3 answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "no bucket: {answer}");
}

/// Reads a column of text named `value`: for tests that look at a database as a thief would.
pub async fn text_of(conn: &mut Conn, text: &str) -> Result<Vec<String>> {
    let text = AssertSqlSafe(text.to_owned());
    let outcome = match conn.lend() {
        Lent::Lite(c) => sqlx::query_scalar(text).fetch_all(c).await,
        Lent::Pg(c) => sqlx::query_scalar(text).fetch_all(c).await,
    };
    conn.checked(outcome)
}

/// Runs any SQL on a connection: for tests that damage, fill or hold up a database.
pub async fn run_sql(conn: &mut Conn, text: &str) -> Result<()> {
    conn.ready()?;
    let text = AssertSqlSafe(text.to_owned());
    let outcome = match conn.lend() {
        Lent::Lite(c) => sqlx::raw_sql(text).execute(c).await.map(drop),
        Lent::Pg(c) => sqlx::raw_sql(text).execute(c).await.map(drop),
    };
    conn.checked(outcome)
}
