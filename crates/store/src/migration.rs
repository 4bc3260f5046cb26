//! Owns the schema's history: numbered, forward-only, embedded. Refuses to run beside itself, and to touch
//! a database whose applied migrations are not the ones it knows.
//!
//! A node may start on a database that a newer one has migrated further: migrations expand before they
//! contract, so that old and new run side by side. It says so in its log.

use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

use crate::{
    column::{Value, record},
    connection::{Conn, Lent, Tx},
    error::{Result, StoreError},
    statement::{execute, fetch_all, fetch_one, sql},
};

/// Every migration there is, in order.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_supply", include_str!("../migrations/0001_supply.sql")),
    ("0002_identity", include_str!("../migrations/0002_identity.sql")),
    ("0003_free_grants", include_str!("../migrations/0003_free_grants.sql")),
    ("0004_token_parents", include_str!("../migrations/0004_token_parents.sql")),
    ("0005_known_browsers", include_str!("../migrations/0005_known_browsers.sql")),
    ("0006_oauth_ends", include_str!("../migrations/0006_oauth_ends.sql")),
    ("0007_vault", include_str!("../migrations/0007_vault.sql")),
    ("0008_jobs", include_str!("../migrations/0008_jobs.sql")),
    ("0009_prices", include_str!("../migrations/0009_prices.sql")),
    ("0010_audit", include_str!("../migrations/0010_audit.sql")),
    ("0011_second_factors", include_str!("../migrations/0011_second_factors.sql")),
    ("0012_desk", include_str!("../migrations/0012_desk.sql")),
];

/// The columns that hold JSON: `{json:name}` in a migration's text.
const JSON_COLUMNS: [&str; 7] =
    ["problems", "features", "tags", "groups", "redirect_uris", "grant_types", "metadata"];

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version {int} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL
){strict}";

sql! {
    /// Lets one process migrate at a time, however long another takes. SQLite's transaction is lock enough.
    LOCK = "SELECT 1", pg = "SELECT pg_advisory_xact_lock(6011827352218)";
    WAIT = "SELECT 1", pg = "SELECT set_config('lock_timeout', '0', true)";
    HAS_TABLE = "SELECT count(*) AS value FROM sqlite_master WHERE type = 'table' AND name = 'migrations'",
        pg = "SELECT count(*) AS value FROM pg_class WHERE oid = to_regclass('migrations')";
    LIST = "SELECT version, name, checksum FROM migrations ORDER BY version";
    ADD = "INSERT INTO migrations (version, name, checksum) VALUES ($1, $2, $3)";
}

struct Applied {
    version: i64,
    name: String,
    checksum: String,
}
record!(Applied { version: i64, name: String, checksum: String });

/// What a run of the migrations did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The names of those that it applied, in order.
    pub applied: Vec<String>,
    /// How many were there before.
    pub already: usize,
    /// The names of those in the database that this program does not know: a newer one has been here.
    pub unknown: Vec<String>,
}

/// The schema's text in the words of one database.
fn dialect(text: &str, pg: bool) -> String {
    let mut words = vec![
        ("{int}", if pg { "BIGINT" } else { "INTEGER" }),
        ("{bytes}", if pg { "BYTEA" } else { "BLOB" }),
        // Compared byte by byte, so that both databases sort alike.
        ("{text}", if pg { "TEXT COLLATE \"C\"" } else { "TEXT" }),
        ("{strict}", if pg { "" } else { " STRICT" }),
        // Never used again, even if the newest row is gone.
        (
            "{serial}",
            if pg {
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
            } else {
                "INTEGER PRIMARY KEY AUTOINCREMENT"
            },
        ),
        // A line for PostgreSQL only.
        ("{pg}", if pg { "" } else { "-- " }),
        // The body of a trigger that refuses what it is called for.
        (
            "{refuse}",
            if pg {
                "EXECUTE FUNCTION audit_refuse()"
            } else {
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            },
        ),
    ];
    let checked = JSON_COLUMNS.map(|column| {
        let token = format!("{{json:{column}}}");
        let lite = format!("TEXT CHECK (json_valid({column}))");
        (token, if pg { "JSONB".to_owned() } else { lite })
    });
    words.extend(checked.iter().map(|(token, word)| (token.as_str(), word.as_str())));
    words.into_iter().fold(text.to_owned(), |text, (token, word)| text.replace(token, word))
}

fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let half = digest.first_chunk::<16>().expect("a SHA-256 has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*half))
}

