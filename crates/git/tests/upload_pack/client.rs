//! Real git, with nothing of the machine's configuration, under a time limit.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::server::Server;
use crate::world::text_of;

/// A protocol version on the command line.
pub(crate) type Protocol = u8;

/// A working copy.
pub(crate) struct Client {
    home: TempDir,
    protocol: Protocol,
    /// Another name to go by than git's own.
    agent: Option<&'static str>,
}

/// What git said when it failed.
#[derive(Debug)]
pub(crate) struct Refused(pub String);

impl Client {
    /// A home without a copy.
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { home: TempDir::new().unwrap(), protocol, agent: None }
    }

    /// `git clone <args> <url>`
    pub(crate) fn clone(server: &Server, protocol: Protocol, args: &[&str]) -> Result<Self, Refused> {
        Self::new(protocol).cloned(server, args)
    }

    /// The same, under another name.
    pub(crate) fn clone_as(
        agent: &'static str,
        server: &Server,
        protocol: Protocol,
        args: &[&str],
    ) -> Result<Self, Refused> {
        Self { agent: Some(agent), ..Self::new(protocol) }.cloned(server, args)
    }

    /// `git init`, `git remote add origin <url>` and whatever `fetch` asks of it.
    pub(crate) fn fetched(server: &Server, protocol: Protocol, fetch: &[&str]) -> Result<Self, Refused> {
        let new = Self::new(protocol);
        new.run_in(new.home.path(), &["init", "-q", "-b", "main", "copy"])?;
        new.git(&["remote", "add", "origin", &server.url()])?;
        // Over v2 git rejects the refs of a copy that it did not ask to end anywhere, with exit code 0.
        let said = new.said(&new.path(), fetch)?;
        if said.contains("because shallow roots are not allowed") { Err(Refused(said)) } else { Ok(new) }
    }

    fn cloned(self, server: &Server, args: &[&str]) -> Result<Self, Refused> {
        let mut all = vec!["clone", "-q"];
        all.extend(args);
        let (url, path) = (server.url(), self.path());
        all.extend([url.as_str(), path.to_str().unwrap()]);
        self.run_in(self.home.path(), &all)?;
        Ok(self)
    }

    /// The working copy's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("copy")
    }

    /// Another copy just like this one.
    pub(crate) fn duplicate(&self) -> Self {
        let twin = Self { agent: self.agent, ..Self::new(self.protocol) };
        let status = Command::new("cp").arg("-a").arg(self.path()).arg(twin.path()).status().unwrap();
        assert!(status.success());
        twin
    }

    /// Runs git in the copy; its standard output, trimmed.
    pub(crate) fn git(&self, args: &[&str]) -> Result<String, Refused> {
        self.run_in(&self.path(), args)
    }

    /// Runs git outside of any copy.
    pub(crate) fn run_in(&self, folder: &Path, args: &[&str]) -> Result<String, Refused> {
        let output = self.output(folder, args);
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(Refused(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// Runs git outside of any copy; its standard error.
    pub(crate) fn said(&self, folder: &Path, args: &[&str]) -> Result<String, Refused> {
        let output = self.output(folder, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { Err(Refused(said)) }
    }

    fn output(&self, folder: &Path, args: &[&str]) -> Output {
        Command::new("timeout")
            .args(["--kill-after=1", "30", "git", "-c", &format!("protocol.version={}", self.protocol)])
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(self.agent.map(|agent| ("GIT_USER_AGENT", agent)))
            .env("GIT_AUTHOR_NAME", "Bob")
            .env("GIT_AUTHOR_EMAIL", "bob@example.org")
            .env("GIT_COMMITTER_NAME", "Bob")
            .env("GIT_COMMITTER_EMAIL", "bob@example.org")
            .output()
            .unwrap()
    }

    /// `git pull --ff-only <args>`
    pub(crate) fn pull(&self, args: &[&str]) -> Result<(), Refused> {
        let mut all = vec!["pull", "-q", "--ff-only"];
        all.extend(args);
        self.git(&all).map(drop)
    }

    /// The checkout is that state, and the copy is sound.
    pub(crate) fn sees(&self, state: &str) {
        let text = std::fs::read_to_string(self.path().join("README.md")).unwrap();
        assert_eq!(text, text_of(state));
        let deep = std::fs::read_to_string(self.path().join("skills/x/SKILL.md")).unwrap();
        assert_eq!(deep, format!("deep within {state}\n"));
        assert_eq!(self.git(&["status", "--porcelain"]).unwrap(), "");
        self.is_sound();
    }

    /// `git fsck --strict` finds nothing.
    pub(crate) fn is_sound(&self) {
        self.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]).unwrap();
    }

    /// Number of commits that HEAD reaches.
    pub(crate) fn depth(&self) -> usize {
        self.git(&["rev-list", "--count", "HEAD"]).unwrap().parse().unwrap()
    }

    /// Whether the copy holds that object, without fetching it.
    pub(crate) fn holds(&self, id: &gix_hash::ObjectId) -> bool {
        let missing = ["rev-list", "--objects", "--no-object-names", "--missing=allow-any", "--all"];
        let (all, id) = (self.git(&missing).unwrap(), id.to_string());
        all.lines().any(|line| line == id)
    }
}

impl Refused {
    /// Asserts that git's complaint contains `text`, and not its riddle about shallow roots.
    pub(crate) fn says(&self, text: &str) {
        assert!(self.0.contains(text), "expected {text:?} in: {}", self.0);
        assert!(!self.0.contains("shallow roots"), "{}", self.0);
    }
}
