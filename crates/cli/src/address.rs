//! Owns a server's address: what may be one, and how it is written where. Refuses addresses that would carry
//! a token in the clear, or that already carry a secret.

use std::fmt;

use reqwest::Url;

use crate::failure::{Failure, Kind, Result};

/// The address used when nothing else is said.
pub(crate) const DEFAULT: &str = "https://skaas.com";

/// `scheme://host[:port]` of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(Url);

impl Address {
    /// Reads an address. Plain http is for this very machine only, unless `insecure`.
    pub(crate) fn parse(text: &str, insecure: bool) -> Result<Self> {
        let wrong = |why: &str| {
            Failure::new(Kind::Usage, "this is not the address of a server")
                .why(why)
                .next("skaas config set url https://skills.example.com")
        };
        let text = text.trim();
        let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user name or a secret; those are never part of it"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it goes on after the host; give only https://host"));
        }
        let address = Self(url);
        match address.0.scheme() {
            "https" => Ok(address),
            "http" if insecure || address.is_loopback() => Ok(address),
            "http" => Err(wrong("over plain http everybody on the way could read your token"))
                .map_err(|failure| failure.next("use https://, or add --insecure on a network you trust")),
            _ => Err(wrong("it begins with https://")),
        }
    }

    fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(host) => {
                let host = host.to_string();
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            None => false,
        }
    }

    /// `https://host[:port]`: the key under which git and we keep things.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// What a person runs to sign in there.
    pub(crate) fn auth(&self) -> String {
        if self.origin() == DEFAULT { "skaas auth".to_owned() } else { format!("skaas auth --url {self}") }
    }

    /// `https`, as git's credential protocol has it.
    pub(crate) fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// `host[:port]`, as git's credential protocol has it.
    pub(crate) fn host_and_port(&self) -> String {
        let origin = self.origin();
        origin.split_once("://").map_or(origin.clone(), |(_, rest)| rest.to_owned())
    }

    /// The host alone, as `.netrc` has it.
    pub(crate) fn machine(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']').to_owned()
    }

    /// An address on this server.
    pub(crate) fn at(&self, path: &str) -> Url {
        self.0.join(path).expect("our own paths are paths")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_nothing_more() {
        let shown = |text: &str| Address::parse(text, false).map(|address| address.to_string()).ok();
        assert_eq!(shown("https://Skills.Example.com/"), Some("https://skills.example.com".into()));
        assert_eq!(shown("skills.example.com:8443"), Some("https://skills.example.com:8443".into()));
        assert_eq!(shown("https://skills.example.com:443"), Some("https://skills.example.com".into()));
        for wrong in
            ["", "https://", "https://a/u/b/marketplace.git", "ftp://a", "https://a?x=1", "https://a#b"]
        {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        let failure = Address::parse("https://alice:hunter2@skills.example.com", false).unwrap_err();
        assert!(!format!("{failure:?}").contains("hunter2"));
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for near in ["http://localhost:8080", "http://127.0.0.1", "http://127.9.9.9:1", "http://[::1]:8080"] {
            assert!(Address::parse(near, false).is_ok(), "{near}");
        }
        for far in ["http://skills.example.com", "http://10.0.0.1", "http://localhost.example.com"] {
            assert_eq!(Address::parse(far, false).unwrap_err().kind, Kind::Usage, "{far}");
            assert!(Address::parse(far, true).is_ok(), "{far}");
        }
    }

    #[test]
    fn git_and_netrc_get_the_host_in_their_own_forms() {
        let address = Address::parse("http://[::1]:8080", false).unwrap();
        assert_eq!((address.scheme(), &*address.host_and_port()), ("http", "[::1]:8080"));
        assert_eq!(address.machine(), "::1");
    }
}
