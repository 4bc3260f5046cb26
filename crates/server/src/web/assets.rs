//! The static files that pages link to, and `robots.txt`. Each is compressed once per process; nothing a page
//! needs to work is among them.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use skaas_domain::secret::SecretHash;

use super::WebState;

/// A static file, ready to be served.
pub(crate) struct Asset {
    kind: &'static str,
    content: &'static str,
    /// The content in gzip format (RFC 1952).
    gzipped: Bytes,
    /// Changes with the content.
    fingerprint: String,
    /// The path with the fingerprint.
    address: String,
    cached: &'static str,
}

/// An address with a fingerprint never changes what it serves.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const FOR_A_DAY: &str = "public, max-age=86400";

macro_rules! assets {
    ($($(#[$doc:meta])* $name:ident = $path:literal, $kind:literal, $file:literal, $cached:ident;)*) => {
        $($(#[$doc])* pub(crate) static $name: LazyLock<Asset> =
            LazyLock::new(|| Asset::new($path, $kind, include_str!(concat!("../../assets/", $file)), $cached));)*
    };
}

assets! {
    /// The stylesheet.
    STYLESHEET = "/assets/app.css", "text/css; charset=utf-8", "app.css", IMMUTABLE;
    /// Our script; every page works without it.
    SCRIPT = "/assets/app.js", "text/javascript; charset=utf-8", "app.js", IMMUTABLE;
    /// htmx, which replaces the results of a search without loading the page again.
    HTMX = "/assets/htmx.js", "text/javascript; charset=utf-8", "vendor/htmx.min.js", IMMUTABLE;
    /// What asks a browser for passkeys.
    PASSKEYS = "/assets/passkeys.js", "text/javascript; charset=utf-8", "passkeys.js", IMMUTABLE;
    /// The sprite with all icons.
    ICONS = "/assets/icons.svg", "image/svg+xml", "vendor/icons.svg", IMMUTABLE;
    /// The site's icon.
    FAVICON = "/assets/favicon.svg", "image/svg+xml", "favicon.svg", IMMUTABLE;
    /// The licenses of htmx and the icons.
    LICENSES = "/assets/licenses.txt", "text/plain; charset=utf-8", "vendor/LICENSES.txt", FOR_A_DAY;
    /// What crawlers may read.
    ROBOTS = "/robots.txt", "text/plain; charset=utf-8", "robots.txt", FOR_A_DAY;
}

impl Asset {
    fn new(path: &'static str, kind: &'static str, content: &'static str, cached: &'static str) -> Self {
        let hash = SecretHash::of(content).0;
        let fingerprint = format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
        let address = format!("{path}?v={fingerprint}");
        Self { kind, content, gzipped: gzipped(content), fingerprint, address, cached }
    }

    /// The address that pages link to: it changes with the content, so browsers keep what it serves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The file, compressed if the browser takes that; 304 if the browser already has it.
    fn serve(&self, asked: &HeaderMap) -> Response {
        let is_gzipped = accepts_gzip(asked);
        let tag = format!("\"{}{}\"", self.fingerprint, if is_gzipped { "-gzip" } else { "" });
        let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
        let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else if is_gzipped {
            ([(header::CONTENT_ENCODING, "gzip")], self.gzipped.clone()).into_response()
        } else {
            self.content.into_response()
        };
        let headers = response.headers_mut();
        if !is_known {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cached));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hex digits in quotation marks"));
        response
    }
}

fn gzipped(content: &str) -> Bytes {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content.as_bytes()).expect("memory takes everything");
    encoder.finish().expect("memory takes everything").into()
}

/// Whether `Accept-Encoding` (RFC 9110, section 12.5.3) names gzip and does not refuse it with `q=0`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// The handler that serves `asset`.
pub(crate) fn serve(asset: &'static LazyLock<Asset>) -> MethodRouter<WebState> {
    get(move |headers: HeaderMap| async move { asset.serve(&headers) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_file_is_compressed_for_those_who_accept_it_and_for_nobody_else() {
        for yes in ["gzip", "br, GZIP;q=0.5, *", "deflate,gzip"] {
            assert!(accepts_gzip(&asking(&[(header::ACCEPT_ENCODING, yes)])), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.0", "x-gzipped", "gzip;q=no"] {
            assert!(!accepts_gzip(&asking(&[(header::ACCEPT_ENCODING, no)])), "{no}");
        }
        let zipped = STYLESHEET.serve(&asking(&[(header::ACCEPT_ENCODING, "gzip, br")]));
        assert_eq!(zipped.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(zipped.headers()[header::VARY], "accept-encoding");
        assert!(STYLESHEET.gzipped.len() * 3 < STYLESHEET.content.len());
        let plain = STYLESHEET.serve(&HeaderMap::new());
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        assert_ne!(plain.headers()[header::ETAG], zipped.headers()[header::ETAG]);
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let tag = STYLESHEET.serve(&HeaderMap::new()).headers()[header::ETAG].clone();
        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, tag);
        assert_eq!(STYLESHEET.serve(&again).status(), StatusCode::NOT_MODIFIED);
        again.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(STYLESHEET.serve(&again).status(), StatusCode::OK, "another encoding is another body");
    }
}
