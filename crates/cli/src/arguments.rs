//! The command line of `skaas`: its commands, options, help and examples.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

const EXIT_CODES: &str = "Exit codes: 0 success; 1 failed; 2 invalid arguments or settings; 3 not signed in; \
    4 not found; 5 refused; 6 server unreachable; 130 interrupted.";

/// Agent skills over git: sign in once, and use your skills in every coding agent.
#[derive(Debug, Parser)]
#[command(name = "skaas", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = format!(
    "Examples:\n  skaas auth\n  SKAAS_URL=https://skills.example.com skaas status --json\n\n{EXIT_CODES}"
))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) general: General,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct General {
    /// Server to use [default: `SKAAS_URL`, then `skaas config get url`, then the server you are signed in to]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Print JSON; errors are JSON too, on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Allow plain HTTP to another machine; anyone on the network can read the token
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in, connect git, and add your marketplace to the coding agents on this machine
    #[command(alias = "login")]
    #[command(after_help = "Examples:\n  skaas auth\n  skaas auth --no-browser --netrc\n  \
        printf %s \"$TOKEN\" | skaas auth --with-token --yes")]
    Auth(Auth),
    /// Show who is signed in, where the token is stored, and whether git uses it
    #[command(after_help = "Examples:\n  skaas status\n  skaas status --json")]
    Status,
    /// Print your username
    #[command(after_help = "Examples:\n  skaas whoami\n  skaas whoami --json")]
    Whoami,
    /// Revoke this machine's token and undo everything that `skaas auth` set up
    #[command(
        after_help = "Examples:\n  skaas logout\n  skaas logout --url https://skills.example.com --json"
    )]
    Logout,
    /// List, create and revoke API tokens
    #[command(subcommand)]
    Token(Token),
    /// Check everything that an agent needs, and show how to fix each problem
    #[command(after_help = "Examples:\n  skaas doctor\n  skaas doctor --json")]
    Doctor,
    /// Show and change settings
    #[command(subcommand)]
    Config(Config),
    /// Print a completion script for your shell
    #[command(
        after_help = "Examples:\n  skaas completions bash > ~/.local/share/bash-completion/completions/skaas\n  \
        skaas completions zsh > ~/.zfunc/_skaas"
    )]
    Completions {
        /// Your shell
        shell: Shell,
    },
    /// Print docs/command-line.md
    #[command(hide = true)]
    Manual,
    /// Answer git when it needs a password; see gitcredentials(7)
    #[command(hide = true)]
    GitCredential {
        /// What git asks for
        act: CredentialAct,
    },
}

#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate switch on the command line")]
pub(crate) struct Auth {
    /// Print a link and a code instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Read an API token from standard input instead; revokes the token that this machine used before
    #[arg(long, conflicts_with_all = ["scopes", "name", "again"])]
    pub(crate) with_token: bool,
    /// Store the token with git's `store` helper (~/.git-credentials, unencrypted)
    #[arg(long)]
    pub(crate) store: bool,
    /// Also write the token to ~/.netrc, for clients that do not use git credential helpers
    #[arg(long)]
    pub(crate) netrc: bool,
    /// Get a new token even if the current one works, and revoke the current one
    #[arg(long)]
    pub(crate) again: bool,
    /// Limit what the token can do, such as `marketplaces read-only` [default: full access]
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scopes: Option<String>,
    /// Name of this device in your list of tokens [default: hostname]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Add the marketplace to every agent found, without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// List your API tokens
    #[command(after_help = "Examples:\n  skaas token list\n  skaas token list --json")]
    List,
    /// Create an API token and print it; it is not shown again
    #[command(
        after_help = "Examples:\n  skaas token create ci --scopes \"marketplaces read-only\" --expires 90d\n  \
        skaas token create laptop --json"
    )]
    Create {
        /// Name of the token, such as a device or a job
        name: String,
        /// Limit what it can do [default: the scopes of this machine's token]
        #[arg(long, value_name = "SCOPES")]
        scopes: Option<String>,
        /// Expire after this time, such as 12h, 90d or 1y [default: never]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<u64>,
    },
    /// Revoke API tokens; they stop working immediately
    #[command(
        after_help = "Examples:\n  skaas token revoke Xy12Ab9Q\n  skaas token revoke tok_01ARZ3 tok_01ARZ4"
    )]
    Revoke {
        /// ID (tok_…), or the 8 characters after `sk_live_`
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// List all settings
    #[command(after_help = "Examples:\n  skaas config list\n  skaas config list --json")]
    List,
    /// Print a setting
    #[command(after_help = "Examples:\n  skaas config get url\n  skaas config get browser --json")]
    Get {
        /// Setting: url, browser or keychain
        key: String,
    },
    /// Change a setting
    #[command(after_help = "Examples:\n  skaas config set url https://skills.example.com\n  \
        skaas config set browser false")]
    Set {
        /// Setting: url, browser or keychain
        key: String,
        /// New value
        value: String,
    },
    /// Restore the default of a setting
    #[command(after_help = "Examples:\n  skaas config unset url\n  skaas config unset browser")]
    Unset {
        /// Setting: url, browser or keychain
        key: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CredentialAct {
    Get,
    Store,
    Erase,
}

/// Parses a duration such as `90d` into seconds.
fn duration(text: &str) -> Result<u64, String> {
    let wrong = || "use a number and a unit, such as 12h, 90d or 1y".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|&all| all > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together_and_every_command_has_two_examples() {
        fn walk(command: &clap::Command, path: &str) {
            let leaf = command.get_subcommands().next().is_none();
            if leaf && !command.is_hide_set() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.matches("\n  ").count() >= 2, "{path}: {help}");
            }
            for sub in command.get_subcommands() {
                walk(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        Arguments::command().debug_assert();
        walk(&Arguments::command(), "skaas");
    }

    #[test]
    fn durations_are_read_in_their_units() {
        assert_eq!(duration("90d"), Ok(7_776_000));
        assert_eq!(duration("1y"), Ok(31_536_000));
        for wrong in ["", "d", "90", "-1d", "0h", "1é", "99999999999999999999y"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_argument_takes_a_token() {
        let mut help = Vec::new();
        for sub in Arguments::command().get_subcommands_mut() {
            help.push(sub.render_long_help().to_string());
        }
        assert!(help.iter().all(|text| !text.contains("--token ") && !text.contains("--password")));
    }
}
