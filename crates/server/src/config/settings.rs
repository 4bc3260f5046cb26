//! Every setting. To add one, declare it here, run `cargo run -p skaas-server -- config --defaults >
//! skaas.default.toml`, and use it. What is checked across settings is in [`super::checks`].

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use skaas_app::outbound::SecretString;

use super::{
    checks::{
        allowance, any, at_least, data_dir, database_url, days, log_level, marketplace_name, master_key,
        public_url, redis_url,
    },
    declaration::{Key, Shown, settings},
    identity_provider::ProviderSettings,
    in_force::Origins,
};

settings! {
    /// Everything an operator can set.
    "" Settings {
        /// The address at which people reach this server, without a trailing slash. Every marketplace entry and every
        /// stub contains it, so set it before people clone. Empty: `http://ADDRESS:PORT` of `listen`.
        public_url: String = "", "SKAAS_PUBLIC_URL", public_url, "public_url = \"https://skills.example.com\"";

        /// The name that agents give each person's marketplace, as in `claude plugin install NAME@skaas`: lower-case
        /// words with hyphens. Two servers with the same name conflict in an agent that has added both. After a
        /// change, people who already added this server have to add it again.
        marketplace_name: String = "skaas", "SKAAS_MARKETPLACE_NAME", marketplace_name,
            "marketplace_name = \"acme-skills\"";

        /// Address and port to listen on; port 0 picks a free one.
        listen: SocketAddr = "127.0.0.1:8080", "SKAAS_LISTEN", any, "listen = \"0.0.0.0:8080\"";

        /// Folder of the embedded database and the objects.
        data_dir: PathBuf = "./skaas-data", "SKAAS_DATA_DIR", data_dir, "SKAAS_DATA_DIR=/var/lib/skaas";

        /// Seconds to finish open requests after SIGTERM.
        grace_seconds: u64 = 30, "SKAAS_GRACE_SECONDS", any;
    }
    {
        server: Server,
        database: Database,
        objects: Objects,
        redis: Redis,
        limits: Limits,
        vault: Vault,
        jobs: Jobs,
        mail: Mail,
        passwords: Passwords,
        egress: Egress,
        #[serde(default)]
        identity_provider: Vec<ProviderSettings>,
        log: Log,
        #[serde(skip)]
        origins: Origins,
    }
}

settings! {
    /// What is in front of the server.
    "server" Server {
        /// Proxies in front of the server whose word on the client's address is trusted: addresses and ranges,
        /// separated by commas, like `10.0.0.0/8, ::1`. Empty: none, and the client is the other end of the
        /// connection. If you have a proxy and don't name it here, everybody behind it counts as one address.
        trusted_proxies: String = "", "SKAAS_TRUSTED_PROXIES", any, "SKAAS_TRUSTED_PROXIES=10.0.0.0/8,::1";

        /// The header in which proxies name the client; no other is read. Either "x-forwarded-for", to which each
        /// proxy appends the address that connected to it, or "forwarded" (RFC 7239).
        proxy_header: String = "x-forwarded-for", "SKAAS_PROXY_HEADER", any, "SKAAS_PROXY_HEADER=forwarded";
    }
}

settings! {
    /// Where rows are.
    "database" Database {
        /// Empty: SQLite in `data_dir`. Otherwise `postgresql://user:password@host/database`.
        url: SecretString = "", "DATABASE_URL", database_url,
            "DATABASE_URL=postgresql://skaas:password@localhost/skaas";

        /// The maximum number of connections from one node to PostgreSQL.
        connections: u32 = 16, "SKAAS_DATABASE_CONNECTIONS", at_least::<1>;

        /// The maximum number of connections that read from SQLite at the same time; one more writes.
        readers: u32 = 4, "SKAAS_DATABASE_READERS", at_least::<1>;
    }
}

settings! {
    /// Where the content of releases is.
    "objects" Objects {
        /// The S3 bucket for the content of releases. Empty: the folder `objects` in `data_dir`.
        bucket: String = "", "S3_BUCKET", any, "S3_BUCKET=skaas";

        /// The address of the S3 service. Empty: the provider's default.
        endpoint: String = "", "S3_ENDPOINT", any, "S3_ENDPOINT=https://s3.eu-central-1.amazonaws.com";

        /// The region of the bucket.
        region: String = "us-east-1", "S3_REGION", any, "S3_REGION=eu-central-1";

        /// The access key: its ID and its secret. Empty: the credentials that the cloud gives this machine.
        access_key_id: SecretString = "", "S3_ACCESS_KEY_ID", any, "S3_ACCESS_KEY_ID=AKIA…";

        secret_access_key: SecretString = "", "S3_SECRET_ACCESS_KEY", any,
            "S3_SECRET_ACCESS_KEY_FILE=/run/secrets/s3";

        /// What the name of every object begins with.
        prefix: String = "", "S3_PREFIX", any, "S3_PREFIX=skaas/";

        /// Whether `endpoint` may be plain http.
        allow_http: bool = false, "S3_ALLOW_HTTP", any, "S3_ALLOW_HTTP=true";
    }
}

