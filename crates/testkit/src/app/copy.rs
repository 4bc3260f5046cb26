//! A copy of a repository that somebody took, and what they see in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Node, Person, source::mark};
use crate::git::{Ran, checkout};

/// A clone, with who took it.
pub struct Copy<'a> {
    person: Person<'a>,
    repo: String,
    folder: PathBuf,
}

/// One entry of a marketplace as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The whole entry.
    pub json: Value,
    /// The version it promises.
    pub version: String,
    /// Whether it says that the skill is not owned.
    pub locked: bool,
}

impl<'a> Copy<'a> {
    pub(super) fn at(person: Person<'a>, repo: &str, folder: PathBuf) -> Self {
        Self { person, repo: repo.to_owned(), folder }
    }

    /// The working folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same copy, pulling from another node.
    #[must_use]
    pub fn following(mut self, node: &Node) -> Self {
        self.person = self.person.at(node);
        self
    }

    /// Runs git in it, within a minute.
    pub fn git(&self, arguments: &[&str]) -> Ran {
        self.person.limited(&self.folder, arguments)
    }

    /// Follows by fast-forward, which must succeed; every object that came is checked.
    #[track_caller]
    pub fn pulls(&self) -> &Self {
        let ran = self.try_pull();
        assert!(ran.succeeded(), "{ran}");
        self.git(&["fsck", "--strict", "--no-dangling"]).expect_success();
        self
    }

    /// Follows by fast-forward, where that may be refused.
    pub fn try_pull(&self) -> Ran {
        let url = self.person.url(&self.repo);
        self.git(&["pull", "-q", "--ff-only", &url, "HEAD"])
    }

    /// The commit that is checked out.
    #[track_caller]
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).expect_success().trim().to_owned()
    }

    /// The tags that the server shows this person.
    #[track_caller]
    pub fn remote_tags(&self) -> BTreeSet<String> {
        let listed = self.git(&["ls-remote", "--tags", &self.person.url(&self.repo)]).expect_success();
        let tag = |line: &str| line.split("refs/tags/").nth(1).map(str::to_owned);
        listed.lines().filter_map(tag).collect()
    }

    /// Every file as text.
    pub fn files(&self) -> BTreeMap<String, String> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        checkout(&self.folder).into_iter().map(|(path, bytes)| (path, text(bytes))).collect()
    }

    /// Everything that git holds here, commits and all, as one text.
    pub fn everything(&self) -> String {
        let ids = self.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
        let ids = ids.expect_success();
        let mut command = self.person.git().command(&self.folder, &["cat-file", "--batch"]);
        Ran::capture(&mut command, ids.as_bytes()).expect_success()
    }

    /// It is a stub, and holds nothing of any content.
    #[track_caller]
    pub fn sees_stub(&self) -> &Self {
        let files = self.files();
        let version = self.plugin_version(&files);
        assert!(version.starts_with("0.0.0-stub."), "{version}");
        assert!(files.contains_key("commands/buy.md"), "{:?}", files.keys());
        assert!(!files.values().any(|text| text.contains(&self.any_mark())), "{files:#?}");
        self
    }

    /// It is a stub whose manifest says this.
    #[track_caller]
    pub fn sees_stub_saying(&self, text: &str) -> &Self {
        self.sees_stub();
        let manifest = &self.files()[&format!("skills/{}/SKILL.md", self.repo)];
        assert!(manifest.contains(text), "{manifest}");
        self
    }

    /// It is the whole content of this version as [`super::Source::holds`] wrote it, and of no other.
    #[track_caller]
    pub fn sees_full(&self, version: &str) -> &Self {
        let (files, repo) = (self.files(), &self.repo);
        assert_eq!(self.plugin_version(&files), version);
        assert!(!files.contains_key("commands/buy.md"), "{:?}", files.keys());
        let folder = format!("skills/{repo}");
        let expected = mark(repo, version);
        for (path, text) in [
            (format!("{folder}/scripts/run.sh"), format!("#!/bin/sh\necho {expected}\n")),
            (format!("{folder}/references/notes.md"), format!("# Notes\n\n{expected} notes\n")),
        ] {
            assert_eq!(files.get(&path), Some(&text), "{path} in {:?}", files.keys());
        }
        assert!(files[&format!("{folder}/SKILL.md")].contains(&expected));
        self
    }

    /// Nothing that git holds here is of any content of this skill.
    #[track_caller]
    pub fn holds_nothing_paid(&self) -> &Self {
        assert!(!self.everything().contains(&self.any_mark()), "{} holds content", self.folder.display());
        self
    }

    /// The entries of the marketplace by name.
    #[track_caller]
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        let text = &self.files()[".claude-plugin/marketplace.json"];
        let whole: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let entry = |json: &Value| {
            let word =
                |key: &str| json[key].as_str().unwrap_or_else(|| panic!("no {key}: {json}")).to_owned();
            let locked = word("version").starts_with("0.0.0-stub.");
            (word("name"), Entry { version: word("version"), locked, json: json.clone() })
        };
        whole["plugins"].as_array().expect("plugins is a list").iter().map(entry).collect()
    }

    /// The marketplace shows this skill as not owned.
    #[track_caller]
    pub fn lists_locked(&self, skill: &str) -> &Self {
        self.lists_locked_saying(skill, "[NOT PURCHASED - run /buy to unlock]")
    }

    /// The marketplace shows this skill as not owned, and says why in these words.
    #[track_caller]
    pub fn lists_locked_saying(&self, skill: &str, words: &str) -> &Self {
        let entries = self.entries();
        let entry = entries.get(skill).unwrap_or_else(|| panic!("no {skill} in {:?}", entries.keys()));
        let said = entry.json["description"].as_str().is_some_and(|text| text.ends_with(words));
        assert!(entry.locked && said, "{entry:?}");
        self
    }

    /// The marketplace shows this skill as owned, in this version.
    #[track_caller]
    pub fn lists_owned(&self, skill: &str, version: &str) -> &Self {
        let entries = self.entries();
        let entry = entries.get(skill).unwrap_or_else(|| panic!("no {skill} in {:?}", entries.keys()));
        assert!(!entry.locked && entry.version == version, "{entry:?}");
        self
    }

    /// The marketplace says nothing of this skill.
    #[track_caller]
    pub fn omits(&self, skill: &str) -> &Self {
        assert!(!self.files()[".claude-plugin/marketplace.json"].contains(skill), "{:?}", self.entries());
        self
    }

    fn any_mark(&self) -> String {
        let whole = mark(&self.repo, "");
        whole.split("--").next().expect("a split has a first part").to_owned()
    }

    #[track_caller]
    fn plugin_version(&self, files: &BTreeMap<String, String>) -> String {
        let plugin: Value = serde_json::from_str(&files[".claude-plugin/plugin.json"]).expect("it is JSON");
        assert_eq!(plugin["name"], self.repo.as_str());
        plugin["version"].as_str().expect("a version is text").to_owned()
    }
}
