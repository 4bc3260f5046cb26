//! Owns running git: always the person's own, never asking, never with a secret in its arguments.

pub(crate) mod helper;
pub(crate) mod store;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::failure::{Failure, Kind, Result};

/// How git ended and what it said.
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

    /// What it printed, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// The failure to report when it should have succeeded.
    pub(crate) fn or_fail(self, what: &str) -> Result<Self> {
        if self.succeeded() {
            return Ok(self);
        }
        let said =
            self.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        Err(Failure::new(Kind::Failed, what).why(format!("git: {}", crate::output::plain(said))))
    }
}

/// git as an agent runs it: without a terminal to ask on and without a window to ask in.
pub(crate) fn unattended(args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS", "")
        .env("LC_ALL", "C")
        // What a trace would print includes what goes to the helpers.
        .env_remove("GIT_TRACE")
        .env_remove("GIT_TRACE_CURL")
        .env_remove("GIT_CURL_VERBOSE");
    command
}

/// Runs it to its end, feeding it `input`.
pub(crate) fn run(args: &[&str], input: &str) -> Result<Ran> {
    let missing = |error: std::io::Error| {
        Failure::new(Kind::Failed, "cannot run git")
            .why(error)
            .next("install git 2.20 or newer, then run this again")
    };
    let mut child = unattended(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // A few lines fit into the pipe; a program that does not read them closes it, which is its business.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().map_err(missing)?;
    Ok(Ran {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
