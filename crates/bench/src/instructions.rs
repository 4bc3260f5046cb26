//! Counts the instructions that one request costs a server, by valgrind's callgrind. Times differ from
//! machine to machine; these counts repeat on any, so they are what two machines can be compared by.
//!
//! A server is run twice over the same requests, the second time with one of them repeated; the difference,
//! divided by the repetitions, is that request's cost. Start-up and warm-up cancel out.

use std::{net::SocketAddr, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    bystander::Bystander,
    clones::REQUESTS,
    ours::Installation,
    process::Running,
    replay::{Script, replay},
    stage::Case,
    table::Table,
};

/// How often each request is made before any is counted.
const WARM_UP: usize = 100;
/// How often the counted request is repeated.
const REPEATED: usize = 2_000;

/// What puts a program under callgrind: it replaces itself, so that signals reach it as before.
pub(crate) const CALLGRIND: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// Whether valgrind is installed.
pub(crate) fn available() -> bool {
    Command::new(CALLGRIND[0]).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Instructions per request of a clone: ours, and those of a handler on the same HTTP stack that answers the
/// same requests with recorded bytes.
pub(crate) fn table(case: &Case, installation: &Installation, kept: &std::path::Path) -> Result<Table> {
    let script = Script::of(&case.ours, true);
    let ours = per_request(&script, &|| {
        let server = installation.serve_under(&CALLGRIND)?;
        Ok((server.address, server.into_running()))
    })?;
    let empty = per_request(&script, &|| {
        let server = Bystander::start_under(kept, &CALLGRIND)?;
        Ok((server.replies, server.into_running()))
    })?;
    let title = format!("{}: instructions", case.title);
    let mut table = Table::new(&[&title, "skaas", "empty handler, same requests"]);
    for (what, (ours, empty)) in REQUESTS.iter().zip(ours.iter().zip(&empty)) {
        table.row(vec![(*what).to_owned(), thousands(*ours), thousands(*empty)]);
    }
    Ok(table)
}

/// The instructions of each request of `script`, at a server that `start` starts anew each time.
fn per_request(script: &Script, start: &dyn Fn() -> Result<(SocketAddr, Running)>) -> Result<Vec<u64>> {
    let base = collected(script, None, start)?;
    (0..script.len())
        .map(|n| {
            let with = collected(script, Some(n), start)?;
            Ok(with.saturating_sub(base) / REPEATED as u64)
        })
        .collect()
}

/// All instructions of one run: the warm-up, then the request at `counted` again and again.
fn collected(
    script: &Script,
    counted: Option<usize>,
    start: &dyn Fn() -> Result<(SocketAddr, Running)>,
) -> Result<u64> {
    let (address, running) = start()?;
    replay(address, script, 1, WARM_UP)?;
    if let Some(n) = counted {
        replay(address, &script.only(n), 1, REPEATED)?;
    }
    let log = running.stop()?;
    // "==1234== Collected : 123456789"
    let count =
        log.lines().find_map(|line| line.split_once("Collected : ")).context("callgrind counted nothing")?;
    Ok(count.1.trim().parse()?)
}

/// 12345 as "12 345".
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_can_be_read() {
        assert_eq!(
            ["7", "999", "1 000", "12 345", "1 234 567"],
            [7, 999, 1000, 12345, 1_234_567].map(thousands)[..]
        );
    }
}
