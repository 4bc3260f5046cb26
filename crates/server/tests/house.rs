//! Which crate and which part of the server may know which: the edges of ARCHITECTURE.md, compared with what cargo
//! builds and with the imports in the code.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What each crate may use of ours, in the program and (after it) in its tests.
const EDGES: &[(&str, &[&str], &[&str])] = &[
    ("api", &[], &[]),
    ("cli", &["api"], &[]),
    ("domain", &[], &[]),
    ("git", &[], &["testkit"]),
    ("store", &["domain"], &["store", "testkit"]),
    ("outbound", &[], &["testkit"]),
    ("app", &["domain", "git", "outbound", "store"], &["store", "testkit"]),
    ("server", &["api", "app", "domain"], &["testkit"]),
];

/// Crates that no program is made of: they may see everything.
const OUTSIDE: &[&str] = &["testkit", "bench"];

/// What opens connections outwards.
const HTTP_CLIENTS: &[&str] =
    &["reqwest", "ureq", "isahc", "attohttpc", "curl", "awc", "surf", "minreq", "hyper-rustls"];

fn packages() -> BTreeMap<String, Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let name = |package: &Package| package.name.strip_prefix("skaas-").unwrap_or(&package.name).to_owned();
    metadata.packages.into_iter().map(|package| (name(&package), package)).collect()
}

/// The names of a package's dependencies, those of its tests apart.
fn dependencies(package: &Package, of_tests: bool) -> BTreeSet<String> {
    let kept = package.dependencies.iter().filter(|d| (d.kind == DependencyKind::Development) == of_tests);
    kept.map(|dependency| dependency.name.clone()).collect()
}

fn ours(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().filter_map(|name| name.strip_prefix("skaas-")).collect()
}

#[test]
fn crates_know_of_each_other_only_what_the_design_says() {
    let packages = packages();
    let named: BTreeSet<&str> = EDGES.iter().map(|(name, ..)| *name).chain(OUTSIDE.iter().copied()).collect();
    let there: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(named, there, "a crate without a row has no place in the design yet");
    for (name, program, tests) in EDGES {
        let package = &packages[*name];
        let expected: BTreeSet<&str> = program.iter().copied().collect();
        assert_eq!(ours(&dependencies(package, false)), expected, "{name}");
        let of_tests = dependencies(package, true);
        let stray: Vec<&str> = ours(&of_tests).into_iter().filter(|edge| !tests.contains(edge)).collect();
        assert!(stray.is_empty(), "the tests of {name} know {stray:?}");
    }
}

#[test]
fn only_the_store_speaks_sql_and_no_crate_calls_out_by_itself() {
    for (name, package) in packages() {
        if OUTSIDE.contains(&name.as_str()) {
            continue;
        }
        let uses = dependencies(&package, false);
        for sql in ["sqlx", "rusqlite", "libsqlite3-sys", "tokio-postgres"] {
            assert!(name == "store" || !uses.contains(sql), "{name} uses {sql}");
        }
        assert!(name == "store" || !uses.contains("object_store"), "{name} uses object_store");
        // The command line is a program of its own: calling the server is its purpose.
        if name != "outbound" && name != "cli" {
            let calls: Vec<&&str> = HTTP_CLIENTS.iter().filter(|client| uses.contains(**client)).collect();
            assert!(calls.is_empty(), "{name} calls out with {calls:?}");
            let hyper = package.dependencies.iter().filter(|d| d.name.starts_with("hyper"));
            let client = hyper.flat_map(|d| &d.features).any(|feature| feature.starts_with("client"));
            assert!(!client, "{name} uses hyper's client");
        }
    }
}

#[test]
fn the_domain_and_git_touch_no_network_and_no_runtime() {
    let packages = packages();
    for name in ["domain", "git"] {
        let uses = dependencies(&packages[name], false);
        for foreign in ["tokio", "axum", "hyper", "http", "tower"] {
            assert!(!uses.contains(foreign), "{name} uses {foreign}");
        }
    }
}

/// The parts of the server that answer clients, one for each kind. Only the router knows them all.
const DOORS: &[&str] = &["git_http", "mcp", "oauth", "pages", "rest"];

/// Where the doors meet, and so the modules that may import from several.
const ABOVE_THE_DOORS: &[&str] =
    &["admin", "arguments", "demo", "doctor", "health", "installation", "lib", "router", "serve"];

