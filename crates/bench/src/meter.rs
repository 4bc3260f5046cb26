//! Owns what a server used: CPU time and memory, of all its processes together, the finished ones included.
//! Refuses wall time, which says more about the neighbours than about the server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::process::goes_with_the_run;

/// `utime` and the like in `/proc` count in hundredths of a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Counts what the processes started through it use.
pub(crate) enum Meter {
    /// A control group: to the microsecond, children of children included.
    Group(PathBuf),
    /// `/proc`: to the hundredth of a second, children as far as they were waited for.
    Processes { root: Option<u32> },
}

impl Meter {
    /// By a control group where one can be made (as root, as a rule), else by `/proc`.
    pub(crate) fn new(name: &str) -> Self {
        let made = group_root().and_then(|root| {
            let group = root.join(format!("skaas-bench-{}-{name}", std::process::id()));
            fs::create_dir(&group).ok()?;
            let usable = group.join("cgroup.procs").exists() && cpu_of_group(&group).is_ok();
            goes_with_the_run(&group);
            usable.then_some(group)
        });
        made.map_or(Self::Processes { root: None }, Self::Group)
    }

    /// What it counts by, in words.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Group(_) => "usage_usec of a control group of its own",
            Self::Processes { .. } => "utime+stime+cutime+cstime of /proc/PID/stat, over all descendants",
        }
    }

    /// A command that will run under this meter, started by `tool` where one is named.
    pub(crate) fn command_under(&self, tool: &[&str], program: impl AsRef<Path>) -> Command {
        let Some((tool, arguments)) = tool.split_first() else { return self.command(program) };
        let mut command = self.command(tool);
        command.args(arguments).arg(program.as_ref());
        command
    }

    /// A command that will run under this meter.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        match self {
            Self::Processes { .. } => Command::new(program.as_ref()),
            Self::Group(group) => {
                // The shell enters the group and becomes the program: nothing of it runs elsewhere.
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg("echo $$ > \"$0\" && exec \"$@\"");
                command.arg(group.join("cgroup.procs")).arg(program.as_ref());
                command
            }
        }
    }

    /// Tells which process is the first of its kind.
    pub(crate) fn started(&mut self, pid: u32) {
        if let Self::Processes { root } = self {
            root.get_or_insert(pid);
        }
    }

    /// CPU time used so far, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        match self {
            Self::Group(group) => cpu_of_group(group),
            Self::Processes { root } => {
                let mut ticks = 0;
                for pid in family(root.context("nothing was started yet")?) {
                    ticks += cpu_ticks(pid).unwrap_or(0);
                }
                Ok(TICK * u32::try_from(ticks).context("more CPU time than a run can use")?)
            }
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Self::Group(group) = self {
            // Fails while a process of it is still ending.
            for _ in 0..50 {
                if fs::remove_dir(&*group).is_ok() {
                    break;
                }
                sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Resident memory of a process, in bytes: what it has now, and the most it ever had.
pub(crate) fn resident(pid: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let of = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    };
    Ok((of("VmRSS")?, of("VmHWM")?))
}

/// The folder of this process's own group in the unified hierarchy.
fn group_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(place))
    })?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(mount.join(own))
}

fn cpu_of_group(group: &Path) -> Result<Duration> {
    let stat = fs::read_to_string(group.join("cpu.stat"))?;
    let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")).context("no usage_usec")?;
    Ok(Duration::from_micros(used.trim().parse()?))
}

/// A process and its descendants.
fn family(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    found
}

/// Ticks used by a process, all of its threads and the children it has waited for.
fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields behind it are numbered from 3 in proc(5).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum()
}
