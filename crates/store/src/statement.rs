//! Owns the form of every statement and how one is run on either database. Refuses SQL that is not in
//! the registry: a test prepares each of its statements on both databases.

/// A statement for both databases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    /// For SQLite.
    pub(crate) lite: &'static str,
    /// For PostgreSQL.
    pub(crate) pg: &'static str,
}

/// Declares a module's statements and its part of the registry.
///
/// `NAME = "text";` is one text for both. `NAME = "text", pg = "text";` is for where the dialects part.
macro_rules! sql {
    (@pg $lite:expr) => { $lite };
    (@pg $lite:expr, $pg:expr) => { $pg };
    ($($(#[$doc:meta])* $name:ident = $lite:expr $(, pg = $pg:expr)?;)*) => {
        $(
            $(#[$doc])*
            pub(crate) const $name: $crate::statement::Sql =
                $crate::statement::Sql { lite: $lite, pg: sql!(@pg $lite $(, $pg)?) };
        )*
        /// This module's part of the registry.
        #[cfg(feature = "testing")]
        pub(crate) const STATEMENTS: &[(&str, $crate::statement::Sql)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use sql;

/// Expands one body for both drivers. In the body `$driver` is the driver's type, `$row` its row's,
/// `$c` the connection and `$text` the statement.
macro_rules! on {
    ($conn:expr, $sql:expr, |$driver:ident, $row:ident, $c:ident, $text:ident| $body:expr) => {{
        let conn: &mut $crate::connection::Conn = &mut *$conn;
        match conn.ready() {
            Err(error) => Err(error),
            Ok(()) => {
                let outcome = match conn.lend() {
                    $crate::connection::Lent::Lite($c) => {
                        type $driver = sqlx::Sqlite;
                        #[allow(dead_code, reason = "only statements that return rows use it")]
                        type $row = sqlx::sqlite::SqliteRow;
                        let $text = $sql.lite;
                        $body
                    }
                    $crate::connection::Lent::Pg($c) => {
                        type $driver = sqlx::Postgres;
                        #[allow(dead_code, reason = "only statements that return rows use it")]
                        type $row = sqlx::postgres::PgRow;
                        let $text = $sql.pg;
                        $body
                    }
                };
                conn.checked(outcome)
            }
        }
    }};
}
pub(crate) use on;

/// Runs a statement; how many rows it changed.
macro_rules! execute {
    ($conn:expr, $sql:expr, [$($bind:expr),* $(,)?]) => {
        $crate::statement::on!($conn, $sql, |Driver, DriverRow, c, text| {
            sqlx::query::<Driver>(text)
                $(.bind($crate::column::Bind::to_raw(&$bind)))*
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })
    };
}
pub(crate) use execute;

/// Runs a statement with one of sqlx's fetchers; its rows as records.
macro_rules! fetch {
    ($how:ident, $conn:expr, $sql:expr, [$($bind:expr),* $(,)?]) => {
        $crate::statement::on!($conn, $sql, |Driver, DriverRow, c, text| {
            sqlx::query::<Driver>(text)
                $(.bind($crate::column::Bind::to_raw(&$bind)))*
                .try_map(|row: DriverRow| $crate::column::Record::read(&row))
                .$how(c)
                .await
        })
    };
}
pub(crate) use fetch;

/// All rows.
macro_rules! fetch_all {
    ($($args:tt)*) => { $crate::statement::fetch!(fetch_all, $($args)*) };
}
pub(crate) use fetch_all;

/// The row, if there is one.
macro_rules! fetch_optional {
    ($($args:tt)*) => { $crate::statement::fetch!(fetch_optional, $($args)*) };
}
pub(crate) use fetch_optional;

/// The row that there must be.
macro_rules! fetch_one {
    ($($args:tt)*) => { $crate::statement::fetch!(fetch_one, $($args)*) };
}
pub(crate) use fetch_one;

/// Every module's statements, by module.
#[cfg(feature = "testing")]
const REGISTRY: &[(&str, &[(&str, Sql)])] = &[
    ("audit", crate::audit::STATEMENTS),
    ("authenticator_apps", crate::authenticator_apps::STATEMENTS),
    ("budgets", crate::budgets::STATEMENTS),
    ("catalogue", crate::catalogue::STATEMENTS),
    ("ceremonies", crate::ceremonies::STATEMENTS),
    ("codes", crate::codes::STATEMENTS),
    ("connection", crate::connection::STATEMENTS),
    ("contents", crate::contents::STATEMENTS),
    ("database", crate::database::STATEMENTS),
    ("devices", crate::devices::STATEMENTS),
    ("freshness", crate::freshness::STATEMENTS),
    ("grants", crate::grants::STATEMENTS),
    ("identities", crate::identities::STATEMENTS),
    ("inspection", crate::inspection::STATEMENTS),
    ("jobs", crate::jobs::STATEMENTS),
    ("jobs::desk", crate::jobs::desk::STATEMENTS),
    ("known_browsers", crate::known_browsers::STATEMENTS),
    ("listings", crate::listings::STATEMENTS),
    ("migration", crate::migration::STATEMENTS),
    ("names", crate::names::STATEMENTS),
    ("oauth_clients", crate::oauth_clients::STATEMENTS),
    ("oauth_codes", crate::oauth_codes::STATEMENTS),
    ("oauth_grants", crate::oauth_grants::STATEMENTS),
    ("oauth_tokens", crate::oauth_tokens::STATEMENTS),
    ("objects", crate::objects::STATEMENTS),
    ("operators", crate::operators::STATEMENTS),
    ("passkeys", crate::passkeys::STATEMENTS),
    ("passwords", crate::passwords::STATEMENTS),
    ("prices", crate::prices::STATEMENTS),
    ("recovery_codes", crate::recovery_codes::STATEMENTS),
    ("releases", crate::releases::STATEMENTS),
    ("sessions", crate::sessions::STATEMENTS),
    ("settings", crate::settings::STATEMENTS),
    ("sign_ins", crate::sign_ins::STATEMENTS),
    ("sources", crate::sources::STATEMENTS),
    ("steps", crate::steps::STATEMENTS),
    ("storage_probe", crate::storage_probe::STATEMENTS),
    ("stubs", crate::stubs::STATEMENTS),
    ("tokens", crate::tokens::STATEMENTS),
    ("users", crate::users::STATEMENTS),
    ("vault", crate::vault::STATEMENTS),
];

/// Prepares every statement there is on the database of `conn`; the names of those it refuses, with why.
#[cfg(feature = "testing")]
pub async fn prepare_all(conn: &mut crate::Conn) -> Vec<String> {
    use sqlx::Executor as _;

    let mut refused = Vec::new();
    for (module, statements) in REGISTRY {
        for (name, sql) in *statements {
            let outcome = match conn.lend() {
                crate::connection::Lent::Lite(c) => {
                    c.prepare(sqlx::SqlStr::from_static(sql.lite)).await.map(drop)
                }
                crate::connection::Lent::Pg(c) => {
                    c.prepare(sqlx::SqlStr::from_static(sql.pg)).await.map(drop)
                }
            };
            if let Err(error) = outcome {
                refused.push(format!("{module}::{name}: {error}"));
            }
        }
    }
    refused
}
