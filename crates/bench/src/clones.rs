//! Owns the comparison of fetches: CPU per clone and per pull, at every server, and what each request of a
//! clone costs. Refuses any figure without the same one of the others beside it.

use anyhow::{Context as _, Result};

use crate::{
    bystander::Bystander,
    limit,
    ours::Server,
    record::Conversation,
    replay::{Effort, Measured, Script, Side, compare},
    rival::Rival,
    stage::{Case, Pull},
    table::{Standing, Table, size, time, times},
};

/// The requests of a clone, in git's order.
pub(crate) const REQUESTS: [&str; 4] =
    ["GET info/refs, no token: 401", "GET info/refs", "POST ls-refs", "POST fetch"];

/// How far from its target a figure may be at first.
const AT_FIRST: f64 = 2.0;

/// What the issue asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// How much less than the rival, at least; none for small clones, whose four requests cost more than that
    /// even as static files.
    pub(crate) rival: Option<f64>,
    /// How much more than the static file, at most.
    pub(crate) limit: f64,
}

/// What a case came to.
pub(crate) struct CloneResult {
    title: String,
    wire: u64,
    target: Target,
    rival: Measured,
    ours: Measured,
    file: Measured,
}

fn file_script(slug: &str, conversation: &Conversation) -> Script {
    let length = |n: usize| conversation.0[n].content.len() as u64;
    Script::gets((0..conversation.0.len()).map(|n| (limit::target(slug, n), length(n))))
}

/// Measures clones of one case.
pub(crate) fn clones(
    case: &Case,
    target: Target,
    server: &Server,
    rival: &Rival,
    limit: &Bystander,
    effort: Effort,
) -> Result<CloneResult> {
    let side = |name, address, script, meter| Side { name, address, script, meter };
    let sides = [
        side("http-backend", rival.address, Script::of(&case.theirs, false), &rival.meter),
        side("skaas", server.address, Script::of(&case.ours, true), &server.meter),
        side("static file", limit.files, file_script(&case.slug, &case.ours), &limit.meter),
    ];
    let [rival, ours, file] = three(compare(&sides, effort)?)?;
    Ok(CloneResult { title: case.title.clone(), wire: case.ours.answered(), target, rival, ours, file })
}

fn three(all: Vec<Measured>) -> Result<[Measured; 3]> {
    <[Measured; 3]>::try_from(all).ok().context("three sides give three figures")
}

impl CloneResult {
    pub(crate) fn table(all: &[Self]) -> Table {
        let mut table = Table::new(&[
            "clone, depth 1",
            "bytes answered",
            "http-backend",
            "skaas",
            "static file",
            "less than http-backend",
            "target",
            "the static file: less",
            "of the static file",
            "target",
        ]);
        for one in all {
            let (less, more) = (one.rival.ratio(&one.ours), one.ours.ratio(&one.file));
            table.row(vec![
                one.title.clone(),
                size(one.wire),
                time(one.rival.median()),
                time(one.ours.median()),
                time(one.file.median()),
                times(less),
                one.target.rival.map_or_else(String::new, |target| {
                    format!(">= {target:.0}x: {}", Standing::at_least(less, target, AT_FIRST).word())
                }),
                times(one.rival.ratio(&one.file)),
                times(more),
                format!(
                    "<= {:.2}x: {}",
                    one.target.limit,
                    Standing::at_most(more, one.target.limit, AT_FIRST).word()
                ),
            ]);
        }
        table
    }
}

/// What a pull came to.
pub(crate) struct PullResult {
    size: usize,
    /// At skaas, then at the rival: just pushed, repacked, with bitmaps.
    packs: [usize; 4],
    costs: [Measured; 4],
}

