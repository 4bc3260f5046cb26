//! `config.toml`: settings for all commands. It holds no secrets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    failure::{Failure, Kind, Result},
    places, private_file,
};

/// Every setting and its meaning.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("url", "the server that commands use, such as https://skills.example.com"),
    ("browser", "whether `skaas auth` opens a browser: true or false"),
    ("keychain", "whether tokens are stored in the system keychain if there is one: true or false"),
];

/// The settings; `None` means the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keychain: Option<bool>,
}

/// The file.
pub(crate) fn file() -> Result<PathBuf> {
    Ok(places::config_dir()?.join("config.toml"))
}

impl Settings {
    pub(crate) fn load() -> Result<Self> {
        let path = file()?;
        let Some(bytes) = private_file::read(&path)? else { return Ok(Self::default()) };
        toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|error| {
            Failure::new(Kind::Usage, format!("cannot read {}", places::shown(&path)))
                .why(error.message())
                .next("fix or remove that file")
        })
    }

    pub(crate) fn save(&self) -> Result<()> {
        let path = file()?;
        let _lock = private_file::lock(&path)?;
        let text = toml::to_string(self).expect("three plain values");
        private_file::write(&path, text.as_bytes())
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<String>> {
        match key {
            "url" => Ok(self.url.clone()),
            "browser" => Ok(self.browser.map(|on| on.to_string())),
            "keychain" => Ok(self.keychain.map(|on| on.to_string())),
            _ => Err(no_such_key(key)),
        }
    }

    /// Changes a setting; `None` restores the default.
    pub(crate) fn set(&mut self, key: &str, value: Option<&str>, insecure: bool) -> Result<()> {
        let flag = |value: Option<&str>| {
            value.map(str::parse::<bool>).transpose().map_err(|_| {
                Failure::new(Kind::Usage, format!("`{key}` must be true or false"))
                    .next(format!("skaas config set {key} false"))
            })
        };
        match key {
            "url" => {
                self.url = value.map(|text| Address::parse(text, insecure)).transpose()?.map(|a| a.origin());
            }
            "browser" => self.browser = flag(value)?,
            "keychain" => self.keychain = flag(value)?,
            _ => return Err(no_such_key(key)),
        }
        Ok(())
    }
}

fn no_such_key(key: &str) -> Failure {
    // A long one may be a secret that was pasted by mistake.
    let named = if key.len() < 20 { format!(" `{}`", crate::output::plain(key)) } else { String::new() };
    Failure::new(Kind::Usage, format!("unknown setting{named}"))
        .why(format!(
            "the settings are {}",
            KEYS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        ))
        .next("skaas config list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_reads_back_as_it_was_set_and_can_be_unset() {
        let mut settings = Settings::default();
        for (key, value) in
            [("url", "https://skills.example.com"), ("browser", "false"), ("keychain", "true")]
        {
            settings.set(key, Some(value), false).unwrap();
            assert_eq!(settings.get(key).unwrap().as_deref(), Some(value));
        }
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
        for (key, _) in KEYS {
            settings.set(key, None, false).unwrap();
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn what_is_not_a_setting_is_refused() {
        let mut settings = Settings::default();
        for (key, value) in [("colour", "red"), ("browser", "perhaps"), ("url", "http://far.example.com")] {
            assert_eq!(settings.set(key, Some(value), false).unwrap_err().kind, Kind::Usage);
        }
        assert_eq!(settings, Settings::default());
    }
}
