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

/// How far from its target a figure may be at first.
const AT_FIRST: f64 = 2.0;

/// What the issue asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// How much less than the rival, at least.
    pub(crate) rival: f64,
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
                format!(
                    ">= {:.0}x: {}",
                    one.target.rival,
                    Standing::at_least(less, one.target.rival, AT_FIRST).word()
                ),
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
    packs: [usize; 3],
    plain: Measured,
    bitmaps: Measured,
    ours: Measured,
}

/// Measures pulls of one purchase.
pub(crate) fn pulls(pull: &Pull, server: &Server, rival: &Rival, effort: Effort) -> Result<PullResult> {
    let side = |name, address, script, meter| Side { name, address, script, meter };
    let sides = [
        side("http-backend", rival.address, Script::of(&pull.plain, false), &rival.meter),
        side("with bitmaps", rival.address, Script::of(&pull.bitmaps, false), &rival.meter),
        side("skaas", server.address, Script::of(&pull.ours, true), &server.meter),
    ];
    let [plain, bitmaps, ours] = three(compare(&sides, effort)?)?;
    let packs = [pull.ours.pack()?.len(), pull.plain.pack()?.len(), pull.bitmaps.pack()?.len()];
    Ok(PullResult { size: pull.size, packs, plain, bitmaps, ours })
}

impl PullResult {
    pub(crate) fn table(all: &[Self]) -> Table {
        let mut table = Table::new(&[
            "pull after one purchase",
            "skaas: pack",
            "CPU",
            "http-backend: pack",
            "CPU",
            "with bitmaps: pack",
            "CPU",
            "less than http-backend",
        ]);
        for one in all {
            let [ours, plain, bitmaps] = one.packs.map(|bytes| size(bytes as u64));
            table.row(vec![
                format!("marketplace of {}", one.size),
                ours,
                time(one.ours.median()),
                plain,
                time(one.plain.median()),
                bitmaps,
                time(one.bitmaps.median()),
                times(one.plain.ratio(&one.ours)),
            ]);
        }
        table
    }

    /// What the issue asks for of pulls, each with its standing.
    pub(crate) fn verdicts(all: &[Self]) -> Result<Vec<String>> {
        let largest = all.last().context("at least one size")?;
        let smallest = all.first().context("at least one size")?;
        let pack = u32::try_from(largest.packs[0])?;
        let less = largest.plain.ratio(&largest.ours);
        let flat = largest.ours.ratio(&smallest.ours);
        Ok(vec![
            format!(
                "pack of a purchase among {}: {pack} bytes, at most 1024: {}",
                largest.size,
                Standing::at_most(f64::from(pack), 1024.0, 1.0).word()
            ),
            format!(
                "CPU of it: {} less than http-backend without bitmaps, at least 1000x: {}",
                times(less),
                Standing::at_least(less, 1000.0, AT_FIRST).word()
            ),
            format!("flat: {} the CPU at {} skills of that at {}", times(flat), largest.size, smallest.size),
        ])
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
        let what = ["GET info/refs, no token: 401", "GET info/refs", "POST ls-refs", "POST fetch"];
        table.row(vec![
            (*what.get(n).context("four requests")?).to_owned(),
            size(exchange.content.len() as u64),
            time(ours.median()),
            time(empty.median()),
            time(file.median()),
        ]);
    }
    Ok(table)
}