/// Measures pulls of one purchase.
pub(crate) fn pulls(pull: &Pull, server: &Server, rival: &Rival, effort: Effort) -> Result<PullResult> {
    let theirs = |name, script| Side { name, address: rival.address, script, meter: &rival.meter };
    let said = [&pull.ours, &pull.pushed, &pull.repacked, &pull.bitmaps];
    let ours = Side {
        name: "skaas",
        address: server.address,
        script: Script::of(&pull.ours, true),
        meter: &server.meter,
    };
    let sides = [
        ours,
        theirs("http-backend, just pushed", Script::of(&pull.pushed, false)),
        theirs("http-backend, repacked", Script::of(&pull.repacked, false)),
        theirs("http-backend, bitmaps", Script::of(&pull.bitmaps, false)),
    ];
    let costs = compare(&sides, effort)?;
    let costs = <[Measured; 4]>::try_from(costs).ok().context("four sides give four figures")?;
    let mut packs = [0; 4];
    for (length, conversation) in packs.iter_mut().zip(said) {
        *length = conversation.pack()?.len();
    }
    Ok(PullResult { size: pull.size, packs, costs })
}

impl PullResult {
    pub(crate) fn table(all: &[Self]) -> Table {
        let mut table = Table::new(&[
            "pull after one purchase: pack, CPU",
            "skaas",
            "http-backend, just pushed",
            "http-backend, repacked",
            "http-backend, with bitmaps",
            "less than just pushed",
            "than repacked",
        ]);
        for one in all {
            let mut row = vec![format!("marketplace of {}", one.size)];
            let figures = one.packs.iter().zip(&one.costs);
            row.extend(
                figures.map(|(pack, cost)| format!("{}, {}", size(*pack as u64), time(cost.median()))),
            );
            row.push(times(one.costs[1].ratio(&one.costs[0])));
            row.push(times(one.costs[2].ratio(&one.costs[0])));
            table.row(row);
        }
        table
    }

    /// What the issue asks for of pulls, each with its standing.
    pub(crate) fn verdicts(all: &[Self]) -> Result<Vec<String>> {
        let largest = all.last().context("at least one size")?;
        let smallest = all.first().context("at least one size")?;
        let pack = u32::try_from(largest.packs[0])?;
        let mut verdicts = vec![format!(
            "pack of a purchase among {}: {pack} bytes, at most 1024: {}",
            largest.size,
            Standing::at_most(f64::from(pack), 1024.0, 1.0).word()
        )];
        for (nth, packed) in [(1, "as just pushed"), (2, "repacked")] {
            let less = largest.costs[nth].ratio(&largest.costs[0]);
            verdicts.push(format!(
                "CPU of it: {} less than http-backend without bitmaps, {packed}; at least 1000x: {}",
                times(less),
                Standing::at_least(less, 1000.0, AT_FIRST).word()
            ));
        }
        let flat = largest.costs[0].ratio(&smallest.costs[0]);
        verdicts.push(format!(
            "flat: {} the CPU at {} skills of that at {}",
            times(flat),
            largest.size,
            smallest.size
        ));
        Ok(verdicts)
    }
}

/// Where the CPU of a clone goes, request by request: at skaas, at an empty handler of the same stack that
/// answers the same requests with the same bytes, and at the static file.
pub(crate) fn breakdown(case: &Case, server: &Server, limit: &Bystander, effort: Effort) -> Result<Table> {
    let mut table = Table::new(&[
        &format!("{}: request", case.title),
        "bytes answered",
        "skaas",
        "empty handler, same requests",
        "static file",
    ]);
    let ours = Script::of(&case.ours, true);
    let file = file_script(&case.slug, &case.ours);
    let side = |name, address, script, meter| Side { name, address, script, meter };
    for (n, exchange) in case.ours.0.iter().enumerate() {
        let sides = [
            side("skaas", server.address, ours.only(n), &server.meter),
            side("empty handler", limit.replies, ours.only(n), &limit.meter),
            side("static file", limit.files, file.only(n), &limit.meter),
        ];
        let [ours, empty, file] = three(compare(&sides, effort)?)?;
        table.row(vec![
            (*REQUESTS.get(n).context("four requests")?).to_owned(),
            size(exchange.content.len() as u64),
            time(ours.median()),
            time(empty.median()),
            time(file.median()),
        ]);
    }
    Ok(table)
}
