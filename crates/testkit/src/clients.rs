//! The agent clients that people use, unmodified, each in a HOME of its own.
//!
//! Owns: where they are (`scripts/test-clients.sh` prints it), the environment that keeps them off
//! the internet, and what they leave on disk. Refuses: patching, mocking or configuring them beyond
//! what their users could do.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::git::{Git, Ran, isolate};

/// A client that the tests know how to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `@anthropic-ai/claude-code`, a native program.
    ClaudeCode,
    /// `@openai/codex`, a native program.
    Codex,
    /// `skills`, run by the Node.js that is installed beside it.
    Skills,
}

impl Client {
    fn variable(self) -> &'static str {
        match self {
            Self::ClaudeCode => "SKAAS_TEST_CLAUDE",
            Self::Codex => "SKAAS_TEST_CODEX",
            Self::Skills => "SKAAS_TEST_SKILLS",
        }
    }

    /// The installed client, or `None` with a line on standard error that says what was not tested.
    ///
    /// # Panics
    /// If it is not there although `SKAAS_TEST_ALL` asks for everything.
    #[track_caller]
    pub fn find(self) -> Option<Installed> {
        if let (Some(program), Some(node)) = (present(self.variable()), present("SKAAS_TEST_NODE")) {
            return Some(Installed { client: self, program, node });
        }
        let missing = format!("{self:?} was not exercised: run eval \"$(scripts/test-clients.sh)\" first");
        assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
        eprintln!("{missing}");
        None
    }
}

/// The file that an environment variable names, if there is one.
fn present(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}

/// What keeps clients from calling home.
pub const QUIET: [(&str, &str); 5] = [
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DO_NOT_TRACK", "1"),
];

/// A client that is there.
#[derive(Clone, Debug)]
pub struct Installed {
    client: Client,
    program: PathBuf,
    node: PathBuf,
}

impl Installed {
    /// The file to run, or for `skills` what Node.js is to run.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the client in `dir` as the person whose git this is: same HOME, same credentials.
    pub fn run(&self, git: &Git, dir: &Path, arguments: &[&str]) -> Ran {
        let mut command = match self.client {
            Client::ClaudeCode | Client::Codex => Command::new(&self.program),
            Client::Skills => {
                let mut node = Command::new(&self.node);
                node.arg(&self.program);
                node
            }
        };
        isolate(&mut command, git.home());
        command.current_dir(dir).envs(QUIET).env("CI", "1").env("NO_COLOR", "1").args(arguments);
        Ran::capture(&mut command, b"")
    }
}
