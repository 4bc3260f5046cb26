//! Owns skaas-server as the benchmark runs it: its own release binary, in production configuration, on
//! SQLite and a folder. Refuses any setting that takes work off the path of a request.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{git::isolate, meter::Meter, process::Running};

/// Stands in every marketplace entry, so it must not change with the port.
pub(crate) const PUBLIC_URL: &str = "https://skills.bench.example";

/// A data folder and the program that serves it.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    binary: PathBuf,
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Installation {
    /// Keeps everything in `folder`.
    pub(crate) fn new(binary: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("home"))?;
        // The limit on requests is counted, but does not refuse the generator.
        let rate = [("SKAAS_TOKEN_BURST", "100000000"), ("SKAAS_TOKEN_PER_SECOND", "10000000")];
        let mut variables: Vec<_> = rate.map(|(name, value)| (name, value.to_owned())).into();
        variables.push(("SKAAS_PUBLIC_URL", PUBLIC_URL.to_owned()));
        Ok(Self { binary: binary.to_owned(), folder: folder.to_owned(), variables })
    }

    /// The same with one environment variable set.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Where database and objects are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn prepare(&self, command: &mut std::process::Command) {
        isolate(command, &self.folder.join("home"));
        command.current_dir(self.folder.join("home")).envs(self.variables.iter().map(|(n, v)| (n, v)));
    }

    /// Runs `admin … --json`.
    pub(crate) fn admin(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = std::process::Command::new(&self.binary);
        self.prepare(&mut command);
        command.arg("admin").args(arguments).arg("--json").arg("--data").arg(self.data());
        let output = command.output().with_context(|| format!("{}", self.binary.display()))?;
        if !output.status.success() {
            bail!("admin {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Adds a user; gives an api token of theirs.
    pub(crate) fn add_user(&self, username: &str) -> Result<String> {
        self.admin(&["user", "add", username, "--email", &format!("{username}@bench.example")])?;
        let made = self.admin(&["token", "create", username])?;
        Ok(made["token"].as_str().context("no token was printed")?.to_owned())
    }

    /// Starts serving.
    pub(crate) fn serve(&self) -> Result<Server> {
        self.serve_under(&[])
    }

    /// The same, with `tool` as the program that runs the server.
    pub(crate) fn serve_under(&self, tool: &[&str]) -> Result<Server> {
        let name = self.folder.file_name().and_then(|name| name.to_str()).unwrap_or("skaas").to_owned();
        let suffix = if tool.is_empty() { "" } else { "-counted" };
        let mut meter = Meter::new(&format!("{name}{suffix}"));
        let port_file = self.folder.join(format!("port{suffix}"));
        drop(fs::remove_file(&port_file));
        let mut command = meter.command_under(tool, &self.binary);
        self.prepare(&mut command);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command.arg("--port-file").arg(&port_file);
        let mut running =
            Running::start(command, &mut meter, &self.folder.join(format!("server{suffix}.log")))?;
        let address = running.wait_for_port(&port_file)?;
        Ok(Server { address, running, meter })
    }
}

/// A serving node.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    running: Running,
    pub(crate) meter: Meter,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Only the process.
    pub(crate) fn into_running(self) -> Running {
        self.running
    }
}