/// The modules of this crate that `program` names by a path: after `crate::`, or after a chain of `super::`.
fn named_modules(program: &str) -> BTreeSet<String> {
    let program: String = program.chars().filter(|char| !char.is_whitespace()).collect();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = BTreeSet::new();
    for start in ["crate::", "super::"] {
        for (at, _) in program.match_indices(start) {
            let rest = &program[at + start.len()..];
            let Some(list) = rest.strip_prefix('{') else {
                named.insert(word(rest));
                continue;
            };
            // The names at the first level of `crate::{a, b::{c, d}}`.
            let (mut depth, mut is_start) = (1, true);
            for (at, char) in list.char_indices() {
                if std::mem::take(&mut is_start) {
                    named.insert(word(&list[at..]));
                }
                match char {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                is_start = char == ',' && depth == 1;
                if depth == 0 {
                    break;
                }
            }
        }
    }
    named
}

#[test]
fn the_parts_that_answer_clients_never_import_from_each_other() {
    assert_eq!(
        named_modules("use crate::{a::{b, c}, d}; super::super::e::f; crate :: g"),
        ["a", "d", "e", "g", "super"].map(str::to_owned).into(),
    );
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = skaas_testkit::folder::everything(&folder);
    let mut checked = 0;
    for (file, bytes) in
        files.iter().filter(|(file, _)| std::path::Path::new(file).extension().is_some_and(|end| end == "rs"))
    {
        let file = file.rsplit_once("/src/").map_or(file.as_str(), |(_, file)| file);
        let home = file.split(['/', '.']).next().unwrap();
        if ABOVE_THE_DOORS.contains(&home) {
            continue;
        }
        checked += 1;
        let named = named_modules(std::str::from_utf8(bytes).unwrap());
        for door in DOORS.iter().filter(|door| **door != home) {
            // `oauth::pages` are the pages of that part.
            let is_own = home == "oauth" && *door == "pages" && !file.starts_with("oauth/pages/");
            assert!(is_own || !named.contains(*door), "{file} imports from {door}");
        }
    }
    assert!(checked > 60, "{checked}");
}

/// The functions of `app` that ask for no actor, and why. Everything else is a use case.
const WITHOUT_AN_ACTOR: &[(&str, &str)] = &[
    ("accounts::ask_reset", "whoever forgot their password cannot sign in"),
    ("accounts::confirm_address", "the mailed link proves who asks"),
    ("accounts::reset_password", "the mailed link proves who asks"),
    ("accounts::reset_works", "the mailed link proves who asks"),
    ("accounts::sign_up", "nobody is there yet"),
    ("accounts::unconfirmed_address", "the mailed link proves who asks"),
    ("audit::seal", "a scheduled job"),
    ("authenticate", "makes the actor"),
    ("authenticate_to_revoke", "makes the actor"),
    ("limits::admit", "counts requests before anybody is known"),
    ("devices::redeem", "the device code proves who asks"),
    ("devices::start", "a device asks before its person is known"),
    ("devices::status", "the device code proves who asks"),
    ("grants::revoke_order", "inside use cases"),
    ("health::examine_contents", "the server examines itself"),
    ("health::ready", "the server examines itself"),
    ("identities::newcomer", "nobody is there yet"),
    ("jobs::add", "inside use cases"),
    ("jobs::backlog", "the server examines itself"),
    ("jobs::measure", "the server examines itself"),
    ("jobs::probe", "only a command beside the server reaches it"),
    ("oauth::check", "a public page; consenting takes an actor"),
    ("oauth::exchange", "the code and its verifier prove who asks"),
    ("oauth::open_api", "makes the actor"),
    ("oauth::open_mcp", "makes the actor"),
    ("oauth::refresh", "the refresh token proves who asks"),
    ("oauth::register", "anybody may register a client"),
    ("oauth::revoke", "whoever has a token may revoke it (RFC 7009)"),
    ("publication::render_all", "runs when the server starts"),
    ("publication::voice_in_use", "runs when the server starts"),
    ("second_factor::begin_assertion", "nobody is signed in yet"),
    ("second_factor::by_code", "makes a session"),
    ("second_factor::by_passkey", "makes a session"),
    ("second_factor::challenged", "the waiting sign-in proves who asks"),
    ("sessions::find", "makes the actor"),
    ("sign_in::by_password", "makes a session"),
    ("stamps::from_the_future", "the server examines itself"),
    ("storage::clear_scratch", "the server's own housekeeping"),
    ("users::profile", "a public page"),
    ("vault::examine", "the server examines itself"),
    ("vault::is_used", "the server examines itself"),
    ("vault::open", "inside use cases"),
    ("vault::open_in", "inside use cases"),
    ("vault::remove_in", "inside use cases"),
    ("vault::seal", "inside use cases"),
    ("vault::seal_in", "inside use cases"),
    ("vault::status", "the server examines itself"),
    ("vault::unlock", "runs when the server starts"),
];

/// The public asynchronous functions of a file: name and parameters.
fn use_cases(program: &str) -> Vec<(String, Vec<String>)> {
    let program = program.split("#[cfg(test)]").next().unwrap();
    let mut found = Vec::new();
    for (at, start) in program.match_indices("\npub async fn ") {
        let signature: String = program[at + start.len()..].split_whitespace().collect::<Vec<_>>().join(" ");
        let (head, rest) = signature.split_once('(').unwrap();
        let mut parameters = vec![String::new()];
        let mut depth = 0;
        for char in rest.chars() {
            match char {
                '(' | '<' | '[' => depth += 1,
                ')' if depth == 0 => break,
                ')' | '>' | ']' => depth -= 1,
                ',' if depth == 0 => {
                    parameters.push(String::new());
                    continue;
                }
                _ => {}
            }
            parameters.last_mut().unwrap().push(char);
        }
        let parameters = parameters.iter().map(|text| text.trim().to_owned()).collect();
        found.push((head.split('<').next().unwrap().to_owned(), parameters));
    }
    found
}

#[test]
fn every_use_case_asks_who_acts() {
    let sample = "\npub async fn a<T>(app: &App, actor: &Actor, f: (u8, u8)) -> X {\n\npub async fn b() {";
    let [a, b] = &use_cases(sample)[..] else { panic!("{sample}") };
    assert_eq!((a.0.as_str(), a.1.len(), b.0.as_str()), ("a", 3, "b"));

    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src");
    let mut exceptions: BTreeMap<&str, &str> = WITHOUT_AN_ACTOR.iter().copied().collect();
    let mut with_one = 0;
    for (file, bytes) in skaas_testkit::folder::everything(&folder) {
        let file = file.rsplit_once("/src/").map_or(file.as_str(), |(_, file)| file);
        // `authenticate` is named by the crate itself.
        let module = file.split(['/', '.']).next().unwrap();
        let prefix = if module == "authentication" { String::new() } else { format!("{module}::") };
        for (name, parameters) in use_cases(std::str::from_utf8(&bytes).unwrap()) {
            let name = format!("{prefix}{name}");
            let asks = parameters.get(1).is_some_and(|second| {
                // Only `fetch::open` makes an `Opened`, from an actor.
                ["&Actor", "Option<&Actor>", "&Opened"].iter().any(|kind| second.ends_with(kind))
            });
            if asks && parameters[0] == "app: &App" {
                with_one += 1;
            } else {
                assert!(exceptions.remove(name.as_str()).is_some(), "{name}{parameters:?} takes no actor");
            }
        }
    }
    assert!(with_one > 40, "{with_one}");
    assert!(exceptions.is_empty(), "these take an actor or are gone: {exceptions:?}");
}

#[test]
fn foreign_objects_are_hashed_with_collision_detection_and_in_no_other_way() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../git/src/source_repo");
    let files = skaas_testkit::folder::everything(&folder);
    assert!(files.len() > 10, "{:?}", files.keys());
    let mut uses = 0;
    for (file, bytes) in files {
        let text = String::from_utf8(bytes).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap();
        uses += program.matches("ForeignHasher").count() + program.matches("hash_foreign").count();
        for plain in ["hash_object", "object_hasher", "finish_id", "sha1::"] {
            // Packs and indexes are our own writing, and so is the sum at their end.
            let is_ours = plain == "sha1::" && file.contains("/pack_");
            assert!(is_ours || !program.contains(plain), "{file} uses {plain}");
        }
    }
    assert!(uses > 5, "{uses}");
}
