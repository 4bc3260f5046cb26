//! What may be called, spelling by spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::Url;

use super::{Egress, Refusal};

fn check(egress: &Egress, url: &str) -> Result<(), Refusal> {
    egress.check(&Url::parse(url).unwrap())
}

#[test]
fn nothing_but_public_addresses_is_called() {
    let egress = Egress::default();
    for private in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!egress.permits(private.parse().unwrap()), "{private}");
    }
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.254",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450::1",
    ] {
        assert!(egress.permits(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn an_address_is_refused_in_every_spelling() {
    let egress = Egress::default();
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "https://①②⑦.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
    ] {
        assert!(matches!(check(&egress, url), Err(Refusal::OffLimits { .. })), "{url}");
    }
}

#[test]
fn only_https_goes_out_and_never_a_password_in_the_address() {
    let egress: Egress = "10.0.0.0/8, idp.corp.example *.lab.example".parse().unwrap();
    for url in [
        "https://example.com/",
        "http://10.1.2.3/",
        "http://idp.corp.example/",
        "http://a.b.lab.example:8080/",
    ] {
        assert_eq!(check(&egress, url), Ok(()), "{url}");
    }
    for url in ["http://example.com/", "ftp://example.com/", "http://lab.example/", "http://notlab.example/"]
    {
        assert!(matches!(check(&egress, url), Err(Refusal::NotHttps { .. })), "{url}");
    }
    assert_eq!(check(&egress, "https://user@example.com/"), Err(Refusal::Credentials));
    assert_eq!(check(&egress, "https://:secret@idp.corp.example/"), Err(Refusal::Credentials));
    assert_eq!(check(&egress, "data:text/plain,hello"), Err(Refusal::NoHost));
    assert!(check(&egress, "file:///etc/passwd").is_err());
}

#[test]
fn the_operators_list_reads_back_as_it_was_written() {
    let text = "10.0.0.0/8,127.0.0.1/32,::1/128,fd00::/8,idp.corp.example,*.lab.example";
    let egress: Egress = text.parse().unwrap();
    assert_eq!(egress.to_string(), text);
    let spelled: Egress =
        " 10.9.9.9/8 127.0.0.1,[::1]\tfd00::/8, IdP.Corp.Example. *.LAB.example".parse().unwrap();
    assert_eq!(spelled, egress);
    assert_eq!("".parse::<Egress>().unwrap(), Egress::default());
}

#[test]
fn a_mistyped_entry_is_named() {
    for entry in [
        "10.0.0.0/33",
        "10.0.0.256",
        "10.0.0",
        "fd00::/129",
        "https://idp.example",
        "idp.example:443",
        "*",
        "*.",
        "a..b",
        "*.*.example",
    ] {
        let error = entry.parse::<Egress>().unwrap_err().to_string();
        assert!(error.contains(&format!("{entry:?}")), "{error}");
    }
}

#[test]
fn a_permitted_range_holds_for_mapped_addresses_too() {
    let egress: Egress = "127.0.0.0/8".parse().unwrap();
    assert!(egress.permits("::ffff:127.0.0.1".parse().unwrap()));
    assert!(!egress.permits("::1".parse().unwrap()));
    assert!(!egress.permits("::ffff:10.0.0.1".parse().unwrap()));
}

proptest! {
    #[test]
    fn an_ipv4_address_hidden_in_an_ipv6_one_is_judged_as_itself(bits: u32) {
        let (egress, v4) = (Egress::default(), Ipv4Addr::from(bits));
        let [a, b, c, d] = v4.octets().map(u16::from);
        let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
        prop_assert_eq!(egress.permits(IpAddr::V4(v4)), egress.permits(IpAddr::V6(v4.to_ipv6_mapped())));
        prop_assert_eq!(egress.permits(IpAddr::V4(v4)), egress.permits(IpAddr::V6(nat64)));
    }

    #[test]
    fn what_the_standard_library_calls_private_is_never_public(bits: u32) {
        let v4 = Ipv4Addr::from(bits);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
            || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
        prop_assert!(!(special && Egress::default().permits(v4.into())));
    }
}
