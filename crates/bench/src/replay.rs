//! Owns the load: what was recorded once is said again, as often as wanted, over kept-alive connections.
//! Refuses to measure: it runs in a process of its own meter, and what it costs is counted nowhere.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{http1::Messages, meter::Meter, record::Conversation};

/// What is said to a server, and how its answers are known to be right.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    request: Vec<u8>,
    status: u16,
    /// Content of that length, exactly; `None` where a server may answer the same in other bytes.
    length: Option<u64>,
}

impl Script {
    /// Every request of a conversation. With `exact`, every answer must have the recorded length.
    pub(crate) fn of(conversation: &Conversation, exact: bool) -> Self {
        let steps = conversation.0.iter().map(|exchange| Step {
            request: exchange.request.clone(),
            status: exchange.status,
            length: exact.then_some(exchange.content.len() as u64),
        });
        Self { steps: steps.collect() }
    }

    /// Plain GETs of `targets`, each with the length of what it gives.
    pub(crate) fn gets(targets: impl IntoIterator<Item = (String, u64)>) -> Self {
        let steps = targets.into_iter().map(|(target, length)| Step {
            request: format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes(),
            status: 200,
            length: Some(length),
        });
        Self { steps: steps.collect() }
    }

    /// How many requests it has.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Only the step at `index`.
    pub(crate) fn only(&self, index: usize) -> Self {
        Self { steps: vec![self.steps[index].clone()] }
    }
}

/// Says the script `times` on each of `connections` at once.
pub(crate) fn replay(server: SocketAddr, script: &Script, connections: usize, times: usize) -> Result<()> {
    thread::scope(|scope| {
        let one = move || {
            let mut left = times;
            on_one_connection(server, script, || {
                left.checked_sub(1).is_some_and(|less| {
                    left = less;
                    true
                })
            })
        };
        let all: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        all.into_iter().try_for_each(|one| one.join().expect("the generator does not panic"))
    })
}

/// Says the script again and again on each of `connections` while `measure` runs, which can read how often it was said
/// so far.
pub(crate) fn beside<T>(
    server: SocketAddr,
    script: &Script,
    connections: usize,
    measure: impl FnOnce(&AtomicUsize) -> Result<T>,
) -> Result<T> {
    let (said, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let more = || {
        said.fetch_add(1, Ordering::Relaxed);
        !stop.load(Ordering::Relaxed)
    };
    thread::scope(|scope| {
        let all: Vec<_> =
            (0..connections).map(|_| scope.spawn(|| on_one_connection(server, script, more))).collect();
        let measured = measure(&said);
        stop.store(true, Ordering::Relaxed);
        all.into_iter().try_for_each(|one| one.join().expect("the generator does not panic"))?;
        measured
    })
}

fn on_one_connection(server: SocketAddr, script: &Script, mut more: impl FnMut() -> bool) -> Result<()> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut answers = Messages::new(&stream);
    while more() {
        for step in &script.steps {
            (&stream).write_all(&step.request)?;
            let head = answers.head()?.context("the server closed the connection")?;
            let length = answers.body(head.framing, &mut |_| {}, &mut |_| {})?;
            let status = head.status()?;
            ensure!(status == step.status, "status {status} where {} was recorded", step.status);
            if let Some(expected) = step.length {
                ensure!(length == expected, "{length} bytes where {expected} were recorded");
            }
        }
    }
    Ok(())
}

/// One server in a comparison.
pub(crate) struct Side<'a> {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) script: Script,
    pub(crate) meter: &'a Meter,
}

/// How long and how often is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds; each measures every side once, one after the other.
    pub(crate) rounds: usize,
    /// About how much CPU time a server is to use in one round.
    pub(crate) each: Duration,
    /// Connections at once.
    pub(crate) connections: usize,
}

/// CPU time of one script at one server.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Microseconds; one per round.
    pub(crate) rounds: Vec<f64>,
}

impl Measured {
    /// The median of the rounds, in microseconds.
    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// The median of the ratios `self / other` of each round: what a noisy neighbour does to one round, it
    /// does to both sides of it.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        let ratios: Vec<f64> = self.rounds.iter().zip(&other.rounds).map(|(a, b)| a / b).collect();
        median(&ratios)
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Measures all sides, interleaved. The order of sides turns with each round.
pub(crate) fn compare(sides: &[Side<'_>], effort: Effort) -> Result<Vec<Measured>> {
    let times = sides.iter().map(|side| calibrate(side, effort)).collect::<Result<Vec<_>>>()?;
    let mut all: Vec<Measured> = sides.iter().map(|_| Measured { rounds: Vec::new() }).collect();
    for round in 0..effort.rounds {
        for turn in 0..sides.len() {
            let index = (round + turn) % sides.len();
            let used = cost(&sides[index], effort.connections, times[index])?;
            all[index].rounds.push(used);
        }
    }
    Ok(all)
}

/// Microseconds of CPU time for one script, as an average over all.
fn cost(side: &Side<'_>, connections: usize, times: usize) -> Result<f64> {
    let before = side.meter.cpu()?;
    replay(side.address, &side.script, connections, times).with_context(|| side.name)?;
    // What the last answers still cost is over in a moment; the generator has read them to their end.
    let used = side.meter.cpu()?.saturating_sub(before);
    let said = u32::try_from(connections * times).context("more than can be counted")?;
    Ok(used.as_secs_f64() * 1e6 / f64::from(said))
}

/// How often to say the script on each connection; everything is warm afterwards.
fn calibrate(side: &Side<'_>, effort: Effort) -> Result<usize> {
    let began = Instant::now();
    let mut times = 2;
    loop {
        let one = cost(side, effort.connections, times)?;
        let said = one * f64::from(u32::try_from(times * effort.connections)?);
        let enough = Duration::from_secs_f64(said / 1e6) * 8 >= effort.each;
        if enough || began.elapsed() > Duration::from_secs(20) {
            let wanted = effort.each.as_secs_f64() * 1e6 / one.max(1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of thousands"
            )]
            return Ok(((wanted as usize) / effort.connections).max(2));
        }
        times *= 4;
    }
}
