//! Owns connections and transactions of either database. Refuses to know any table but the revisions,
//! which every writing transaction touches.

use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use jiff::Timestamp;
use skaas_domain::id::UserId;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction, pool::PoolConnection};

use crate::{
    column::Value,
    error::{Result, StoreError},
    journal::{self, Revocation, Revoked},
    objects::Objects,
    statement::{execute, fetch_one, sql},
};

sql! {
    BUMP_CATALOGUE = "UPDATE counters SET value = value + 1 WHERE name = 'catalogue' RETURNING value";
    BUMP_USER = "UPDATE users SET revision = revision + 1 WHERE id = $1";
}

enum Kind {
    Lite(PoolConnection<Sqlite>),
    Pg(PoolConnection<Postgres>),
    LiteTx(Transaction<'static, Sqlite>),
    PgTx(Transaction<'static, Postgres>),
}

/// A connection to read with. Outside a transaction each read sees the newest committed state.
pub struct Conn {
    kind: Kind,
    failed: bool,
}

/// A connection, lent to one statement.
pub(crate) enum Lent<'c> {
    Lite(&'c mut SqliteConnection),
    Pg(&'c mut PgConnection),
}

impl Conn {
    pub(crate) fn lite(conn: PoolConnection<Sqlite>) -> Self {
        Self { kind: Kind::Lite(conn), failed: false }
    }

    pub(crate) fn pg(conn: PoolConnection<Postgres>) -> Self {
        Self { kind: Kind::Pg(conn), failed: false }
    }

    pub(crate) fn lend(&mut self) -> Lent<'_> {
        match &mut self.kind {
            Kind::Lite(conn) => Lent::Lite(conn),
            Kind::Pg(conn) => Lent::Pg(conn),
            Kind::LiteTx(tx) => Lent::Lite(tx),
            Kind::PgTx(tx) => Lent::Pg(tx),
        }
    }

    /// Whether this is PostgreSQL.
    pub(crate) fn is_pg(&self) -> bool {
        matches!(self.kind, Kind::Pg(_) | Kind::PgTx(_))
    }

    /// Refuses whatever follows a failure in a transaction. PostgreSQL does so by itself; SQLite may have
    /// rolled back, and would keep what follows.
    pub(crate) fn ready(&self) -> Result<()> {
        match self.kind {
            Kind::LiteTx(_) | Kind::PgTx(_) if self.failed => Err(StoreError::Aborted),
            _ => Ok(()),
        }
    }

    /// Remembers a failure: PostgreSQL answers a commit after one with a rollback that looks like success.
    pub(crate) fn checked<T>(&mut self, outcome: sqlx::Result<T>) -> Result<T> {
        outcome.map_err(|error| {
            self.failed = true;
            error.into()
        })
    }
}

/// A read-only transaction: everything read in it is of one moment.
pub struct Snapshot(Conn);

impl Snapshot {
    pub(crate) fn lite(tx: Transaction<'static, Sqlite>) -> Self {
        Self(Conn { kind: Kind::LiteTx(tx), failed: false })
    }

    pub(crate) fn pg(tx: Transaction<'static, Postgres>) -> Self {
        Self(Conn { kind: Kind::PgTx(tx), failed: false })
    }
}

impl Deref for Snapshot {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// A writing transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
///
/// On SQLite there is one at a time, in all processes. On PostgreSQL they run side by side, and the two
/// bumps are the locks: whoever holds the catalogue's revision is the only one to change it. Take the
/// catalogue's before a user's, or two transactions may wait for each other (one then gets
/// [`StoreError::Busy`]).
pub struct Tx {
    conn: Conn,
    catalogue: Option<i64>,
    users: BTreeSet<UserId>,
    /// What this transaction revokes, for the journal in `objects`.
    revocations: Vec<Revocation>,
    objects: Arc<Objects>,
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Tx {
    pub(crate) fn lite(tx: Transaction<'static, Sqlite>, objects: Arc<Objects>) -> Self {
        Self::new(Kind::LiteTx(tx), objects)
    }

    pub(crate) fn pg(tx: Transaction<'static, Postgres>, objects: Arc<Objects>) -> Self {
        Self::new(Kind::PgTx(tx), objects)
    }

    fn new(kind: Kind, objects: Arc<Objects>) -> Self {
        Self {
            conn: Conn { kind, failed: false },
            catalogue: None,
            users: BTreeSet::new(),
            revocations: Vec::new(),
            objects,
        }
    }

    /// The catalogue revision that this transaction makes: one more than before, however often it is
    /// called. From here to the end of the transaction nobody else changes listings, releases, stubs or
    /// entries, so that what is read after this call may be changed and written back.
    pub async fn bump_catalogue(&mut self) -> Result<i64> {
        if let Some(revision) = self.catalogue {
            return Ok(revision);
        }
        let Value(revision) = fetch_one!(&mut self.conn, BUMP_CATALOGUE, [])?;
        self.catalogue = Some(revision);
        Ok(revision)
    }

    /// Says that something of this user's tokens, grants, steps or name changes in this transaction, and
    /// holds off others that would change them too.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such user.
    pub async fn bump_user(&mut self, user: UserId) -> Result<()> {
        if !self.users.contains(&user) {
            if execute!(&mut self.conn, BUMP_USER, [user])? == 0 {
                return Err(StoreError::Missing("user"));
            }
            self.users.insert(user);
        }
        Ok(())
    }

    /// Adds a revocation to the journal once this transaction is committed.
    pub(crate) fn note_revocation(&mut self, what: Revoked, user: UserId, at: Timestamp) {
        self.revocations.push(Revocation { what, user, at });
    }

    /// Sees to it that nothing of this transaction is kept.
    pub(crate) fn spoil(&mut self) {
        self.conn.failed = true;
    }

    /// Commits the transaction, then writes what it revoked to the journal ([`crate::journal`]).
    ///
    /// # Errors
    /// [`StoreError::Aborted`] when an earlier statement had failed, whatever was done about it since.
    pub async fn commit(self) -> Result<()> {
        if self.conn.failed {
            return Err(StoreError::Aborted);
        }
        match self.conn.kind {
            Kind::LiteTx(tx) => tx.commit().await?,
            Kind::PgTx(tx) => tx.commit().await?,
            Kind::Lite(_) | Kind::Pg(_) => unreachable!("a Tx is made of a transaction"),
        }
        if !self.revocations.is_empty() {
            // Boxed: few transactions revoke anything, and the future of every other one would be larger.
            Box::pin(journal::append(self.objects, self.revocations)).await;
        }
        Ok(())
    }
}
