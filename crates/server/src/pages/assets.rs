//! Owns the one stylesheet and the one script. Refuses anything that a page would need to work.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::header;
use skaas_domain::secret::SecretHash;

const CSS: &str = include_str!("../../assets/app.css");
const JS: &str = include_str!("../../assets/app.js");

/// Changes with the content, so that browsers may keep it for ever.
fn address(path: &str, content: &str) -> String {
    let hash = SecretHash::of(content).0;
    format!("{path}?v={:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
}

pub(super) fn stylesheet() -> &'static str {
    static ADDRESS: LazyLock<String> = LazyLock::new(|| address("/assets/app.css", CSS));
    &ADDRESS
}

pub(super) fn script() -> &'static str {
    static ADDRESS: LazyLock<String> = LazyLock::new(|| address("/assets/app.js", JS));
    &ADDRESS
}

pub(super) async fn css() -> Response {
    kept("text/css; charset=utf-8", CSS)
}

pub(super) async fn js() -> Response {
    kept("text/javascript; charset=utf-8", JS)
}

fn kept(kind: &'static str, content: &'static str) -> Response {
    let forever = "public, max-age=31536000, immutable";
    let nosniff = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, forever), nosniff], content).into_response()
}
