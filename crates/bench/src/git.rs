//! Owns real git as a person runs it: a home of its own, a credential helper, no prompt. Refuses to read the
//! developer's own configuration.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

/// A person at a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    home: PathBuf,
    pub(crate) username: String,
    pub(crate) token: String,
}

impl Person {
    /// Someone whose git knows `token` as the password for every server.
    pub(crate) fn new(home: &Path, username: &str, token: &str) -> Result<Self> {
        fs::create_dir_all(home)?;
        let answer = home.join("credential");
        fs::write(&answer, format!("username={username}\npassword={token}\n"))?;
        // Git appends its verb, which `:` ignores.
        let config = format!(
            "[credential]\n\thelper = \"!cat '{}' && :\"\n[user]\n\tname = {username}\n\
             \temail = {username}@bench.example\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n\
             [maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n",
            answer.display()
        );
        fs::write(home.join(".gitconfig"), config)?;
        Ok(Self { home: home.to_owned(), username: username.to_owned(), token: token.to_owned() })
    }

    /// Runs git; it must succeed. Gives what it printed, standard error behind standard output.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, folder: &Path, arguments: &[S]) -> Result<String> {
        let mut command = Command::new("git");
        isolate(&mut command, &self.home);
        let output = command.current_dir(folder).args(arguments).output()?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            let shown: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
            bail!("git {} failed:\n{text}", shown.join(" "));
        }
        Ok(text)
    }

    /// Makes `folder` a repository with one commit of all that is in it.
    pub(crate) fn commit_all(&self, folder: &Path, message: &str) -> Result<()> {
        self.git(folder, &["init", "-q"])?;
        self.git(folder, &["add", "-A"])?;
        self.git(folder, &["commit", "-q", "-m", message])?;
        Ok(())
    }
}

/// Takes everything of the developer's environment from a command but the way to programs.
pub(crate) fn isolate(command: &mut Command, home: &Path) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
}

/// The address of a path at a server.
pub(crate) fn url(server: SocketAddr, path: &str) -> String {
    format!("http://{server}/{path}")
}
