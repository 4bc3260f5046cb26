//! Owns the checks of an ID token (OIDC Core, section 3.1.3.7). Refuses to fetch anything.

use std::{collections::BTreeMap, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, ClaimsVerificationError, ClientId, IdToken,
    IdTokenClaims, IssuerUrl, Nonce,
    core::{
        CoreGenderClaim, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// How far the provider's clock may be off.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Claims beyond the standard's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct MoreClaims(pub(super) BTreeMap<String, Value>);

impl AdditionalClaims for MoreClaims {}

impl MoreClaims {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }
}

type Token = IdToken<MoreClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
pub(super) type TokenClaims = IdTokenClaims<MoreClaims, CoreGenderClaim>;

/// What an ID token is held against.
pub(super) struct Expected<'a> {
    pub(super) host: &'a str,
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a SecretString,
    pub(super) access_token: &'a SecretString,
    pub(super) now: Timestamp,
}

/// Why an ID token does not hold.
pub(super) enum Failure {
    /// No key of ours opens it: the provider may have new ones.
    Key(Error),
    /// New keys would not help.
    Final(Error),
}

impl From<Failure> for Error {
    fn from((Failure::Key(error) | Failure::Final(error)): Failure) -> Self {
        error
    }
}

/// Signatures by the provider's private key. Not `none`, and nothing made with the client's secret: whoever
/// can read our configuration could sign in as anyone.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Opens an ID token, or says which check it fails.
pub(super) fn open(
    raw: &str,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
) -> Result<TokenClaims, Failure> {
    let token = Token::from_str(raw)
        .map_err(|error| Failure::Final(Error::malformed(expected.host, "an ID token", error)))?;
    let issuer = IssuerUrl::new(expected.issuer.to_owned())
        .map_err(|error| Failure::Final(Error::Config(format!("the issuer is not a URL: {error}"))))?;
    let (now, latest) = (chrono_of(expected.now - SKEW), chrono_of(expected.now + SKEW));
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(expected.client_id.to_owned()),
        issuer,
        keys.clone(),
    )
    .set_allowed_algs(ALGORITHMS)
    .set_time_fn(move || now)
    .set_issue_time_verifier_fn(move |issued| {
        if issued <= latest { Ok(()) } else { Err("issued in the future".to_owned()) }
    });
    let nonce = Nonce::new(expected.nonce.expose_secret().to_owned());
    let claims = token.claims(&verifier, &nonce).map_err(|error| of_verification(expected.host, error))?;
    check_party(claims, expected)?;
    check_access_token(&token, &verifier, claims, expected)?;
    Ok(claims.clone())
}

/// Core, 3.1.3.7, steps 4 and 5: who the token was made for, where it says so.
fn check_party(claims: &TokenClaims, expected: &Expected<'_>) -> Result<(), Failure> {
    match claims.authorized_party() {
        Some(party) if party.as_str() != expected.client_id => {
            Err(Failure::Final(Error::unproven(expected.host, "made for another client (azp)")))
        }
        None if claims.audiences().len() > 1 => {
            Err(Failure::Final(Error::unproven(expected.host, "several audiences and no authorized party")))
        }
        _ => Ok(()),
    }
}

/// Core, 3.1.3.8: the access token that came along is the one the provider meant.
fn check_access_token(
    token: &Token,
    verifier: &CoreIdTokenVerifier<'_>,
    claims: &TokenClaims,
    expected: &Expected<'_>,
) -> Result<(), Failure> {
    let Some(hash) = claims.access_token_hash() else { return Ok(()) };
    let wrong = || Failure::Final(Error::unproven(expected.host, "another access token's hash (at_hash)"));
    let (Ok(algorithm), Ok(key)) = (token.signing_alg(), token.signing_key(verifier)) else {
        return Err(wrong());
    };
    let access_token = AccessToken::new(expected.access_token.expose_secret().to_owned());
    match AccessTokenHash::from_token(&access_token, algorithm, key) {
        Ok(computed) if computed == *hash => Ok(()),
        _ => Err(wrong()),
    }
}

fn of_verification(host: &str, error: ClaimsVerificationError) -> Failure {
    use openidconnect::SignatureVerificationError as S;
    let (reason, key) = match &error {
        ClaimsVerificationError::Expired(_) => ("expired, or issued in the future", false),
        ClaimsVerificationError::InvalidAudience(_) => ("another audience", false),
        ClaimsVerificationError::InvalidIssuer(_) => ("another issuer", false),
        ClaimsVerificationError::InvalidNonce(_) => ("another sign-in's nonce", false),
        ClaimsVerificationError::SignatureVerification(S::NoMatchingKey | S::CryptoError(_)) => {
            ("the signature is by none of the provider's keys", true)
        }
        ClaimsVerificationError::SignatureVerification(_) => ("not signed as it must be", false),
        _ => ("not an ID token for this sign-in", false),
    };
    let error = Error::Unproven { host: host.to_owned(), reason, source: Some(error.into()) };
    if key { Failure::Key(error) } else { Failure::Final(error) }
}

fn chrono_of(at: Timestamp) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(at.as_second(), 0).unwrap_or_default()
}
