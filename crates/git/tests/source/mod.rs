//! What the tests of pushing share: git as a subprocess, packs written by hand, and a server that
//! does what the application will do around `receive_pack` and `source_repo`.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

pub(crate) mod hand_pack;
pub(crate) mod server;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use skaas_git::object::ObjectId;
use skaas_git::source_repo::PackName;

/// A folder in which git runs, with nothing of the machine's configuration.
pub(crate) struct Work {
    pub(crate) dir: tempfile::TempDir,
}

impl Work {
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A fresh repository on branch `main`.
    pub(crate) fn repo() -> Self {
        let work = Self::empty();
        work.git(["init", "-q", "-b", "main", "."]);
        work
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) -> ObjectId {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }

    pub(crate) fn id(&self, name: &str) -> ObjectId {
        parse_id(&self.git(["rev-parse", name]))
    }

    /// Runs git and demands success; returns what it printed.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let output = self.try_git(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub(crate) fn try_git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        git(self.path()).args(args).output().unwrap()
    }

    /// Runs git with bytes on its standard input.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &[u8]) -> Vec<u8> {
        let mut child =
            git(self.path()).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join();
        assert!(output.status.success());
        output.stdout
    }

    /// Writes an object that git itself would refuse to write.
    pub(crate) fn raw_object(&self, kind: &str, data: &[u8]) -> ObjectId {
        let id = self.feed(["hash-object", "-t", kind, "--literally", "-w", "--stdin"], data);
        parse_id(String::from_utf8(id).unwrap().trim_end())
    }

    /// A commit of this tree as `main`.
    pub(crate) fn commit_tree(&self, tree: ObjectId) -> ObjectId {
        let id = parse_id(&self.git(["commit-tree", "-m", "raw", &tree.to_string()]));
        self.git(["update-ref", "refs/heads/main", &id.to_string()]);
        id
    }

    /// A pack of everything that `tips` reach and `--not` excludes.
    pub(crate) fn pack(&self, tips: &[&str], options: &[&str]) -> Vec<u8> {
        // `--all` is an option of the command, not a line of its input.
        let (all, tips): (Vec<&str>, Vec<&str>) = tips.iter().copied().partition(|tip| *tip == "--all");
        let args = ["pack-objects", "--revs", "--stdout", "-q"].iter().chain(options).copied().chain(all);
        self.feed(args, (tips.join("\n") + "\n").as_bytes())
    }
}

/// git without the machine's settings, with fixed names and dates.
pub(crate) fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_NAME", "Ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000");
    command
}

pub(crate) fn parse_id(text: &str) -> ObjectId {
    ObjectId::from_hex(text.trim().as_bytes()).unwrap()
}

/// What `git fsck` says of these packs and refs, in a repository made of nothing else.
pub(crate) fn fsck(packs: &Path, names: &[PackName], refs: &[(String, ObjectId)]) -> Work {
    let work = Work::empty();
    work.git(["init", "-q", "--bare", "-b", "main", "."]);
    for name in names {
        for file in [name.pack_file(), name.index_file()] {
            std::fs::copy(packs.join(&file), work.path().join("objects/pack").join(&file)).unwrap();
        }
    }
    for name in names {
        let index: PathBuf = work.path().join("objects/pack").join(name.index_file());
        work.git([OsStr::new("verify-pack"), index.as_os_str()]);
    }
    for (name, id) in refs {
        work.git(["update-ref", name, &id.to_string()]);
    }
    work.git(["fsck", "--full", "--strict", "--no-dangling"]);
    work
}