settings! {
    /// Where requests are counted.
    "redis" Redis {
        /// Where all nodes count requests together: `redis://user:password@host:6379/0`. Empty: each node counts
        /// separately, as it also does while Redis is unavailable.
        url: SecretString = "", "REDIS_URL", redis_url, "REDIS_URL=redis://:password@localhost:6379/0";
    }
}

settings! {
    /// The bounds of one node.
    "limits" Limits {
        /// Requests that one API token may make, git and REST together: at once, then per second.
        token_burst: u32 = 600, "SKAAS_TOKEN_BURST", at_least::<1>;

        token_per_second: u32 = 60, "SKAAS_TOKEN_PER_SECOND", at_least::<1>;

        /// The same for one network address (for IPv6, one /64) when no valid token says who is asking: pages, OAuth,
        /// public REST routes and invalid tokens. The request without credentials that starts every git operation is
        /// never counted.
        address_burst: u32 = 600, "SKAAS_ADDRESS_BURST", at_least::<1>;

        address_per_second: u32 = 60, "SKAAS_ADDRESS_PER_SECOND", at_least::<1>;

        /// Open connections at the same time. Each can take about 30 KiB and uses a file descriptor; the log warns if
        /// the system allows too few. When all are in use, an idle connection is closed to make room for a network
        /// address that has fewer. If there is none to close, the new connection waits.
        connections: u32 = 4096, "SKAAS_CONNECTIONS", at_least::<1>;

        /// Open connections at the same time from one network address (for IPv6, one /64); any more are closed
        /// immediately. Trusted proxies are exempt.
        connections_per_address: u32 = 256, "SKAAS_CONNECTIONS_PER_ADDRESS", at_least::<1>;

        /// Packs being sent at the same time; one account can use at most half. When all places are taken, an account
        /// with fewer gets one within 10 seconds: the account with the most loses its longest-running pack, once that
        /// has run for 5 seconds. A pack that has run for a minute gives way to any account with fewer. git reports a
        /// broken connection and can try again. A request that finds no place for 10 seconds gets 503.
        concurrent_packs: u32 = 256, "SKAAS_CONCURRENT_PACKS", at_least::<1>;

        /// Pushes being received at the same time.
        concurrent_pushes: u32 = 4, "SKAAS_CONCURRENT_PUSHES", at_least::<1>;

        /// Pushes that wait for one of these places, and the longest wait in seconds. The pusher sees the wait, and
        /// gets a message when the queue is full or the wait is over. 0 disables the queue.
        queued_pushes: u32 = 32, "SKAAS_QUEUED_PUSHES", any;

        push_wait_seconds: u64 = 300, "SKAAS_PUSH_WAIT_SECONDS", any;

        /// MiB of memory for the content of releases: half is a cache, half is for packs being sent. A skill lists
        /// the tags of its newest releases, as many as fit into a quarter of this, because a clone without a depth
        /// fetches all of them.
        content_memory_mib: u32 = 512, "SKAAS_CONTENT_MEMORY_MIB", at_least::<64>;

        /// A client is disconnected when it reads nothing for this many seconds, or falls that far behind a rate of 4
        /// KiB per second: waiting uses up this time, and every 4 KiB read restores one second. Clients that send are
        /// held to the same.
        stall_seconds: u64 = 60, "SKAAS_STALL_SECONDS", at_least::<1>;

        /// The largest push, in MiB of pack.
        push_mib: u32 = 256, "SKAAS_PUSH_MIB", at_least::<1>;

        /// Days until people have to authorize an app or run `skaas auth` again, however often it was used in
        /// between: 1 to 3650. A change applies to new authorizations.
        authorization_days: u32 = 365, "SKAAS_AUTHORIZATION_DAYS", days::<3650>, "SKAAS_AUTHORIZATION_DAYS=90";
    }
}

settings! {
    /// How secrets that have to be read again are kept.
    "vault" Vault {
        /// The key that encrypts stored secrets, such as credentials of connections: 32 random bytes in base64 or
        /// hex, as `openssl rand -base64 32` prints them. To change it, put the new key first and leave the old one
        /// behind it, separated by a comma: the first key encrypts, all of them decrypt. Keep it apart from backups
        /// of the database. Empty: with SQLite, the file `master.key` in `data_dir`, which is created when it is
        /// missing; otherwise none, and secrets can't be stored.
        master_key: SecretString = "", "SKAAS_MASTER_KEY", master_key, "SKAAS_MASTER_KEY_FILE=/run/secrets/master-key";
    }
}

settings! {
    /// How queued work is done.
    "jobs" Jobs {
        /// Whether `serve` runs queued work itself: mails, cleaning up. Set it to false if `skaas-server worker` does
        /// so in a separate process.
        in_serve: bool = true, "SKAAS_JOBS_IN_SERVE", any;

        /// Seconds of silence after which a worker counts as dead and others take over its jobs.
        lease_seconds: u64 = 30, "SKAAS_JOBS_LEASE_SECONDS", at_least::<1>;
    }
}

