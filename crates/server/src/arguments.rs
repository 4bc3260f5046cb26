//! Owns the command line of `skaas-server`: its words, help and examples. Refuses to do anything.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Supplies, governs and powers agent skills.
#[derive(Debug, Parser)]
#[command(name = "skaas-server", version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Examples:\n  skaas-server serve --listen 127.0.0.1:8080 --data ./skaas-data\n  \
    skaas-server admin user add alice --email alice@example.com\n\n\
    Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 wrong configuration; 4 not found; 5 conflict.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which installation is meant; understood by every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// A configuration file; `skaas.toml` in this folder is read without being named
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the embedded database and of objects
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// `postgresql://…` instead of the embedded database
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM or Ctrl-C
    #[command(after_help = "Examples:\n  skaas-server serve --data ./skaas-data\n  \
        skaas-server serve --listen 127.0.0.1:0 --port-file ./port")]
    Serve(Serve),
    /// Run queued work until SIGTERM or Ctrl-C, without serving; works beside any number of servers
    #[command(after_help = "Examples:\n  skaas-server worker --data ./skaas-data\n  \
        DATABASE_URL=postgresql://skaas@localhost/skaas skaas-server worker")]
    Worker,
    /// Bring the database up to this version, and stop
    #[command(after_help = "Examples:\n  skaas-server migrate --data ./skaas-data\n  \
        DATABASE_URL=postgresql://skaas@localhost/skaas skaas-server migrate --json")]
    Migrate {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Administer users, tokens, listings and grants; works beside a running server
    #[command(subcommand)]
    Admin(Admin),
    /// A tour on a separate server: publish, clone, grant, pull
    #[command(after_help = "Examples:\n  skaas-server demo\n  skaas-server demo --exit --data ./demo-data")]
    Demo(Demo),
    /// Look for what is wrong with this installation, and say what to do
    #[command(after_help = "Examples:\n  skaas-server doctor\n  skaas-server doctor --quick --json")]
    Doctor {
        /// Do not read every stored content and the whole database file
        #[arg(long)]
        quick: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document of the REST interface
    #[command(after_help = "Examples:\n  skaas-server openapi\n  skaas-server openapi > docs/openapi.json")]
    Openapi,
    /// Print the configuration in force, or the commented defaults
    #[command(after_help = "Examples:\n  skaas-server config\n  skaas-server config --defaults > skaas.toml")]
    Config {
        /// The default file, which explains every key
        #[arg(long)]
        defaults: bool,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where people reach this server, such as `https://skills.example.com`
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Write the chosen port to this file once connections are taken
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// End after the tour
    #[arg(long)]
    pub(crate) exit: bool,
    /// Listen on this port of 127.0.0.1 (default: a free one)
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
}

/// What an operator does by hand. Every command takes `--json`.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Users: add, list, sign out, suspend, delete
    #[command(subcommand)]
    User(User),
    /// Operators: add, remove, list
    #[command(subcommand)]
    Operator(Operator),
    /// API tokens: create, list, revoke
    #[command(subcommand)]
    Token(Token),
    /// Listings: set, show, quarantine, delete
    #[command(subcommand)]
    Listing(Listing),
    /// Grants: add, list, revoke
    #[command(subcommand)]
    Grant(Grant),
    /// Jobs: list, show, retry, cancel, probe
    #[command(subcommand)]
    Job(Job),
    /// Audit log: list, verify, export
    #[command(subcommand)]
    Audit(Audit),
    /// Stored content: remove what nothing needs
    #[command(subcommand)]
    Storage(Storage),
    /// Stored secrets: see which master keys protect them, and change the key
    #[command(subcommand)]
    Vault(Vault),
    /// After you restore a backup: tell copies that are ahead of it to clone again, and list what was revoked since
    #[command(after_help = "Run it before the server starts again.\n\n\
        Examples:\n  skaas-server admin restored\n  skaas-server admin restored --revoke")]
    Restored {
        /// Revoke again what was revoked after the backup, and delete accounts that were deleted after it
        #[arg(long)]
        revoke: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Correct the stamps that a clock running ahead left in the future
    #[command(
        after_help = "Set the clock right first: steps and grants with later stamps get the present one.\n\n\
        Examples:\n  skaas-server admin restamp\n  skaas-server admin restamp --json"
    )]
    Restamp {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum JobState {
    Waiting,
    Running,
    Dead,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// List jobs, newest first; a job that is done is deleted
    #[command(after_help = "Examples:\n  skaas-server admin job list\n  \
        skaas-server admin job list --state dead --kind mail --json")]
    List {
        /// Only jobs in this state
        #[arg(long, value_enum)]
        state: Option<JobState>,
        /// Only jobs of this kind
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// List at most this many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show one job
    #[command(after_help = "Examples:\n  skaas-server admin job show job_01jbx9m5q0e8w8x3x5v2k7n4rt\n  \
        skaas-server admin job show job_01jbx9m5q0e8w8x3x5v2k7n4rt --json")]
    Show {
        /// Which
        job: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Retry a dead job from the start, or start a waiting one immediately
    #[command(after_help = "Examples:\n  skaas-server admin job retry job_01jbx9m5q0e8w8x3x5v2k7n4rt\n  \
        skaas-server admin job retry --dead --kind mail --json")]
    Retry {
        /// Which
        #[arg(required_unless_present = "dead")]
        job: Option<String>,
        /// Retry every dead job
        #[arg(long, conflicts_with = "job")]
        dead: bool,
        /// With --dead: only jobs of this kind
        #[arg(long, value_name = "KIND", requires = "dead")]
        kind: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a job; one that is running is stopped within seconds, and what it did so far stays done
    #[command(after_help = "Examples:\n  skaas-server admin job cancel job_01jbx9m5q0e8w8x3x5v2k7n4rt\n  \
        skaas-server admin job cancel job_01jbx9m5q0e8w8x3x5v2k7n4rt --json")]
    Cancel {
        /// Which
        job: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add jobs that do nothing; they disappear from the list once a worker has run them
    #[command(after_help = "Examples:\n  skaas-server admin job probe\n  \
        skaas-server admin job probe --count 1000 --json")]
    Probe {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        count: u32,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List what was done, newest first
    #[command(after_help = "Examples:\n  skaas-server admin audit list --user alice --since 7d\n  \
        skaas-server admin audit list --action token --limit 20 --json")]
    List {
        /// Only entries about this user
        #[arg(long, value_name = "USERNAME")]
        user: Option<String>,
        /// Only this action, such as token.create, or all that begin with a word, such as token
        #[arg(long, value_name = "ACTION")]
        action: Option<String>,
        /// Only entries since then: an age such as 12h or 30d, or an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// List at most this many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Check that no sealed entry was changed, removed or moved; exits with 1 if one was
    #[command(
        after_help = "An attacker who can write to the database can recompute a whole chain. To notice that too,\n\
        keep an export on another machine and compare with it.\n\n\
        Examples:\n  skaas-server admin audit verify\n  \
        skaas-server admin audit verify --against audit-2026-11.jsonl --json"
    )]
    Verify {
        /// An earlier export; the chains must still contain what it says of their ends
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the whole log as JSON lines: every entry, then the end of every chain
    #[command(after_help = "Keep the file on a machine that this server can't write to.\n\n\
        Examples:\n  skaas-server admin audit export > audit.jsonl\n  \
        skaas-server admin audit export --heads > heads.jsonl")]
    Export {
        /// Print only the ends of the chains: all that `verify --against` needs
        #[arg(long)]
        heads: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Storage {
    /// Remove what failed and killed pushes left behind; the server does so every hour
    #[command(after_help = "Examples:\n  skaas-server admin storage sweep --dry-run\n  \
        skaas-server admin storage sweep --older-than 1h --json")]
    Sweep {
        /// Leave alone what was written less than this long ago: 30s, 15m, 12h, 14d. With less than an hour,
        /// pushes under way may be refused and have to be repeated
        #[arg(long, value_name = "AGE", default_value = "24h")]
        older_than: String,
        /// Count, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Show the master keys and how many secrets each of them protects
    #[command(
        after_help = "Examples:\n  skaas-server admin vault status\n  skaas-server admin vault status --json"
    )]
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Protect every stored secret with the current master key, while servers run
    #[command(
        after_help = "First restart every server with both keys, the new one first: SKAAS_MASTER_KEY=NEW,OLD\n\n\
        Examples:\n  skaas-server admin vault rotate\n  skaas-server admin vault rotate --json"
    )]
    Rotate {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete the secrets that a lost master key protects
    #[command(after_help = "Examples:\n  skaas-server admin vault discard 9f86d081884c7d65 --yes\n  \
        skaas-server admin vault discard 9f86d081884c7d65 --yes --json")]
    Discard {
        /// The ID of the lost key, as `vault status` shows it
        key: String,
        /// Confirm that the secrets are deleted permanently
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a user
    #[command(after_help = "Examples:\n  skaas-server admin user add alice --email alice@example.com\n  \
        skaas-server admin user add ann --email ann@example.com --json")]
    Add {
        /// Lower-case letters, digits and single hyphens
        username: String,
        /// Where mail reaches them
        #[arg(long)]
        email: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List users
    #[command(
        after_help = "Examples:\n  skaas-server admin user list\n  skaas-server admin user list --json"
    )]
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// End a user's sessions, tokens and authorized apps
    #[command(after_help = "Examples:\n  skaas-server admin user sign-out alice\n  \
        skaas-server admin user sign-out alice --json")]
    SignOut {
        /// Whose
        username: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a user's passkeys, authenticator app and recovery codes
    #[command(
        after_help = "For a user who lost all of them. The password stays. Make sure that it is them who asks.\n\n\
        Examples:\n  skaas-server admin user reset-second-factor alice --yes\n  \
        skaas-server admin user reset-second-factor alice --yes --json"
    )]
    ResetSecondFactor {
        /// Whose
        username: String,
        /// Really
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Suspend an account: nobody can use it until you unsuspend it. Nothing is deleted
    #[command(
        after_help = "Examples:\n  skaas-server admin user suspend mallory --reason \"stolen card\"\n  \
        skaas-server admin user suspend mallory --reason spam --json"
    )]
    Suspend {
        /// The user's name
        username: String,
        /// Why. Only operators see it
        #[arg(long)]
        reason: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lift the suspension of an account. Its sessions and tokens work again
    #[command(after_help = "Examples:\n  skaas-server admin user unsuspend mallory\n  \
        skaas-server admin user unsuspend mallory --json")]
    Unsuspend {
        /// The user's name
        username: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a user; the name is never given again
    #[command(after_help = "Examples:\n  skaas-server admin user delete alice --yes\n  \
        skaas-server admin user delete alice --yes --json")]
    Delete {
        /// Whose account
        username: String,
        /// Really
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operator {
    /// Make a user an operator: they can open the pages under /operator
    #[command(after_help = "Examples:\n  skaas-server admin operator add alice\n  \
        skaas-server admin operator add alice --json")]
    Add {
        /// The user's name
        username: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take the role away. It takes effect immediately
    #[command(after_help = "Examples:\n  skaas-server admin operator remove alice\n  \
        skaas-server admin operator remove alice --json")]
    Remove {
        /// The user's name
        username: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List operators
    #[command(after_help = "Examples:\n  skaas-server admin operator list\n  \
        skaas-server admin operator list --json")]
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Create an api token; it is printed this once
    #[command(after_help = "Examples:\n  skaas-server admin token create alice --name laptop\n  \
        skaas-server admin token create ci --scope marketplaces --expires 90d --json")]
    Create {
        /// Whose
        username: String,
        /// What to call it: a device, a job
        #[arg(long, default_value = "admin")]
        name: String,
        /// What it may be used for: full, marketplaces, skill:NAME, creator, account, mcp, action:…, read-only
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it stops working: `12h`, `90d`, `1y`, or an RFC 3339 time
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List a user's tokens
    #[command(
        after_help = "Examples:\n  skaas-server admin token list alice\n  skaas-server admin token list alice --json"
    )]
    List {
        /// Whose
        username: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revoke one token, or all of a user's
    #[command(after_help = "Examples:\n  skaas-server admin token revoke alice Xy12Ab9Q\n  \
        skaas-server admin token revoke alice Xy12Ab9Q --descendants")]
    Revoke {
        /// Whose
        username: String,
        /// `tok_…` or the 8 characters behind `sk_live_`; all tokens when left out
        token: Option<String>,
        /// Also revoke the tokens that were created with this one
        #[arg(long, requires = "token")]
        descendants: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Interval {
    Once,
    Month,
    Year,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Listing {
    /// Change how a skill is offered
    #[command(
        after_help = "Examples:\n  skaas-server admin listing set lint-pro --price 900 --currency USD --publish\n  \
        skaas-server admin listing set lint-pro --category review --tag lint --tag ci"
    )]
    Set(Box<ListingSet>),
    /// Set, archive or list the prices of a skill
    #[command(subcommand)]
    Price(ListingPrice),
    /// Stop serving a skill to anybody but its creator while you review it
    #[command(
        after_help = "Examples:\n  skaas-server admin listing quarantine lint-pro --reason \"reads SSH keys\"\n  \
        skaas-server admin listing quarantine lint-pro --reason malware --json"
    )]
    Quarantine {
        /// The skill's name
        skill: String,
        /// Why. Only operators see it
        #[arg(long)]
        reason: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Release a skill from quarantine. Its state is again what it was before
    #[command(after_help = "Examples:\n  skaas-server admin listing release lint-pro\n  \
        skaas-server admin listing release lint-pro --json")]
    Release {
        /// The skill's name
        skill: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a skill for everybody; the name is never given again. `set --withdraw` leaves it to its holders
    #[command(after_help = "Examples:\n  skaas-server admin listing delete lint-pro --yes\n  \
        skaas-server admin listing delete lint-pro --yes --json")]
    Delete {
        /// Which
        skill: String,
        /// Really
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one listing, or all
    #[command(
        after_help = "Examples:\n  skaas-server admin listing show\n  skaas-server admin listing show lint-pro --json"
    )]
    Show {
        /// Which; all when left out
        skill: Option<String>,
        /// Print JSON: an object for one, an array for all
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ListingPrice {
    /// Set the price for one currency and interval, beside those for others; archives the one it replaces
    #[command(
        after_help = "Examples:\n  skaas-server admin listing price set lint-pro --amount 800 --currency EUR\n  \
        skaas-server admin listing price set lint-pro --amount 9000 --interval year --json"
    )]
    Set {
        /// The skill's name
        skill: String,
        /// The amount in minor units (cents); 0 makes the skill free and archives all other prices
        #[arg(long, value_name = "MINOR UNITS")]
        amount: i64,
        /// The ISO 4217 code of the currency
        #[arg(long, default_value = "USD")]
        currency: String,
        /// How often the price is paid
        #[arg(long, value_enum, default_value = "once")]
        interval: Interval,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Archive a price. People who paid it keep what they bought
    #[command(after_help = "Examples:\n  skaas-server admin listing price list lint-pro\n  \
        skaas-server admin listing price archive lint-pro prc_01jc0000000000000000000000")]
    Archive {
        /// The skill's name
        skill: String,
        /// The price's ID, as `price list` prints it
        price: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the prices of a skill, including archived ones
    #[command(after_help = "Examples:\n  skaas-server admin listing price list lint-pro\n  \
        skaas-server admin listing price list lint-pro --json")]
    List {
        /// The skill's name
        skill: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ListingSet {
    /// The skill's name
    pub(crate) skill: String,
    /// The only price, in minor units (cents); archives all others. 0 is free for everybody
    #[arg(long, value_name = "MINOR UNITS")]
    pub(crate) price: Option<i64>,
    /// ISO 4217 code of the price
    #[arg(long, default_value = "USD", requires = "price")]
    pub(crate) currency: String,
    /// How often the price is paid
    #[arg(long, value_enum, default_value = "once", requires = "price")]
    pub(crate) interval: Interval,
    /// Length of the trial in days; 0 is none
    #[arg(long, value_name = "N")]
    pub(crate) trial_days: Option<u16>,
    /// The shelf it stands on
    #[arg(long, value_name = "WORD")]
    pub(crate) category: Option<String>,
    /// Words to find it by; replaces those it has
    #[arg(long = "tag", value_name = "WORD")]
    pub(crate) tags: Vec<String>,
    /// Offer it to everybody
    #[arg(long, conflicts_with = "withdraw")]
    pub(crate) publish: bool,
    /// Offer it no longer; whoever has it keeps it
    #[arg(long)]
    pub(crate) withdraw: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GrantKind {
    Gift,
    Trial,
    Purchase,
    Subscription,
    Seat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Give a user access to a skill
    #[command(after_help = "Examples:\n  skaas-server admin grant add bob lint-pro --kind gift\n  \
        skaas-server admin grant add bob lint-pro --kind subscription --until 30d --json")]
    Add {
        /// Who
        username: String,
        /// What
        skill: String,
        /// Why
        #[arg(long, value_enum)]
        kind: GrantKind,
        /// When it ends: `14d`, `1y`, or an RFC 3339 time; a trial's default is the listing's
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Releases published later are not covered: `1y`, or an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        updates_until: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List a user's grants
    #[command(
        after_help = "Examples:\n  skaas-server admin grant list bob\n  skaas-server admin grant list bob lint-pro --json"
    )]
    List {
        /// Whose
        username: String,
        /// Only for this skill
        skill: Option<String>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revoke a user's grants for a skill, or all of them
    #[command(after_help = "Examples:\n  skaas-server admin grant revoke bob lint-pro\n  \
        skaas-server admin grant revoke bob --json")]
    Revoke {
        /// Whose
        username: String,
        /// Only for this skill
        skill: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}
