//! The signed-in user as the server describes them, checked before anything is written, run or printed.
//!
//! What a server sends ends up in `.netrc`, in git's configuration and in commands that people paste. A hostile
//! server must not be able to add a line, an option or a command to any of them, or point git at another host.
//! A rejected value is never printed.

use reqwest::Url;
use skaas_api::{Me, Secret};

use crate::{
    address::Address,
    failure::{Failure, Kind, Result},
};

/// Longer than any name that a server of ours gives out.
const MAX_USERNAME: usize = 64;
/// Longer than any token that a server of ours gives out.
const MAX_TOKEN: usize = 512;

/// A signed-in user whose name and marketplace are safe to write and to pass to other programs.
#[derive(Debug)]
pub(crate) struct Account {
    /// Lowercase letters, digits and single hyphens.
    pub(crate) username: String,
    /// A plain path on the server that the user named, ending in `.git`.
    pub(crate) marketplace: String,
    /// Everything the server sent. The other fields in it are for display only.
    pub(crate) me: Me,
}

impl Account {
    /// Checks what `address` said about its user.
    pub(crate) fn check(address: &Address, me: Me) -> Result<Self> {
        if !is_username(&me.username) {
            return Err(Failure::untrusted(address, "an invalid username"));
        }
        let what = "an invalid marketplace address";
        let marketplace = on_server(address, &me.links.marketplace, what)?;
        if marketplace.query().is_some() || !is_repository(marketplace.path()) {
            return Err(Failure::untrusted(address, what));
        }
        Ok(Self { username: me.username.clone(), marketplace: marketplace.into(), me })
    }
}

fn is_username(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= MAX_USERNAME && name.bytes().all(allowed) && name.split('-').all(|part| !part.is_empty())
}

/// Whether a path is made of plain names, so that it means the same to git, to a shell and to an agent.
fn is_repository(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let segment =
        |name: &str| name.bytes().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    path.strip_suffix(".git").is_some()
        && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

/// Parses an address that must be on `address`. The URL parser skips tabs, newlines and surrounding blanks, so
/// anything but printable ASCII is rejected first. `what` is what it is called if it is rejected.
pub(crate) fn on_server(address: &Address, text: &str, what: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        bare && url.host().is_some() && text.bytes().all(|b| b.is_ascii_graphic())
    });
    let url = url.ok_or_else(|| Failure::untrusted(address, what))?;
    let origin = url.origin().ascii_serialization();
    if origin == address.origin() { Ok(url) } else { Err(other_address(address, &origin)) }
}

/// The server believes that it is somewhere else, which is either an attack or a wrong setting of its operator.
fn other_address(address: &Address, origin: &str) -> Failure {
    Failure::new(Kind::Refused, format!("{address} sent a link to another server: {origin}"))
        .why("your token is only used for the address that you named")
        .next(format!("if you trust {origin}, use that address with --url; if not, check the address"))
}

/// Rejects a token that is not a bearer token by RFC 6750 section 2.1: anything else could break out of its line
/// in `.netrc` or in git's credential protocol.
pub(crate) fn check_token(address: &Address, token: &Secret) -> Result<()> {
    if is_token(token.reveal()) { Ok(()) } else { Err(Failure::untrusted(address, "an invalid token")) }
}

/// Whether this is a bearer token.
pub(crate) fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Address {
        Address::parse("https://skills.example.com", false).unwrap()
    }

    #[test]
    fn usernames_are_words_and_nothing_else() {
        for name in ["alice", "a", "ann-o-hara", "7of9"] {
            assert!(is_username(name), "{name}");
        }
        for name in [
            "",
            "-x",
            "x-",
            "a--b",
            "Alice",
            "a b",
            "a\nmachine evil",
            "a\tb",
            "a\u{202e}b",
            "--upload-pack=x",
            "é",
        ] {
            assert!(!is_username(name), "{name:?}");
        }
    }

    #[test]
    fn an_address_is_used_only_if_it_is_a_plain_path_on_the_named_server() {
        let takes = |text: &str| {
            let url = on_server(&server(), text, "it");
            url.is_ok_and(|url| url.query().is_none() && is_repository(url.path()))
        };
        for good in [
            "https://skills.example.com/me/marketplace.git",
            "https://skills.example.com:443/u/alice/marketplace.git",
        ] {
            assert!(takes(good), "{good}");
        }
        for bad in [
            "https://evil.example/u/alice/marketplace.git",
            "http://skills.example.com/u/alice/marketplace.git",
            "https://skills.example.com:8443/me/marketplace.git",
            "https://skills.example.com@evil.example/me/marketplace.git",
            "https://alice:x@skills.example.com/me/marketplace.git",
            "https://skills.example.com/me/$(id).git",
            "https://skills.example.com/me/a;b.git",
            "https://skills.example.com/me/%0a.git",
            "https://skills.example.com/-x/marketplace.git",
            "https://skills.example.com//marketplace.git",
            "https://skills.example.com/me/marketplace",
            "https://skills.example.com/me/marketplace.git?x=1",
            "https://skills.example.com/me/marketplace.git#x",
            "https://skills.example.com/me/\nmarketplace.git",
            " https://skills.example.com/me/marketplace.git",
            "https://skills.example.com/me/\u{202e}x.git",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c id",
            "/me/marketplace.git",
            "",
        ] {
            assert!(!takes(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_token_stays_on_its_line() {
        assert!(is_token("sk_live_Xy12Ab9Q_0123456789abcdefghijklmnopqrstuvABCDEF"));
        for bad in ["", "a b", "a\nmachine evil", "a\u{1b}[2J", "a\"b", "a#b", "é", &"x".repeat(513)] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
