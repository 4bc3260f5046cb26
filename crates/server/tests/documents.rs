//! What the documents claim is there: every link leads somewhere, and every test that SECURITY.md names
//! as the proof of a defence exists under that name.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

#[path = "documents/glossary.rs"]
mod glossary;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn walk(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(
                name.as_str(),
                "target" | ".git" | "node_modules" | "demo-data" | "corpus" | "samples"
            ) {
                walk(&path, extension, into);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
}

fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root(), extension, &mut found);
    found
}

/// The names of all functions with a test attribute, and of all fuzz targets.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files("rs") {
        let mut is_test = false;
        for line in fs::read_to_string(&file).unwrap().lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
            } else if let Some((_, rest)) = line.split_once("fn ") {
                // The store's claims are told on both databases by a macro.
                if is_test || rest.contains("(database: TestDatabase)") {
                    names.insert(rest.split(['(', '<']).next().unwrap().to_owned());
                }
                is_test = false;
            }
        }
        if file.parent().is_some_and(|parent| parent.ends_with("fuzz_targets")) {
            names.insert(file.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    names
}

#[test]
fn every_defence_names_a_test_that_exists() {
    let table = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let known = tests();
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| area")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let quoted =
            |cell: &'_ str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let named = match cells.as_slice() {
            [_, _, _, defence, tests] => {
                for file in quoted(defence) {
                    assert!(root().join("crates").join(&file).is_file(), "no {file}: {line}");
                }
                quoted(tests)
            }
            // What was taken out by hand, and what then fails.
            [_, tests] if tests.contains('`') => quoted(tests),
            _ => continue,
        };
        assert!(!named.is_empty(), "no test is named: {line}");
        for name in named {
            assert!(known.contains(&name), "no test is called {name}: {line}");
        }
        rows += 1;
    }
    assert!(rows >= 60, "only {rows} rows");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    for file in files("md") {
        let text = fs::read_to_string(&file).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let wanted = file.parent().unwrap().join(path);
            assert!(wanted.exists(), "{} links to {target}, which is not there", file.display());
        }
    }
}

/// A deployment that sets a variable which the server does not read would run with a default instead.
#[test]
fn every_setting_in_deploy_is_one_that_the_server_reads() {
    let manual = fs::read_to_string(root().join("skaas.default.toml")).unwrap();
    let known: BTreeSet<&str> =
        manual.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_').collect();
    let mut read = 0;
    for file in ["compose.yaml", "Containerfile", "skaas-server.env", "skaas-server.service"] {
        let text = fs::read_to_string(root().join("deploy").join(file)).unwrap();
        let names = text.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
        let ours = |name: &&str| {
            ["SKAAS_", "S3_", "DATABASE_", "REDIS_"].iter().any(|start| name.starts_with(start))
        };
        for name in names.filter(ours) {
            assert!(known.contains(name.trim_end_matches("_FILE")), "{file} sets {name}");
            read += 1;
        }
    }
    assert!(read > 10, "the files set only {read} variables");
}

#[test]
fn the_page_of_errors_lists_every_code_with_its_status() {
    use skaas_app::{Code, Kind};

    let text = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let listed: BTreeSet<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(code, rest)| (code, &rest[..3]))
        .collect();
    let status = |code: &Code| match code.kind() {
        Kind::Unauthenticated => "401",
        Kind::Forbidden => "403",
        Kind::NotFound => "404",
        Kind::Invalid => "400",
        Kind::Conflict => "409",
        Kind::TooLarge => "413",
        Kind::RateLimited => "429",
        Kind::Busy | Kind::Unavailable => "503",
        Kind::Upstream => "502",
        Kind::Fault => "500",
    };
    assert_eq!(listed, Code::ALL.iter().map(|code| (code.as_str(), status(code))).collect());
}
