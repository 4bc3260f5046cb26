//! Owns a command line that is both run and shown: what people read is what was executed.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables that would lead a child to another installation than the demo's.
const FOREIGN: &[&str] = &["SKAAS_", "S3_", "DATABASE_URL", "GIT_"];

/// A program with its arguments, and the variables that are set for it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(String, PathBuf)>,
}

impl Line {
    /// `program arguments…`.
    pub(super) fn new(program: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { program: program.to_owned(), arguments, variables: Vec::new() }
    }

    /// The same with a variable, which is not shown: the tour's end says how to set it.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &Path) -> Self {
        self.variables.push((name.to_owned(), value.to_path_buf()));
        self
    }

    /// The command, run where the demo was started.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| FOREIGN.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(&name);
            }
        }
        command.args(&self.arguments).env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// As it is typed in a shell.
impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&quoted(&self.program))?;
        for argument in &self.arguments {
            out.write_char(' ')?;
            out.write_str(&quoted(argument))?;
        }
        Ok(())
    }
}

/// A word as a POSIX shell reads it back.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// `path` as it is shortest to type from here.
pub(super) fn short(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let near = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    near.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back_as_what_is_run() {
        for word in ["plain", "two words", "it's", "$HOME", "", "a;b", "*.md"] {
            let out =
                Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), word);
        }
    }
}
