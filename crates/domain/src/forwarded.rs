//! Owns reading the headers in which proxies say for whom they ask. Refuses to judge who is believed: it gives
//! every hop in the order it stands there, `None` for one that does not say an address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Hops of `X-Forwarded-For`, which has no standard: addresses with commas between, over all lines.
pub fn by_x_forwarded_for(lines: &[&[u8]]) -> Vec<Option<IpAddr>> {
    let hops = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
    hops.map(|hop| address(std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']))).collect()
}

/// Hops of `Forwarded` (RFC 7239, section 4), over all lines. A line that is not written as the RFC says hides
/// all that stands before its end: a quote that was left open might hold what our own proxy wrote.
pub fn by_forwarded(lines: &[&[u8]]) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    for line in lines {
        match elements(line) {
            Some(elements) => hops.extend(elements),
            None => hops.push(None),
        }
    }
    hops
}

/// What `for` says in each element of one line; `None` when the line is malformed.
fn elements(line: &[u8]) -> Option<Vec<Option<IpAddr>>> {
    let mut rest = std::str::from_utf8(line).ok()?;
    let (mut hops, mut hop) = (Vec::new(), None);
    loop {
        let (name, value, behind) = pair(blank(rest))?;
        if name.eq_ignore_ascii_case("for") {
            hop = address(&value);
        }
        rest = blank(behind);
        match rest.bytes().next() {
            None => break,
            Some(b';') => {}
            Some(b',') => hops.push(hop.take()),
            Some(_) => return None,
        }
        rest = &rest[1..];
    }
    hops.push(hop);
    Some(hops)
}

/// An address as a proxy writes it: with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let found = plain.or_else(|| bracketed().map(IpAddr::V6)).or_else(with_port)?;
    Some(found.to_canonical())
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// One `token=value`, and what stands behind it. An empty one is allowed where nothing else stands.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, behind) = token(text);
    let Some(behind) = behind.strip_prefix('=') else {
        return name.is_empty().then(|| ("", String::new(), behind));
    };
    if name.is_empty() {
        return None;
    }
    if let Some(quoted) = behind.strip_prefix('"') {
        let (value, behind) = unquoted(quoted)?;
        return Some((name, value, behind));
    }
    let (value, behind) = token(behind);
    // Addresses with a port stand in quotes, by the RFC; what leaves them out is read all the same.
    Some((name, value.to_owned(), behind))
}

/// The letters of a token, and of an address without quotes.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:[]".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// The rest of a quoted string, and what stands behind it; `None` when it never ends.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}
