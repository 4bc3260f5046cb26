//! A creator's source: a working folder, and pushes out of it.

#![expect(clippy::return_self_not_must_use, reason = "a sentence of a story may end anywhere")]

use std::fs;
use std::path::{Path, PathBuf};

use super::{Node, Person};
use crate::git::Ran;

/// A source of a creator's, with its working folder.
pub struct Source<'a> {
    person: Person<'a>,
    name: String,
    folder: PathBuf,
}

impl<'a> Source<'a> {
    pub(super) fn open(person: Person<'a>, name: &str) -> Self {
        let folder = person.folder().join("sources").join(name);
        if !folder.join(".git").exists() {
            fs::create_dir_all(&folder).expect("a folder can be made");
            person.git().ok(&folder, &["init", "-q", "-b", "main"]);
        }
        Self { person, name: name.to_owned(), folder }
    }

    /// The working folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same source, pushed through a certain node.
    #[must_use]
    pub fn at(self, node: &Node) -> Self {
        Self { person: self.person.at(node), ..self }
    }

    /// Writes a file.
    pub fn writes(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let file = self.folder.join(path);
        fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(&file, text).unwrap_or_else(|error| panic!("{path}: {error}"));
        self
    }

    /// Removes a file or a folder with everything in it.
    pub fn removes(&self, path: &str) -> &Self {
        let path = self.folder.join(path);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Writes the one skill of this source, at its root.
    pub fn holds(&self, skill: &str, version: &str) -> &Self {
        self.holds_in(".", skill, version)
    }

    /// Writes a skill in a folder of this source: a manifest, a script and a reference, each of which
    /// says by whom and of which version it is.
    pub fn holds_in(&self, folder: &str, skill: &str, version: &str) -> &Self {
        let mark = mark(skill, version);
        self.writes(
            &format!("{folder}/SKILL.md"),
            format!(
                "---\nname: {skill}\ndescription: What {skill} does.\nmetadata:\n  version: \"{version}\"\n---\n\n\
                 # {skill}\n\n{mark}\n"
            ),
        )
        .writes(&format!("{folder}/scripts/run.sh"), format!("#!/bin/sh\necho {mark}\n"))
        .writes(&format!("{folder}/references/notes.md"), format!("# Notes\n\n{mark} notes\n"))
    }

    /// Commits everything as it is; a message says what.
    #[track_caller]
    pub fn commits(&self, message: &str) -> &Self {
        self.person.git().commit(&self.folder, message);
        self
    }

    /// Runs git in the working folder; it must succeed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.person.git().ok(&self.folder, arguments)
    }

    /// Commits everything and pushes `main`.
    #[track_caller]
    pub fn pushes(&self) -> Pushed {
        self.commits("Another state");
        self.pushes_refs(&["main"])
    }

    /// Pushes refs, with options before them.
    #[track_caller]
    pub fn pushes_refs(&self, refs: &[&str]) -> Pushed {
        let url = self.person.source_url(&self.name);
        let arguments = [&["push", url.as_str()], refs].concat();
        Pushed(self.person.limited(&self.folder, &arguments))
    }

    /// The address.
    pub fn url(&self) -> String {
        self.person.source_url(&self.name)
    }
}

/// What every file of a skill says, so that it is known wherever it turns up.
pub(super) fn mark(skill: &str, version: &str) -> String {
    format!("only-those-who-have-{skill}-{version}-read-this")
}

/// What became of a push.
#[derive(Debug)]
pub struct Pushed(Ran);

impl Pushed {
    /// It was taken.
    #[track_caller]
    pub fn is_taken(self) -> Self {
        assert!(self.0.succeeded(), "{}", self.0);
        self
    }

    /// It was refused.
    #[track_caller]
    pub fn is_refused(self) -> Self {
        assert!(!self.0.succeeded(), "{}", self.0);
        self
    }

    /// Whether it was taken.
    pub fn succeeded(&self) -> bool {
        self.0.succeeded()
    }

    /// The pusher read this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.0.stderr.contains(text), "nothing of {text:?}\n{}", self.0);
        self
    }

    /// The pusher read nothing of this text.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.0.stderr.contains(text), "{text:?}\n{}", self.0);
        self
    }

    /// All that the pusher read.
    pub fn text(&self) -> &str {
        &self.0.stderr
    }
}
