//! Owns the network address that a request comes from: the connection's other end, or who a trusted proxy says
//! stood at its own. Refuses to believe anybody else, since a header holds whatever its sender likes.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Extensions, HeaderMap, HeaderName, header};
use ipnet::IpNet;
use skaas_domain::{device::Place, forwarded};

use crate::guests::Arrival;

/// The older of the two headers, which has no standard.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who made a request, as far as it can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// The one that the listener found.
    pub(crate) fn of(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get::<Arrival>().map(|arrival| arrival.client.0)
    }
}

/// Where a request came from, as people are shown it.
pub(crate) fn place(headers: &HeaderMap, extensions: &Extensions) -> Place {
    let address = ClientAddress::of(extensions).map(|address| address.to_string());
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    Place::new(&address.unwrap_or_default(), agent.unwrap_or_default())
}

/// The header in which proxies say who asked them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ProxyHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// The proxies in front that are believed. The default is none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
    /// Whether the log has said that some proxy is not believed.
    said: Arc<AtomicBool>,
}

/// A setting that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxies {
    /// One entry of the list.
    #[error("{0:?} is neither an address (10.1.2.3, ::1) nor a range (10.0.0.0/8, fd00::/8)")]
    Entry(String),
    /// The header's name.
    #[error("{0:?} is neither \"x-forwarded-for\" nor \"forwarded\"")]
    Header(String),
}

impl TrustedProxies {
    /// Reads addresses and ranges, with commas or spaces between, and the name of the header that is believed.
    /// Only one is: a proxy that writes one passes the other on as the client made it up.
    ///
    /// # Errors
    /// [`InvalidProxies`] with what cannot be read.
    pub fn parse(list: &str, header: &str) -> Result<Self, InvalidProxies> {
        let header = match header.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => ProxyHeader::XForwardedFor,
            "forwarded" => ProxyHeader::Forwarded,
            _ => return Err(InvalidProxies::Header(header.to_owned())),
        };
        let entries = list.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty());
        let networks = entries.map(network).collect::<Result<_, _>>()?;
        Ok(Self { networks, header, said: Arc::default() })
    }

    /// Who made a request that came over a connection from `peer`.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        // One person has one address, also where a dual-stack socket writes it in the longer form.
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            self.mention(peer, headers);
            return ClientAddress(peer);
        }
        let hops = match self.header {
            ProxyHeader::XForwardedFor => forwarded::by_x_forwarded_for(&lines(headers, &X_FORWARDED_FOR)),
            ProxyHeader::Forwarded => forwarded::by_forwarded(&lines(headers, &header::FORWARDED)),
        };
        // From our side outwards, as far as each is known by one that is trusted.
        let mut nearest = peer;
        for hop in hops.into_iter().rev() {
            let Some(hop) = hop else { break };
            nearest = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        ClientAddress(nearest)
    }

    /// Whether this is one of them.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Says once that a proxy, as it seems, is not believed: then all its clients count as one.
    fn mention(&self, peer: IpAddr, headers: &HeaderMap) {
        let near = match peer {
            IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
            IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
        };
        let says = || headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
        if near && says() && !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                event = "proxy_not_trusted",
                "a request from a private address says whom it is forwarded for, and is not believed; if it \
                 comes from your proxy, name that in server.trusted_proxies (SKAAS_TRUSTED_PROXIES)"
            );
        }
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
}

