//! Owns the configuration: one commented default file, a file of the operator's, the environment, in that
//! order. Refuses wrong values at the start, with the name, the reason and an example.

mod checks;

use std::{fmt, net::SocketAddr, path::PathBuf};

use config::{Config, File, FileFormat};
use serde::Deserialize;

use crate::{
    client_address::{InvalidProxies, TrustedProxies},
    third_parties::ProviderSettings,
};

/// The defaults and the manual.
pub(crate) const DEFAULTS: &str = include_str!("../../../skaas.default.toml");

/// Each key with the environment variable that sets it.
const VARIABLES: &[(&str, &str)] = &[
    ("public_url", "SKAAS_PUBLIC_URL"),
    ("marketplace_name", "SKAAS_MARKETPLACE_NAME"),
    ("listen", "SKAAS_LISTEN"),
    ("data_dir", "SKAAS_DATA_DIR"),
    ("grace_seconds", "SKAAS_GRACE_SECONDS"),
    ("server.trusted_proxies", "SKAAS_TRUSTED_PROXIES"),
    ("server.proxy_header", "SKAAS_PROXY_HEADER"),
    ("database.url", "DATABASE_URL"),
    ("database.connections", "SKAAS_DATABASE_CONNECTIONS"),
    ("database.readers", "SKAAS_DATABASE_READERS"),
    ("objects.bucket", "S3_BUCKET"),
    ("objects.endpoint", "S3_ENDPOINT"),
    ("objects.region", "S3_REGION"),
    ("objects.access_key_id", "S3_ACCESS_KEY_ID"),
    ("objects.secret_access_key", "S3_SECRET_ACCESS_KEY"),
    ("objects.prefix", "S3_PREFIX"),
    ("objects.allow_http", "S3_ALLOW_HTTP"),
    ("redis.url", "REDIS_URL"),
    ("limits.token_burst", "SKAAS_TOKEN_BURST"),
    ("limits.token_per_second", "SKAAS_TOKEN_PER_SECOND"),
    ("limits.address_burst", "SKAAS_ADDRESS_BURST"),
    ("limits.address_per_second", "SKAAS_ADDRESS_PER_SECOND"),
    ("limits.connections", "SKAAS_CONNECTIONS"),
    ("limits.connections_per_address", "SKAAS_CONNECTIONS_PER_ADDRESS"),
    ("limits.concurrent_packs", "SKAAS_CONCURRENT_PACKS"),
    ("limits.concurrent_pushes", "SKAAS_CONCURRENT_PUSHES"),
    ("limits.queued_pushes", "SKAAS_QUEUED_PUSHES"),
    ("limits.push_wait_seconds", "SKAAS_PUSH_WAIT_SECONDS"),
    ("limits.content_memory_mib", "SKAAS_CONTENT_MEMORY_MIB"),
    ("limits.stall_seconds", "SKAAS_STALL_SECONDS"),
    ("limits.push_mib", "SKAAS_PUSH_MIB"),
    ("limits.authorization_days", "SKAAS_AUTHORIZATION_DAYS"),
    ("mail.smtp", "SKAAS_SMTP_URL"),
    ("mail.from", "SKAAS_MAIL_FROM"),
    ("mail.folder", "SKAAS_MAIL_FOLDER"),
    ("passwords.breach_service", "SKAAS_BREACH_SERVICE"),
    ("egress.allow", "SKAAS_EGRESS_ALLOW"),
    ("egress.allow_for_clients", "SKAAS_EGRESS_ALLOW_FOR_CLIENTS"),
    ("log.level", "SKAAS_LOG"),
    ("log.format", "SKAAS_LOG_FORMAT"),
];

/// Keys whose values are never shown.
const SECRETS: &[&str] =
    &["database.url", "objects.access_key_id", "objects.secret_access_key", "redis.url", "mail.smtp"];

