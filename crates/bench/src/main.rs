//! The benchmark of `./bench`: skaas, `git http-backend` behind nginx, and the same bytes as a static file,
//! measured against each other in one run.

mod bystander;
mod clones;
mod content;
mod git;
mod http1;
mod instructions;
mod jobs;
mod limit;
mod look;
mod memory;
mod meter;
mod ours;
mod process;
mod record;
mod replay;
mod report;
mod rival;
mod seed;
mod stage;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Measures skaas beside git http-backend and beside a static file, in one run.
#[derive(Debug, Parser)]
#[command(name = "skaas-bench", max_term_width = 100)]
struct Arguments {
    /// A smoke run: catalogues of 100 and 1 000, fewer rounds, fewer readers' seconds
    #[arg(long)]
    quick: bool,
    /// The server to measure (default: beside this program)
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Only these parts: clones, pulls, where, instructions, users, look, jobs, memory, push
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Sizes of the catalogues (default: 100, 1000, 10000)
    #[arg(long, value_name = "N", value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Be the limit server over a folder of kept answers
    #[arg(long, hide = true, value_name = "DIR", requires = "port_file")]
    serve_limit: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "FILE")]
    port_file: Option<PathBuf>,
}

/// As the server: the limit server differs from it in nothing but what answers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match begin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn begin() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let (Some(folder), Some(port_file)) = (&arguments.serve_limit, &arguments.port_file) {
        return runtime.block_on(limit::serve(folder, port_file));
    }
    let server = match arguments.server {
        Some(server) => server,
        None => std::env::current_exe()?.parent().unwrap_or(Path::new(".")).join("skaas-server"),
    };
    let sizes = match (arguments.sizes.is_empty(), arguments.quick) {
        (false, _) => arguments.sizes,
        (true, true) => vec![100, 1_000],
        (true, false) => vec![100, 1_000, 10_000],
    };
    let plan = report::Plan { server, quick: arguments.quick, sizes, only: arguments.only };
    // The run blocks the thread it is on; what waits for Ctrl-C is on another.
    runtime.spawn(async {
        let stopped = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => drop(terminate.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = stopped => {}
        }
        process::end_everything();
        eprintln!("bench: interrupted; everything it started is stopped");
        std::process::exit(130);
    });
    runtime.block_on(report::run(&plan))
}
