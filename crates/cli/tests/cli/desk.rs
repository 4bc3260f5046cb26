//! A user's machine: a home, a PATH, and the programs on it.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// What a program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "{text}? {}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A machine that has not been used yet.
pub(crate) struct Desk {
    root: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(desk.home()).unwrap();
        fs::create_dir_all(desk.bin()).unwrap();
        // git under a watch: every argument that it is ever given is written down.
        let git =
            String::from_utf8(Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout)
                .unwrap();
        let log = desk.root.path().join("argv");
        desk.program(
            "git",
            &format!("printf '%s\\n' \"$@\" >> '{}'\nexec '{}' \"$@\"", log.display(), git.trim()),
        );
        desk
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn bin(&self) -> PathBuf {
        self.root.path().join("bin")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.file(name)).ok()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name).unwrap_or_default()).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.file(name)).unwrap().permissions().mode() & 0o777
    }

    /// Puts a shell script on the PATH.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Every argument that git was given.
    pub(crate) fn argv(&self) -> String {
        fs::read_to_string(self.root.path().join("argv")).unwrap_or_default()
    }

    /// Every folder in the home.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        fn gather(dir: &Path, into: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    gather(&path, into);
                    into.push(path);
                }
            }
        }
        let mut all = Vec::new();
        gather(&self.home(), &mut all);
        all
    }

    /// Everything in the home, as one text.
    pub(crate) fn everything(&self) -> String {
        fn gather(dir: &Path, into: &mut String) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    gather(&path, into);
                } else {
                    into.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
                }
            }
        }
        let mut all = String::new();
        gather(&self.home(), &mut all);
        all
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/bin:/bin", self.bin().display());
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(self.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn skaas(&self, args: &[&str]) -> Ran {
        self.skaas_told(args, "")
    }

    pub(crate) fn skaas_told(&self, args: &[&str], input: &str) -> Ran {
        self.run(env!("CARGO_BIN_EXE_skaas"), args, input)
    }

    pub(crate) fn run(&self, program: impl AsRef<OsStr>, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(program);
        command.args(args);
        ended(started(command, input))
    }

    /// Runs it with the tools of the machine that the tests run on, and this home; none where it is not there.
    pub(crate) fn run_anywhere(&self, program: &str, args: &[&str]) -> Option<Ran> {
        let mut command = Command::new(program);
        command.args(args).env("HOME", self.home()).current_dir(self.home());
        // cargo finds its toolchain beside the real home.
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if std::env::var_os(name).is_none() {
                command.env(name, std::env::home_dir()?.join(folder));
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().ok().map(ended)
    }

    /// Puts the program under test on the PATH.
    pub(crate) fn link_skaas(&self) {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_skaas"), self.bin().join("skaas")).unwrap();
    }

    pub(crate) fn skaas_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_skaas"));
        command.args(args).envs(variables.iter().copied());
        ended(started(command, ""))
    }

    /// Starts it, and leaves it running.
    pub(crate) fn skaas_begun(&self, args: &[&str]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_skaas"));
        command.args(args);
        started(command, "")
    }

    pub(crate) fn git(&self, args: &[&str], input: &str) -> Ran {
        self.run("git", args, input)
    }

    /// What git would send to this server, if anything.
    pub(crate) fn password(&self, protocol: &str, host: &str) -> Option<(String, String)> {
        let ran = self.git(&["credential", "fill"], &format!("protocol={protocol}\nhost={host}\n\n"));
        let value = |key: &str| ran.stdout.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        Some((value("username=")?, value("password=")?))
    }
}

/// Starts a program with this on standard input.
pub(crate) fn started(mut command: Command, input: &str) -> Child {
    let mut child = command.spawn().unwrap();
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child
}

pub(crate) fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
