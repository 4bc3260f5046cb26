//! One person's machine: a home with things of theirs in it, the `skaas` program, git under a watch.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use skaas_testkit::clients::{Client, QUIET};
use skaas_testkit::git::{Ran, checkout};
use skaas_testkit::terminal::Terminal;
use skaas_testkit::wire::Connection;
use tempfile::TempDir;

/// What stands in git's configuration before, with another helper for another server.
pub(crate) const GITCONFIG: &str = "# mine\n[user]\n\tname = Carl\n\temail = carl@example.test\n\
    [credential \"https://notskaas.com\"]\n\thelper = store ; keep this\n";
/// What stands in git's own store before.
pub(crate) const FOREIGN: &str =
    "https://carl:a-password-of-his@notskaas.com\nhttp://carl:another@127.0.0.1:1\n";

/// A machine.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(desk.home()).unwrap();
        fs::create_dir_all(desk.folder.path().join("bin")).unwrap();
        fs::write(desk.home().join(".gitconfig"), GITCONFIG).unwrap();
        fs::write(desk.home().join(".git-credentials"), FOREIGN).unwrap();
        symlink(skaas(), desk.bin("skaas")).unwrap();
        let real = Ran::capture(Command::new("sh").args(["-c", "command -v git"]), b"").expect_success();
        desk.watched("git", Path::new(real.trim()));
        desk
    }

    /// Puts a program on the PATH that writes down every argument it is given.
    pub(crate) fn watched(&self, name: &str, real: &Path) {
        let (argv, real) = (self.folder.path().join("argv"), real.display());
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' '{name}' \"$@\" >> '{}'\nexec '{real}' \"$@\"\n",
            argv.display()
        );
        fs::write(self.bin(name), script).unwrap();
        fs::set_permissions(self.bin(name), Permissions::from_mode(0o755)).unwrap();
    }

    /// A browser that writes down what it is to open, as `opened` in the home.
    pub(crate) fn browser(&self) -> String {
        let place = self.bin("a-browser");
        fs::write(&place, "#!/bin/sh\nprintf %s \"$1\" > ~/opened\n").unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        place.to_string_lossy().into_owned()
    }

    /// Claude Code on the PATH, where the tests have it.
    pub(crate) fn with_claude(&self) -> bool {
        let client = Client::ClaudeCode.find();
        if let Some(client) = &client {
            self.watched("claude", client.program());
        }
        client.is_some()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn bin(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.home().join(name)).unwrap_or_default()
    }

    /// Every argument that git and the agents were given.
    pub(crate) fn argv(&self) -> String {
        fs::read_to_string(self.folder.path().join("argv")).unwrap_or_default()
    }

    /// The files of the home that hold these words.
    pub(crate) fn holding(&self, words: &str) -> Vec<String> {
        let holds = |bytes: &[u8]| bytes.windows(words.len()).any(|window| window == words.as_bytes());
        checkout(&self.home()).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
    }

    /// The token that is kept here.
    pub(crate) fn token(&self) -> String {
        let hosts = self.text(".config/skaas/hosts.toml");
        let after = hosts.split("token = \"").nth(1).unwrap_or_else(|| panic!("no token in {hosts}"));
        after.split('"').next().unwrap().to_owned()
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.folder.path().join("bin").display());
        let home = self.home().to_string_lossy().into_owned();
        [("HOME", home.as_str()), ("PATH", &path), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]
            .into_iter()
            .chain([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")])
            // A closed port: what calls the internet fails at once.
            .chain([("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "127.0.0.1,localhost")])
            .chain(QUIET)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// A terminal at it, with some more in its environment.
    #[track_caller]
    pub(crate) fn terminal(&self, more: &[(&str, &str)]) -> Option<Terminal> {
        let mut environment = self.environment();
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Terminal::open(&self.home(), &environment)
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).current_dir(self.home()).args(arguments);
        command
    }

    /// Runs `skaas`.
    pub(crate) fn skaas(&self, arguments: &[&str]) -> Ran {
        self.skaas_told(arguments, "")
    }

    /// The same with this on standard input.
    pub(crate) fn skaas_told(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::capture(&mut self.command(&self.bin("skaas"), arguments), input.as_bytes())
    }

    /// A `skaas` that is still running.
    pub(crate) fn skaas_command(&self, arguments: &[&str]) -> Command {
        self.command(&self.bin("skaas"), arguments)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Ran {
        Ran::capture(&mut self.command(&self.bin("git"), arguments), b"")
    }

    pub(crate) fn claude(&self, arguments: &[&str]) -> Ran {
        Ran::capture(&mut self.command(&self.bin("claude"), arguments), b"")
    }
}

/// What the server says to git that comes with this password.
pub(crate) fn status_of(port: u16, username: &str, token: &str) -> u16 {
    let path = "/me/marketplace.git/info/refs?service=git-upload-pack";
    Connection::open(port).basic(username, token).get(path).status
}

/// The program under test. It is another crate's: cargo builds it beside the server when all is built, and
/// is asked to where what lies there is older than its source.
fn skaas() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_skaas-server")).with_file_name("skaas");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = ["crates/cli/src", "crates/api/src"].map(|dir| newest(&root.join(dir)));
    let built = program.metadata().and_then(|meta| meta.modified());
    if built.is_ok_and(|built| sources.iter().all(|source| *source <= built)) {
        return program;
    }
    let profile = program.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "skaas-cli", "--bin", "skaas", "--target-dir"]);
    cargo.arg(profile.parent().unwrap()).current_dir(root);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    Ran::capture(&mut cargo, b"").expect_success();
    program
}

fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let moments = entries
        .map(|path| if path.is_dir() { newest(&path) } else { path.metadata().unwrap().modified().unwrap() });
    moments.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