/// Everything an operator can set. `skaas.default.toml` says what each key means.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) public_url: String,
    pub(crate) marketplace_name: String,
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) grace_seconds: u64,
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) objects: Objects,
    pub(crate) redis: Redis,
    pub(crate) limits: Limits,
    pub(crate) mail: Mail,
    pub(crate) passwords: Passwords,
    pub(crate) egress: Egress,
    #[serde(default)]
    pub(crate) identity_provider: Vec<ProviderSettings>,
    pub(crate) log: Log,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) trusted_proxies: String,
    pub(crate) proxy_header: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    pub(crate) url: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) smtp: String,
    pub(crate) from: String,
    pub(crate) folder: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passwords {
    pub(crate) breach_service: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Egress {
    pub(crate) allow: String,
    pub(crate) allow_for_clients: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) connections: u32,
    pub(crate) readers: u32,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Objects {
    pub(crate) bucket: String,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) prefix: String,
    pub(crate) allow_http: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) token_burst: u32,
    pub(crate) token_per_second: u32,
    pub(crate) address_burst: u32,
    pub(crate) address_per_second: u32,
    pub(crate) connections: u32,
    pub(crate) connections_per_address: u32,
    pub(crate) concurrent_packs: u32,
    pub(crate) concurrent_pushes: u32,
    pub(crate) queued_pushes: u32,
    pub(crate) push_wait_seconds: u64,
    pub(crate) content_memory_mib: u32,
    pub(crate) stall_seconds: u64,
    pub(crate) push_mib: u32,
    pub(crate) authorization_days: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

/// A configuration that the server does not start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSettings {
    #[error(
        "cannot read the configuration file {path}: {reason}\n  give an existing TOML file with --config, or none"
    )]
    File { path: String, reason: String },
    #[error("{name} is wrong: {reason}\n  example: {example}")]
    Value { name: String, reason: String, example: String },
}

/// What the command line says over file and environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) file: Option<PathBuf>,
    pub(crate) values: Vec<(&'static str, String)>,
}

impl Settings {
    /// Reads defaults, file, environment (through `variable`) and command line, in that order.
    pub(crate) fn read(
        overrides: &Overrides,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidSettings> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(path) = config_file(overrides, variable)? {
            let text = std::fs::read_to_string(&path).map_err(|error| InvalidSettings::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?;
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        for (key, name) in VARIABLES {
            if let Some(value) = read_variable(name, variable)? {
                builder = builder.set_override(*key, value).map_err(|e| wrong(key, &e.to_string()))?;
            }
        }
        for (key, value) in &overrides.values {
            builder = builder.set_override(*key, value.clone()).map_err(|e| wrong(key, &e.to_string()))?;
        }
        let mut settings: Self = builder
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|error| wrong(&key_of(&error).unwrap_or_default(), &error.to_string()))?;
        let of_environment = ProviderSettings::from_environment(|name| read_variable(name, variable))?;
        settings.identity_provider.extend(of_environment);
        settings.check()?;
        Ok(settings)
    }

    /// Whom to believe about who asks.
    pub(crate) fn proxies(&self) -> Result<TrustedProxies, InvalidSettings> {
        let Server { trusted_proxies, proxy_header } = &self.server;
        TrustedProxies::parse(trusted_proxies, proxy_header).map_err(|error| {
            let key = match error {
                InvalidProxies::Entry(_) => "server.trusted_proxies",
                InvalidProxies::Header(_) => "server.proxy_header",
            };
            wrong(key, &error.to_string())
        })
    }
}

/// What is in force, as TOML, with secrets blanked.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |key: &str, value: &str| {
            if SECRETS.contains(&key) && !value.is_empty() {
                "\"[redacted]\"".into()
            } else {
                format!("{value:?}")
            }
        };
        writeln!(f, "public_url = {:?}", self.public_url)?;
        writeln!(f, "marketplace_name = {:?}", self.marketplace_name)?;
        writeln!(f, "listen = \"{}\"", self.listen)?;
        writeln!(f, "data_dir = {:?}", self.data_dir.display().to_string())?;
        writeln!(f, "grace_seconds = {}", self.grace_seconds)?;
        let Server { trusted_proxies, proxy_header } = &self.server;
        writeln!(f, "\n[server]\ntrusted_proxies = {trusted_proxies:?}\nproxy_header = {proxy_header:?}")?;
        writeln!(f, "\n[database]\nurl = {}", show("database.url", &self.database.url))?;
        writeln!(f, "connections = {}", self.database.connections)?;
        writeln!(f, "readers = {}", self.database.readers)?;
        let o = &self.objects;
        writeln!(
            f,
            "\n[objects]\nbucket = {:?}\nendpoint = {:?}\nregion = {:?}",
            o.bucket, o.endpoint, o.region
        )?;
        writeln!(f, "access_key_id = {}", show("objects.access_key_id", &o.access_key_id))?;
        writeln!(f, "secret_access_key = {}", show("objects.secret_access_key", &o.secret_access_key))?;
        writeln!(f, "prefix = {:?}\nallow_http = {}", o.prefix, o.allow_http)?;
        writeln!(f, "\n[redis]\nurl = {}", show("redis.url", &self.redis.url))?;
        let l = &self.limits;
        writeln!(
            f,
            "\n[limits]\ntoken_burst = {}\ntoken_per_second = {}",
            l.token_burst, l.token_per_second
        )?;
        writeln!(f, "address_burst = {}\naddress_per_second = {}", l.address_burst, l.address_per_second)?;
        writeln!(
            f,
            "connections = {}\nconnections_per_address = {}\nconcurrent_packs = {}\nconcurrent_pushes = {}",
            l.connections, l.connections_per_address, l.concurrent_packs, l.concurrent_pushes
        )?;
        writeln!(f, "queued_pushes = {}\npush_wait_seconds = {}", l.queued_pushes, l.push_wait_seconds)?;
        writeln!(f, "content_memory_mib = {}", l.content_memory_mib)?;
        writeln!(f, "stall_seconds = {}\npush_mib = {}", l.stall_seconds, l.push_mib)?;
        writeln!(f, "authorization_days = {}", l.authorization_days)?;
        let m = &self.mail;
        writeln!(f, "\n[mail]\nsmtp = {}\nfrom = {:?}", show("mail.smtp", &m.smtp), m.from)?;
        writeln!(f, "folder = {:?}", m.folder)?;
        writeln!(f, "\n[passwords]\nbreach_service = {:?}", self.passwords.breach_service)?;
        writeln!(f, "\n[egress]\nallow = {:?}", self.egress.allow)?;
        writeln!(f, "allow_for_clients = {:?}", self.egress.allow_for_clients)?;
        for provider in &self.identity_provider {
            writeln!(f, "\n[[identity_provider]]\nkind = {:?}", provider.kind)?;
            writeln!(f, "name = {:?}\nissuer = {:?}", provider.name, provider.issuer)?;
            writeln!(f, "client_id = {:?}\nclient_secret = \"[redacted]\"", provider.client_id)?;
            for (key, value) in [
                ("tenant", &provider.tenant),
                ("hosted_domain", &provider.hosted_domain),
                ("web_base", &provider.web_base),
                ("api_base", &provider.api_base),
                ("groups_claim", &provider.groups_claim),
                ("groups_api", &provider.groups_api),
            ] {
                if !value.is_empty() {
                    writeln!(f, "{key} = {value:?}")?;
                }
            }
            if !provider.scopes.is_empty() {
                writeln!(f, "scopes = {:?}", provider.scopes)?;
            }
        }
        let format = if self.log.format == LogFormat::Json { "json" } else { "text" };
        write!(f, "\n[log]\nlevel = {:?}\nformat = {format:?}", self.log.level)
    }
}

