//! Owns the cheap question "has anything changed?". Refuses to say what.
//!
//! SQLite: `PRAGMA data_version` on a connection that does nothing else changes exactly when another
//! connection, of this process or any other, has committed. It is a look at shared memory: about 2 µs,
//! done in place. PostgreSQL has no such thing: there the two revisions are asked for.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};
use skaas_domain::id::UserId;

use crate::{
    column::record,
    error::{Result, StoreError},
    statement::sql,
};

/// Two equal marks of one [`crate::Store`]: nothing was committed in between, by anyone. Take the mark
/// before reading what is to be cached under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(i64);

/// How often what a user's requests depend on has changed. Equal revisions: nothing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revisions {
    /// Of listings, releases, stubs and entries.
    pub catalogue: i64,
    /// Of the user's tokens, grants, steps and name; 0 when there is no such user.
    pub user: i64,
}

record!(Revisions { catalogue: i64, user: i64 = "user_revision" });

/// The connection that only watches. It never writes and holds no transaction between calls.
pub(crate) struct Watcher(Mutex<Connection>);

sql! {
    REVISIONS = "SELECT (SELECT value FROM counters WHERE name = 'catalogue') AS catalogue,
        coalesce((SELECT revision FROM users WHERE id = $1), 0) AS user_revision";
}

/// rusqlite's words in the store's.
fn error(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => StoreError::Busy(error.into()),
        Some(Code::DiskFull) => StoreError::Full(error.into()),
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => StoreError::corrupt("the database file", error),
        Some(Code::SystemIoFailure | Code::CannotOpen | Code::ReadOnly) => {
            StoreError::Unavailable(error.into())
        }
        _ => StoreError::Database(error.into()),
    }
}

impl Watcher {
    /// Watches the database file at `path`, which must exist.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(error)?;
        conn.busy_timeout(std::time::Duration::from_secs(5)).map_err(error)?;
        conn.pragma_update(None, "query_only", true).map_err(error)?;
        Ok(Self(Mutex::new(conn)))
    }

    fn with<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        // A panic cannot leave the connection half-used: it holds nothing between calls.
        let conn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&conn).map_err(error)
    }

    pub(crate) fn mark(&self) -> Result<Mark> {
        self.with(|conn| {
            conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0).map(Mark))
        })
    }

    pub(crate) fn revisions(&self, user: UserId) -> Result<Revisions> {
        self.with(|conn| {
            conn.prepare_cached(REVISIONS.lite)?.query_row([user.to_string()], |row| {
                Ok(Revisions { catalogue: row.get(0)?, user: row.get(1)? })
            })
        })
    }
}
