//! What stands at the door: who is let in, what is refused with which words, and how bodies may
//! arrive.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::fs;

use skaas_testkit::wire::Connection;
use story::{House, SKILL, Sight, full, refs, sight};

#[test]
fn a_revoked_token_is_refused_at_the_next_request_of_an_open_connection() {
    let house = House::new();
    let bob = house.person("bob");
    let mut line = house.connect(&bob);
    let path = refs("me/marketplace.git");
    assert_eq!(line.get(&path).status, 200);
    assert_eq!(line.get(&path).status, 200);
    house.admin(&["token", "revoke", "bob"]);
    let refused = line.get(&path);
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));

    let folder = bob.folder.join("never");
    bob.git.fails(
        &bob.folder,
        &["clone", "-q", &house.server.at("me/marketplace.git"), &folder.to_string_lossy()],
    );
    assert_eq!(bob.git.remembered(), "", "git erases a refused password");

    let fresh = house.server.installation().token("bob");
    let mut line = Connection::open(house.server.port()).basic("bob", &fresh);
    assert_eq!(line.get(&path).status, 200);
}

#[test]
fn a_token_opens_the_door_as_password_and_as_bearer_and_nothing_else_does() {
    let house = House::new();
    let bob = house.person("bob");
    let carol = house.person("carol");
    let path = refs("me/marketplace.git");
    let knock = |line: Connection| {
        let mut line = line;
        line.get(&path).status
    };
    let open = || Connection::open(house.server.port());
    assert_eq!(knock(open()), 401);
    assert_eq!(knock(open().basic("bob", &bob.token)), 200);
    assert_eq!(knock(open().bearer(&bob.token)), 200);
    // A token that works is never answered by 401: git would erase it from where it is kept.
    assert_eq!(knock(open().basic("carol", &bob.token)), 403);
    assert_eq!(knock(open().basic("bob", &carol.token)), 403);
    assert_eq!(knock(open().basic("bob", "")), 401);
    let (last, rest) = (bob.token.chars().last().unwrap(), &bob.token[..bob.token.len() - 1]);
    let other = if last == 'a' { 'b' } else { 'a' };
    assert_eq!(knock(open().basic("bob", &format!("{rest}{other}"))), 401);
    assert_eq!(knock(open().basic("bob", &format!("{}x", bob.token))), 401);
}

#[test]
fn anothers_repository_answers_exactly_like_an_absent_one() {
    let house = House::new();
    let bob = house.person("bob");
    house.person("carol");
    let mut line = house.connect(&bob);
    for path in ["marketplace", "marketplace.git", "skills/migration-guard", "skills/migration-guard.git"] {
        for (method, tail) in [("GET", "/info/refs?service=git-upload-pack"), ("POST", "/git-upload-pack")] {
            let mut ask = |user: &str| {
                let answer = line.send(
                    method,
                    &format!("/u/{user}/{path}{tail}"),
                    &[("git-protocol", "version=2")],
                    b"0000",
                );
                let (status, headers, text) = answer.comparable();
                (status, headers, text.replace(user, "NAME"))
            };
            let (theirs, absent) = (ask("carol"), ask("dave0"));
            assert_eq!(theirs, absent, "{method} {path}");
            assert_eq!(theirs.0, 404, "a valid token is never answered by 401");
        }
    }
}

#[test]
fn without_a_token_every_repository_answers_alike() {
    let house = House::new();
    house.person("bob");
    let mut line = Connection::open(house.server.port());
    let mut ask = |path: &str| line.get(&refs(path)).comparable();
    let challenge = ask("me/marketplace.git");
    assert_eq!(challenge.0, 401);
    for path in [
        "u/bob/marketplace.git",
        "u/nobody/marketplace.git",
        "me/skills/migration-guard",
        "me/skills/none",
        "s/ann/migration-guard.git",
        "s/ann/none",
    ] {
        assert_eq!(ask(path), challenge, "{path}");
    }
}

#[test]
fn an_unknown_skill_is_refused_in_words_and_keeps_the_password() {
    let house = House::new();
    let bob = house.person("bob");
    let said = bob.git.fails(&bob.folder, &["ls-remote", &house.server.at("me/skills/no-such-skill.git")]);
    assert!(said.contains("no-such-skill") || said.contains("not found"), "{said}");
    assert!(!bob.git.remembered().is_empty());
}

