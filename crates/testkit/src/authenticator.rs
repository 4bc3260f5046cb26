//! What people prove a second factor with: an authenticator with one passkey, and a phone with an authenticator app.
//!
//! Owns: `WebAuthn`'s side of an authenticator and of a browser, in which a test can falsify every part that an attacker
//! could. Refuses: to check anything, as an attacker would.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use skaas_domain::totp::TotpSecret;

const PRESENT: u8 = 0b0000_0001;
const VERIFIED: u8 = 0b0000_0100;
const HAS_CREDENTIAL: u8 = 0b0100_0000;

/// An authenticator with one passkey (ES256), and the browser that it is plugged into.
#[derive(Clone)]
pub struct Authenticator {
    /// Where the browser says that the page is.
    pub origin: String,
    /// The RP ID to claim, if not the one that was asked for.
    pub rp_id: Option<String>,
    /// Whether it says that it verified its owner.
    pub verifies: bool,
    /// What the next answer counts; 0 for one that doesn't count.
    pub counter: u32,
    key: SigningKey,
    id: Vec<u8>,
    handle: Vec<u8>,
}

impl Authenticator {
    /// One with a key of its own, in a browser at `origin`.
    ///
    /// # Panics
    /// For a `seed` of 0.
    pub fn new(seed: u8, origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            rp_id: None,
            verifies: true,
            counter: 0,
            key: SigningKey::from_slice(&[seed; 32]).expect("a number below the order of the curve"),
            id: vec![seed; 20],
            handle: Vec::new(),
        }
    }

    /// Answers `navigator.credentials.create`.
    ///
    /// # Panics
    /// If these are no such options.
    pub fn create(&mut self, options: &Value) -> String {
        self.handle = decoded(&options["user"]["id"]);
        let mut data = self.data(options["rp"]["id"].as_str().expect("an RP ID"), HAS_CREDENTIAL);
        let point = self.key.verifying_key().to_sec1_point(false);
        let point = point.as_bytes();
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}: a COSE key (RFC 9052).
        data.extend(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20");
        data.extend(&point[1..33]);
        data.extend(b"\x22\x58\x20");
        data.extend(&point[33..]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).expect("short"));
        object.extend(data);
        let response = json!({
            "clientDataJSON": encoded(&self.client_data("webauthn.create", options)),
            "attestationObject": encoded(&object),
        });
        self.answer(&response)
    }

    /// Answers `navigator.credentials.get`.
    ///
    /// # Panics
    /// If these are no such options.
    pub fn get(&mut self, options: &Value) -> String {
        let data = self.data(options["rpId"].as_str().expect("an RP ID"), 0);
        let client = self.client_data("webauthn.get", options);
        let signed: Vec<u8> = data.iter().copied().chain(Sha256::digest(&client)).collect();
        let signature: Signature = self.key.sign(&signed);
        let response = json!({
            "authenticatorData": encoded(&data),
            "clientDataJSON": encoded(&client),
            "signature": encoded(signature.to_der().as_bytes()),
            "userHandle": encoded(&self.handle),
        });
        self.answer(&response)
    }

    fn data(&self, asked: &str, flags: u8) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().unwrap_or(asked);
        let verified = if self.verifies { VERIFIED } else { 0 };
        let mut data = Sha256::digest(rp_id.as_bytes()).to_vec();
        data.push(flags | PRESENT | verified);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    fn answer(&self, response: &Value) -> String {
        let id = encoded(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "extensions": {}, "response": response })
            .to_string()
    }
}

fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text.as_str().expect("base64url")).expect("base64url")
}

/// A phone with an authenticator app.
pub struct Phone(TotpSecret);

impl Phone {
    /// An app into which somebody typed `secret`, in base 32 (RFC 4648).
    ///
    /// # Panics
    /// If it is none.
    pub fn with(secret: &str) -> Self {
        let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
        for letter in secret.bytes().filter(|letter| *letter != b' ') {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
            let value = alphabet.iter().position(|known| *known == letter).expect("base 32");
            bits = (bits << 5) | u32::try_from(value).expect("below 32");
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
            }
        }
        Self(TotpSecret::from_bytes(&bytes).expect("160 bits"))
    }

    /// What it and the server share.
    pub const fn secret(&self) -> &[u8] {
        self.0.expose()
    }

    /// The code that it shows.
    pub fn shows(&self, now: Timestamp) -> String {
        self.0.code_at(now)
    }
}
