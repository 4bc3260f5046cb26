//! Owns what queued work costs those who clone: the rate of clones while jobs are done, beside the rate without them.
//! Refuses figures of two runs: both are of one load that never pauses.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    replay::{Script, beside, median},
    seed::Office,
    stage::{Case, Market},
    table::{Standing, Table},
};

/// Jobs of one round.
const JOBS: usize = 10_000;
/// Connections that clone.
const CONNECTIONS: usize = 4;
/// How many clones of the undisturbed rate are to be left.
const LEFT: f64 = 0.8;
/// How long a worker that has nothing to do is watched.
const IDLE: Duration = Duration::from_secs(10);

/// What one round came to.
struct Round {
    /// Clones per second without jobs, and with them.
    rates: [f64; 2],
    /// How long it took to do the jobs.
    drained: Duration,
}

/// Measures clones of `case` while the server does [`JOBS`] jobs, and the CPU time of a worker that has none.
pub(crate) async fn jobs(market: &Market, case: &Case, rounds: usize) -> Result<Table> {
    let idle = idle(market)?;
    let office = Office::open(&market.installation).await?;
    let script = Script::of(&case.ours, true);
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.push(beside(market.server.address, &script, CONNECTIONS, |said| round(market, &office, said))?);
    }
    office.close().await;
    let of = |figure: fn(&Round) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
    let (without, with) = (of(|round| round.rates[0]), of(|round| round.rates[1]));
    let left = of(|round| round.rates[1] / round.rates[0]);
    let drained = of(|round| round.drained.as_secs_f64());
    let mut table = Table::new(&[
        &format!("{}, {CONNECTIONS} connections", case.title),
        "clones/s, no jobs",
        &format!("clones/s, {JOBS} jobs"),
        "ratio",
        "target",
        "jobs done in",
        "CPU of an idle server",
    ]);
    table.row(vec![
        "SQLite".to_owned(),
        format!("{without:.0}"),
        format!("{with:.0}"),
        format!("{left:.2}"),
        format!(">= {LEFT:.2}: {}", Standing::at_least(left, LEFT, 1.0).word()),
        format!("{drained:.2} s"),
        format!("{:.2} %", idle * 100.0),
    ]);
    Ok(table)
}

/// Which part of one CPU the server uses while nobody wants anything.
fn idle(market: &Market) -> Result<f64> {
    // What it does after its start is done.
    thread::sleep(Duration::from_secs(3));
    let before = market.server.meter.cpu()?;
    thread::sleep(IDLE);
    let used = market.server.meter.cpu()?.saturating_sub(before);
    Ok(used.as_secs_f64() / IDLE.as_secs_f64())
}

fn round(market: &Market, office: &Office, said: &AtomicUsize) -> Result<Round> {
    let rate = |from: (usize, Instant)| {
        let (clones, took) = (said.load(Ordering::Relaxed) - from.0, from.1.elapsed());
        u32::try_from(clones).map(|clones| f64::from(clones) / took.as_secs_f64())
    };
    let here = || (said.load(Ordering::Relaxed), Instant::now());
    thread::sleep(Duration::from_millis(500));
    let undisturbed = here();
    thread::sleep(Duration::from_secs(3));
    let without = rate(undisturbed)?;
    let beginning = here();
    market.installation.admin(&["job", "probe", "--count", &JOBS.to_string()])?;
    let handle = Handle::current();
    while block_in_place(|| handle.block_on(office.has_probes()))? {
        ensure!(beginning.1.elapsed() < Duration::from_mins(2), "{JOBS} jobs are not done in two minutes");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Round { rates: [without, rate(beginning)?], drained: beginning.1.elapsed() })
}
