//! Owns where an OAuth client's user may be sent: which addresses a client may register, and which one of
//! them a request names. Refuses patterns: addresses are compared as text (RFC 6749, section 3.1.2.3), but
//! for the port of a loopback one (RFC 8252, section 7.3).

use url::{Host, Url};

/// The longest address, in bytes.
pub const MAX_LEN: usize = 2000;
/// The most addresses of one client.
pub const MAX_REDIRECTS: usize = 20;

/// Why an address cannot be a client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirect {
    /// No URL, or too long.
    #[error("a redirect URI is an absolute URL of at most {MAX_LEN} ASCII characters")]
    Form,
    /// What follows `#` is never sent to a server.
    #[error("a redirect URI has no fragment (RFC 6749, section 3.1.2)")]
    Fragment,
    /// `user@host` is made to deceive.
    #[error("a redirect URI has no user name or password in it")]
    Userinfo,
    /// Readable on the way, run by the browser, or claimed by any app that likes the word.
    #[error(
        "a redirect URI starts with https://, with http:// for 127.0.0.1, [::1] or localhost, or with a \
         private-use scheme that is a reversed domain name, like com.example.app: (RFC 8252, section 7.1)"
    )]
    Scheme,
}

/// Whether a client may register `text`.
///
/// # Errors
/// [`InvalidRedirect`], for the client's developer.
pub fn check(text: &str) -> Result<(), InvalidRedirect> {
    if text.len() > MAX_LEN || !text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>".contains(&b)) {
        return Err(InvalidRedirect::Form);
    }
    let url = Url::parse(text).map_err(|_| InvalidRedirect::Form)?;
    if url.fragment().is_some() {
        return Err(InvalidRedirect::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidRedirect::Userinfo);
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if loopback_without_port(text).is_some() => Ok(()),
        scheme if is_private_use(scheme) => Ok(()),
        _ => Err(InvalidRedirect::Scheme),
    }
}

/// Whether `scheme` is a reversed domain name, like `com.example.app` (RFC 8252, section 7.1). The dot rules out every
/// scheme that a browser or an operating system handles itself: `javascript`, `data`, `file`, `intent` and the like.
fn is_private_use(scheme: &str) -> bool {
    scheme.contains('.') && scheme.split('.').all(|label| !label.is_empty())
}

/// Host and everything after the port, where `text` is plain http to this very machine. Read from the text
/// itself: `http://0x7f.1` is the same machine to a browser, and no address that a client needs.
fn loopback_without_port(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let after = &rest[host.len()..];
    let after = match after.strip_prefix(':') {
        None => after,
        Some(port) => {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            port[..digits].parse::<u16>().ok()?;
            &port[digits..]
        }
    };
    (after.is_empty() || after.starts_with(['/', '?'])).then_some((host, after))
}

/// Whether `text` leads to a program on the person's own machine and to nobody else.
pub fn is_loopback(text: &str) -> bool {
    loopback_without_port(text).is_some()
}

/// Whether a request for `requested` may be answered there when the client registered `registered`.
pub fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return check(requested).is_ok();
    }
    match (loopback_without_port(registered), loopback_without_port(requested)) {
        (Some(ours), Some(theirs)) => ours == theirs && check(requested).is_ok(),
        _ => false,
    }
}

/// Where an address leads, as the person who is to agree reads it: a host, this computer, or an app.
pub fn shown(text: &str) -> String {
    if loopback_without_port(text).is_some() {
        return "an app on this computer".to_owned();
    }
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => match url.host() {
            Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}{port}", url.host_str().unwrap_or_default())
            }
            None => "an unknown place".to_owned(),
        },
        Ok(url) => format!("the app behind {}:", url.scheme()),
        Err(_) => "an unknown place".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_register_https_loopback_and_schemes_that_are_reversed_domain_names() {
        for good in [
            "https://app.example/callback?x=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:33418",
            "http://[::1]:1/",
            "http://localhost:8080/callback",
            "com.example.app:/oauth",
            "com.example.my-app://oauth/callback",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn nobody_registers_what_a_browser_would_run_or_what_others_could_read() {
        for (bad, why) in [
            ("", InvalidRedirect::Form),
            ("/callback", InvalidRedirect::Form),
            ("https://a.example/ x", InvalidRedirect::Form),
            ("https:\\\\a.example", InvalidRedirect::Form),
            ("https://a.example/#x", InvalidRedirect::Fragment),
            ("https://a.example/#", InvalidRedirect::Fragment),
            ("https://good.example@evil.example/", InvalidRedirect::Userinfo),
            ("http://a.example/", InvalidRedirect::Scheme),
            ("http://127.0.0.1.evil.example/", InvalidRedirect::Scheme),
            ("http://localhost.evil.example/", InvalidRedirect::Scheme),
            ("http://0x7f.1/", InvalidRedirect::Scheme),
            ("javascript:alert(1)", InvalidRedirect::Scheme),
            ("JavaScript:alert(1)", InvalidRedirect::Scheme),
            ("data:text/html,x", InvalidRedirect::Scheme),
            ("file:///etc/passwd", InvalidRedirect::Scheme),
            ("myapp:/callback", InvalidRedirect::Scheme),
            ("myapp://callback", InvalidRedirect::Scheme),
            ("web+app:callback", InvalidRedirect::Scheme),
            ("a.:/callback", InvalidRedirect::Scheme),
            ("a..b:/callback", InvalidRedirect::Scheme),
            ("https:", InvalidRedirect::Form),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
        assert_eq!(check(&format!("https://a.example/{}", "x".repeat(MAX_LEN))), Err(InvalidRedirect::Form));
    }

    #[test]
    fn addresses_match_as_text_but_for_the_port_of_a_loopback_one() {
        for (registered, requested, fits) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example:8443/cb", false),
            ("https://a.example/cb", "https://a.example/x/../cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:51004/cb", true),
            ("http://[::1]/cb", "http://[::1]:9/cb", true),
            ("http://localhost/cb", "http://localhost:3000/cb", true),
            ("http://localhost/cb", "http://127.0.0.1/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb2", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5@evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:5/cb", false),
            ("javascript:x", "javascript:x", false),
            // Registered before schemes needed a dot.
            ("myapp:/cb", "myapp:/cb", false),
        ] {
            assert_eq!(matches(registered, requested), fits, "{registered} {requested}");
        }
    }

    #[test]
    fn a_person_reads_where_they_are_sent() {
        assert_eq!(shown("https://app.example:8443/cb"), "app.example:8443");
        assert_eq!(shown("https://xn--80ak6aa92e.com/"), "xn--80ak6aa92e.com");
        assert_eq!(shown("http://127.0.0.1:5/cb"), "an app on this computer");
        assert_eq!(shown("com.example.app://x/y"), "the app behind com.example.app:");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(one: String, other: String) {
            let _ = (check(&one), matches(&one, &other), shown(&one));
            let _ = matches("http://127.0.0.1/cb", &format!("http://127.0.0.1:{one}"));
        }

        #[test]
        fn what_matches_a_loopback_address_leads_to_this_machine(tail in "[:0-9a@/.?\\[\\]]{0,10}") {
            let requested = format!("http://127.0.0.1{tail}");
            if matches("http://127.0.0.1/", &requested) || check(&requested).is_ok() {
                let url = Url::parse(&requested).unwrap();
                prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
            }
        }
    }
}
