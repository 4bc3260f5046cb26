//! The skaas server: HTTP, configuration, the administration command line.
//!
//! Invariant: no logic. A handler extracts, calls one use case of `skaas_app`, maps the answer.

mod admin;
mod arguments;
mod client_address;
mod config;
mod demo;
mod doctor;
mod git_http;
mod guests;
mod health;
mod installation;
mod listener;
mod master_key;
mod mcp;
mod oauth;
mod output;
mod pace;
mod pages;
mod request_path;
mod rest;
mod router;
mod serve;
mod signals;
mod telemetry;
mod third_parties;
mod until;
mod watch;
mod web;
mod worker;

pub use client_address::{InvalidProxies, TrustedProxies};
pub use config::InForce;
pub use listener::{Answers, Patience, Terms, serve as listen};
pub use router::{RouterParts, Routes, addresses, router};

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

/// Runs the program; what it returns is the process's exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&anyhow::anyhow!("cannot start threads: {error}")),
    };
    match runtime.block_on(dispatch(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<()> {
    let place = arguments.place;
    match arguments.command {
        Command::Serve(options) => serve::run(&place, &options).await,
        Command::Worker => worker::run(&place).await,
        Command::Migrate { json } => installation::migrate(&place, json).await,
        Command::Admin(command) => admin::run(&place, command).await,
        Command::Demo(options) => demo::run(&place, &options).await,
        Command::Doctor { quick, json } => doctor::run(&place, quick, json).await,
        Command::Openapi => output::json(&rest::document()),
        Command::Config { defaults } => installation::show_config(&place, defaults),
    }
}
