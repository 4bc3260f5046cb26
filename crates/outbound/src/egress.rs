//! Owns which addresses may be called: public ones, and what the operator adds. Refuses to resolve names
//! or to connect: `resolver` and `http_client` ask here before they do.
//!
//! Off-limits by default is all that is not a public unicast address by IANA's registries for special
//! purposes (RFC 6890 and what followed), in every spelling, also where an IPv4 address hides in an IPv6 one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;
use url::{Host, Url};

/// Why a request was not let out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Every address of the host is off-limits.
    #[error(
        "{host} is not a public address, so it is not called; whoever runs this server can permit it with \
         SKAAS_EGRESS_ALLOW={host}"
    )]
    OffLimits {
        /// The host as asked for.
        host: String,
    },
    /// A user named a host that is off-limits, or that does not exist. Both read the same, so that nobody can find out
    /// which names the operator's network has.
    #[error("{host} cannot be called: it is not the address of a public server")]
    NotPublic {
        /// The host as asked for.
        host: String,
    },
    /// Neither `https`, nor `http` to a host that the operator permits.
    #[error("{host} is only called over https")]
    NotHttps {
        /// The host as asked for.
        host: String,
    },
    /// A user name or password stands in the address.
    #[error("an address with a user name or password in it is not called")]
    Credentials,
    /// Not an address of a host at all.
    #[error("this is not a web address with a host in it")]
    NoHost,
    /// One redirect after another, or one where none is expected.
    #[error("{host} redirects where no redirect is followed")]
    Redirect {
        /// Who redirected.
        host: String,
    },
}

/// One entry of the operator's list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is neither an address (10.1.2.3), a range (10.0.0.0/8, fd00::/8), a host \
     (idp.corp.example) nor all hosts below one (*.corp.example)"
)]
pub struct InvalidAllowance {
    entry: String,
}

/// Who names the addresses that are called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// The operator, in the configuration. A refusal says how to permit it.
    #[default]
    Operator,
    /// Anybody: users, and the documents that they point to. A refusal says nothing about the operator's network.
    Users,
}

/// What the operator permits beyond the public internet. The default permits nothing more.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Egress {
    named_by: NamedBy,
    ranges: Vec<IpNet>,
    hosts: Vec<String>,
    /// `*.corp.example` as `.corp.example`.
    suffixes: Vec<String>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Egress").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Egress {
    /// As the operator would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.ranges.iter().map(IpNet::to_string);
        let suffixes = self.suffixes.iter().map(|suffix| format!("*{suffix}"));
        let all: Vec<_> = ranges.chain(self.hosts.iter().cloned()).chain(suffixes).collect();
        f.write_str(&all.join(","))
    }
}

impl FromStr for Egress {
    type Err = InvalidAllowance;

    /// Reads `SKAAS_EGRESS_ALLOW`: entries separated by commas or spaces.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut egress = Self::default();
        for entry in text.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty()) {
            egress.allow(entry)?;
        }
        Ok(egress)
    }
}

impl Egress {
    /// The same for addresses that users name.
    #[must_use]
    pub fn for_users(self) -> Self {
        Self { named_by: NamedBy::Users, ..self }
    }

    /// Why a host is not called that is off-limits.
    pub(crate) fn off_limits(&self, host: String) -> Refusal {
        match self.named_by {
            NamedBy::Operator => Refusal::OffLimits { host },
            NamedBy::Users => Refusal::NotPublic { host },
        }
    }

    /// Why a host is not called whose name leads nowhere, if that is not told apart from off-limits.
    pub(crate) fn unresolved(&self, host: &str) -> Option<Refusal> {
        (self.named_by == NamedBy::Users).then(|| Refusal::NotPublic { host: host.to_owned() })
    }

    /// Also permits what `other` permits.
    pub fn extend(&mut self, other: Self) {
        self.ranges.extend(other.ranges);
        self.hosts.extend(other.hosts);
        self.suffixes.extend(other.suffixes);
    }

    /// Adds one entry: an address, a range, a host, or `*.` and a host.
    pub fn allow(&mut self, entry: &str) -> Result<(), InvalidAllowance> {
        let invalid = || InvalidAllowance { entry: entry.to_owned() };
        let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
        if let Ok(range) = bare.parse::<IpNet>() {
            self.ranges.push(range.trunc());
            return Ok(());
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            self.ranges.push(IpNet::from(address.to_canonical()));
            return Ok(());
        }
        let (wild, name) = entry.strip_prefix("*.").map_or((false, entry), |name| (true, name));
        // A number where a name belongs is a mistyped address, and a URL's own parser reads it as one.
        let Ok(Host::Domain(name)) = Host::parse(name) else { return Err(invalid()) };
        let name = name.trim_end_matches('.').to_owned();
        let sound = name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        if !sound {
            return Err(invalid());
        }
        if wild {
            self.suffixes.push(format!(".{name}"));
        } else {
            self.hosts.push(name);
        }
        Ok(())
    }

    /// Whether a connection to `address` is permitted, whatever name led to it.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Whether the operator named this host. Then its addresses are not looked at, and `http` is spoken.
    pub fn names(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.contains(&host) || self.suffixes.iter().any(|suffix| host.ends_with(suffix.as_str()))
    }

    /// Whether `url` may be called as far as it can be told before its name is resolved.
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let host = url.host().ok_or(Refusal::NoHost)?;
        let literal = match &host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        let named = match (&host, literal) {
            (Host::Domain(name), _) => self.names(name),
            (_, Some(address)) => self.ranges.iter().any(|range| range.contains(&address.to_canonical())),
            _ => false,
        };
        let host = host.to_string();
        if literal.is_some_and(|address| !self.permits(address)) {
            return Err(self.off_limits(host));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if named => Ok(()),
            _ => Err(Refusal::NotHttps { host }),
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18))
}

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>: only global unicast (`2000::/3`), without the
/// protocols' own, documentation, and 6to4 and Teredo, in which a private IPv4 address can hide.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let segments = address.segments();
    // RFC 6052: on a network without IPv4, DNS gives such addresses for the whole public internet.
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    let (first, second) = (segments[0], segments[1]);
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && second < 0x200)
        && !(first == 0x2001 && second == 0xdb8)
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;