#[test]
fn an_unpublished_skill_is_seen_by_nobody_but_its_creator() {
    let house = House::new();
    let bob = house.person("bob");
    house.ann.git.import(
        &story::samples().join("flaky-test-hunter"),
        &house.ann.folder.join("draft"),
        "Draft",
    );
    house.ann.push(&house.server, "draft");
    let mut line = house.connect(&bob);
    let (draft, absent) = (refs("me/skills/flaky-test-hunter"), refs("me/skills/flaky-test-absent"));
    let hidden = line.get(&draft);
    assert_eq!(hidden.status, 404);
    assert_eq!(
        hidden.text().replace("flaky-test-hunter", "NAME"),
        line.get(&absent).text().replace("flaky-test-absent", "NAME")
    );
    let folder = bob.clone(&bob.git, &house.server, "marketplace", "market", &[]);
    assert_eq!(story::entries(&folder).keys().collect::<Vec<_>>(), [SKILL]);
}

#[test]
fn the_dumb_protocol_is_refused_in_a_sentence() {
    let house = House::new();
    let bob = house.person("bob");
    let mut line = house.connect(&bob);
    for path in [
        "/me/marketplace.git/info/refs",
        "/me/marketplace.git/HEAD",
        "/me/marketplace.git/objects/info/packs",
    ] {
        let answer = line.get(path);
        assert!((400..500).contains(&answer.status) && answer.status != 401, "{path}: {}", answer.status);
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"), "{answer:?}");
        assert!(answer.text().trim().len() > 20, "{path}: {:?}", answer.text());
    }
}

#[test]
fn a_push_to_a_served_repository_is_refused_in_a_sentence() {
    let house = House::new();
    let bob = house.person("bob");
    house.grant(&bob);
    for (repo, into) in [("marketplace", "market"), (SKILL, "skill")] {
        let folder = bob.clone(&bob.git, &house.server, repo, into, &[]);
        bob.git.commit(&folder, "Mine");
        let said = bob.git.fails(&folder, &["push", "origin", "HEAD:main"]);
        assert!(said.contains("remote: "), "{said}");
        assert!(!bob.git.remembered().is_empty(), "a valid token is never answered by 401");
    }
}

#[test]
fn nobody_pushes_into_anothers_source() {
    let house = House::new();
    let bob = house.person("bob");
    bob.git.import(&story::samples().join(SKILL), &bob.folder.join("fork"), "Fork");
    for source in [SKILL, "brand-new"] {
        let url = house.server.at(&format!("s/ann/{source}.git"));
        bob.git.fails(&bob.folder.join("fork"), &["push", "--force", &url, "main"]);
        bob.git.fails(&bob.folder, &["ls-remote", &url]);
        assert!(!bob.git.remembered().is_empty());
    }
    house.grant(&bob);
    assert_eq!(sight(&bob.clone(&bob.git, &house.server, SKILL, "kept", &[])), full("1.2.0"));
}

#[test]
fn large_requests_arrive_compressed_and_are_understood() {
    let house = House::new();
    let bob = house.person("bob");
    let folder = bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    // git compresses a request of more than 1 KiB: many local commits make many `have` lines.
    // Each is younger than what the server has, so that git speaks of many before it comes to that.
    for number in 0..80 {
        let message = format!("local {number}");
        let mut commit = bob.git.command(&folder, &["commit", "-q", "--allow-empty", "-m", &message]);
        commit.env("GIT_COMMITTER_DATE", format!("2090-01-01T00:{:02}:{:02}Z", number / 60, number % 60));
        skaas_testkit::git::Ran::capture(&mut commit, b"").expect_success();
    }
    house.grant(&bob);
    let mut fetch = bob.git.command(&folder, &["fetch", "origin"]);
    fetch.env("GIT_TRACE_CURL", "1");
    let ran = skaas_testkit::git::Ran::capture(&mut fetch, b"");
    assert!(ran.succeeded(), "{ran}");
    assert!(ran.stderr.to_lowercase().contains("content-encoding: gzip"), "{ran}");
    bob.git.ok(&folder, &["reset", "-q", "--hard", "FETCH_HEAD"]);
    assert_eq!(sight(&folder), full("1.2.0"));
}

