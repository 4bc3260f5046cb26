//! Owns the command line of `skaas`: its words, help and examples. Refuses to do anything.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 wrong arguments or settings; 3 not signed in; 4 not found; \
    5 refused; 6 server out of reach; 130 interrupted.";

/// Skills for coding agents: sign in once, and git serves them to every agent.
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

/// Understood by every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct General {
    /// The server [else `SKAAS_URL`, `skaas config set url`, the only sign-in]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Print one JSON document; failures too, on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Allow plain http to another machine: everybody on the way can read the token
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in, let git use it, and show how to add your marketplace to each agent found here
    #[command(alias = "login")]
    #[command(after_help = "Examples:\n  skaas auth\n  skaas auth --no-browser --netrc\n  \
        printf %s \"$TOKEN\" | skaas auth --with-token --yes")]
    Auth(Auth),
    /// Show whether this machine is signed in, where the token is kept, and what git uses
    #[command(after_help = "Examples:\n  skaas status\n  skaas status --json")]
    Status,
    /// Print your username
    #[command(after_help = "Examples:\n  skaas whoami\n  skaas whoami --json")]
    Whoami,
    /// Revoke this machine's token and remove everything that signing in wrote
    #[command(
        after_help = "Examples:\n  skaas logout\n  skaas logout --url https://skills.example.com --json"
    )]
    Logout,
    /// Api tokens: list, create, revoke
    #[command(subcommand)]
    Token(Token),
    /// Clone as an agent would, without anybody to ask, and say what is wrong and what to do
    #[command(after_help = "Examples:\n  skaas doctor\n  skaas doctor --json")]
    Doctor,
    /// Settings of this command line
    #[command(subcommand)]
    Config(Config),
    /// Print the completions for a shell
    #[command(
        after_help = "Examples:\n  skaas completions bash > ~/.local/share/bash-completion/completions/skaas\n  \
        skaas completions zsh > ~/.zfunc/_skaas"
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print docs/command-line.md
    #[command(hide = true)]
    Manual,
    /// What git asks when it needs a password; see gitcredentials(7)
    #[command(hide = true)]
    GitCredential {
        /// What git wants
        act: CredentialAct,
    },
}

#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct Auth {
    /// Print the address and the code instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Read an api token from standard input instead of signing in; the one in use here before is revoked
    #[arg(long, conflicts_with_all = ["scopes", "name", "again"])]
    pub(crate) with_token: bool,
    /// Keep the token in git's own `store` helper instead (~/.git-credentials, in the clear)
    #[arg(long)]
    pub(crate) store: bool,
    /// Also write ~/.netrc, for clients that ask no credential helper
    #[arg(long)]
    pub(crate) netrc: bool,
    /// Get a new token even if the one here works; the old one is revoked
    #[arg(long)]
    pub(crate) again: bool,
    /// What the token may do, such as `marketplaces read-only` [default: everything you may]
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scopes: Option<String>,
    /// What to call this device in the list of tokens [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Add the marketplace to every agent found, without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// List your api tokens
    #[command(after_help = "Examples:\n  skaas token list\n  skaas token list --json")]
    List,
    /// Create an api token; it is printed this once
    #[command(
        after_help = "Examples:\n  skaas token create ci --scopes \"marketplaces read-only\" --expires 90d\n  \
        skaas token create laptop --json"
    )]
    Create {
        /// What to call it: a device, a job
        name: String,
        /// What it may do [default: everything that this machine's token may]
        #[arg(long, value_name = "SCOPES")]
        scopes: Option<String>,
        /// When it stops working: `12h`, `90d`, `1y`
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<u64>,
    },
    /// Revoke api tokens; their very next request is refused
    #[command(
        after_help = "Examples:\n  skaas token revoke Xy12Ab9Q\n  skaas token revoke tok_01ARZ3 tok_01ARZ4"
    )]
    Revoke {
        /// `tok_…`, or the 8 characters behind `sk_live_`
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// List all settings and what they mean
    #[command(after_help = "Examples:\n  skaas config list\n  skaas config list --json")]
    List,
    /// Print one setting
    #[command(after_help = "Examples:\n  skaas config get url\n  skaas config get browser --json")]
    Get {
        /// `url`, `browser` or `keychain`
        key: String,
    },
    /// Set one
    #[command(after_help = "Examples:\n  skaas config set url https://skills.example.com\n  \
        skaas config set browser false")]
    Set {
        /// `url`, `browser` or `keychain`
        key: String,
        /// Its value
        value: String,
    },
    /// Take one back to its default
    #[command(after_help = "Examples:\n  skaas config unset url\n  skaas config unset browser")]
    Unset {
        /// `url`, `browser` or `keychain`
        key: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CredentialAct {
    Get,
    Store,
    Erase,
}

/// Seconds of `90d`.
fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a duration; write it like 12h, 90d or 1y");
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
