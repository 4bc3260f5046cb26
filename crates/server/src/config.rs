//! The configuration: the defaults, a file of the operator's, the environment, the command line, each over the one
//! before it. Every setting is declared in [`settings`]. A wrong value is refused at the start, with its name, the
//! reason and an example.

mod checks;
mod declaration;
mod identity_provider;
mod in_force;
mod settings;

use std::{fmt, path::PathBuf};

use config::{Config, File, FileFormat};

use crate::client_address::{InvalidProxies, TrustedProxies};
pub(crate) use identity_provider::{KINDS, ProviderSettings};
pub use in_force::InForce;
pub(crate) use in_force::Origin;
use in_force::Origins;
use settings::keys;
pub(crate) use settings::{Log, LogFormat, Server, Settings};

/// The table that the identity providers come before.
const LAST_SECTION: &str = "log";

/// The beginning of `skaas.default.toml`.
const PREFACE: &str = r"# The defaults of skaas-server, and the reference for its settings. This file is compiled into the program;
# `skaas-server config` prints the settings in effect. Put what you change into `skaas.toml` in the working
# folder (or name another file with --config or SKAAS_CONFIG), or into the environment variable named with each
# setting. The environment takes precedence over the file.
#
# To read a secret from a file, add `_FILE` to the name of its variable and set that to the path:
# DATABASE_URL_FILE=/run/secrets/database-url.
";

/// The defaults and the manual: the text of `skaas.default.toml`.
pub(crate) fn defaults() -> String {
    let mut text = PREFACE.to_owned();
    let mut section = "";
    for key in keys() {
        if key.section != section {
            section = key.section;
            if section == LAST_SECTION {
                text += &identity_provider::manual();
            }
            text.extend(["\n[", section, "]"]);
        }
        text += "\n";
        for line in key.doc {
            text.extend(["#", line, "\n"]);
        }
        text.extend(["# Environment: ", key.variable, "\n", key.name, " = ", key.default, "\n"]);
    }
    text
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
        let mut builder = Config::builder().add_source(File::from_str(&defaults(), FileFormat::Toml));
        let mut origins = Origins::default();
        if let Some(path) = config_file(overrides, variable)? {
            let text = std::fs::read_to_string(&path).map_err(|error| InvalidSettings::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?;
            origins.note_file(&text);
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        for key in keys() {
            if let Some(value) = read_variable(key.variable, variable)? {
                let path = key.path();
                origins.note(&path, Origin::Environment);
                builder = builder.set_override(&path, value).map_err(|e| wrong(&path, &e.to_string()))?;
            }
        }
        for (key, value) in &overrides.values {
            origins.note(key, Origin::CommandLine);
            builder = builder.set_override(*key, value.clone()).map_err(|e| wrong(key, &e.to_string()))?;
        }
        let mut settings: Self = builder
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|error| wrong(&key_of(&error).unwrap_or_default(), &error.to_string()))?;
        let of_environment = ProviderSettings::from_environment(|name| read_variable(name, variable))?;
        settings.identity_provider.extend(of_environment);
        settings.origins = origins;
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
        let mut section = "";
        for (key, value) in keys().zip(self.all_shown()) {
            if key.section != section {
                section = key.section;
                if section == LAST_SECTION {
                    self.identity_provider.iter().try_for_each(|one| f.write_str(&one.block()))?;
                }
                write!(f, "\n[{section}]\n")?;
            }
            writeln!(f, "{} = {value}", key.name)?;
        }
        Ok(())
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

/// A fault of the setting at this path, such as `limits.push_mib`. An empty path: of the file as a whole.
pub(crate) fn wrong(path: &str, reason: &str) -> InvalidSettings {
    let (name, example) = match keys().find(|key| key.path() == path) {
        Some(key) => (format!("{path} ({})", key.variable), key.example()),
        None => (
            format!("the configuration {path}").trim_end().to_owned(),
            "see skaas.default.toml, which names every key with its default".to_owned(),
        ),
    };
    InvalidSettings::Value { name, reason: reason.into(), example }
}

#[cfg(test)]
mod tests {
    use skaas_app::outbound::ExposeSecret as _;

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
            let text = read(&[], &[(name, value)]).expect_err(name).to_string();
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
        assert_eq!(settings.database.url.expose_secret(), "postgresql://u:CANARY@h/d");
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

    // The mail client needs a runtime.
    #[tokio::test]
    async fn a_configuration_full_of_secrets_prints_none_of_them() {
        let env = [
            ("DATABASE_URL", "postgresql://u:CANARY@h/d"),
            ("S3_BUCKET", "b"),
            ("S3_ACCESS_KEY_ID", "CANARY"),
            ("S3_SECRET_ACCESS_KEY", "CANARY"),
            ("REDIS_URL", "redis://:CANARY@h"),
            ("SKAAS_SMTP_URL", "smtp://u:CANARY@mail.example"),
            ("SKAAS_GITHUB_CLIENT_ID", "x"),
            ("SKAAS_GITHUB_CLIENT_SECRET", "CANARY"),
        ];
        let settings = read(&[], &env).unwrap();
        for printed in [settings.to_string(), format!("{settings:?}"), format!("{settings:#?}")] {
            assert!(!printed.contains("CANARY"), "{printed}");
        }
        assert_eq!(settings.to_string().matches("\"[redacted]\"").count(), 6, "{settings}");
    }

    #[test]
    fn the_default_file_is_the_one_that_the_declarations_make() {
        let file = include_str!("../../../skaas.default.toml");
        assert!(
            file == defaults(),
            "run `cargo run -p skaas-server -- config --defaults > skaas.default.toml`"
        );
    }

    #[test]
    fn every_setting_in_force_is_printed_under_its_own_name() {
        let printed = read(&[], &[("SKAAS_GRACE_SECONDS", "7")]).unwrap().to_string();
        let printed: toml::Table = printed.parse().unwrap();
        let defaults: toml::Table = defaults().parse().unwrap();
        for key in keys() {
            let of = |table: &toml::Table| match key.section {
                "" => table[key.name].clone(),
                section => table[section][key.name].clone(),
            };
            let wanted = if key.name == "grace_seconds" { 7.into() } else { of(&defaults) };
            assert_eq!(of(&printed), wanted, "{}", key.path());
        }
    }

    #[test]
    fn no_two_settings_share_a_name_or_a_variable() {
        let mut seen = std::collections::BTreeSet::new();
        for key in keys() {
            assert!(seen.insert(key.path()), "{} is declared twice", key.path());
            assert!(seen.insert(key.variable.to_owned()), "{} is declared twice", key.variable);
        }
    }
}
