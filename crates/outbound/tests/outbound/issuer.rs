//! An OIDC provider that misbehaves on demand: its tokens are made here, claim by claim, key by key.

use std::sync::atomic::{AtomicU8, Ordering};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJwsSigningAlgorithm},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use skaas_outbound::{
    Egress, Error, Http,
    oidc::{Callback, Provider, ProviderConfig, SignedIn},
    pkce::Attempt,
};
use url::Url;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::attempt;

pub(crate) const SECRET: &str = "client-secret-of-at-least-256-bits-0123456789";
pub(crate) const ACCESS_TOKEN: &str = "access-token";

pub(crate) struct Issuer {
    pub(crate) server: MockServer,
    pub(crate) attempt: Attempt,
    /// Of several that fit, the mock with the lowest number answers: the last one mounted.
    priority: AtomicU8,
}

/// A signing key: Ed25519 with this seed.
pub(crate) fn key(seed: u8, kid: &str) -> CoreEdDsaPrivateSigningKey {
    // RFC 8410, section 7: the fixed head of such a key, then its 32 bytes.
    let mut der =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([seed; 32]);
    let pem = format!("-----BEGIN {0}-----\n{1}\n-----END {0}-----\n", "PRIVATE KEY", STANDARD.encode(der));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(JsonWebKeyId::new(kid.to_owned()))).unwrap()
}

/// A token with this header and these claims, signed by `sign`.
pub(crate) fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

pub(crate) fn signed(claims: &Value, key: &CoreEdDsaPrivateSigningKey, kid: &str) -> String {
    let header = json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"});
    token(&header, claims, |text| key.sign(&CoreJwsSigningAlgorithm::EdDsa, text).unwrap())
}

pub(crate) fn hmac_signed(claims: &Value, secret: &str) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let key = CoreHmacKey::new(secret);
    token(&header, claims, |text| key.sign(&CoreJwsSigningAlgorithm::HmacSha256, text).unwrap())
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl Issuer {
    /// A provider that describes itself well and has `keys`.
    pub(crate) async fn start(keys: &[(u8, &str)]) -> Self {
        let server = MockServer::start().await;
        let issuer = Self { server, attempt: attempt(21), priority: AtomicU8::new(u8::MAX) };
        issuer.describes_itself(&json!({})).await;
        issuer.has_keys(keys).await;
        issuer
    }

    /// Serves a description with `change` in it.
    pub(crate) async fn describes_itself(&self, change: &Value) {
        let uri = self.server.uri();
        let mut description = json!({
            "issuer": uri,
            "authorization_endpoint": format!("{uri}/authorize"),
            "token_endpoint": format!("{uri}/token"),
            "jwks_uri": format!("{uri}/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        });
        description.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.serves("/.well-known/openid-configuration", description).await;
    }

    /// Serves `body` at `at` from now on.
    pub(crate) async fn serves(&self, at: &str, body: Value) {
        let priority = self.priority.fetch_sub(1, Ordering::Relaxed);
        Mock::given(path(at))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .with_priority(priority)
            .mount(&self.server)
            .await;
    }

    pub(crate) async fn has_keys(&self, keys: &[(u8, &str)]) {
        let keys: Vec<_> =
            keys.iter().map(|(seed, kid)| json!(key(*seed, kid).as_verification_key())).collect();
        self.serves("/keys", json!({ "keys": keys })).await;
    }

    /// Answers at `at` like this from now on.
    pub(crate) async fn does(&self, at: &str, answer: ResponseTemplate) {
        let priority = self.priority.fetch_sub(1, Ordering::Relaxed);
        Mock::given(path(at)).respond_with(answer).with_priority(priority).mount(&self.server).await;
    }

    /// Answers one exchange with this ID token.
    pub(crate) async fn answers(&self, id_token: &str) {
        Mock::given(method("POST"))
            .and(path("/token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": id_token,
            })))
            .up_to_n_times(1)
            .mount(&self.server)
            .await;
    }

    /// Claims with which a sign-in works, changed by `change`: a null takes a claim away.
    pub(crate) fn claims(&self, change: &Value) -> Value {
        let mut claims = json!({
            "iss": self.server.uri(), "sub": "248289761001", "aud": "client",
            "iat": now().as_second(), "exp": now().as_second() + 300,
            "nonce": self.attempt.nonce.expose_secret(),
            "email": "ann@example.com", "email_verified": true, "name": "Ann", "groups": [],
        });
        let all = claims.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            all.insert(name.clone(), value.clone());
        }
        all.retain(|_, value| !value.is_null());
        claims
    }

    pub(crate) fn http() -> Http {
        Http::new("127.0.0.1".parse::<Egress>().unwrap()).unwrap()
    }

    pub(crate) fn config(&self) -> ProviderConfig {
        let home = Url::parse("https://skaas.example/auth/oidc/callback").unwrap();
        ProviderConfig::standard(&self.server.uri(), "client", Some(SECRET.to_owned().into()), home)
    }

    pub(crate) fn provider(&self) -> Provider {
        Provider::new(Self::http(), self.config()).unwrap()
    }

    pub(crate) async fn exchange(&self, provider: &Provider, at: Timestamp) -> Result<SignedIn, Error> {
        let callback = Callback {
            code: "code",
            iss: None,
            nonce: &self.attempt.nonce,
            verifier: &self.attempt.verifier,
        };
        provider.exchange(callback, at).await
    }

    /// A whole exchange that is answered with `id_token`, by a provider not asked before.
    pub(crate) async fn receives(&self, id_token: &str) -> Result<SignedIn, Error> {
        self.answers(id_token).await;
        self.exchange(&self.provider(), now()).await
    }

    /// How often `at` was asked for.
    pub(crate) async fn asked(&self, at: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == at).count()
    }
}