fn network(entry: &str) -> Result<IpNet, InvalidProxies> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let range = || bare.parse::<IpNet>().map(|range| range.trunc());
    address.or_else(|_| range()).map_err(|_| InvalidProxies::Entry(entry.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXIES: &str = "10.0.0.0/8, ::1 fd00::/8,192.0.2.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers
    }

    /// Who asked, when these lines come from `peer`.
    fn seen(header: &'static str, peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::parse(PROXIES, header).unwrap();
        proxies.client(ip(peer), &headers(header, lines)).0.to_string()
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        for peer in ["203.0.113.9", "2001:db8::9", "127.0.0.1", "192.0.2.2", "::ffff:203.0.113.9"] {
            let own = ip(peer).to_canonical().to_string();
            assert_eq!(seen("x-forwarded-for", peer, &["198.51.100.7"]), own);
            assert_eq!(seen("forwarded", peer, &["for=198.51.100.7"]), own);
            let none = TrustedProxies::default();
            let said = headers("x-forwarded-for", &["198.51.100.7"]);
            assert_eq!(none.client(ip(peer), &said).0.to_string(), own);
        }
        for peer in ["10.9.8.7", "::1", "192.0.2.1", "::ffff:10.0.0.1", "fd12::1"] {
            assert_eq!(seen("x-forwarded-for", peer, &["198.51.100.7"]), "198.51.100.7");
            assert_eq!(seen("forwarded", peer, &["for=198.51.100.7"]), "198.51.100.7");
        }
    }

    #[test]
    fn the_hop_nearest_to_us_that_is_not_ours_is_who_asked() {
        let of = |lines: &[&str]| seen("x-forwarded-for", "10.0.0.1", lines);
        // What stands before it the client wrote itself.
        assert_eq!(of(&["1.2.3.4, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(of(&["1.2.3.4", "198.51.100.7", "10.0.0.2,10.0.0.3"]), "198.51.100.7");
        assert_eq!(of(&["198.51.100.7", "1.2.3.4"]), "1.2.3.4");
        // All of them are ours: a person in our own network.
        assert_eq!(of(&["10.1.1.1, 10.0.0.2"]), "10.1.1.1");
        assert_eq!(of(&[]), "10.0.0.1");
        assert_eq!(of(&["2001:db8::7 , fd00::2"]), "2001:db8::7");
        assert_eq!(of(&["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(of(&["198.51.100.7:4711, [fd00::2]:443"]), "198.51.100.7");
        let of = |lines: &[&str]| seen("forwarded", "10.0.0.1", lines);
        assert_eq!(of(&["for=1.2.3.4, for=198.51.100.7;proto=https, for=10.0.0.2"]), "198.51.100.7");
        assert_eq!(
            of(&["for=\"[2001:db8:cafe::17]:4711\";by=x", "FOR=\"10.0.0.2:80\""]),
            "2001:db8:cafe::17"
        );
    }

    #[test]
    fn what_cannot_be_read_ends_the_way_back() {
        let of = |lines: &[&str]| seen("x-forwarded-for", "10.0.0.1", lines);
        for garbage in
            ["unknown", "", "1.2.3", "_x", "1.2.3.4.5", "[::1", "fe80::1%eth0", "1.2.3.4:99999", "a b"]
        {
            assert_eq!(of(&[&format!("198.51.100.7, {garbage}")]), "10.0.0.1", "{garbage}");
            assert_eq!(of(&[&format!("{garbage}, 10.0.0.2")]), "10.0.0.2", "{garbage}");
        }
        let of = |lines: &[&str]| seen("forwarded", "10.0.0.1", lines);
        assert_eq!(of(&["for=198.51.100.7, for=unknown"]), "10.0.0.1");
        assert_eq!(of(&["for=198.51.100.7, by=10.0.0.2"]), "10.0.0.1");
        // A quote that the client left open swallows nothing of what our proxy wrote behind it.
        for open in ["for=\"", "for=1.2.3.4;x=\"", "for=\"[2001:db8::1]", "x=\"\\"] {
            for ours in ["for=198.51.100.7", "for=\"[2001:db8::7]:80\"", "for=\"198.51.100.7:80\""] {
                assert_eq!(of(&[&format!("{open}, {ours}")]), "10.0.0.1", "{open} {ours}");
            }
        }
    }

    #[test]
    fn the_header_that_our_proxy_does_not_write_is_the_clients_and_not_believed() {
        let proxies = TrustedProxies::parse("10.0.0.1", "X-Forwarded-For").unwrap();
        let mut both = headers("x-forwarded-for", &["198.51.100.7"]);
        both.append("forwarded", "for=1.2.3.4".parse().unwrap());
        assert_eq!(proxies.client(ip("10.0.0.1"), &both).0, ip("198.51.100.7"));
        let proxies = TrustedProxies::parse("10.0.0.1", "forwarded").unwrap();
        assert_eq!(proxies.client(ip("10.0.0.1"), &both).0, ip("1.2.3.4"));
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_named() {
        for (list, header, named) in [
            ("10.0.0.0/33", "forwarded", "10.0.0.0/33"),
            ("10.0.0.1, proxy.example", "forwarded", "proxy.example"),
            ("10.0.0.1", "x-real-ip", "x-real-ip"),
        ] {
            let error = TrustedProxies::parse(list, header).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    proptest! {
        /// Whatever a client writes before it, what our proxy appends is who asked.
        #[test]
        fn nothing_before_the_last_hop_changes_who_asked(
            lies in proptest::collection::vec("[ -~]{0,40}", 0..4),
            client in 0x0b00_0000_u32..=u32::MAX,
            is_own_line: bool,
        ) {
            let client = IpAddr::from(client.to_be_bytes());
            let proxies = TrustedProxies::parse("10.0.0.1", "x-forwarded-for").unwrap();
            let mut lines = lies;
            if is_own_line || lines.is_empty() {
                lines.push(client.to_string());
            } else {
                let last = lines.last_mut().unwrap();
                *last = format!("{last}, {client}");
            }
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(proxies.client(ip("10.0.0.1"), &headers("x-forwarded-for", &lines)).0, client);
        }

        /// The same with the standard header: then it is who asked, or nobody but the proxy is named.
        #[test]
        fn nothing_before_the_last_element_makes_another_of_who_asked(
            lies in "([ -~]{0,40}|[for=\",; 1.:\\[\\]\\\\]{0,40})",
            client in 0x0b00_0000_u32..=u32::MAX,
            is_quoted: bool,
        ) {
            let client = IpAddr::from(client.to_be_bytes());
            let proxies = TrustedProxies::parse("10.0.0.1", "forwarded").unwrap();
            let ours = if is_quoted { format!("for=\"{client}:80\"") } else { format!("for={client}") };
            let line = format!("{lies}, {ours}");
            let seen = proxies.client(ip("10.0.0.1"), &headers("forwarded", &[&line])).0;
            prop_assert!(seen == client || seen == ip("10.0.0.1"), "{} gave {}", line, seen);
        }

        /// No bytes at all make it panic, and it names the peer, or something that stands there.
        #[test]
        fn any_bytes_are_read_to_their_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            header in prop_oneof!["x-forwarded-for", "forwarded"],
        ) {
            let Ok(value) = http::HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.append(HeaderName::from_bytes(header.as_bytes()).unwrap(), value);
            let _ = TrustedProxies::parse("0.0.0.0/0, ::/0", &header).unwrap().client(ip("::1"), &headers);
        }
    }
}
