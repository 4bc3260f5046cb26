//! The settings in force, one by one, with where each was set. Secrets are blanked as everywhere
//! ([`super::declaration::Shown`]).

use std::collections::HashMap;

use config::{Config, File, FileFormat};

use super::{Settings, settings::keys};

/// Where a setting was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In the configuration file.
    File,
    /// In the environment.
    Environment,
    /// On the command line.
    CommandLine,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::CommandLine => "command line",
        }
    }
}

/// Where each setting was set; those that were not are left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(HashMap<String, Origin>);

impl Origins {
    /// Notes where a setting was set, over what was noted before.
    pub(super) fn note(&mut self, path: &str, origin: Origin) {
        self.0.insert(path.to_owned(), origin);
    }

    /// Notes what a configuration file sets. What is wrong with the file is said where it is read.
    pub(super) fn note_file(&mut self, text: &str) {
        let file = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build();
        let Ok(file) = file else { return };
        for key in keys() {
            let path = key.path();
            if file.get::<config::Value>(&path).is_ok() {
                self.note(&path, Origin::File);
            }
        }
    }
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its name with its table, as in `limits.push_mib`.
    pub name: String,
    /// The environment variable that sets it.
    pub variable: &'static str,
    /// Its value as TOML, blanked if it is a secret.
    pub value: String,
    /// Where it was set, in a word or two.
    pub origin: &'static str,
}

impl InForce {
    /// Whether somebody set it.
    pub fn is_set(&self) -> bool {
        self.origin != Origin::Default.as_str()
    }
}

impl Settings {
    /// Every setting in force, in the order of the manual. Identity providers have a list of their own.
    pub(crate) fn in_force(&self) -> Vec<InForce> {
        let of = |(key, value): (&super::declaration::Key, String)| {
            let name = key.path();
            let origin = self.origins.0.get(&name).copied().unwrap_or(Origin::Default).as_str();
            InForce { name, variable: key.variable, value, origin }
        };
        keys().zip(self.all_shown()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn each_setting_says_where_it_was_set_and_no_secret_is_among_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skaas.toml");
        std::fs::write(&path, "grace_seconds = 7\n[limits]\npush_mib = 9\ntoken_burst = 1\n").unwrap();
        let listen = ("listen", "127.0.0.1:1".to_owned());
        let overrides = Overrides { file: Some(path), values: vec![listen] };
        let settings = Settings::read(&overrides, &|name| match name {
            "SKAAS_TOKEN_BURST" => Some("5".to_owned()),
            "DATABASE_URL" => Some("postgres://skaas:sesame@db.example/skaas".to_owned()),
            _ => None,
        });
        let all = settings.unwrap().in_force();
        let find = |name: &str| all.iter().find(|one| one.name == name).unwrap();
        let short = |name: &str| (find(name).value.as_str(), find(name).origin);
        assert_eq!(short("grace_seconds"), ("7", "file"));
        assert_eq!(short("limits.push_mib"), ("9", "file"));
        assert_eq!(short("limits.token_burst"), ("5", "environment"));
        assert_eq!(short("listen"), ("\"127.0.0.1:1\"", "command line"));
        assert_eq!(find("marketplace_name").origin, "default");
        assert!(!find("marketplace_name").is_set() && find("listen").is_set());
        assert_eq!(find("database.url").origin, "environment");
        assert!(all.iter().all(|one| !one.value.contains("sesame")), "{all:?}");
    }
}
