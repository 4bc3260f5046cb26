//! What every story from outside begins with: a server process on a data folder of its own, a
//! creator who has pushed samples with real git, and buyers with tokens.

#![allow(dead_code, unreachable_pub, reason = "each test file takes what it needs of this")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use skaas_testkit::git::{Git, Ran, checkout};
use skaas_testkit::process::{Installation, Server};
use skaas_testkit::wire::Connection;
use tempfile::TempDir;

/// The skill that most stories are about: it has files that a stub has not.
pub const SKILL: &str = "migration-guard";
/// The manifest, in a stub and in full content alike.
pub const MANIFEST: &str = "skills/migration-guard/SKILL.md";
/// A file of the full content only.
pub const PAID: &str = "skills/migration-guard/scripts/check_migration.py";
/// A file of the stub only.
pub const BUY: &str = "commands/buy.md";

/// A server with a creator, `ann`, whose samples are published.
pub struct House {
    pub server: Server,
    pub ann: Person,
    pub folder: TempDir,
}

/// Someone with a token, a HOME and a folder to clone into.
pub struct Person {
    pub name: String,
    pub token: String,
    pub git: Git,
    pub folder: PathBuf,
}

pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples")
}

/// The binary under test, with its data in this folder.
pub fn installation(folder: &Path) -> Installation {
    Installation::new(env!("CARGO_BIN_EXE_skaas-server"), folder.join("data"))
}

impl House {
    /// A server whose creator has pushed and published these samples.
    pub fn with(sources: &[&str]) -> Self {
        Self::configured(sources, |installation| installation)
    }

    /// The same after `configure` has set what differs from the defaults.
    pub fn configured(sources: &[&str], configure: impl FnOnce(Installation) -> Installation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let installation = Installation::new(env!("CARGO_BIN_EXE_skaas-server"), folder.path().join("data"));
        let server = configure(installation).serve();
        let ann = Person::admitted(&server, folder.path(), "ann");
        let house = Self { server, ann, folder };
        for source in sources {
            house.ann.git.import(&samples().join(source), &house.ann.folder.join(source), "First release");
            house.ann.push(&house.server, source);
        }
        for listing in house.admin(&["listing", "show"]).as_array().unwrap() {
            house.publish(listing["name"].as_str().unwrap());
        }
        house
    }

    /// A house with the one sample that has paid files.
    pub fn new() -> Self {
        Self::with(&[SKILL])
    }

    /// `skaas-server admin … --json`, beside the running server.
    #[track_caller]
    pub fn admin(&self, arguments: &[&str]) -> serde_json::Value {
        self.server.installation().admin(arguments)
    }

    pub fn publish(&self, skill: &str) {
        self.admin(&["listing", "set", skill, "--price", "1900", "--currency", "USD", "--publish"]);
    }

    /// One more person with a token.
    pub fn person(&self, name: &str) -> Person {
        Person::admitted(&self.server, self.folder.path(), name)
    }

    pub fn grant(&self, who: &Person) {
        self.admin(&["grant", "add", &who.name, SKILL, "--kind", "purchase", "--until", "30d"]);
    }

    pub fn revoke(&self, who: &Person) {
        self.admin(&["grant", "revoke", &who.name, SKILL]);
    }

    /// Ann changes her skill and pushes; the new version is released.
    pub fn release(&self, version: &str) {
        self.edit(version);
        self.ann.git.commit(&self.ann.folder.join(SKILL), &format!("Release {version}"));
        self.ann.push(&self.server, SKILL);
    }

    /// Ann raises the version in her manifest and adds a line.
    pub fn edit(&self, version: &str) {
        let file = self.ann.folder.join(SKILL).join("SKILL.md");
        let text = fs::read_to_string(&file).unwrap();
        let raised = text.lines().map(|line| {
            let declares = line.trim_start().starts_with("version:");
            if declares { format!("  version: \"{version}\"") } else { line.to_owned() }
        });
        let mut lines: Vec<String> = raised.collect();
        lines.push(format!("\nNew in {version}."));
        fs::write(&file, lines.join("\n") + "\n").unwrap();
    }

    /// A connection with this person's credentials.
    pub fn connect(&self, who: &Person) -> Connection {
        Connection::open(self.server.port()).basic(&who.name, &who.token)
    }
}

