//! Owns a provider's own description (OIDC Discovery 1.0, RFC 8414) and its keys. Refuses a
//! description that speaks for another issuer, or that leads to where the egress guard forbids.

use openidconnect::core::CoreJsonWebKeySet;
use serde::Deserialize;
use url::Url;

use crate::{
    error::{Error, Result},
    http_client::{Http, Request},
};

/// Bytes of a description or a key set. The large providers' are below 10 KB.
const DOCUMENT_CAP: usize = 256 * 1024;

/// A provider's description of itself, as far as we use it.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// Who it is; equal to the configured issuer.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Where its keys are.
    pub jwks_uri: Url,
    /// Where claims are that do not stand in the ID token.
    pub userinfo_endpoint: Option<Url>,
    /// How it wants the client to prove itself; `client_secret_basic` when it says nothing.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether `iss` comes back beside the code (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Fetches and checks the description of `issuer`.
pub(super) async fn fetch(http: &Http, issuer: &str) -> Result<Metadata> {
    let mut url = parse_issuer(issuer)?;
    let path = format!("{}/.well-known/openid-configuration", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let answer = http.send(Request::get(url).following(3).at_most(DOCUMENT_CAP)).await?.successful()?;
    let metadata: Metadata = answer.json("an OpenID Connect discovery document")?;
    // Section 4.3: otherwise one provider could speak for another.
    if metadata.issuer != issuer {
        let said =
            format!("it describes {:?}; configured is {issuer:?}, and both must be equal", metadata.issuer);
        return Err(Error::malformed(&answer.host, "the description of the configured issuer", said));
    }
    for url in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri]
        .into_iter()
        .chain(&metadata.userinfo_endpoint)
    {
        http.egress().check(url)?;
    }
    Ok(metadata)
}

/// Reads an issuer identifier: a URL without query and fragment.
pub(super) fn parse_issuer(issuer: &str) -> Result<Url> {
    let url = Url::parse(issuer)
        .ok()
        .filter(|url| url.has_host() && url.query().is_none() && url.fragment().is_none());
    url.ok_or_else(|| {
        Error::Config(format!("the issuer {issuer:?} is not an address like https://login.example.com"))
    })
}

pub(super) async fn fetch_keys(http: &Http, metadata: &Metadata) -> Result<CoreJsonWebKeySet> {
    let request = Request::get(metadata.jwks_uri.clone()).following(3).at_most(DOCUMENT_CAP);
    http.send(request).await?.successful()?.json("a JSON Web Key Set")
}