settings! {
    /// How mail is sent.
    "mail" Mail {
        /// The mail server: `smtp://user:password@mail.example:587` (STARTTLS), `smtps://…` (TLS), `smtp+plain://…`
        /// Empty: every mail is written to a folder, and the log says where.
        smtp: SecretString = "", "SKAAS_SMTP_URL", any, "SKAAS_SMTP_URL=smtp://user:password@mail.example:587";

        /// The sender of all mail.
        from: String = "skaas <skaas@example.com>", "SKAAS_MAIL_FROM", any,
            "SKAAS_MAIL_FROM=\"Acme Skills <skills@example.com>\"";

        /// The folder for mail when there is no mail server. Empty: `mail` in `data_dir`.
        folder: String = "", "SKAAS_MAIL_FOLDER", any, "SKAAS_MAIL_FOLDER=/var/lib/skaas/mail";
    }
}

settings! {
    /// What is asked of passwords.
    "passwords" Passwords {
        /// A range service that knows passwords from breaches, like the one at Have I Been Pwned:
        /// `https://api.pwnedpasswords.com/range/`. It learns the first 5 digits of a new password's SHA-1, and
        /// nothing else. If it doesn't answer within 2 seconds, the password is accepted and the log says so. A
        /// service on a private address also needs egress.allow. Empty: only the built-in list of common passwords is
        /// used.
        breach_service: String = "", "SKAAS_BREACH_SERVICE", any,
            "SKAAS_BREACH_SERVICE=https://api.pwnedpasswords.com/range/";
    }
}

settings! {
    /// Whom the server may call.
    "egress" Egress {
        /// The server connects to public addresses only. List here what else it may reach, separated by commas:
        /// addresses, ranges and hosts, like `10.1.0.0/16, id.corp.example, *.internal.example`.
        allow: String = "", "SKAAS_EGRESS_ALLOW", allowance, "SKAAS_EGRESS_ALLOW=10.1.0.0/16,id.corp.example";

        /// The same for addresses that users and strangers supply, such as the documents in which OAuth clients
        /// describe themselves. `allow` does not apply to them.
        allow_for_users: String = "", "SKAAS_EGRESS_ALLOW_FOR_USERS", allowance,
            "SKAAS_EGRESS_ALLOW_FOR_USERS=*.corp.example";

        /// The former name of `allow_for_users`. What is listed in either is permitted.
        allow_for_clients: String = "", "SKAAS_EGRESS_ALLOW_FOR_CLIENTS", allowance,
            "SKAAS_EGRESS_ALLOW_FOR_CLIENTS=*.corp.example";
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Shown for LogFormat {
    fn shown(&self) -> String {
        let word = match self {
            Self::Text => "text",
            Self::Json => "json",
        };
        format!("\"{word}\"")
    }
}

settings! {
    /// What is logged.
    "log" Log {
        /// error, warn, info, debug, trace, or directives such as `info,skaas_app=debug`.
        level: String = "info", "SKAAS_LOG", log_level, "SKAAS_LOG=info, or SKAAS_LOG=info,skaas_app=debug";

        /// text for people, json for machines.
        format: LogFormat = "text", "SKAAS_LOG_FORMAT", any, "SKAAS_LOG_FORMAT=json";
    }
}

/// Every table, in the order of `skaas.default.toml`. The identity providers come before the last.
const TABLES: [&[Key]; 12] = [
    Settings::KEYS,
    Server::KEYS,
    Database::KEYS,
    Objects::KEYS,
    Redis::KEYS,
    Limits::KEYS,
    Vault::KEYS,
    Jobs::KEYS,
    Mail::KEYS,
    Passwords::KEYS,
    Egress::KEYS,
    Log::KEYS,
];

/// Every setting.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    TABLES.into_iter().flatten()
}

impl Settings {
    /// Checks each setting on its own.
    pub(super) fn check_each(&self) -> Result<(), super::InvalidSettings> {
        self.check_keys()?;
        self.server.check_keys()?;
        self.database.check_keys()?;
        self.objects.check_keys()?;
        self.redis.check_keys()?;
        self.limits.check_keys()?;
        self.vault.check_keys()?;
        self.jobs.check_keys()?;
        self.mail.check_keys()?;
        self.passwords.check_keys()?;
        self.egress.check_keys()?;
        self.log.check_keys()
    }

    /// Every value as TOML, in the order of [`keys`].
    pub(super) fn all_shown(&self) -> Vec<String> {
        [
            self.shown(),
            self.server.shown(),
            self.database.shown(),
            self.objects.shown(),
            self.redis.shown(),
            self.limits.shown(),
            self.vault.shown(),
            self.jobs.shown(),
            self.mail.shown(),
            self.passwords.shown(),
            self.egress.shown(),
            self.log.shown(),
        ]
        .concat()
    }
}
