//! `hosts.toml`: the servers that this machine is signed in to, where each token is stored, and everything that
//! signing in wrote elsewhere, so that signing out removes exactly that.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use skaas_api::Secret;

use crate::{
    address::Address,
    failure::{Failure, Kind, Result},
    git::store,
    keychain, places, private_file,
};

/// Where a token is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kept {
    /// In `hosts.toml` itself.
    File,
    /// In the system keychain.
    Keychain,
    /// In git's `store` helper.
    GitStore,
}

/// One sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    /// The owner of the token; empty until the server has been asked.
    pub(crate) username: String,
    /// The public first part of the token.
    pub(crate) prefix: String,
    pub(crate) kept: Kept,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Secret>,
    /// The helper that we added to git's configuration for this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) helper: Option<String>,
    /// Whether we also added the empty line before it, which drops inherited helpers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) helper_reset: bool,
    /// The `.netrc` that holds our entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) netrc: Option<PathBuf>,
}

/// The public part of a token, by which lists name it.
pub(crate) fn prefix_of(token: &Secret) -> String {
    let text = token.reveal();
    match text.rmatch_indices('_').next() {
        Some((end, _)) if text.starts_with("sk_") => text[..end].to_owned(),
        _ => text.chars().take(4).collect(),
    }
}

impl Host {
    /// The token from where it is stored; `None` if it is no longer there.
    pub(crate) fn token(&self, address: &Address) -> Option<Secret> {
        match self.kept {
            Kept::File => self.token.clone(),
            Kept::Keychain => keychain::get(&address.origin(), &self.username),
            // It is in our own file until git has stored it.
            Kept::GitStore => store::get(address, &self.username).or_else(|| self.token.clone()),
        }
    }
}

/// Every sign-in, by `scheme://host[:port]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hosts(BTreeMap<String, Host>);

/// The file.
pub(crate) fn file() -> Result<PathBuf> {
    Ok(places::config_dir()?.join("hosts.toml"))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Hosts> {
    toml::from_str(&String::from_utf8_lossy(bytes)).map_err(|_| {
        // The parser may complain about the line with the token, so its message is left out.
        Failure::new(Kind::Failed, format!("cannot read {}", places::shown(path)))
            .why("it is damaged or was edited")
            .next(format!("rm {} && skaas auth", places::pasted(path)))
    })
}

impl Hosts {
    pub(crate) fn load() -> Result<Self> {
        let path = file()?;
        private_file::read(&path)?.map_or_else(|| Ok(Self::default()), |bytes| parse(&path, &bytes))
    }

    /// Changes the file, one process at a time.
    pub(crate) fn update(change: impl FnOnce(&mut Self)) -> Result<()> {
        let path = file()?;
        let _lock = private_file::lock(&path)?;
        let mut hosts = Self::load()?;
        change(&mut hosts);
        if hosts.0.is_empty() {
            return private_file::remove(&path);
        }
        let text = toml::to_string(&hosts).expect("tables of plain values");
        private_file::write(&path, text.as_bytes())
    }

    pub(crate) fn get(&self, address: &Address) -> Option<&Host> {
        self.0.get(&address.origin())
    }

    pub(crate) fn set(&mut self, address: &Address, host: Host) {
        self.0.insert(address.origin(), host);
    }

    pub(crate) fn remove(&mut self, address: &Address) {
        self.0.remove(&address.origin());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Host)> {
        self.0.iter().map(|(origin, host)| (origin.as_str(), host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_part_of_a_token_holds_none_of_its_secret() {
        let token = Secret::new("sk_live_Xy12Ab9Q_0123456789abcdefghijklmnopqrstuvABCDEF");
        assert_eq!(prefix_of(&token), "sk_live_Xy12Ab9Q");
        assert_eq!(prefix_of(&Secret::new("something-else-entirely")), "some");
    }

    #[test]
    fn a_record_reads_back_and_prints_redacted() {
        let mut hosts = Hosts::default();
        let host = Host {
            username: "alice".into(),
            prefix: "sk_live_Xy12Ab9Q".into(),
            kept: Kept::File,
            token: Some(Secret::new("sk_live_Xy12Ab9Q_secret")),
            helper: Some("!skaas git-credential".into()),
            helper_reset: true,
            netrc: Some("/home/alice/.netrc".into()),
        };
        hosts.set(&Address::parse("https://skills.example.com", false).unwrap(), host);
        let text = toml::to_string(&hosts).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(toml::from_str::<Hosts>(&text).unwrap(), hosts);
        assert!(!format!("{hosts:?}").contains("secret\""));
    }

    #[test]
    fn a_broken_record_is_refused_without_repeating_it() {
        let failure = parse(Path::new("hosts.toml"), b"token = sk_live_leak").unwrap_err();
        assert!(!format!("{failure:?}").contains("sk_live_leak"));
    }
}
