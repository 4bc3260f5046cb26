//! The `skaas` command line: sign in, let git use the token, see and take back tokens, find out what is wrong.
//! It speaks HTTP to the server and runs git; it knows nothing of the server's crates.
//!
//! No token ever stands in an argument, an address or a log: tokens come by standard input or from the
//! server, and go to the keychain, to files of mode 0600, and to git by standard input.

mod address;
mod agents;
mod arguments;
mod auth;
mod browser;
mod clock;
mod config;
mod doctor;
mod failure;
mod git;
mod git_credential;
mod hosts;
mod interrupt;
mod keychain;
mod login;
mod manual;
mod netrc;
mod output;
mod places;
mod private_file;
mod program;
mod remote;
mod settings;
mod setup;
mod status;
mod tokens;
mod wait;

use std::process::ExitCode;

use address::Address;
use arguments::{Arguments, Command, General};
use clap::{CommandFactory as _, Parser as _};
use failure::{Failure, Kind, Result};
use hosts::Hosts;
use settings::Settings;

/// What a command works with.
pub(crate) struct Here {
    pub(crate) address: Address,
    /// Who said that this is the server.
    pub(crate) named_by: &'static str,
    pub(crate) settings: Settings,
    pub(crate) json: bool,
}

impl Here {
    fn find(general: &General) -> Result<Self> {
        let settings = Settings::load()?;
        let from_env = std::env::var("SKAAS_URL").ok().filter(|url| !url.trim().is_empty());
        let (text, named_by) = if let Some(url) = &general.url {
            (url.clone(), "--url")
        } else if let Some(url) = from_env {
            (url, "SKAAS_URL")
        } else if let Some(url) = &settings.url {
            (url.clone(), "skaas config")
        } else if let Some(origin) = only_sign_in()? {
            (origin, "the only server signed in to")
        } else {
            (address::DEFAULT.to_owned(), "the default")
        };
        // What we signed in to before was allowed then.
        let known =
            Address::parse(&text, true).is_ok_and(|a| Hosts::load().is_ok_and(|h| h.get(&a).is_some()));
        let address = Address::parse(&text, general.insecure || known)?;
        Ok(Self { address, named_by, settings, json: general.json })
    }
}

fn only_sign_in() -> Result<Option<String>> {
    let hosts = Hosts::load()?;
    let mut all = hosts.iter();
    Ok(match (all.next(), all.next()) {
        (Some((origin, _)), None) => Some(origin.to_owned()),
        _ => None,
    })
}

/// Runs the command line; the exit code says how it went.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let as_json = arguments.general.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments)),
        Err(error) => Err(Failure::new(Kind::Failed, "cannot start").why(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::fail(&failure, as_json),
    }
}

async fn dispatch(arguments: Arguments) -> Result<()> {
    let general = arguments.general;
    match arguments.command {
        Command::GitCredential { act } => git_credential::run(act),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "skaas", &mut script);
            output::raw(&script);
            Ok(())
        }
        Command::Manual => {
            output::raw(manual::text().as_bytes());
            Ok(())
        }
        Command::Config(command) => config::run(&general, command),
        Command::Auth(options) => auth::run(&Here::find(&general)?, &options).await,
        Command::Status => status::status(&Here::find(&general)?).await,
        Command::Whoami => status::whoami(&Here::find(&general)?).await,
        Command::Logout => status::logout(&Here::find(&general)?).await,
        Command::Token(command) => tokens::run(&Here::find(&general)?, command).await,
        Command::Doctor => doctor::run(&Here::find(&general)?).await,
    }
}
