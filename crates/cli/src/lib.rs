//! The `skaas` command line: sign in, connect git, manage tokens, find problems. It talks HTTP to the server and runs
//! git; it uses none of the server's crates except `skaas-api`.
//!
//! A token is never in an argument, an address or a log. It comes from standard input or from the server, and goes to
//! the keychain, to files of mode 0600, and to git on standard input.

mod account;
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
mod shell;
mod status;
mod tokens;
mod trouble;
mod usage;
mod wait;

use std::process::ExitCode;

use address::Address;
use arguments::{Arguments, Command, General};
use clap::CommandFactory as _;
use failure::{Failure, Kind, Result};
use hosts::Hosts;
use settings::Settings;

/// The context of a command.
pub(crate) struct Here {
    pub(crate) address: Address,
    /// Where the address comes from.
    pub(crate) named_by: &'static str,
    pub(crate) settings: Settings,
    pub(crate) json: bool,
}

impl Here {
    fn find(general: &General) -> Result<Self> {
        let settings = Settings::load()?;
        let hosts = Hosts::load()?;
        let from_env = std::env::var("SKAAS_URL").ok().filter(|url| !url.trim().is_empty());
        let (text, named_by) = if let Some(url) = &general.url {
            (url.clone(), "--url")
        } else if let Some(url) = from_env {
            (url, "SKAAS_URL")
        } else if let Some(url) = &settings.url {
            (url.clone(), "skaas config")
        } else if let Some(origin) = only_sign_in(&hosts)? {
            (origin, "the only server you are signed in to")
        } else {
            (address::DEFAULT.to_owned(), "the default")
        };
        // A server that this machine is signed in to was allowed then.
        let known = Address::parse(&text, true).is_ok_and(|address| hosts.get(&address).is_some());
        let address = Address::parse(&text, general.insecure || known)?;
        if hosts.iter().count() > 1 && named_by != "--url" && !general.json {
            output::note(&output::dim(&format!("Using {address} (from {named_by}).")));
        }
        Ok(Self { address, named_by, settings, json: general.json })
    }
}

/// The server that this machine is signed in to. If there are several, the user has to choose: a command must not
/// revoke or create a token on a server that they did not mean.
fn only_sign_in(hosts: &Hosts) -> Result<Option<String>> {
    let all: Vec<&str> = hosts.iter().map(|(origin, _)| origin).collect();
    match all[..] {
        [] => Ok(None),
        [only] => Ok(Some(only.to_owned())),
        [first, ..] => Err(Failure::new(Kind::Usage, "this machine is signed in to several servers")
            .why(format!("they are {}", all.join(", ")))
            .next(format!(
                "add --url, such as --url {0}, or choose a default: skaas config set url {0}",
                shell::quoted(first)
            ))),
    }
}

/// Runs the command line and returns its exit code.
pub fn run() -> ExitCode {
    let arguments = match usage::parse(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
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
