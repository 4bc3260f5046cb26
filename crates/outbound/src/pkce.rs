//! Owns the secrets of one sign-in attempt: `state`, `nonce`, and the verifier of RFC 7636. Refuses to keep
//! them: the caller stores what it needs until the browser comes back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// What binds the answer of an identity provider to the attempt that asked. 256 random bits each.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Goes through the browser and comes back with the code; store its hash, and bind it to the browser.
    pub state: SecretString,
    /// Comes back inside the ID token (OIDC Core, section 3.1.2.1).
    pub nonce: SecretString,
    /// Proves to the token endpoint that who redeems the code is who asked for it (RFC 7636).
    pub verifier: SecretString,
}

impl Attempt {
    /// A new attempt from `rng`, which must be fit for secrets.
    pub fn new(rng: &mut dyn RngCore) -> Self {
        Self { state: random(rng), nonce: random(rng), verifier: random(rng) }
    }

    /// The `code_challenge` of this attempt, method S256.
    pub fn challenge(&self) -> String {
        challenge(self.verifier.expose_secret())
    }
}

/// The S256 challenge of a verifier (RFC 7636, section 4.2).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn random(rng: &mut dyn RngCore) -> SecretString {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standards_example() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
