//! Whether a password is known from a breach, asked of a range service as Have I Been Pwned runs one. The service
//! learns five hexadecimal digits of the password's SHA-1, which hundreds of passwords share, and with padding not
//! even how many those are.

use http::{HeaderName, HeaderValue, header};
use sha1::{Digest as _, Sha1};
use url::Url;

use crate::{
    error::{Error, Result},
    http_client::{Http, Request},
};

/// The digits that the service is told.
const PREFIX: usize = 5;
/// Bytes of an answer. A padded one has about 50 KiB.
const CAP: usize = 512 * 1024;
/// What the answer is to be, in errors.
const WHAT: &str = "a list of breached passwords";

/// A range service.
#[derive(Clone)]
pub struct RangeService {
    http: Http,
    base: Url,
}

impl RangeService {
    /// The service at `base`, to which the prefix is appended: `https://api.pwnedpasswords.com/range/`.
    ///
    /// # Errors
    /// [`Error::Config`] if `base` is not the address of a folder on an HTTP server.
    pub fn new(http: Http, base: &str) -> Result<Self> {
        let wrong = |why: &str| Error::Config(format!("the breach service {base:?} {why}"));
        let url = Url::parse(base).map_err(|error| wrong(&format!("is not an address ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("is not an http(s) address"));
        }
        if !url.path().ends_with('/') || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("must end in a slash, like https://api.pwnedpasswords.com/range/"));
        }
        Ok(Self { http, base: url })
    }

    /// How often the password was seen in breaches; 0 if never.
    ///
    /// # Errors
    /// Whatever keeps the service from answering, and [`Error::Malformed`] for an answer that is no such list.
    pub async fn count(&self, password: &str) -> Result<u64> {
        let hash = Sha1::digest(password.as_bytes()).iter().fold(String::new(), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02X}");
            text
        });
        let (prefix, suffix) = hash.split_at(PREFIX);
        let url = self.base.join(prefix).map_err(|error| Error::Config(error.to_string()))?;
        let request = Request::get(url)
            .header(header::ACCEPT, HeaderValue::from_static("text/plain"))
            .header(HeaderName::from_static("add-padding"), HeaderValue::from_static("true"))
            .at_most(CAP);
        let answer = self.http.send(request).await?.successful()?;
        let refuse = |why: &'static str| Error::malformed(&answer.host, WHAT, why);
        let text = std::str::from_utf8(&answer.body).map_err(|_| refuse("it is not text"))?;
        find(text, suffix).map_err(refuse)
    }
}

/// The count beside `suffix` in lines of `SUFFIX:COUNT`; padding has a count of 0.
fn find(text: &str, suffix: &str) -> std::result::Result<u64, &'static str> {
    let mut found = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (hash, count) = line.split_once(':').ok_or("a line has no count")?;
        if hash.len() != 40 - PREFIX || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a line has no hash");
        }
        let count: u64 = count.trim().parse().map_err(|_| "a count is not a number")?;
        if hash.eq_ignore_ascii_case(suffix) {
            found = count;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUFFIX: &str = "003D68EB55068C33ACE09247EE4C639306B";

    #[test]
    fn only_a_line_of_the_same_suffix_counts_and_padding_does_not() {
        let other = "012C192B2F16F82EA0EB9EF18D9D539B0DD:2\r\n";
        assert_eq!(find(&format!("{other}{SUFFIX}:3\r\n"), SUFFIX), Ok(3));
        assert_eq!(find(&format!("{SUFFIX}:3").to_lowercase(), SUFFIX), Ok(3));
        assert_eq!(find(&format!("{other}{SUFFIX}:0\r\n"), SUFFIX), Ok(0));
        assert_eq!(find(other, SUFFIX), Ok(0));
        assert_eq!(find("", SUFFIX), Ok(0));
        for foreign in ["<html>", "<a:b>", "no:1", &format!("{SUFFIX}:many")] {
            assert!(find(foreign, SUFFIX).is_err(), "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in ".{0,200}") {
            let _ = find(&text, SUFFIX);
        }
    }
}
