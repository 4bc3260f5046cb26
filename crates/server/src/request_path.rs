//! Spells a request's path the plain way before anything reads it, so that routing, authorization and logs see
//! one form of every address. RFC 3986, 6.2.2.2: `%2e` and `.` are the same character, and so is every other
//! unreserved one; `%2F` is not `/`, and stays as it is.

use std::borrow::Cow;

use http::{Request, Uri, uri::PathAndQuery};

/// Decodes the unreserved characters of the request's path. The query is left alone.
pub(crate) fn spell_plainly<B>(request: &mut Request<B>) {
    if let Cow::Owned(path) = plain(request.uri().path())
        && let Some(uri) = with_path(request.uri(), &path)
    {
        *request.uri_mut() = uri;
    }
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

fn plain(path: &str) -> Cow<'_, str> {
    let Some(first) = path.find('%') else { return Cow::Borrowed(path) };
    let (done, mut rest) = path.split_at(first);
    let mut out = done.to_owned();
    while let Some(char) = rest.chars().next() {
        if let Some(decoded) = unreserved(rest) {
            out.push(decoded);
            rest = &rest[3..];
        } else {
            out.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    if out.len() == path.len() { Cow::Borrowed(path) } else { Cow::Owned(out) }
}

/// The character that `text` begins with in its encoded form, if it is an unreserved one.
fn unreserved(text: &str) -> Option<char> {
    let digits = text.strip_prefix('%')?.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let char = char::from(u8::from_str_radix(digits, 16).ok()?);
    (char.is_ascii_alphanumeric() || "-._~".contains(char)).then_some(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(uri: &str) -> String {
        let mut request = Request::get(uri).body(()).unwrap();
        spell_plainly(&mut request);
        request.uri().to_string()
    }

    #[test]
    fn unreserved_characters_are_decoded_once_and_others_stay() {
        for (sent, plain) in [
            (
                "/u/alice/marketplace%2egit/info/refs?service=git%2dupload",
                "/u/alice/marketplace.git/info/refs?service=git%2dupload",
            ),
            ("/%6de/skills/a%2Db", "/me/skills/a-b"),
            ("/%7Ealice%5f", "/~alice_"),
            ("/me/plain.git?x=%41", "/me/plain.git?x=%41"),
            // A separator, a percent sign, a space and a control character are other characters than their codes.
            ("/u/a%2fb/%252e/%20/%00", "/u/a%2fb/%252e/%20/%00"),
            ("/%c3%a4/%ff", "/%c3%a4/%ff"),
            ("/u/%2", "/u/%2"),
            ("/u/%+1/%zz/%", "/u/%+1/%zz/%"),
            ("http://host:80/%6de", "http://host:80/me"),
        ] {
            assert_eq!(spelled(sent), plain);
        }
    }
}
