//! Canaries: what is planted as tokens, addresses and content is looked for wherever it must not be.

use std::fs;

use skaas_testkit::folder::{everything, holds};
use skaas_testkit::wire::Connection;

use crate::story::{House, SKILL, refs};

/// The part of a token that nobody but its holder knows.
fn secret(token: &str) -> &str {
    token.rsplit('_').next().unwrap()
}

#[test]
fn no_token_and_no_address_is_found_where_it_does_not_belong() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_LOG", "trace"));
    house.admin(&["user", "add", "bob", "--email", "canary-mail@canary.example"]);
    let tokens: Vec<String> = (0..3).map(|_| house.server.installation().token("bob")).collect();
    let ann = secret(&house.ann.token).to_owned();
    let bob = story_of(&house, &tokens);
    let port = house.server.port();
    let mut shown = vec![house.server.log(), Connection::open(port).get("/metrics").text(), bob];
    for command in [
        &["admin", "user", "list"][..],
        &["admin", "token", "list", "bob", "--json"],
        &["admin", "grant", "list", "bob"],
        &["doctor"],
        &["doctor", "--json"],
        &["config"],
    ] {
        let ran = house.server.installation().run(command);
        shown.extend([ran.stdout, ran.stderr]);
    }
    let secrets: Vec<&str> = tokens.iter().map(|token| secret(token)).chain([ann.as_str()]).collect();
    for (text, canary) in shown.iter().flat_map(|text| secrets.iter().map(move |canary| (text, canary))) {
        assert!(!text.contains(canary), "{canary} stands in:\n{text}");
    }
    // An address is shown to the operator who lists users, to nobody else.
    for text in &shown[..3] {
        assert!(!text.contains("canary-mail"), "{text}");
    }
    // Whoever steals the disk, or a backup of it, has hashes and not one token.
    let data = house.server.installation().data().to_owned();
    assert_eq!(house.server.stop(), Some(0));
    let files = everything(&data);
    assert!(files.len() > 4, "{:?}", files.keys());
    assert!(files.values().any(|bytes| holds(bytes, "canary-mail")), "the search finds what is there");
    for (file, bytes) in &files {
        for canary in &secrets {
            assert!(!holds(bytes, canary), "{canary} stands in {file}");
        }
        let is_database = file.contains("skaas.db") || file.contains(".sqlite");
        assert!(is_database || !holds(bytes, "canary-mail"), "{file}");
    }
}

/// Does everything that could spill a secret, and gives all that was said and served meanwhile.
fn story_of(house: &House, tokens: &[String]) -> String {
    let port = house.server.port();
    let mut said = String::new();
    house.admin(&["grant", "add", "bob", SKILL, "--kind", "purchase"]);
    for (name, token) in [("bob", &tokens[0]), ("carol", &tokens[0]), ("bob", &format!("{}x", tokens[1]))] {
        for path in [refs("me/marketplace.git"), refs("me/skills/migration-guard"), refs("u/ann/marketplace")]
        {
            let mut line = Connection::open(port).basic(name, token);
            said += &line.get(&path).text();
            said += &line.send("POST", &path, &[("content-encoding", "gzip")], b"no gzip").text();
        }
        // In the query, where some clients put it.
        let path = format!("/me/marketplace.git/info/refs?access_token={token}&service=git-upload-pack");
        said += &Connection::open(port).get(&path).text();
        said += &Connection::open(port).get(&format!("/{token}/x")).text();
        said += &Connection::open(port).bearer(token).get(&refs("me/marketplace.git")).text();
    }
    house.admin(&["token", "revoke", "bob"]);
    said += &Connection::open(port).basic("bob", &tokens[2]).get(&refs("me/marketplace.git")).text();
    let carol = house.person("carol");
    house.grant(&carol);
    for (repo, into) in [("marketplace", "market"), (SKILL, "skill")] {
        let folder = carol.clone(&carol.git, &house.server, repo, into, &[]);
        let own = carol.git.remembered();
        let files = everything(&folder);
        assert!(!files.is_empty());
        for (file, bytes) in files {
            assert!(!holds(&bytes, secret(&carol.token)), "{own} stands in {file}");
            said += &String::from_utf8_lossy(&bytes);
        }
    }
    said
}

#[test]
fn the_database_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::with(&[SKILL]);
    let mut databases = 0;
    for entry in fs::read_dir(house.server.installation().data()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().contains(".db") {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", entry.file_name());
            databases += 1;
        }
    }
    assert!(databases >= 1);
}
