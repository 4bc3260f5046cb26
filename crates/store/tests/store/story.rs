//! The whole of the store's API, told once for both databases. Holds the tests to that: a public function
//! that no story calls is named here.

use skaas_store::{Migrated, Store, prepare_all, testing::TestDatabase};

use crate::{
    both, story_of_identity, story_of_oauth, story_of_people, story_of_second_factors, story_of_skills,
    story_of_vault, world::World,
};

both!(every_function_does_what_it_says, every_statement_is_understood);

async fn every_function_does_what_it_says(database: TestDatabase) {
    let mut world = World::new(database.store().await);
    let again = world.store.migrate().await.unwrap();
    let Migrated { applied, already, unknown } = again;
    assert!(applied.is_empty() && unknown.is_empty() && already > 0, "{applied:?} {unknown:?}");
    story_of_people::tell(&mut world).await;
    story_of_identity::tell(&mut world).await;
    story_of_oauth::tell(&mut world).await;
    story_of_second_factors::tell(&mut world).await;
    story_of_skills::tell(&mut world).await;
    story_of_vault::tell(&mut world).await;

    world.store.ping().await.unwrap();
    world.store.check_database().await.unwrap();
    world.store.check_schema().await.unwrap();
    let looking = Store::look(database.config().clone()).await.unwrap();
    looking.ping().await.unwrap();
    let packs = looking.all_source_packs().await.unwrap();
    assert!(!packs.is_empty() && packs.iter().all(|pack| pack.retired_at.is_none()), "{packs:?}");
    looking.close().await;
    let about = world.store.describe().await.unwrap();
    assert_eq!(about.kind, if database.is_postgres() { "postgresql" } else { "sqlite" });
    assert!(about.version.starts_with(|c: char| c.is_ascii_digit()), "{about:?}");
    assert!(about.database_bytes > 100_000 && about.objects.starts_with("folder /"), "{about:?}");
    assert_eq!(about.counts.schema_version, i64::try_from(already).unwrap());
    let counts = about.counts;
    assert!(
        counts.users >= 4 && counts.steps == 3 && counts.releases == 2 && counts.content_bytes > 0,
        "{counts:?}"
    );

    world.store.close().await;
    assert!(world.store.ping().await.is_err());
}

async fn every_statement_is_understood(database: TestDatabase) {
    let store = database.store().await;
    assert_eq!(prepare_all(&mut store.read().await.unwrap()).await, Vec::<String>::new());
}

/// The public async functions of a source file, as they are called: `module::name(` or `.name(`.
fn published(module: &str, source: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for line in source.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("pub async fn ") {
            let name = rest.split(['(', '<']).next().unwrap();
            let method = line.starts_with(' ');
            calls.push(if method { format!(".{name}(") } else { format!("{module}::{name}(") });
        }
    }
    calls
}

#[test]
fn no_public_function_is_left_out_of_the_stories() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder: &str| -> Vec<(String, String)> {
        let files = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
            .map(|path| {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).unwrap())
            })
            .collect()
    };
    let told: String = read("tests/store").into_iter().map(|(_, text)| text).collect();
    let calls: Vec<String> = read("src")
        .into_iter()
        .filter(|(module, _)| module != "testing" && module != "statement")
        .flat_map(|(module, text)| published(&module, &text))
        .collect();
    assert!(calls.len() > 70, "the functions were not found: {calls:?}");
    let is_told = |call: &str| {
        told.contains(call)
            || ([".open(", ".look("].contains(&call) && told.contains(&call.replace('.', "Store::")))
    };
    let left_out: Vec<_> = calls.iter().filter(|call| !is_told(call)).collect();
    assert!(left_out.is_empty(), "no story calls {left_out:?}");
}
