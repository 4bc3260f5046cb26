//! Owns one run from beginning to end, and what it prints. Refuses to leave anything behind.
#![expect(clippy::print_stdout, reason = "tables on the terminal are what this program is for")]

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    bystander::Bystander,
    clones::{CloneResult, PullResult, Target, breakdown, clones, pulls},
    instructions, jobs, limit, look,
    memory::{self, MemoryResult},
    process::goes_with_the_run,
    replay::Effort,
    rival::Rival,
    seed::Push,
    stage::{Case, LARGE_SKILL, Market, Pull, SMALL_SKILL, record_market, record_skill},
    table::{Table, size, time},
};

/// What is to be run.
pub(crate) struct Plan {
    /// The server's program.
    pub(crate) server: PathBuf,
    pub(crate) quick: bool,
    /// Of the catalogues, ascending.
    pub(crate) sizes: Vec<usize>,
    /// Parts by name; all of them when empty.
    pub(crate) only: Vec<String>,
}

impl Plan {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    fn effort(&self) -> Effort {
        let (rounds, each) = if self.quick { (3, 150) } else { (7, 500) };
        Effort { rounds, each: Duration::from_millis(each), connections: 4 }
    }

    /// For single requests: there are many of them, and none is held to a target.
    fn brief(&self) -> Effort {
        Effort { rounds: 3, each: Duration::from_millis(150), ..self.effort() }
    }
}

/// Everything that was set up.
struct Stage {
    markets: Vec<Market>,
    rival: Rival,
    cases: Vec<(usize, Case, Target)>,
    pulls: Vec<Pull>,
    limit: Bystander,
    /// Where the limit server finds its answers.
    kept: PathBuf,
    pushes: Vec<Push>,
}

/// Runs the plan and prints its tables.
pub(crate) async fn run(plan: &Plan) -> Result<()> {
    ensure!(plan.server.exists(), "{} does not exist; ./bench builds it", plan.server.display());
    let began = Instant::now();
    let folder = tempfile::Builder::new().prefix("skaas-bench-").tempdir()?;
    goes_with_the_run(folder.path());
    let say = |text: &str| eprintln!("[{:4.0} s] {text}", began.elapsed().as_secs_f64());
    println!("{}\n", machine());
    if plan.only.is_empty() || plan.only.iter().any(|part| part != "memory") {
        let stage = Box::pin(set_up(plan, folder.path(), &say)).await?;
        println!("CPU time by {}.\n", stage.rival.meter.describe());
        measure(plan, &stage, &say).await?;
    }
    if plan.wants("memory") {
        say("memory under slow readers");
        let holding = Duration::from_secs(if plan.quick { 5 } else { 20 });
        let result = Box::pin(memory::memory(&plan.server, folder.path(), holding)).await?;
        println!("{}\n{}\n", result.table().text(), MemoryResult::bound());
    }
    say("done");
    Ok(())
}