async fn run(conn: &mut Conn, text: &str) -> Result<()> {
    conn.ready()?;
    let text = dialect(text, conn.is_pg());
    let outcome = match conn.lend() {
        Lent::Lite(c) => sqlx::raw_sql(AssertSqlSafe(text)).execute(c).await.map(drop),
        Lent::Pg(c) => sqlx::raw_sql(AssertSqlSafe(text)).execute(c).await.map(drop),
    };
    conn.checked(outcome)
}

/// Brings the database to the newest schema, inside `tx`.
pub(crate) async fn migrate(tx: &mut Tx) -> Result<Migrated> {
    migrate_to(tx, MIGRATIONS).await
}

/// Whether anything was ever migrated here.
pub(crate) async fn has_begun(conn: &mut Conn) -> Result<bool> {
    let Value(tables) = fetch_one!(conn, HAS_TABLE, [])?;
    let tables: i64 = tables;
    Ok(tables > 0)
}

/// Compares the database's migrations with those of this program.
///
/// # Errors
/// [`StoreError::Migration`] when some are missing, or differ.
pub(crate) async fn check(conn: &mut Conn) -> Result<()> {
    let present: Vec<Applied> = if has_begun(conn).await? { fetch_all!(conn, LIST, [])? } else { Vec::new() };
    compare(&present, MIGRATIONS)?;
    match MIGRATIONS.len().saturating_sub(present.len()) {
        0 => Ok(()),
        missing => Err(StoreError::Migration(format!(
            "{missing} of {} migrations are missing; run `skaas-server migrate`",
            MIGRATIONS.len()
        ))),
    }
}

/// Refuses a history that is not the beginning, or a continuation, of this program's.
fn compare(present: &[Applied], migrations: &[(&str, &str)]) -> Result<()> {
    for (row, ((name, text), version)) in present.iter().zip(migrations.iter().zip(1_i64..)) {
        if row.version != version || row.name != *name || row.checksum != checksum(text) {
            return Err(StoreError::Migration(format!(
                "migration {} ({}) in the database is not the one that this program has; \
                 nothing was changed: use the program that made this database, or a newer release of it",
                row.version, row.name
            )));
        }
    }
    Ok(())
}

async fn migrate_to(tx: &mut Tx, migrations: &[(&str, &str)]) -> Result<Migrated> {
    execute!(tx, WAIT, [])?;
    execute!(tx, LOCK, [])?;
    run(tx, CREATE_TABLE).await?;
    let present: Vec<Applied> = fetch_all!(tx, LIST, [])?;
    let known = present.len().min(migrations.len());
    compare(&present, migrations)?;
    let mut applied = Vec::new();
    for ((name, text), version) in migrations.iter().zip(1_i64..).skip(known) {
        run(tx, text).await?;
        execute!(tx, ADD, [version, name, checksum(text)])?;
        applied.push((*name).to_owned());
    }
    let unknown = present.into_iter().skip(migrations.len()).map(|row| row.name).collect();
    Ok(Migrated { applied, already: known, unknown })
}

#[cfg(test)]
mod tests {
    use skaas_domain::{
        entitlement::{Grant, GrantKind},
        scope::Scopes,
        token::TokenHash,
    };

    use super::*;
    use crate::{Store, grants, listings, prices, testing::TestDatabase, tokens};

    #[test]
    fn no_token_is_left_in_either_dialect() {
        for (name, text) in MIGRATIONS {
            for pg in [false, true] {
                let text = dialect(text, pg);
                assert!(!text.contains('{') && !text.contains('}'), "{name}: {text}");
            }
        }
    }

    /// A user with a token, as a program wrote them that knew only the first migration.
    const OLD_ROWS: &str = "
        INSERT INTO users (id, username, email, email_key, created_at)
            VALUES ('usr_01jbx9m5q0e8w8x3x5v2k7n4rt', 'ann', 'ann@example.com', 'ann@example.com', 1);
        INSERT INTO api_tokens (id, user_id, name, id_part, hash, created_at)
            VALUES ('tok_01jbx9m5q0e8w8x3x5v2k7n4rt', 'usr_01jbx9m5q0e8w8x3x5v2k7n4rt', 'laptop',
                'abcdefgh', HASH, 1)";

