//! Real git, run the way a stranger would run it.
//!
//! Owns: the isolated environment (a HOME of its own, no system configuration, no prompts, no way
//! to the internet), the credential file, and the text of what came back. Refuses: any knowledge
//! of what is served; a test says what it expects.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A closed port on loopback: whatever tries to reach the internet fails at once.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The wire protocol that git is told to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `protocol.version=0`.
    V0,
    /// `protocol.version=1`.
    V1,
    /// `protocol.version=2`, git's own default.
    V2,
}

impl Protocol {
    fn number(self) -> &'static str {
        match self {
            Self::V0 => "0",
            Self::V1 => "1",
            Self::V2 => "2",
        }
    }
}

/// What a program printed and how it ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, made into text.
    pub stdout: String,
    /// Standard error, made into text.
    pub stderr: String,
}

impl Ran {
    /// Runs `command` to its end, feeding it `input`.
    pub fn capture(command: &mut Command, input: &[u8]) -> Self {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: cannot be started: {error}"));
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let input = input.to_vec();
        // A program that ends without reading its input closes the pipe; that is its business.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("{shown}: {error}"));
        writer.join().expect("the writer does not panic");
        Self {
            command: shown,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Whether the exit code is 0.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output of a run that must have succeeded.
    ///
    /// # Panics
    /// With everything that was printed, if it did not.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.succeeded(), "expected success\n{self}");
        self.stdout
    }

    /// Standard output and error of a run that must have failed.
    ///
    /// # Panics
    /// With everything that was printed, if it succeeded.
    #[track_caller]
    pub fn expect_failure(self) -> String {
        assert!(!self.succeeded(), "expected a failure\n{self}");
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(out, "$ {command}\nexit {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Makes `command` live in `home` alone: nothing of the developer's own configuration is seen.
pub fn isolate(command: &mut Command, home: &Path) {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("HTTPS_PROXY", NOWHERE)
        .env("NO_PROXY", "127.0.0.1,localhost");
}

/// One person's git: a HOME with configuration and credentials, and the protocol they speak.
#[derive(Clone, Debug)]
pub struct Git {
    home: PathBuf,
    protocol: Protocol,
    settings: Vec<String>,
}

impl Git {
    /// A git whose HOME is `home`, made if absent.
    ///
    /// # Panics
    /// If the folder or its configuration cannot be written.
    pub fn new(home: &Path) -> Self {
        fs::create_dir_all(home).expect("the home folder can be made");
        let config = "[user]\n\tname = Tess Tester\n\temail = tess@example.test\n\
            [init]\n\tdefaultBranch = main\n[credential]\n\thelper = store\n\
            [advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
            [fetch]\n\tfsckObjects = true\n";
        fs::write(home.join(".gitconfig"), config).expect("the configuration can be written");
        Self { home: home.to_path_buf(), protocol: Protocol::V2, settings: Vec::new() }
    }

    /// The same person speaking another protocol version.
    #[must_use]
    pub fn speaking(&self, protocol: Protocol) -> Self {
        Self { protocol, ..self.clone() }
    }

    /// The same person with one more `-c name=value`.
    #[must_use]
    pub fn with(&self, setting: &str) -> Self {
        let mut settings = self.settings.clone();
        settings.push(setting.to_owned());
        Self { settings, ..self.clone() }
    }

    /// The HOME folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Puts a password for `base` (scheme, host, port) into git's own credential file, replacing
    /// what was there for all hosts. Never in a URL: clients copy URLs into their files.
    ///
    /// # Panics
    /// If `base` is not a URL with a scheme, or the file cannot be written.
    pub fn remember(&self, base: &str, username: &str, password: &str) {
        let (scheme, host) = base.split_once("://").expect("a base URL has a scheme");
        let host = host.trim_end_matches('/');
        fs::write(self.credential_file(), format!("{scheme}://{username}:{password}@{host}\n"))
            .expect("the credential file can be written");
    }

    /// What git keeps in its credential file now; empty after git erased a refused password.
    pub fn remembered(&self) -> String {
        fs::read_to_string(self.credential_file()).unwrap_or_default()
    }

    fn credential_file(&self) -> PathBuf {
        self.home.join(".git-credentials")
    }

    /// A git command in `dir`, not yet run.
    pub fn command<S: AsRef<OsStr>>(&self, dir: &Path, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        isolate(&mut command, &self.home);
        command.current_dir(dir).args(["-c", &format!("protocol.version={}", self.protocol.number())]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.args(arguments);
        command
    }

    /// Runs git in `dir`.
    pub fn run<S: AsRef<OsStr>>(&self, dir: &Path, arguments: &[S]) -> Ran {
        Ran::capture(&mut self.command(dir, arguments), b"")
    }

    /// Runs git in `dir`; it must succeed. Gives standard output without its last newline.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, dir: &Path, arguments: &[S]) -> String {
        let out = self.run(dir, arguments).expect_success();
        out.trim_end_matches('\n').to_owned()
    }

    /// Runs git in `dir`; it must fail. Gives everything it printed.
    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, dir: &Path, arguments: &[S]) -> String {
        self.run(dir, arguments).expect_failure()
    }

    /// Makes `folder` a repository whose only commit holds a copy of `content`.
    ///
    /// # Panics
    /// If a file cannot be copied or git fails.
    #[track_caller]
    pub fn import(&self, content: &Path, folder: &Path, message: &str) {
        copy_tree(content, folder);
        self.ok(folder, &["init", "-q", "-b", "main"]);
        self.commit(folder, message);
    }

    /// Commits everything in `folder`.
    #[track_caller]
    pub fn commit(&self, folder: &Path, message: &str) {
        self.ok(folder, &["add", "-A"]);
        self.ok(folder, &["commit", "-q", "--allow-empty", "-m", message]);
    }
}

/// Copies a folder with everything in it, permissions included, leaving out `.git`.
///
/// # Panics
/// If something cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("a folder can be listed to its end");
        if entry.file_name() == ".git" || entry.file_name() == "__pycache__" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().expect("an entry has a type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        }
    }
}

/// Every file below `folder` with its bytes, by path, without `.git`: a checkout as a value.
///
/// # Panics
/// If something cannot be read.
pub fn checkout(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut std::collections::BTreeMap<String, Vec<u8>>) {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder can be listed to its end").path();
            if path.file_name() == Some(OsStr::new(".git")) {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("a walked path is below the root");
                let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                files.insert(name.to_string_lossy().into_owned(), bytes);
            }
        }
    }
    let mut files = std::collections::BTreeMap::new();
    walk(folder, folder, &mut files);
    files
}
