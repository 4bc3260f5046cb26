//! The store's tests, in one program: each tells the same story on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "all of it is tests, also what is not marked as one")]

mod audit;
mod faults;
mod freshness;
mod jobs;
mod journal;
mod objects;
mod races;
mod races_of_identity;
mod rate;
mod scale;
mod story;
mod story_of_identity;
mod story_of_oauth;
mod story_of_people;
mod story_of_second_factors;
mod story_of_skills;
mod story_of_vault;
mod sweep;
mod world;

/// `both!(claim)`: the async function `claim(TestDatabase)` as one test per database.
macro_rules! both {
    ($($claim:ident),* $(,)?) => {$(
        mod $claim {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn on_sqlite() {
                super::$claim(skaas_store::testing::TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn on_postgresql() {
                if let Some(database) = skaas_store::testing::TestDatabase::postgres() {
                    super::$claim(database).await;
                }
            }
        }
    )*};
}
pub(crate) use both;
