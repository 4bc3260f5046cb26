//! What proxies, and whoever stands before them, say of whom they ask for: hops, never more than were written, and
//! an address that is written plainly is the one that is read.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use skaas_domain::forwarded::{by_forwarded, by_x_forwarded_for};

fuzz_target!(|input: (Vec<&[u8]>, IpAddr)| {
    let (mut lines, address) = input;
    let written =
        |lines: &[&[u8]]| lines.iter().map(|line| line.split(|b| *b == b',').count()).sum::<usize>();
    assert_eq!(by_x_forwarded_for(&lines).len(), written(&lines));
    assert!(by_forwarded(&lines).len() <= written(&lines));
    // Whatever came before, what the nearest proxy adds on a line of its own is read as it stands.
    let (plain, quoted) = (address.to_string(), format!("for=\"[{address}]\""));
    lines.push(plain.as_bytes());
    assert_eq!(by_x_forwarded_for(&lines).last(), Some(&Some(address.to_canonical())));
    if address.is_ipv6() {
        lines.pop();
        lines.push(quoted.as_bytes());
        assert_eq!(by_forwarded(&lines).last(), Some(&Some(address.to_canonical())));
    }
});
