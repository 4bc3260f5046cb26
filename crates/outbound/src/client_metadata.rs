//! Owns client ID metadata documents: an OAuth client whose id is the address of its own description
//! (draft-ietf-oauth-client-id-metadata-document). Refuses redirects, secrets, and a document that speaks
//! for another address.

use std::time::Duration;

use http::header;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    error::{Error, Result},
    http_client::{Answer, Http, Request},
};

/// Bytes of a document: the draft's recommendation.
const CAP: usize = 5 * 1024;
/// How long a document is kept when its server says nothing.
const USUAL: Duration = Duration::from_mins(15);
/// However short or long its server says.
const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(24);

/// An OAuth client as it describes itself. All texts are foreign.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClientMetadata {
    /// The address of this document.
    pub client_id: String,
    /// What it calls itself.
    pub client_name: Option<String>,
    /// Its home page.
    pub client_uri: Option<String>,
    /// Its picture.
    pub logo_uri: Option<String>,
    /// Where it may be sent back to; at least one.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The grants it uses; `authorization_code` when it says nothing (RFC 7591, section 2).
    #[serde(default = "authorization_code")]
    pub grant_types: Vec<String>,
    /// The scopes it may ask for, separated by spaces.
    pub scope: Option<String>,
    /// How long this may be kept, between a minute and a day.
    #[serde(skip)]
    pub max_age: Duration,
}

fn authorization_code() -> Vec<String> {
    vec!["authorization_code".to_owned()]
}

/// Whether a `client_id` is the address of a metadata document, and fit to be one (section 3): `https`, a path,
/// no fragment, no user name, no dot segments.
pub fn parse_client_id(client_id: &str) -> Option<Url> {
    let url = Url::parse(client_id).ok()?;
    let path = client_id.strip_prefix("https://")?.split_once('/')?.1.split('?').next()?;
    // The URL parser takes dot segments away, so the text itself is looked at.
    let plain = path.split('/').all(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment != "." && segment != ".."
    });
    let sound = plain
        && !path.is_empty()
        && client_id.len() <= 2048
        && url.has_host()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        // As written, so that one client has one id.
        && url.as_str() == client_id;
    sound.then_some(url)
}

/// Fetches the description of the client whose id is `client_id`.
///
/// # Errors
/// [`Error::Malformed`] when the id cannot be such an address, or the document does not name this very id, holds
/// a secret, or no redirect URI; [`Error::Refused`] by the egress guard, and for a redirect.
pub async fn fetch(http: &Http, client_id: &str) -> Result<ClientMetadata> {
    let url = parse_client_id(client_id).ok_or_else(|| {
        Error::malformed("the client id", "the address of a client metadata document", "unfit")
    })?;
    let answer = http.send(Request::get(url).at_most(CAP)).await?.successful()?;
    let refuse = |why: &'static str| Error::malformed(&answer.host, "a client metadata document", why);
    let document: Value = answer.json("a client metadata document")?;
    if document.get("client_id").and_then(Value::as_str) != Some(client_id) {
        return Err(refuse("its client_id is not its own address"));
    }
    if document.get("client_secret").is_some() || document.get("client_secret_expires_at").is_some() {
        return Err(refuse("it holds a secret, which everybody can read"));
    }
    let method = document.get("token_endpoint_auth_method").map_or(Some("none"), Value::as_str);
    if method != Some("none") {
        return Err(refuse("it wants to prove itself other than by PKCE (token_endpoint_auth_method)"));
    }
    let mut metadata: ClientMetadata = serde_json::from_value(document)
        .map_err(|error| Error::malformed(&answer.host, "a client metadata document", error))?;
    if metadata.redirect_uris.is_empty() {
        return Err(refuse("it names no redirect URI"));
    }
    metadata.max_age = max_age(&answer);
    Ok(metadata)
}

/// RFC 9111: how long the answer is fresh, within our bounds.
fn max_age(answer: &Answer) -> Duration {
    let header =
        answer.headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut age = USUAL;
    for directive in header.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return SHORTEST,
            "max-age" => {
                age = value.trim_matches('"').parse().map_or(USUAL, Duration::from_secs);
            }
            _ => {}
        }
    }
    age.clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_address_of_a_document_is_a_client_id() {
        assert!(parse_client_id("https://app.example/oauth/client.json").is_some());
        for unfit in [
            "http://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example/a/../client.json",
            "https://app.example/a/%2E%2e/client.json",
            "https://app.example/./client.json",
            "https://app.example/client.json#part",
            "https://user@app.example/client.json",
            "https://user:pass@app.example/client.json",
            "https://APP.example/client.json",
            "https://app.example:443/client.json",
            "ocl_0123",
            "",
        ] {
            assert!(parse_client_id(unfit).is_none(), "{unfit}");
        }
    }
}
