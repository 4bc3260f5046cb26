//! The percent-escapes of a request's path. A name in it must be text; the router would answer a bare 400 to anything else.

use http::Uri;
use percent_encoding::percent_decode_str;
use skaas_app::{Code, Error};

/// Checks that the path is UTF-8 once its escapes are decoded.
///
/// # Errors
/// [`skaas_app::Kind::Invalid`], for whoever wrote the address.
pub(crate) fn check(uri: &Uri) -> Result<(), Error> {
    match percent_decode_str(uri.path()).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::refused(
            Code::Malformed,
            "the percent-escapes in this address are not UTF-8; check how the name in it was encoded",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_text_or_refused() {
        for (path, is_text) in [
            ("/api/users/ann", true),
            ("/api/users/%C3%A9", true),
            ("/api/users/%", true),
            ("/api/users/%zz", true),
            ("/api/users/%ff", false),
            ("/api/users/%C3", false),
            ("/api/users/%ed%a0%80", false),
        ] {
            assert_eq!(check(&path.parse().unwrap()).is_ok(), is_text, "{path}");
        }
    }
}