async fn set_up(plan: &Plan, folder: &std::path::Path, say: &dyn Fn(&str)) -> Result<Stage> {
    let rival = Rival::start(&folder.join("rival"))?;
    let (mut markets, mut pushes, mut cases, mut pulls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (nth, size) in plan.sizes.iter().enumerate() {
        let (market, filling) = Box::pin(Market::fill(&plan.server, folder, *size, nth == 0, say)).await?;
        let (case, pull) = record_market(&market, &rival).await?;
        let target = if *size > 1_000 { (Some(90.0), 1.1) } else { (None, 1.25) };
        cases.push((markets.len(), case, Target { rival: target.0, limit: target.1 }));
        pulls.push(pull);
        if nth == 0 {
            for ((name, _), title, rival_target, limit_target) in [
                (SMALL_SKILL, "skill of 200 KB, 20 files", None, 1.25),
                (LARGE_SKILL, "skill of 10 MB", Some(33.0), 1.05),
            ] {
                let case = record_skill(&market, &rival, name, title)?;
                cases.push((markets.len(), case, Target { rival: rival_target, limit: limit_target }));
            }
        }
        markets.push(market);
        pushes.extend(filling);
    }
    let kept = folder.join("limit");
    fs::create_dir_all(&kept)?;
    for (_, case, _) in &cases {
        limit::keep(&kept, &case.slug, &case.ours)?;
    }
    let limit = Bystander::start(&kept)?;
    Ok(Stage { markets, rival, cases, pulls, limit, kept, pushes })
}

async fn measure(plan: &Plan, stage: &Stage, say: &dyn Fn(&str)) -> Result<()> {
    if plan.wants("push") {
        println!("{}", push_table(&stage.pushes)?.text());
    }
    if plan.wants("clones") {
        let mut results = Vec::new();
        for (market, case, target) in &stage.cases {
            say(&format!("clones: {}", case.title));
            let server = &stage.markets[*market].server;
            results.push(clones(case, *target, server, &stage.rival, &stage.limit, plan.effort())?);
        }
        println!("{}", CloneResult::table(&results).text());
    }
    if plan.wants("pulls") {
        let mut results = Vec::new();
        for (pull, market) in stage.pulls.iter().zip(&stage.markets) {
            say(&format!("pulls: marketplace of {}", pull.size));
            results.push(pulls(pull, &market.server, &stage.rival, plan.effort())?);
        }
        println!("{}", PullResult::table(&results).text());
        for verdict in PullResult::verdicts(&results)? {
            println!("{verdict}");
        }
        println!();
    }
    if plan.wants("where") {
        for (market, case, _) in &stage.cases {
            say(&format!("where it goes: {}", case.title));
            let server = &stage.markets[*market].server;
            println!("{}", breakdown(case, server, &stage.limit, plan.brief())?.text());
        }
    }
    if plan.wants("instructions") {
        if instructions::available() {
            for (market, case, _) in stage.cases.iter().filter(|(_, case, _)| case.wire_is_small()) {
                say(&format!("instructions: {}", case.title));
                let installation = &stage.markets[*market].installation;
                println!("{}", instructions::table(case, installation, &stage.kept)?.text());
            }
        } else {
            println!("Instructions were not counted: valgrind is not installed.\n");
        }
    }
    if plan.wants("users") {
        println!("{}", look::bytes_per_user(&stage.markets).await?.text());
    }
    if plan.wants("jobs") {
        let (market, case, _) = &stage.cases[0];
        say(&format!("jobs beside clones: {}", case.title));
        let rounds = if plan.quick { 1 } else { 5 };
        println!("{}", jobs::jobs(&stage.markets[*market], case, rounds).await?.text());
    }
    if plan.wants("look") {
        let mut results = Vec::new();
        for market in &stage.markets {
            say(&format!("first looks: marketplace of {}", market.size));
            results.push(look::first_look(market, if plan.quick { 5 } else { 25 }).await?);
        }
        println!("{}", look::FirstLook::table(&results).text());
    }
    Ok(())
}

/// The largest pushes.
fn push_table(pushes: &[Push]) -> Result<Table> {
    let mut table = Table::new(&["push", "files", "bytes", "time at the pusher", "CPU at the server"]);
    let mut sorted: Vec<&Push> = pushes.iter().collect();
    sorted.sort_by_key(|push| std::cmp::Reverse(push.bytes));
    for push in sorted.into_iter().take(1) {
        table.row(vec![
            format!("{} skills in one source", push.skills),
            u32::try_from(push.files)?.to_string(),
            size(push.bytes),
            time(push.wall.as_secs_f64() * 1e6),
            time(push.cpu.as_secs_f64() * 1e6),
        ]);
    }
    Ok(table)
}

/// What it was run on.
fn machine() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split(':').nth(1)?.trim().to_owned())
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let first = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        String::from_utf8(text).ok()?.lines().next().map(str::to_owned)
    };
    let programs = [first("git", "--version"), first("/usr/sbin/nginx", "-v")];
    let programs: Vec<String> = programs.into_iter().flatten().collect();
    format!("{threads} x {}; {}", model.unwrap_or_else(|| "unknown CPU".into()), programs.join("; "))
}
