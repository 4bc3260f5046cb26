//! Runs the user's git, without prompts and without secrets in its arguments.

pub(crate) mod helper;
pub(crate) mod store;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::failure::{Failure, Kind, Result};

/// The exit code and the output of git.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Turns an exit code other than 0 into a failure.
    pub(crate) fn or_fail(self, what: &str) -> Result<Self> {
        if self.succeeded() {
            return Ok(self);
        }
        let said =
            self.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no error message");
        Err(Failure::new(Kind::Failed, what).why(format!("git: {}", crate::output::plain(said))))
    }
}

/// git as an agent runs it: it can ask neither in a terminal nor in a window.
pub(crate) fn unattended(args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS", "")
        .env("LC_ALL", "C")
        // A trace would print what goes to the helpers.
        .env_remove("GIT_TRACE")
        .env_remove("GIT_TRACE_CURL")
        .env_remove("GIT_CURL_VERBOSE");
    command
}

/// Runs git with `input` on standard input, and waits for it.
pub(crate) fn run(args: &[&str], input: &str) -> Result<Ran> {
    let missing = |error: std::io::Error| {
        Failure::new(Kind::Failed, "cannot run git")
            .why(error)
            .next("install git 2.20 or later, then run this command again")
    };
    let mut child = unattended(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // The input fits into the pipe. That git closes it without reading is not an error.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().map_err(missing)?;
    Ok(Ran {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
