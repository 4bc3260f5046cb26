//! Owns `hosts.toml`: which servers this machine is signed in to, where each token is kept, and everything
//! that signing in wrote elsewhere, so that signing out can take back exactly that.

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

/// Where a token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kept {
    /// In `hosts.toml` itself.
    File,
    /// In the system's keychain.
    Keychain,
    /// In git's own `store` helper.
    GitStore,
}

/// One sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    /// Whose token it is; empty while the server could not be asked.
    pub(crate) username: String,
    /// The token's first characters, for lists.
    pub(crate) prefix: String,
    pub(crate) kept: Kept,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Secret>,
    /// The helper we named in git's configuration for this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) helper: Option<String>,
    /// Whether the empty line before it, which keeps inherited helpers out, is ours too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) helper_reset: bool,
    /// The `.netrc` that has an entry of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) netrc: Option<PathBuf>,
}

/// The first characters of a token, by which lists name it; nothing secret.
pub(crate) fn prefix_of(token: &Secret) -> String {
    let text = token.reveal();
    match text.rmatch_indices('_').next() {
        Some((end, _)) if text.starts_with("sk_") => text[..end].to_owned(),
        _ => text.chars().take(4).collect(),
    }
}

impl Host {
    /// The token, from wherever it is kept; none when it is there no longer.
    pub(crate) fn token(&self, address: &Address) -> Option<Secret> {
        match self.kept {
            Kept::File => self.token.clone(),
            Kept::Keychain => keychain::get(&address.origin(), &self.username),
            // Until git has it, it is here.
            Kept::GitStore => store::get(address, &self.username).or_else(|| self.token.clone()),
        }
    }
}

/// All sign-ins, by `scheme://host[:port]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hosts(BTreeMap<String, Host>);

/// Where they are kept.
pub(crate) fn file() -> Result<PathBuf> {
    Ok(places::config_dir()?.join("hosts.toml"))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Hosts> {
    toml::from_str(&String::from_utf8_lossy(bytes)).map_err(|_| {
        // What a parser complains about may be the line with the token: it is not repeated.
        Failure::new(Kind::Failed, format!("cannot make sense of {}", places::shown(path)))
            .why("it is not the file that skaas wrote")
            .next(format!("rm {} && skaas auth", places::shown(path)))
    })
}

impl Hosts {
    pub(crate) fn load() -> Result<Self> {
        let path = file()?;
        private_file::read(&path)?.map_or_else(|| Ok(Self::default()), |bytes| parse(&path, &bytes))
    }

    /// Reads, changes and writes, while nobody else does.
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
