//! Owns `config.toml`: what a person has set for all of their commands. It holds no secret.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    failure::{Failure, Kind, Result},
    places, private_file,
};

/// Every key, with what it means.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("url", "the server that commands speak to, such as https://skills.example.com"),
    ("browser", "whether `skaas auth` opens a browser: true or false"),
    ("keychain", "whether tokens are kept in the system's keychain where there is one: true or false"),
];

/// What is set; whatever is not has its default.
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

/// Where they are kept.
pub(crate) fn file() -> Result<PathBuf> {
    Ok(places::config_dir()?.join("config.toml"))
}

impl Settings {
    pub(crate) fn load() -> Result<Self> {
        let path = file()?;
        let Some(bytes) = private_file::read(&path)? else { return Ok(Self::default()) };
        toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|error| {
            Failure::new(Kind::Usage, format!("cannot make sense of {}", places::shown(&path)))
                .why(error.message())
                .next("mend or remove that file")
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

    /// Sets a key, or with none takes it back to its default.
    pub(crate) fn set(&mut self, key: &str, value: Option<&str>, insecure: bool) -> Result<()> {
        let flag = |value: Option<&str>| {
            value.map(str::parse::<bool>).transpose().map_err(|_| {
                Failure::new(Kind::Usage, format!("`{key}` is true or false"))
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
    Failure::new(Kind::Usage, format!("there is no setting `{}`", crate::output::plain(key)))
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
    fn a_setting_reads_back_as_it_was_set_and_can_be_taken_back() {
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