fn config_file(
    overrides: &Overrides,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<PathBuf>, InvalidSettings> {
    let named = overrides.file.clone().or_else(|| variable("SKAAS_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        if path.is_file() {
            return Ok(Some(path));
        }
        return Err(InvalidSettings::File {
            path: path.display().to_string(),
            reason: "no such file".into(),
        });
    }
    let beside = PathBuf::from("skaas.toml");
    Ok(beside.is_file().then_some(beside))
}

/// The value of `name`, or the content of the file that `name_FILE` points at.
fn read_variable(
    name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, InvalidSettings> {
    let Some(path) = variable(&format!("{name}_FILE")) else {
        return Ok(variable(name));
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => Err(InvalidSettings::Value {
            name: format!("{name}_FILE"),
            reason: format!("cannot read {path}: {error}"),
            example: format!("{name}_FILE=/run/secrets/{}", name.to_lowercase()),
        }),
    }
}

fn key_of(error: &config::ConfigError) -> Option<String> {
    match error {
        config::ConfigError::At { key, .. } | config::ConfigError::Type { key, .. } => key.clone(),
        _ => None,
    }
}

pub(crate) fn wrong(key: &str, reason: &str) -> InvalidSettings {
    let name = match VARIABLES.iter().find(|(k, _)| *k == key) {
        Some((key, variable)) => format!("{key} ({variable})"),
        None => format!("the configuration {key}").trim_end().to_owned(),
    };
    let example = match key {
        "public_url" => "public_url = \"https://skills.example.com\"",
        "marketplace_name" => "marketplace_name = \"acme-skills\"",
        "listen" => "listen = \"0.0.0.0:8080\"",
        "data_dir" => "SKAAS_DATA_DIR=/var/lib/skaas",
        "objects.bucket" => "S3_BUCKET=skaas",
        "objects.endpoint" => "S3_ENDPOINT=https://s3.eu-central-1.amazonaws.com",
        "objects.region" => "S3_REGION=eu-central-1",
        "objects.access_key_id" => "S3_ACCESS_KEY_ID=AKIA…",
        "objects.secret_access_key" => "S3_SECRET_ACCESS_KEY_FILE=/run/secrets/s3",
        "mail.smtp" => "SKAAS_SMTP_URL=smtp://user:password@mail.example:587",
        "mail.from" => "SKAAS_MAIL_FROM=\"Acme Skills <skills@example.com>\"",
        "egress.allow" => "SKAAS_EGRESS_ALLOW=10.1.0.0/16,id.corp.example",
        "egress.allow_for_clients" => "SKAAS_EGRESS_ALLOW_FOR_CLIENTS=*.corp.example",
        "log.level" => "SKAAS_LOG=info, or SKAAS_LOG=info,skaas_app=debug",
        "log.format" => "SKAAS_LOG_FORMAT=json",
        "database.url" => "DATABASE_URL=postgresql://skaas:password@localhost/skaas",
        "redis.url" => "REDIS_URL=redis://:password@localhost:6379/0",
        "server.trusted_proxies" => "SKAAS_TRUSTED_PROXIES=10.0.0.0/8,::1",
        "limits.authorization_days" => "SKAAS_AUTHORIZATION_DAYS=90",
        "server.proxy_header" => "SKAAS_PROXY_HEADER=forwarded",
        _ => "see skaas.default.toml, which names every key with its default",
    };
    InvalidSettings::Value { name, reason: reason.into(), example: example.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&'static str, &str)], env: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
        let overrides =
            Overrides { file: None, values: values.iter().map(|(k, v)| (*k, (*v).to_owned())).collect() };
        let env: Vec<(String, String)> =
            env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::read(&overrides, &move |name| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn the_defaults_are_valid_and_the_environment_and_command_line_beat_them_in_turn() {
        assert_eq!(read(&[], &[]).unwrap().listen.port(), 8080);
        let env = [("SKAAS_LISTEN", "127.0.0.1:9"), ("SKAAS_TOKEN_BURST", "7")];
        let settings = read(&[], &env).unwrap();
        assert_eq!((settings.listen.port(), settings.limits.token_burst), (9, 7));
        assert_eq!(read(&[("listen", "127.0.0.1:5")], &env).unwrap().listen.port(), 5);
    }

    #[test]
    fn a_wrong_value_is_named_with_reason_and_example() {
        for (name, value) in [
            ("SKAAS_PUBLIC_URL", "skills.example.com"),
            ("SKAAS_PUBLIC_URL", "https://user@skills.example.com"),
            ("SKAAS_PUBLIC_URL", "https://example.com/skills"),
            ("SKAAS_PUBLIC_URL", "https://skills.example.com/"),
            ("SKAAS_STALL_SECONDS", "0"),
            ("SKAAS_MARKETPLACE_NAME", "Acme Skills"),
            ("SKAAS_MARKETPLACE_NAME", "claude-plugins-official"),
            ("SKAAS_LISTEN", "nowhere"),
            ("DATABASE_URL", "mysql://x"),
            ("REDIS_URL", "rediss://h"),
            ("SKAAS_TRUSTED_PROXIES", "10.0.0.0/8 proxy.example"),
            ("SKAAS_PROXY_HEADER", "x-real-ip"),
            ("SKAAS_ADDRESS_BURST", "0"),
            ("SKAAS_CONCURRENT_PACKS", "0"),
            ("SKAAS_PUSH_MIB", "many"),
            ("SKAAS_AUTHORIZATION_DAYS", "0"),
            ("SKAAS_AUTHORIZATION_DAYS", "3651"),
            ("SKAAS_LOG_FORMAT", "xml"),
            ("SKAAS_LOG", "chatty"),
            ("SKAAS_LOG", "info,chatty"),
            ("SKAAS_LOG", "skaas_app=loud"),
            ("SKAAS_LOG", ""),
            ("SKAAS_DATA_DIR", ""),
            ("SKAAS_PUBLIC_URL", "http://:80"),
            ("DATABASE_URL", "postgresql://host:port/name"),
            ("DATABASE_URL", "sqlite:"),
            ("REDIS_URL", "redis://"),
            ("S3_ENDPOINT", "notaurl"),
            ("S3_ENDPOINT", "ftp://files.example"),
            ("SKAAS_SMTP_URL", "http://mail.example"),
            ("SKAAS_MAIL_FROM", "nobody at all"),
            ("SKAAS_EGRESS_ALLOW", "10.0.0.0/99"),
            ("SKAAS_EGRESS_ALLOW_FOR_CLIENTS", "300.1.2.3"),
        ] {
            let text = read(&[], &[(name, value)]).err().expect(name).to_string();
            assert!(text.contains(name) && text.contains("example:"), "{name}: {text}");
        }
    }

    #[test]
    fn half_of_a_setting_is_refused_by_the_name_of_the_other_half() {
        let bucket = ("S3_BUCKET", "skaas");
        for (env, says) in [
            (&[("S3_ENDPOINT", "https://s3.example")][..], "objects.bucket (S3_BUCKET)"),
            (&[bucket, ("S3_ENDPOINT", "notaurl")], "not an http(s) address"),
            (&[bucket, ("S3_ENDPOINT", "ftp://files.example")], "not an http(s) address"),
            (&[bucket, ("S3_ENDPOINT", "http://s3.example")], "S3_ALLOW_HTTP"),
            (&[bucket, ("S3_ENDPOINT", "https://me:CANARY@s3.example")], "S3_ENDPOINT"),
            (&[bucket, ("S3_ACCESS_KEY_ID", "CANARY")], "S3_SECRET_ACCESS_KEY"),
            (&[bucket, ("S3_SECRET_ACCESS_KEY", "CANARY")], "S3_ACCESS_KEY_ID"),
            (&[bucket, ("S3_REGION", "")], "S3_REGION"),
            (&[("SKAAS_GOOGLE_CLIENT_ID", "x")], "SKAAS_GOOGLE_CLIENT_SECRET"),
            (&[("SKAAS_OIDC_CLIENT_ID", "x")], "SKAAS_OIDC_NAME"),
            (&[("SKAAS_OIDC_CLIENT_ID", "x"), ("SKAAS_OIDC_NAME", "kc")], "issuer"),
            (
                &[
                    ("SKAAS_ENTRA_CLIENT_ID", "x"),
                    ("SKAAS_ENTRA_CLIENT_SECRET", "CANARY"),
                    ("SKAAS_ENTRA_TENANT", "common"),
                ],
                "tenant",
            ),
        ] {
            let text = read(&[], env).err().unwrap_or_else(|| panic!("{env:?}")).to_string();
            assert!(text.contains(says) && text.contains("example:"), "{env:?}: {text}");
            assert!(!text.contains("CANARY"), "{text}");
        }
    }

    #[test]
    fn a_secret_may_live_in_a_file_and_is_never_shown() {
        let dir = std::env::temp_dir().join(format!("skaas-config-{}", std::process::id()));
        std::fs::write(&dir, "postgresql://u:CANARY@h/d\n").unwrap();
        let settings = read(&[], &[("DATABASE_URL_FILE", dir.to_str().unwrap())]).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(settings.database.url, "postgresql://u:CANARY@h/d");
        assert!(!settings.to_string().contains("CANARY"));
    }

    #[test]
    fn what_is_in_force_is_said_whole_but_for_secrets() {
        let env = [
            ("SKAAS_ENTRA_CLIENT_ID", "the-client"),
            ("SKAAS_ENTRA_CLIENT_SECRET", "CANARY"),
            ("SKAAS_ENTRA_TENANT", "5f0c1f2e-6d0b-4a53-9a7e-0c5d3d1f7b11"),
            ("SKAAS_ENTRA_GROUPS_API", "https://graph.example"),
        ];
        let said = read(&[], &env).unwrap().to_string();
        for part in [
            "the-client",
            "tenant = \"5f0c1f2e-6d0b-4a53-9a7e-0c5d3d1f7b11\"",
            "groups_api = \"https://graph.example\"",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("CANARY"));
    }

    #[test]
    fn every_variable_is_explained_in_the_default_file() {
        for (key, name) in VARIABLES {
            assert!(DEFAULTS.contains(name), "{name} is missing from skaas.default.toml");
            let last = key.rsplit('.').next().unwrap();
            assert!(DEFAULTS.contains(&format!("\n{last} = ")), "{key} has no default");
        }
    }
}
