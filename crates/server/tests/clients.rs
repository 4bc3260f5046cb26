//! The agents that people use, unmodified, from the first `marketplace add` to the lapse.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use skaas_testkit::clients::{Client, Installed};
use skaas_testkit::git::Ran;
use story::{House, Person, SKILL, Sight, full, sight};

/// A person with one of the clients in their HOME.
struct Agent<'a> {
    house: &'a House,
    person: Person,
    client: Installed,
}

impl<'a> Agent<'a> {
    fn new(house: &'a House, client: Installed) -> Self {
        Self { house, person: house.person("bob"), client }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.client.run(&self.person.git, &self.person.folder, arguments)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect_success()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(arguments);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error} in {out}"))
    }

    fn marketplace(&self) -> String {
        self.house.server.at("me/marketplace.git")
    }

    /// The marketplace's name, as its file says.
    fn marketplace_name(&self) -> String {
        let folder = self.person.folder.join("name-of-market");
        if !folder.exists() {
            self.person.clone(
                &self.person.git,
                &self.house.server,
                "marketplace",
                "name-of-market",
                &["--depth", "1"],
            );
        }
        let text = fs::read_to_string(folder.join(".claude-plugin/marketplace.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["name"].as_str().unwrap().to_owned()
    }

    /// No client may have the token in a file of its own: it came from git's credential file.
    fn assert_token_nowhere_else(&self) {
        let secret = self.person.token.rsplit('_').next().unwrap();
        for (path, bytes) in skaas_testkit::git::checkout(self.person.git.home()) {
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds || path == ".git-credentials", "{path} holds the token");
        }
    }
}

#[test]
fn claude_code_installs_the_stub_updates_to_the_skill_and_lapses_to_the_stub() {
    let Some(client) = Client::ClaudeCode.find() else { return };
    let house = House::with(&[SKILL, "writing-desk"]);
    let bob = Agent::new(&house, client);
    let market = bob.marketplace_name();
    let plugin = format!("{SKILL}@{market}");
    // What Claude Code has on disk for the plugin that it says is installed.
    let installed = || {
        let list = bob.json(&["plugin", "list", "--json"]);
        let entry = list.as_array().unwrap().iter().find(|entry| entry["id"] == plugin.as_str());
        let entry = entry.unwrap_or_else(|| panic!("{plugin} is not in {list}"));
        assert_eq!(entry["enabled"], true, "{entry}");
        let folder = PathBuf::from(entry["installPath"].as_str().unwrap());
        let seen = sight(&folder);
        if let Sight::Full { version } = &seen {
            assert_eq!(entry["version"], version.as_str());
        }
        seen
    };
    let refresh = || {
        bob.ok(&["plugin", "marketplace", "update", &market]);
        bob.ok(&["plugin", "update", &plugin]);
    };

    bob.ok(&["plugin", "marketplace", "add", &bob.marketplace()]);
    bob.ok(&["plugin", "install", &plugin]);
    assert_eq!(installed(), Sight::Stub);
    house.grant(&bob.person);
    refresh();
    assert_eq!(installed(), full("1.2.0"));
    house.release("1.3.0");
    refresh();
    assert_eq!(installed(), full("1.3.0"));
    house.revoke(&bob.person);
    refresh();
    assert_eq!(installed(), Sight::Stub);
    house.grant(&bob.person);
    refresh();
    assert_eq!(installed(), full("1.3.0"));
    bob.assert_token_nowhere_else();
}

#[test]
fn claude_code_finds_the_marketplace_and_every_plugin_in_it_valid() {
    let Some(client) = Client::ClaudeCode.find() else { return };
    let house = House::with(&[SKILL, "writing-desk", "release-desk", "flaky-test-hunter"]);
    let bob = Agent::new(&house, client);
    let validate = |folder: &Path| {
        let report = bob.run(&["plugin", "validate", &folder.to_string_lossy()]);
        assert!(report.succeeded(), "{report}");
    };
    let clone = |repo: &str, into: &str| bob.person.clone(&bob.person.git, &house.server, repo, into, &[]);
    let market = clone("marketplace", "market");
    validate(&market);
    let names: Vec<String> = story::entries(&market).into_keys().collect();
    assert_eq!(names.len(), 5);
    for name in &names {
        validate(&clone(name, &format!("{name}-stub")));
        house.admin(&["grant", "add", "bob", name, "--kind", "gift"]);
        validate(&clone(name, &format!("{name}-full")));
    }
    validate(&clone("marketplace", "market-owned"));
}

#[test]
fn codex_installs_the_stub_upgrades_to_the_skill_and_lapses_to_the_stub() {
    let Some(client) = Client::Codex.find() else { return };
    let house = House::with(&[SKILL, "writing-desk"]);
    let bob = Agent::new(&house, client);
    let market = bob.marketplace_name();
    let cache = bob.person.git.home().join(".codex/plugins/cache").join(&market).join(SKILL);
    // Codex keeps one version of a plugin; its folder is named after it.
    let installed = || {
        let versions: Vec<PathBuf> =
            fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(versions.len(), 1, "{versions:?}");
        let seen = sight(&versions[0]);
        if let Sight::Full { version } = &seen {
            assert_eq!(versions[0].file_name().unwrap().to_str().unwrap(), version);
        }
        seen
    };

    bob.ok(&["plugin", "marketplace", "add", &bob.marketplace()]);
    let added = bob.json(&["plugin", "add", &format!("{SKILL}@{market}"), "--json"]);
    assert!(added["version"].as_str().unwrap().starts_with("0.0.0-stub."), "{added}");
    assert_eq!(installed(), Sight::Stub);
    house.grant(&bob.person);
    bob.ok(&["plugin", "marketplace", "upgrade"]);
    assert_eq!(installed(), full("1.2.0"));
    house.revoke(&bob.person);
    bob.ok(&["plugin", "marketplace", "upgrade"]);
    assert_eq!(installed(), Sight::Stub);
    bob.assert_token_nowhere_else();
}

#[test]
fn skills_adds_the_stub_and_then_the_skill() {
    let Some(client) = Client::Skills.find() else { return };
    let house = House::new();
    let bob = Agent::new(&house, client);
    let url = house.server.at(&story::own(SKILL));
    let manifest = bob.person.folder.join(".claude/skills").join(SKILL).join("SKILL.md");
    let script = manifest.with_file_name("scripts").join("check_migration.py");
    let add = || {
        bob.ok(&["add", &url, "-y", "-a", "claude-code"]);
        (fs::read_to_string(&manifest).unwrap().contains("PURCHASE REQUIRED]"), script.exists())
    };
    assert_eq!(add(), (true, false));
    house.grant(&bob.person);
    assert_eq!(add(), (false, true));
    house.revoke(&bob.person);
    assert_eq!(add(), (true, false));
    bob.assert_token_nowhere_else();
}

#[test]
fn skills_validates_what_it_lists() {
    let Some(client) = Client::Skills.find() else { return };
    let house = House::with(&["release-desk"]);
    let bob = Agent::new(&house, client);
    house.admin(&["grant", "add", "bob", "release-desk", "--kind", "gift"]);
    let listed = bob.ok(&["add", &house.server.at("me/skills/release-desk.git"), "--list"]);
    assert!(listed.contains("release-desk"), "{listed}");
}