#[test]
fn a_push_larger_than_the_buffer_arrives_in_chunks() {
    let house = House::new();
    let work = house.ann.folder.join(SKILL);
    // Noise stays large in a pack: half a megabyte of it, the same every time.
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let mut digest = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        format!("{noise:016x}\n")
    };
    let table: String = (0..32_000).map(|_| digest()).collect();
    fs::write(work.join("references/table.txt"), &table).unwrap();
    house.edit("1.3.0");
    house.ann.git.commit(&work, "A large table");
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let mut push = house.ann.git.with("http.postBuffer=65536").command(&work, &["push", &url, "main"]);
    push.env("GIT_TRACE_CURL", "1");
    let ran = skaas_testkit::git::Ran::capture(&mut push, b"");
    assert!(ran.succeeded(), "{ran}");
    assert!(ran.stderr.to_lowercase().contains("transfer-encoding: chunked"), "not chunked");
    let bob = house.person("bob");
    house.grant(&bob);
    let folder = bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    assert_eq!(
        fs::read_to_string(folder.join("skills/migration-guard/references/table.txt")).unwrap(),
        table
    );
}

#[test]
fn a_creator_reads_back_what_they_pushed() {
    let house = House::new();
    let ann = &house.ann;
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let pushed = ann.git.ok(&ann.folder.join(SKILL), &["rev-parse", "HEAD"]);
    for (into, options) in [("second", &[][..]), ("second-shallow", &["--depth", "1"])] {
        let target = ann.folder.join(into);
        let mut arguments = vec!["clone", "-q"];
        arguments.extend_from_slice(options);
        let shown = target.to_string_lossy().into_owned();
        arguments.extend([url.as_str(), shown.as_str()]);
        ann.git.ok(&ann.folder, &arguments);
        assert_eq!(ann.git.ok(&target, &["rev-parse", "HEAD"]), pushed);
        ann.git.ok(&target, &["fsck", "--strict"]);
    }
}

#[test]
fn an_unsafe_tree_is_named_to_the_pusher_and_the_last_good_release_stays() {
    let house = House::new();
    let bob = house.person("bob");
    house.grant(&bob);
    let work = house.ann.folder.join(SKILL);
    fs::create_dir_all(work.join("references/AUX")).unwrap();
    fs::write(work.join("references/AUX/notes.md"), "x").unwrap();
    house.ann.git.commit(&work, "A device name");
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let ran = house.ann.git.run(&work, &["push", &url, "main"]);
    assert!(ran.stderr.contains("remote: ") && ran.stderr.contains("AUX"), "{ran}");
    let folder = bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    assert_eq!(sight(&folder), full("1.2.0"));
    assert!(!folder.join("skills/migration-guard/references/AUX").exists());
}

#[test]
fn a_secret_deleted_before_the_release_is_never_served() {
    let house = House::new();
    let bob = house.person("bob");
    house.grant(&bob);
    let work = house.ann.folder.join(SKILL);
    fs::write(work.join("scripts/deploy.env"), "CANARY-TOKEN-1b2c3d\n").unwrap();
    house.ann.git.commit(&work, "Oops");
    let secret = house.ann.git.ok(&work, &["rev-parse", "HEAD:scripts/deploy.env"]);
    fs::remove_file(work.join("scripts/deploy.env")).unwrap();
    house.release("1.5.0");
    let folder = bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    assert_eq!(sight(&folder), full("1.5.0"));
    bob.git.fails(&folder, &["cat-file", "-e", &secret]);
    bob.git.fails(&folder, &["fetch", "-q", "origin", &secret]);
}

#[test]
fn no_token_reaches_the_log() {
    let house = House::new();
    let bob = house.person("bob");
    bob.clone(&bob.git, &house.server, SKILL, "skill", &[]);
    let mut line = Connection::open(house.server.port()).basic("bob", "sk_live_CANARY00_wrong");
    line.get(&refs("me/marketplace.git"));
    house.admin(&["token", "revoke", "bob"]);
    house.connect(&bob).get(&refs("me/marketplace.git"));
    let log = house.server.log();
    let secret = bob.token.rsplit('_').next().unwrap();
    for canary in [secret, house.ann.token.rsplit('_').next().unwrap(), "CANARY", "@example.test"] {
        assert!(!log.contains(canary), "{canary} stands in the log");
    }
}

#[test]
fn a_stub_that_is_asked_for_by_a_stranger_is_a_200() {
    let house = House::new();
    let bob = house.person("bob");
    assert_eq!(house.connect(&bob).get(&refs("me/skills/migration-guard.git")).status, 200);
    assert_eq!(sight(&bob.clone(&bob.git, &house.server, SKILL, "skill", &[])), Sight::Stub);
}
