//! Owns the process that serves the limit, started from this very program. Refuses to share a process with
//! the load generator: its CPU time is measured.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    meter::Meter,
    process::{Running, loopback},
};

/// The limit server, running.
pub(crate) struct Bystander {
    /// Static files.
    pub(crate) files: SocketAddr,
    /// Git's requests, answered by recorded bytes.
    pub(crate) replies: SocketAddr,
    // The group can go once its processes have gone.
    running: Running,
    pub(crate) meter: Meter,
}

impl Bystander {
    /// Serves the answers kept in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        Self::start_under(folder, &[])
    }

    /// The same, with `tool` as the program that runs the server.
    pub(crate) fn start_under(folder: &Path, tool: &[&str]) -> Result<Self> {
        let mut meter = Meter::new(if tool.is_empty() { "limit" } else { "limit-counted" });
        let port_file = folder.join("ports");
        drop(fs::remove_file(&port_file));
        let mut command = meter.command_under(tool, std::env::current_exe()?);
        command.arg("--serve-limit").arg(folder).arg("--port-file").arg(&port_file);
        let mut running = Running::start(command, &mut meter, &folder.join("limit.log"))?;
        let ports = running.wait_for(|| {
            let text = fs::read_to_string(&port_file).ok()?;
            let (files, replies) = text.strip_suffix('\n')?.split_once(' ')?;
            Some((files.parse().ok()?, replies.parse().ok()?))
        });
        let (files, replies): (u16, u16) = ports.context("the limit server")?;
        Ok(Self { files: loopback(files), replies: loopback(replies), meter, running })
    }

    /// Only the process.
    pub(crate) fn into_running(self) -> Running {
        self.running
    }
}
