//! Owns the life of a server that was started for the benchmark: its log, its readiness, its end. Refuses
//! to leave anything running.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::meter::Meter;

const PAUSE: Duration = Duration::from_millis(20);
/// Two minutes of pauses: a catalogue of 10 000 skills is read at the first request, not here.
const TRIES: usize = 6_000;

/// Whatever has to go when the run is interrupted.
#[derive(Debug)]
struct Leftovers {
    /// First processes of process groups.
    started: Vec<Pid>,
    /// Folders, of files or of control groups.
    made: Vec<PathBuf>,
}

static LEFTOVERS: Mutex<Leftovers> = Mutex::new(Leftovers { started: Vec::new(), made: Vec::new() });

/// Notes a folder that goes with an interrupted run.
pub(crate) fn goes_with_the_run(folder: &Path) {
    LEFTOVERS.lock().expect("no one panics with it").made.push(folder.to_owned());
}

/// Ends every server by force and removes every folder: for an interrupted run, whose own end does not come.
pub(crate) fn end_everything() {
    let leftovers = LEFTOVERS.lock().expect("no one panics with it");
    for pid in &leftovers.started {
        kill_process_group(*pid, Signal::KILL).ok();
    }
    // The run itself goes on until the process ends, and may write once more.
    for _ in 0..20 {
        sleep(PAUSE * 5);
        for folder in leftovers.made.iter().filter(|folder| folder.exists()) {
            // A control group is removed as an empty folder, though it shows files.
            if fs::remove_dir(folder).is_err() {
                drop(fs::remove_dir_all(folder));
            }
        }
        if leftovers.made.iter().all(|folder| !folder.exists()) {
            break;
        }
    }
}

/// A running server, with everything it starts in a process group of its own.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its output in `log`.
    pub(crate) fn start(mut command: Command, meter: &mut Meter, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        meter.started(child.id());
        LEFTOVERS.lock().expect("no one panics with it").started.push(Pid::from_child(&child));
        Ok(Self { child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits; gives what it printed.
    pub(crate) fn stop(mut self) -> Result<String> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        for _ in 0..TRIES {
            if self.child.try_wait()?.is_some() {
                return Ok(fs::read_to_string(&self.log)?);
            }
            sleep(PAUSE);
        }
        bail!("it did not stop:\n{}", self.printed())
    }

    /// Waits until `ready` gives something.
    pub(crate) fn wait_for<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        for _ in 0..TRIES {
            if let Some(found) = ready() {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended ({status}) instead of serving:\n{}", self.printed());
            }
            sleep(PAUSE);
        }
        bail!("it did not get ready:\n{}", self.printed())
    }

    /// Waits until `file` holds a port.
    pub(crate) fn wait_for_port(&mut self, file: &Path) -> Result<SocketAddr> {
        let port: u16 = self.wait_for(|| fs::read_to_string(file).ok()?.trim().parse().ok())?;
        Ok(loopback(port))
    }

    fn printed(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The first process alone is asked: a master ends its workers in order. Whoever is left of the
        // group after that is ended by force.
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        for _ in 0..500 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            sleep(PAUSE);
        }
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        drop(self.child.wait());
        LEFTOVERS
            .lock()
            .expect("no one panics with it")
            .started
            .retain(|pid| *pid != Pid::from_child(&self.child));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether somebody listens there.
pub(crate) fn answers(address: SocketAddr) -> Option<()> {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok().map(drop)
}
