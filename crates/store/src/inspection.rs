//! Owns what operators ask of the store: whether it answers, what it is and how much it holds. Refuses to
//! say anything about any one person but sizes.

use skaas_domain::id::UserId;

use crate::{
    column::{Value, record},
    database::Store,
    error::{Result, StoreError},
    statement::{fetch_one, sql},
};

sql! {
    PING = "SELECT value FROM counters WHERE name = 'catalogue'";
    QUICK_CHECK = "SELECT quick_check AS value FROM pragma_quick_check LIMIT 1",
        pg = "SELECT 'ok' AS value";
    VERSION = "SELECT sqlite_version() AS value", pg = "SELECT current_setting('server_version') AS value";
    SIZE = "SELECT p.page_count * s.page_size AS value FROM pragma_page_count() AS p, pragma_page_size() AS s",
        pg = "SELECT pg_database_size(current_database()) AS value";
    COUNTS = "SELECT (SELECT max(version) FROM migrations) AS schema_version,
        (SELECT count(*) FROM users WHERE deleted_at IS NULL) AS users,
        (SELECT count(*) FROM skills WHERE deleted_at IS NULL) AS skills,
        (SELECT count(*) FROM releases) AS releases,
        (SELECT count(*) FROM steps) AS steps,
        (SELECT count(*) FROM contents) AS contents,
        (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM contents) AS content_bytes,
        (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM source_packs) AS source_bytes";
    /// Ids of 30 letters, times of 8 bytes; what varies is measured.
    USER_BYTES = "SELECT
        (SELECT CAST(coalesce(sum(octet_length(repo) + octet_length(commit_raw) + octet_length(state)
                + coalesce(octet_length(delta), 0) + coalesce(octet_length(root_id), 0) + 86), 0) AS BIGINT)
            FROM steps WHERE user_id = $1) AS steps,
        (SELECT count(*) FROM steps WHERE user_id = $1) AS step_rows,
        (SELECT CAST(coalesce(sum(octet_length(kind) + octet_length(note) + 130), 0) AS BIGINT)
            FROM grants WHERE user_id = $1) AS grants,
        (SELECT count(*) FROM grants WHERE user_id = $1) AS grant_rows,
        (SELECT CAST(coalesce(sum(octet_length(name) + 132), 0) AS BIGINT)
            FROM api_tokens WHERE user_id = $1) AS tokens";
}

/// What the store is and how much it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `sqlite` or `postgresql`.
    pub kind: &'static str,
    /// The database's own version.
    pub version: String,
    /// What the database occupies, in bytes.
    pub database_bytes: i64,
    /// What and where the object storage is.
    pub objects: String,
    /// What is in the database.
    pub counts: Counts,
}

/// What is in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// The number of the newest migration; 0 for none.
    pub schema_version: i64,
    /// Users, without the deleted ones.
    pub users: i64,
    /// Skills, without the deleted ones.
    pub skills: i64,
    /// Releases of all skills.
    pub releases: i64,
    /// Steps of all users.
    pub steps: i64,
    /// Stored contents.
    pub contents: i64,
    /// What they occupy, in bytes.
    pub content_bytes: i64,
    /// What the packs of all sources occupy, in bytes.
    pub source_bytes: i64,
}
record!(Counts {
    schema_version: i64,
    users: i64,
    skills: i64,
    releases: i64,
    steps: i64,
    contents: i64,
    content_bytes: i64,
    source_bytes: i64,
});

/// What the rows of one user come to, without the database's own overhead and indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserBytes {
    /// Bytes of all steps.
    pub steps: i64,
    /// How many steps.
    pub step_rows: i64,
    /// Bytes of all grants.
    pub grants: i64,
    /// How many grants.
    pub grant_rows: i64,
    /// Bytes of all tokens.
    pub tokens: i64,
}
record!(UserBytes { steps: i64, step_rows: i64, grants: i64, grant_rows: i64, tokens: i64 });

impl Store {
    /// Whether the database answers, and the schema is there. For readiness.
    pub async fn ping(&self) -> Result<()> {
        let Value(revision) = fetch_one!(&mut self.read().await?, PING, [])?;
        let _: i64 = revision;
        Ok(())
    }

    /// Whether the database file is sound: SQLite reads all of it; a server looks after its own.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first thing that is wrong.
    pub async fn check_database(&self) -> Result<()> {
        let Value(said) = fetch_one!(&mut self.read().await?, QUICK_CHECK, [])?;
        let said: String = said;
        if said == "ok" { Ok(()) } else { Err(StoreError::corrupt("the database file", said)) }
    }

    /// What the store is and how much it holds. Counts whole tables: for people, not for probes.
    pub async fn describe(&self) -> Result<Description> {
        let mut conn = self.snapshot().await?;
        let Value(version) = fetch_one!(&mut conn, VERSION, [])?;
        let Value(database_bytes) = fetch_one!(&mut conn, SIZE, [])?;
        Ok(Description {
            kind: if conn.is_pg() { "postgresql" } else { "sqlite" },
            version,
            database_bytes,
            objects: self.objects.description.clone(),
            counts: fetch_one!(&mut conn, COUNTS, [])?,
        })
    }

    /// What the rows of one user come to.
    pub async fn bytes_per_user(&self, user: UserId) -> Result<UserBytes> {
        fetch_one!(&mut self.read().await?, USER_BYTES, [user])
    }
}