impl Person {
    pub fn admitted(server: &Server, folder: &Path, name: &str) -> Self {
        let token = server.installation().person(name);
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let git = Git::new(&folder.join("home"));
        git.remember(&server.url(), name, &token);
        Self { name: name.to_owned(), token, git, folder }
    }

    /// Pushes the branch `main` of one of this creator's working folders.
    #[track_caller]
    pub fn push(&self, server: &Server, source: &str) -> String {
        let url = server.at(&format!("s/{}/{source}.git", self.name));
        let ran = self.git.run(&self.folder.join(source), &["push", &url, "main"]);
        assert!(ran.succeeded(), "{ran}");
        ran.stderr
    }

    /// Clones one of this person's own repositories into a new folder.
    #[track_caller]
    pub fn clone(&self, git: &Git, server: &Server, repo: &str, into: &str, options: &[&str]) -> PathBuf {
        match self.try_clone(git, server, repo, into, options) {
            Ok(folder) => folder,
            Err(ran) => panic!("{ran}"),
        }
    }

    /// The same, where it may be refused.
    pub fn try_clone(
        &self,
        git: &Git,
        server: &Server,
        repo: &str,
        into: &str,
        options: &[&str],
    ) -> Result<PathBuf, Ran> {
        let target = self.folder.join(into);
        let url = server.at(&own(repo));
        let shown = target.to_string_lossy().into_owned();
        let arguments = [&["clone", "-q"], options, &[url.as_str(), shown.as_str()]].concat();
        // Endless lazy fetches are one of the failures looked for: each clone has a limit.
        let inner = git.command(&self.folder, &arguments);
        let mut limited = Command::new("timeout");
        limited.args(["--kill-after=5", "120"]).arg(inner.get_program()).args(inner.get_args());
        limited.env_clear().current_dir(&self.folder);
        limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::capture(&mut limited, b"");
        assert_ne!(ran.code, Some(124), "it did not end: {ran}");
        if ran.succeeded() { Ok(target) } else { Err(ran) }
    }
}

/// The path of a repository of one's own: `marketplace`, or a skill.
pub fn own(repo: &str) -> String {
    if repo == "marketplace" { "me/marketplace.git".into() } else { format!("me/skills/{repo}.git") }
}

/// The path under which git asks for the refs of a repository.
pub fn refs(repo: &str) -> String {
    format!("/{repo}/info/refs?service=git-upload-pack")
}

/// What a checkout of the skill shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Sight {
    Stub,
    Full { version: String },
}

pub fn full(version: &str) -> Sight {
    Sight::Full { version: version.to_owned() }
}

/// Judges a checkout, as a person would who looks at all of its files.
#[track_caller]
pub fn sight(folder: &Path) -> Sight {
    let files = checkout(folder);
    let text = |path: &str| {
        let bytes = files.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", files.keys()));
        String::from_utf8(bytes.clone()).unwrap()
    };
    let plugin: serde_json::Value = serde_json::from_str(&text(".claude-plugin/plugin.json")).unwrap();
    let version = plugin["version"].as_str().unwrap().to_owned();
    assert_eq!(plugin["name"], SKILL);
    if files.contains_key(BUY) {
        assert!(version.starts_with("0.0.0-stub."), "{version}");
        assert!(text(MANIFEST).contains("PURCHASE REQUIRED]"));
        assert!(!files.contains_key(PAID) && !files.keys().any(|path| path.contains("references")));
        Sight::Stub
    } else {
        assert!(!version.contains("stub") && !text(MANIFEST).contains("PURCHASE REQUIRED]"));
        assert_eq!(files[PAID], fs::read(samples().join(SKILL).join("scripts/check_migration.py")).unwrap());
        Sight::Full { version }
    }
}

/// The entries of a marketplace checkout by name.
pub fn entries(folder: &Path) -> BTreeMap<String, serde_json::Value> {
    let text = fs::read_to_string(folder.join(".claude-plugin/marketplace.json")).unwrap();
    let marketplace: serde_json::Value = serde_json::from_str(&text).unwrap();
    let plugins = marketplace["plugins"].as_array().unwrap();
    plugins.iter().map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry.clone())).collect()
}

/// Whether an entry says that it is not owned.
pub fn locked(entry: &serde_json::Value) -> bool {
    entry["description"].as_str().unwrap().ends_with("[NOT PURCHASED - run /buy to unlock]")
}