    async fn an_old_database_is_brought_up_to_date(database: TestDatabase) {
        let store = Store::open(database.config().clone()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        migrate_to(&mut tx, &MIGRATIONS[..1]).await.unwrap();
        let hex = "ab".repeat(32);
        let hash = if tx.is_pg() { format!("'\\x{hex}'") } else { format!("x'{hex}'") };
        run(&mut tx, &OLD_ROWS.replace("HASH", &hash)).await.unwrap();
        tx.commit().await.unwrap();

        let done = store.migrate().await.unwrap();
        let later: Vec<String> = MIGRATIONS[1..].iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!((done.already, done.applied.as_slice()), (1, later.as_slice()));
        let mut conn = store.read().await.unwrap();
        let bearer = tokens::find_by_hash(&mut conn, &TokenHash([0xab; 32])).await.unwrap().unwrap();
        assert_eq!(bearer.token.scopes, Scopes::full(), "a token from before keeps what it could do");
        drop(conn);
        // A node of the old release beside a new one writes on as before.
        let mut tx = store.begin().await.unwrap();
        let again = OLD_ROWS.replace("HASH", &hash.replace("ab", "cd")).replace("4rt", "4rv");
        let again = again.replace("ann", "bob").replace("abcdefgh", "ijklmnop");
        run(&mut tx, &again).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Ann made two skills, one of them free. Bob paid for the other and fetched both; ann fetched her own.
    const FETCHED: &str = r#"
        INSERT INTO users (id, username, email, email_key, created_at) VALUES
            ('ANN', 'ann', 'ann@example.com', 'ann@example.com', 1),
            ('BOB', 'bob', 'bob@example.com', 'bob@example.com', 1);
        INSERT INTO sources (id, creator_id, name, problems, created_at) VALUES ('SOURCE', 'ANN', 's', '[]', 1);
        INSERT INTO skills (id, name, creator_id, source_id, folder, position, state, description, features,
            tags, price_minor, price_currency, price_interval, trial_days, problems, created_at, published_at,
            updated_at) VALUES
            ('FREE', 'free', 'ANN', 'SOURCE', '', 0, 'published', '', '[]',
                '[]', 0, NULL, NULL, 0, '[]', 1, 1, 1),
            ('PAID', 'paid', 'ANN', 'SOURCE', '', 1, 'published', '', '[]',
                '[]', 900, 'USD', 'once', 0, '[]', 1, 1, 1);
        INSERT INTO grants (id, user_id, skill_id, kind, starts_at, note, created_at)
            VALUES ('grt_01jbx9m5q0e8w8x3x5v2k7n4zz', 'BOB', 'PAID', 'purchase', 2, 'paid', 2);
        INSERT INTO steps (user_id, repo, seq, commit_id, commit_raw, tree, state, created_at) VALUES
            ('BOB', 'FREE', 0, OID, OID, OID, '{"stub":"not_purchased"}', 3),
            ('BOB', 'FREE', 1, OID, OID, OID, '{"release":"rel_x"}', 4),
            ('BOB', 'PAID', 0, OID, OID, OID, '{"release":"rel_x"}', 5),
            ('ANN', 'FREE', 0, OID, OID, OID, '{"release":"rel_x"}', 6)"#;

    const ANN: &str = "usr_01jbx9m5q0e8w8x3x5v2k7n4rt";
    const BOB: &str = "usr_01jbx9m5q0e8w8x3x5v2k7n4rv";
    const FREE: &str = "skl_01jbx9m5q0e8w8x3x5v2k7n4rt";
    const PAID: &str = "skl_01jbx9m5q0e8w8x3x5v2k7n4rv";

    async fn granted(conn: &mut Conn, user: &str) -> Vec<(String, GrantKind, i64)> {
        let grants = grants::list(conn, user.parse().unwrap()).await.unwrap();
        let told = |grant: Grant| (grant.skill.to_string(), grant.kind, grant.starts_at.as_microsecond());
        grants.into_iter().map(told).collect()
    }

    async fn whoever_fetched_what_is_free_keeps_it(database: TestDatabase) {
        let store = Store::open(database.config().clone()).await.unwrap();
        rows_before("_free_grants", &store).await;
        store.migrate().await.unwrap();
        let mut conn = store.read().await.unwrap();
        let kept = [(PAID.to_owned(), GrantKind::Purchase, 2), (FREE.to_owned(), GrantKind::Free, 4)];
        assert_eq!(granted(&mut conn, BOB).await, kept);
        assert_eq!(granted(&mut conn, ANN).await, [], "a creator needs no grant");
    }

    /// Rows of a database from before `migration`.
    async fn rows_before(migration: &str, store: &Store) {
        let mut tx = store.begin().await.unwrap();
        let count = MIGRATIONS.iter().position(|(name, _)| name.ends_with(migration)).unwrap();
        migrate_to(&mut tx, &MIGRATIONS[..count]).await.unwrap();
        let hex = "ab".repeat(20);
        let oid = if tx.is_pg() { format!("'\\x{hex}'") } else { format!("x'{hex}'") };
        let words = [("OID", oid.as_str()), ("ANN", ANN), ("BOB", BOB), ("FREE", FREE), ("PAID", PAID)];
        let rows = words.iter().fold(FETCHED.to_owned(), |text, (word, value)| text.replace(word, value));
        run(&mut tx, &rows.replace("SOURCE", "src_01jbx9m5q0e8w8x3x5v2k7n4rt")).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn each_price_moves_over_and_grants_have_no_order(database: TestDatabase) {
        let store = Store::open(database.config().clone()).await.unwrap();
        rows_before("_prices", &store).await;
        store.migrate().await.unwrap();
        let mut conn = store.read().await.unwrap();
        let text = async |conn: &mut Conn, name: &str| {
            listings::find_by_name(conn, name).await.unwrap().unwrap().prices.text()
        };
        assert_eq!(text(&mut conn, "free").await.as_deref(), Some("free"));
        assert_eq!(text(&mut conn, "paid").await.as_deref(), Some("$9"));
        let history = prices::history(&mut conn, PAID.parse().unwrap()).await.unwrap();
        let id = PAID.replace("skl", "prc");
        assert_eq!((history.len(), history[0].listed.id.to_string(), history[0].archived_at), (1, id, None));
        let bought = grants::records(&mut conn, BOB.parse().unwrap()).await.unwrap();
        assert_eq!(bought.iter().map(|record| record.order).collect::<Vec<_>>(), [None]);
        drop(conn);
        // A node of the previous release writes back the price that it reads.
        let mut tx = store.begin().await.unwrap();
        let old = "UPDATE skills SET trial_days = 7, price_minor = price_minor WHERE name = 'paid'";
        run(&mut tx, old).await.unwrap();
        assert_eq!(text(&mut tx, "paid").await.as_deref(), Some("$9"));
    }

    async fn what_was_quarantined_stays_so_and_is_not_offered_by_its_release(database: TestDatabase) {
        let store = Store::open(database.config().clone()).await.unwrap();
        rows_before("_desk", &store).await;
        let mut tx = store.begin().await.unwrap();
        run(&mut tx, "UPDATE skills SET state = 'quarantined' WHERE name = 'paid'").await.unwrap();
        tx.commit().await.unwrap();
        store.migrate().await.unwrap();
        let mut conn = store.read().await.unwrap();
        let mut paid = listings::find_by_name(&mut conn, "paid").await.unwrap().unwrap();
        assert!(paid.quarantine.is_some() && !paid.is_offered(), "{paid:?}");
        paid.release().unwrap();
        assert_eq!(paid.state, skaas_domain::listing::ListingState::Withdrawn);
        let free = listings::find_by_name(&mut conn, "free").await.unwrap().unwrap();
        assert!(free.is_offered() && free.quarantine.is_none(), "{free:?}");
        drop(conn);
        // A node of the previous release ends one without knowing the columns.
        let mut tx = store.begin().await.unwrap();
        run(&mut tx, "UPDATE skills SET state = 'published' WHERE name = 'paid'").await.unwrap();
        let paid = listings::find_by_name(&mut tx, "paid").await.unwrap().unwrap();
        assert!(paid.is_offered() && paid.quarantine.is_none(), "{paid:?}");
    }

    #[tokio::test]
    async fn what_was_quarantined_stays_so_and_is_not_offered_by_its_release_on_sqlite() {
        what_was_quarantined_stays_so_and_is_not_offered_by_its_release(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn what_was_quarantined_stays_so_and_is_not_offered_by_its_release_on_postgresql() {
        if let Some(database) = TestDatabase::postgres() {
            what_was_quarantined_stays_so_and_is_not_offered_by_its_release(database).await;
        }
    }

    #[tokio::test]
    async fn each_price_moves_over_and_grants_have_no_order_on_sqlite() {
        each_price_moves_over_and_grants_have_no_order(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn each_price_moves_over_and_grants_have_no_order_on_postgresql() {
        if let Some(database) = TestDatabase::postgres() {
            each_price_moves_over_and_grants_have_no_order(database).await;
        }
    }

    #[tokio::test]
    async fn whoever_fetched_what_is_free_keeps_it_on_sqlite() {
        whoever_fetched_what_is_free_keeps_it(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn whoever_fetched_what_is_free_keeps_it_on_postgresql() {
        if let Some(database) = TestDatabase::postgres() {
            whoever_fetched_what_is_free_keeps_it(database).await;
        }
    }

    #[tokio::test]
    async fn an_old_sqlite_database_is_brought_up_to_date() {
        an_old_database_is_brought_up_to_date(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn an_old_postgresql_database_is_brought_up_to_date() {
        if let Some(database) = TestDatabase::postgres() {
            an_old_database_is_brought_up_to_date(database).await;
        }
    }
}
