//! A terminal with somebody at it: `tmux` on a socket of its own.
//!
//! Owns: typing, reading the screen, its end. Refuses: to know what runs in it, and to wait for a length of
//! time; whoever waits, waits for words.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long words on the screen are waited for.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A shell on a screen of 200 columns.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
    _folder: TempDir,
}

impl Terminal {
    /// Opens one in `folder` with this environment and no other; `None` with a line on standard error where
    /// there is no tmux.
    ///
    /// # Panics
    /// If there is none although `SKAAS_TEST_ALL` asks for everything, or it does not start.
    #[track_caller]
    pub fn open(folder: &Path, environment: &[(String, String)]) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            let missing = "no terminal was opened: install Debian's tmux first";
            assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
            eprintln!("{missing}");
            return None;
        }
        let own = tempfile::tempdir().expect("a temporary folder can be made");
        let terminal = Self { socket: own.path().join("socket"), _folder: own };
        let size = ["new-session", "-d", "-x", "200", "-y", "50"];
        let mut shell = vec!["env".to_owned(), "-i".to_owned()];
        shell.extend(environment.iter().map(|(name, value)| format!("{name}={value}")));
        shell.extend(["TERM=screen".to_owned(), "PS1=> ".to_owned(), "sh".to_owned()]);
        let mut command = terminal.tmux(&size);
        command.args(["-c", &folder.to_string_lossy()]).args(&shell);
        let made = command.output().expect("tmux can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket).args(arguments);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command
    }

    fn told(&self, arguments: &[&str]) -> String {
        let ran = self.tmux(arguments).output().expect("tmux can be run");
        assert!(ran.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Types a line and presses Enter.
    pub fn types(&self, line: &str) {
        self.told(&["send-keys", "-l", line]);
        self.presses("Enter");
    }

    /// Presses a key: `Enter`, `C-c`.
    pub fn presses(&self, key: &str) {
        self.told(&["send-keys", key]);
    }

    /// Everything that is and was on the screen; a line that it had to break is one again.
    pub fn screen(&self) -> String {
        self.told(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    /// Waits until the screen says this, and gives all of it.
    ///
    /// # Panics
    /// If it does not come in two minutes.
    #[track_caller]
    pub fn until(&self, words: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if screen.contains(words) {
                return screen;
            }
            assert!(Instant::now() < end, "{words:?} did not come; the screen says:\n{}", screen.trim_end());
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It fails only where the shell has ended, and tmux with it.
        drop(self.tmux(&["kill-server"]).output());
    }
}
