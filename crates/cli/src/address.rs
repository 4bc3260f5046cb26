//! The address of a server. Addresses over which a token would travel unencrypted, and ones that contain a secret,
//! are rejected.

use std::fmt;

use reqwest::Url;

use crate::{
    failure::{Failure, Kind, Result},
    shell::quoted,
};

/// The server if no other is named.
pub(crate) const DEFAULT: &str = "https://skaas.com";

/// `scheme://host[:port]` of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(Url);

impl Address {
    /// Parses an address. Plain HTTP is for this machine only, unless `insecure`.
    pub(crate) fn parse(text: &str, insecure: bool) -> Result<Self> {
        let wrong = |why: &str| {
            Failure::new(Kind::Usage, "invalid server address")
                .why(why)
                .next("use an address like https://skills.example.com")
        };
        let text = text.trim();
        let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it contains a username or a password; leave them out"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it continues after the host; use only https://HOST"));
        }
        let address = Self(url);
        match address.0.scheme() {
            "https" => Ok(address),
            "http" if insecure || address.is_loopback() => Ok(address),
            "http" => Err(wrong("with plain HTTP, anyone on the network could read your token")).map_err(
                |failure| failure.next("use https://, or add --insecure on a network that you trust"),
            ),
            _ => Err(wrong("it must start with https://")),
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

    /// `https://host[:port]`, the key for everything kept per server.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The command that signs in to this server, whatever other servers this machine is signed in to.
    pub(crate) fn auth(&self) -> String {
        self.command("auth")
    }

    /// `skaas … --url` with this server, ready to paste.
    pub(crate) fn command(&self, words: &str) -> String {
        format!("skaas {words} --url {}", quoted(&self.origin()))
    }

    /// `https`, for git's credential protocol.
    pub(crate) fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// `host[:port]`, for git's credential protocol.
    pub(crate) fn host_and_port(&self) -> String {
        let origin = self.origin();
        origin.split_once("://").map_or(origin.clone(), |(_, rest)| rest.to_owned())
    }

    /// The host without a port, for `.netrc`.
    pub(crate) fn machine(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']').to_owned()
    }

    /// The address of one of our own paths on this server.
    pub(crate) fn at(&self, path: &str) -> Url {
        self.0.join(path).expect("our own paths are valid")
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
