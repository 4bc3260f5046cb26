//! The server's own binary as a process, driven through its command line alone.
//!
//! Owns: starting it on a free port with a data folder, the administration commands beside it, and
//! stopping it as an operator would. Refuses: reaching into the server; whatever a test learns, it
//! learns as an outsider.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use skaas_store::{DatabaseConfig, ObjectsConfig, StoreConfig};

use crate::git::Ran;

/// How often readiness is looked for before a start counts as failed: 10 ms apart, 60 s in all.
pub(crate) const TRIES: u32 = 6_000;
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// Where the server's binary is and what it works on.
#[derive(Clone, Debug)]
pub struct Installation {
    binary: PathBuf,
    data: PathBuf,
    database_url: Option<String>,
    variables: Vec<(String, String)>,
}

impl Installation {
    /// `binary` is `env!("CARGO_BIN_EXE_skaas-server")`; `data` the folder it keeps everything in.
    pub fn new(binary: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self { binary: binary.into(), data: data.into(), database_url: None, variables: Vec::new() }
    }

    /// The same on PostgreSQL instead of the embedded database.
    #[must_use]
    pub fn on_database(mut self, url: &str) -> Self {
        self.database_url = Some(url.to_owned());
        self
    }

    /// The same as one node of many: the shared database and, where it is one, the bucket.
    #[must_use]
    pub fn as_node_of(mut self, shared: &StoreConfig) -> Self {
        if let DatabaseConfig::Postgres { url } = &shared.database {
            self = self.on_database(url);
        }
        let ObjectsConfig::S3(bucket) = &shared.objects else { return self };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        for (name, value) in [
            ("S3_ENDPOINT", text(&bucket.endpoint)),
            ("S3_BUCKET", bucket.bucket.clone()),
            ("S3_REGION", bucket.region.clone()),
            ("S3_ACCESS_KEY_ID", text(&bucket.access_key_id)),
            ("S3_SECRET_ACCESS_KEY", text(&bucket.secret_access_key)),
            ("S3_PREFIX", bucket.prefix.clone()),
            ("S3_ALLOW_HTTP", bucket.allow_http.to_string()),
        ] {
            self = self.with_variable(name, &value);
        }
        self
    }

    /// The same with one environment variable set.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The binary with this installation's environment and no arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", &self.data).env("LC_ALL", "C.UTF-8");
        command.env("SKAAS_DATA_DIR", &self.data);
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `skaas-server` with `arguments` to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::capture(self.command().args(arguments), b"")
    }

    /// Runs `skaas-server admin … --json`; it must succeed. Gives the JSON it printed.
    ///
    /// # Panics
    /// If the command fails or prints something else than one JSON document.
    #[track_caller]
    pub fn admin(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["admin"];
        all.extend_from_slice(arguments);
        all.push("--json");
        let out = self.run(&all).expect_success();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("admin {arguments:?}: {error} in {out}"))
    }

    /// Adds a user and gives a fresh api token of theirs.
    ///
    /// # Panics
    /// If a command fails.
    #[track_caller]
    pub fn person(&self, username: &str) -> String {
        self.admin(&["user", "add", username, "--email", &format!("{username}@example.test")]);
        self.token(username)
    }

    /// Gives a fresh api token of `username`.
    ///
    /// # Panics
    /// If the command fails or prints no token.
    #[track_caller]
    pub fn token(&self, username: &str) -> String {
        let made = self.admin(&["token", "create", username]);
        made["token"].as_str().unwrap_or_else(|| panic!("no token in {made}")).to_owned()
    }

    /// Starts `worker`, and doesn't wait until it is at work.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn worker(&self) -> Worker {
        fs::create_dir_all(&self.data).expect("the data folder can be made");
        let mut command = self.command();
        command.arg("worker").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Worker(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display())))
    }

    /// Starts `serve` on a free loopback port and waits until it says that it is ready.
    ///
    /// # Panics
    /// With what it printed, if it ends or is not ready within a minute.
    #[track_caller]
    pub fn serve(&self) -> Server {
        self.serve_on(0)
    }

    /// The same on a given port, for a restart that must be found where it was.
    ///
    /// # Panics
    /// As [`Installation::serve`].
    #[track_caller]
    pub fn serve_on(&self, port: u16) -> Server {
        fs::create_dir_all(&self.data).expect("the data folder can be made");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port_file = folder.path().join("port");
        let log = folder.path().join("log");
        let log_file = File::create(&log).expect("the log can be written");
        let child = self
            .command()
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(&self.data)
            .arg("--port-file")
            .arg(&port_file)
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().expect("a file handle can be doubled"))
            .stderr(log_file)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let mut server = Server { child, port: 0, log, installation: self.clone(), _folder: folder };
        server.port = server.await_port(&port_file);
        server
    }
}

/// A running `skaas-server worker`; dropped, it is killed.
#[derive(Debug)]
pub struct Worker(Child);

impl Worker {
    /// Kills it as a power cut would.
    pub fn kill(self) {}
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only for a process that has already ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
    installation: Installation,
    _folder: tempfile::TempDir,
}

impl Server {
    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `http://127.0.0.1:{port}`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of a path of this server: `at("me/marketplace.git")`.
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.url())
    }

    /// What it runs on; for administration commands beside it.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Everything it printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop (SIGTERM) and waits; gives its exit code.
    ///
    /// # Panics
    /// If it cannot be signalled, or has not stopped within a minute.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        let sent = kill_process(Pid::from_child(&self.child), Signal::TERM);
        assert!(sent.is_ok(), "the server cannot be signalled; its log:\n{}", self.log());
        for _ in 0..TRIES {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.code();
            }
            std::thread::sleep(PAUSE);
        }
        panic!("the server did not stop; its log:\n{}", self.log());
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Both fail only for a process that has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The port file appears when the listener is bound, so that a full line in it means ready.
    #[track_caller]
    fn await_port(&mut self, file: &Path) -> u16 {
        for _ in 0..TRIES {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("the server ended ({status}) instead of serving; it printed:\n{}", self.log());
            }
            let mut text = String::new();
            if File::open(file).and_then(|mut file| file.read_to_string(&mut text)).is_ok()
                && let Ok(port) = text.trim().parse()
            {
                return port;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("the server wrote no port; it printed:\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            // The log is gone with its folder; a failing test wants it.
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}
