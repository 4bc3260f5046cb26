//! Owns what the tour plays on: the folder, the server as a child process, and the people with their
//! credentials. Refuses to run a command that it does not show.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};

use super::line::{Line, short};
use super::screen::Screen;

/// Looks at the child 50 times a second, for a minute.
const TRIES: u32 = 3_000;
const PAUSE: Duration = Duration::from_millis(20);

/// Ends the server, from wherever it is called.
#[derive(Debug, Clone)]
pub(super) struct Stopper(Arc<Mutex<Option<Child>>>);

impl Stopper {
    /// Asks the server to stop and waits; one that does not is killed.
    pub(super) fn stop(&self) {
        let Some(mut child) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if asked_to_stop(&child) {
            for _ in 0..TRIES {
                if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return;
                }
                std::thread::sleep(PAUSE);
            }
        }
        // Both fail only for a process that has already ended.
        drop(child.kill());
        drop(child.wait());
    }
}

/// Sends SIGTERM; `false` where there are no signals, or nobody to receive one.
fn asked_to_stop(child: &Child) -> bool {
    #[cfg(unix)]
    return kill_process(Pid::from_child(child), Signal::TERM).is_ok();
    #[cfg(not(unix))]
    return false;
}

/// The running demo.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    program: String,
    port: u16,
    server: Stopper,
    pub(super) screen: Screen,
}

impl Stage {
    /// A configuration in `folder` for a server on `port`, or on a free one.
    pub(super) fn new(folder: &Path, port: Option<u16>) -> anyhow::Result<Self> {
        let port = reserve(port)?;
        let stage = Self {
            folder: folder.to_path_buf(),
            program: short(&std::env::current_exe().context("cannot find this program's own file")?),
            port,
            server: Stopper(Arc::default()),
            screen: Screen::new(),
        };
        // A JSON string is a TOML string, escapes included.
        let data = serde_json::Value::from(folder.join("data").display().to_string());
        let text = format!(
            "# The demo's own configuration.\npublic_url = \"{url}\"\nlisten = \"127.0.0.1:{port}\"\ndata_dir = {data}\n",
            url = stage.url(),
        );
        let file = stage.config();
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(stage)
    }

    /// What ends the server.
    pub(super) fn stopper(&self) -> Stopper {
        self.server.clone()
    }

    /// `http://127.0.0.1:{port}`.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A path inside the demo's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the server writes its mail. It makes the folder with the first one; here it is there before, so that
    /// it can be opened as soon as it is named.
    pub(super) fn mail_folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.path("data").join("mail");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    fn config(&self) -> PathBuf {
        self.path("skaas.toml")
    }

    /// `skaas-server --config … arguments`.
    pub(super) fn server_line(&self, arguments: &[&str]) -> Line {
        let config = short(&self.config());
        let mut all = vec!["--config", &config];
        all.extend_from_slice(arguments);
        let line = Line::new(&self.program, &all);
        // On a terminal, commands log nothing; what is read through a pipe would have each change twice.
        if arguments.first() == Some(&"admin") { line.with("SKAAS_LOG", Path::new("error")) } else { line }
    }

    /// git as `who`, with their credentials.
    pub(super) fn git_line(&self, who: &str, arguments: &[&str]) -> Line {
        Line::new("git", arguments).with("GIT_CONFIG_GLOBAL", &self.git_config(who))
    }

    /// The configuration that makes git act as `who`.
    pub(super) fn git_config(&self, who: &str) -> PathBuf {
        self.path(&format!("{who}.gitconfig"))
    }

    /// Shows a line, runs it, shows its answer.
    ///
    /// # Errors
    /// With everything it printed, when it fails.
    pub(super) fn run(&self, who: &str, line: &Line) -> anyhow::Result<()> {
        self.screen.typed(who, line)?;
        let (result, beside) = self.quietly(line)?;
        self.screen.answer(&beside)?;
        self.screen.answer(&result)?;
        Ok(())
    }

    /// The same, showing the first line of the result alone.
    pub(super) fn run_briefly(&self, who: &str, line: &Line) -> anyhow::Result<()> {
        self.screen.typed(who, line)?;
        let (result, _) = self.quietly(line)?;
        self.screen.answer(result.lines().next().unwrap_or_default())?;
        Ok(())
    }

    /// Runs a line without showing it; gives what it printed to standard output and to standard error.
    pub(super) fn quietly(&self, line: &Line) -> anyhow::Result<(String, String)> {
        let output =
            line.command().stdin(Stdio::null()).output().with_context(|| format!("cannot run {line}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (result, beside) = (text(&output.stdout), text(&output.stderr));
        if !output.status.success() {
            let log = short(&self.path("server.log"));
            bail!("this step failed: {line}\n{beside}{result}\nThe server's log is {log}");
        }
        Ok((result, beside))
    }

    /// Starts the server and waits until it answers.
    pub(super) fn open(&self) -> anyhow::Result<()> {
        let line = self.server_line(&["serve"]);
        self.screen.typed("operator", &line)?;
        let log = self.path("server.log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = line.command();
        let output = file.try_clone().context("cannot share the log")?;
        command.stdin(Stdio::null()).stdout(output).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot run {line}"))?;
        *self.server.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        for _ in 0..TRIES {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                self.screen.shown(&format!("a server at {}; its log is in {}", self.url(), short(&log)))?;
                return Ok(());
            }
            let mut server = self.server.0.lock().unwrap_or_else(PoisonError::into_inner);
            match server.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => {}
                _ => bail!("the server ended: {}", fs::read_to_string(&log).unwrap_or_default().trim_end()),
            }
            drop(server);
            std::thread::sleep(PAUSE);
        }
        bail!("the server does not answer on {}; its log is {}", self.url(), short(&log))
    }

    /// Adds a user with a token, and a git configuration that uses it.
    pub(super) fn admit(&self, who: &str) -> anyhow::Result<()> {
        let email = format!("{who}@example.com");
        self.run_briefly("operator", &self.server_line(&["admin", "user", "add", who, "--email", &email]))?;
        let line = self.server_line(&["admin", "token", "create", who, "--name", "demo", "--json"]);
        self.screen.typed("operator", &line)?;
        let (made, _) = self.quietly(&line)?;
        let made: serde_json::Value =
            serde_json::from_str(&made).with_context(|| format!("{line} printed no JSON"))?;
        let token = made["token"].as_str().context("there is no token in the answer")?;
        let credentials = self.path(&format!("{who}.credentials"));
        write_private(&credentials, &format!("http://{who}:{token}@127.0.0.1:{}\n", self.port))?;
        // The empty helper first: the token goes into no keychain of the person who runs the demo.
        let config = format!(
            "[user]\n\tname = {who}\n\temail = {email}\n[init]\n\tdefaultBranch = main\n[pull]\n\tff = only\n\
             [advice]\n\tdetachedHead = false\n\
             [credential]\n\thelper =\n\thelper = \"store --file='{}'\"\n",
            credentials.display()
        );
        fs::write(self.git_config(who), config).context("cannot write a git configuration")?;
        self.screen.shown(&format!("{who} has a token; git finds it in {}", short(&credentials)))?;
        Ok(())
    }
}

/// The port asked for if it is free, else any free one.
fn reserve(port: Option<u16>) -> anyhow::Result<u16> {
    let wanted = port.unwrap_or(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .with_context(|| format!("port {wanted} of 127.0.0.1 cannot be used; give another with --port"))?;
    Ok(listener.local_addr().context("a bound port has a number")?.port())
}

/// A file that only its owner reads.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
