//! Providers that lie, err, or change their keys.

use jiff::SignedDuration;
use serde_json::{Value, json};
use skaas_outbound::{
    Error, Refusal,
    oidc::{Callback, Flavour, Groups, Provider, ProviderConfig},
};
use wiremock::{Mock, ResponseTemplate, matchers::path};

use crate::issuer::{ACCESS_TOKEN, Issuer, SECRET, hmac_signed, key, now, signed, token};

async fn reason_for(change: Value) -> Option<&'static str> {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let id_token = signed(&issuer.claims(&change), &key(1, "one"), "one");
    match issuer.receives(&id_token).await {
        Ok(_) => None,
        Err(Error::Unproven { reason, .. }) => Some(reason),
        Err(other) => panic!("{change}: {other:?}"),
    }
}

#[tokio::test]
async fn a_token_counts_only_when_every_claim_is_ours() {
    let second = now().as_second();
    let host = "127.0.0.1";
    assert_eq!(reason_for(json!({})).await, None, "{host} was to be believed");
    for (change, reason) in [
        (json!({"iss": "https://evil.example"}), "another issuer"),
        (json!({"aud": "another-client"}), "another audience"),
        (json!({"aud": []}), "another audience"),
        (json!({"aud": null}), "another audience"),
        (json!({"aud": ["client", "another-client"], "azp": "client"}), "another audience"),
        (json!({"azp": "another-client"}), "made for another client (azp)"),
        (json!({"nonce": "another"}), "another sign-in's nonce"),
        (json!({"nonce": null}), "another sign-in's nonce"),
        (json!({"exp": second - 61}), "expired, or issued in the future"),
        (json!({"iat": second + 61}), "expired, or issued in the future"),
        (json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), "another access token's hash (at_hash)"),
        (json!({"sub": ""}), "a subject that cannot be one"),
        (json!({"sub": "a".repeat(256)}), "a subject that cannot be one"),
        (json!({"sub": "аnn"}), "a subject that cannot be one"),
    ] {
        assert_eq!(reason_for(change.clone()).await, Some(reason), "{change}");
    }
    // A clock a little off, an authorized party that is us, the right hash (SHA-512 for Ed25519).
    let hash = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        use sha2::{Digest, Sha512};
        URL_SAFE_NO_PAD.encode(&Sha512::digest(ACCESS_TOKEN)[..32])
    };
    for change in [
        json!({"exp": second - 59}),
        json!({"iat": second + 59}),
        json!({"azp": "client"}),
        json!({"aud": ["client"]}),
        json!({"at_hash": hash}),
    ] {
        assert_eq!(reason_for(change.clone()).await, None, "{change}");
    }
}

#[tokio::test]
async fn a_token_counts_only_when_the_providers_key_signed_it() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let claims = issuer.claims(&json!({}));
    let unsigned = token(&json!({"alg": "none"}), &claims, |_| Vec::new());
    let stripped = signed(&claims, &key(1, "one"), "one").rsplit_once('.').unwrap().0.to_owned() + ".";
    let critical =
        token(&json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false}), &claims, |_| {
            vec![0; 64]
        });
    for (case, id_token) in [
        ("alg none", unsigned),
        ("alg none in another case", token(&json!({"alg": "nOnE"}), &claims, |_| Vec::new())),
        ("no signature", stripped),
        ("another's key under our kid", signed(&claims, &key(2, "one"), "one")),
        ("another's key", signed(&claims, &key(2, "two"), "two")),
        ("the client's secret", hmac_signed(&claims, SECRET)),
        ("a critical header", critical),
        ("not a token", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ] {
        let answer = issuer.receives(&id_token).await;
        assert!(
            matches!(answer, Err(Error::Unproven { .. } | Error::Malformed { .. })),
            "{case}: {answer:?}"
        );
    }
    // One changed letter of the claims.
    let mut changed = signed(&claims, &key(1, "one"), "one").into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let answer = issuer.receives(&String::from_utf8(changed).unwrap()).await;
    assert!(matches!(answer, Err(Error::Unproven { .. } | Error::Malformed { .. })), "{answer:?}");
    // The same provider, honestly.
    issuer.receives(&signed(&claims, &key(1, "one"), "one")).await.unwrap();
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_needs_them_and_not_otherwise() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let provider = issuer.provider();
    let claims = issuer.claims(&json!({}));
    for _ in 0..3 {
        issuer.answers(&signed(&claims, &key(1, "one"), "one")).await;
        issuer.exchange(&provider, now()).await.unwrap();
    }
    assert_eq!(
        (issuer.asked("/keys").await, issuer.asked("/.well-known/openid-configuration").await),
        (1, 1)
    );
    // Rotated, once under a new name and once, against the rules, under the old one.
    for (seed, kid) in [(2, "two"), (3, "two")] {
        issuer.has_keys(&[(seed, kid)]).await;
        issuer.answers(&signed(&claims, &key(seed, kid), kid)).await;
        issuer.exchange(&provider, now()).await.unwrap();
    }
    assert_eq!(issuer.asked("/keys").await, 3);
    // The key that was taken back does not open anything once the set is fetched again.
    issuer.answers(&signed(&claims, &key(1, "one"), "one")).await;
    assert!(issuer.exchange(&provider, now()).await.is_err());
}

#[tokio::test]
async fn a_withdrawn_key_stops_counting_within_hours() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let provider = issuer.provider();
    issuer.answers(&signed(&issuer.claims(&json!({})), &key(1, "one"), "one")).await;
    issuer.exchange(&provider, now()).await.unwrap();
    issuer.has_keys(&[(2, "two")]).await;
    let later = now() + SignedDuration::from_hours(6);
    let claims = issuer.claims(&json!({"iat": later.as_second(), "exp": later.as_second() + 300}));
    issuer.answers(&signed(&claims, &key(1, "one"), "one")).await;
    assert!(matches!(issuer.exchange(&provider, later).await, Err(Error::Unproven { .. })));
}

#[tokio::test]
async fn a_description_that_speaks_for_another_issuer_is_refused() {
    let issuer = Issuer::start(&[]).await;
    for other in ["https://accounts.google.com".to_owned(), format!("{}/", issuer.server.uri())] {
        issuer.describes_itself(&json!({ "issuer": other })).await;
        let refused = issuer.provider().discover(now()).await;
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{other}: {refused:?}");
    }
}

#[tokio::test]
async fn a_description_that_leads_to_a_private_address_is_refused() {
    for (field, target) in [
        ("token_endpoint", "https://169.254.169.254/latest/meta-data"),
        ("jwks_uri", "https://[::ffff:10.0.0.1]/keys"),
        ("userinfo_endpoint", "http://192.168.0.1/"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "http://login.example/"),
    ] {
        let issuer = Issuer::start(&[]).await;
        issuer.describes_itself(&json!({ field: target })).await;
        let refused = issuer.provider().discover(now()).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{field} {target}: {refused:?}");
    }
}

#[tokio::test]
async fn a_known_description_outlives_its_providers_bad_day() {
    let issuer = Issuer::start(&[]).await;
    let provider = issuer.provider();
    provider.discover(now()).await.unwrap();
    issuer.server.reset().await;
    Mock::given(path("/.well-known/openid-configuration"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&issuer.server)
        .await;
    provider.discover(now() + SignedDuration::from_hours(7)).await.unwrap();
    let fresh = issuer.provider().discover(now()).await;
    assert!(matches!(&fresh, Err(error @ Error::Status { .. }) if error.is_transient()), "{fresh:?}");
}

#[tokio::test]
async fn claims_about_another_person_are_not_taken() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let me = format!("{}/me", issuer.server.uri());
    issuer.describes_itself(&json!({ "userinfo_endpoint": me })).await;
    let bare = issuer.claims(&json!({"email": null, "groups": null}));
    issuer
        .serves("/me", json!({"sub": "somebody-else", "email": "root@example.com", "email_verified": true}))
        .await;
    let mixed = issuer.receives(&signed(&bare, &key(1, "one"), "one")).await;
    assert!(
        matches!(mixed, Err(Error::Unproven { reason: "claims about another subject", .. })),
        "{mixed:?}"
    );
    issuer
        .serves("/me", json!({"sub": "248289761001", "email": "ann@example.com", "email_verified": "true", "groups": ["a"]}))
        .await;
    let claims = issuer.receives(&signed(&bare, &key(1, "one"), "one")).await.unwrap().claims;
    assert_eq!((claims.email.as_deref(), claims.email_verified), (Some("ann@example.com"), true));
    assert_eq!(claims.groups, Groups::listed(["a".to_owned()]));
}

#[tokio::test]
async fn entra_needs_its_tenant_and_its_object_id() {
    const TENANT: &str = "5f0c1f2e-6d0b-4a53-9a7e-0c5d3d1f7b11";
    const PERSON: &str = "11111111-2222-4333-8444-555555555555";
    for (change, subject) in [
        (json!({"tid": TENANT, "oid": PERSON}), Some(PERSON)),
        (json!({"tid": "9188040d-6c67-4c5b-b112-36a304b66dad", "oid": PERSON}), None),
        (json!({"oid": PERSON}), None),
        (json!({"tid": TENANT}), None),
    ] {
        let issuer = Issuer::start(&[(1, "one")]).await;
        issuer.answers(&signed(&issuer.claims(&change), &key(1, "one"), "one")).await;
        let flavour = Flavour::Entra { tenant: TENANT.to_owned() };
        let provider = Provider::new(Issuer::http(), ProviderConfig { flavour, ..issuer.config() }).unwrap();
        let answer = issuer.exchange(&provider, now()).await;
        assert_eq!(answer.ok().map(|signed_in| signed_in.claims.subject).as_deref(), subject, "{change}");
    }
}

#[tokio::test]
async fn entras_address_is_checked_only_where_its_domain_is_the_tenants() {
    let tenant = "5f0c1f2e-6d0b-4a53-9a7e-0c5d3d1f7b11";
    for (edov, verified) in
        [(json!(true), true), (json!("1"), true), (json!(false), false), (Value::Null, false)]
    {
        let issuer = Issuer::start(&[(1, "one")]).await;
        // An administrator can put `email_verified` in; it proves nothing.
        let change = json!({"tid": tenant, "oid": "1-2-3", "email_verified": true, "xms_edov": edov});
        issuer.answers(&signed(&issuer.claims(&change), &key(1, "one"), "one")).await;
        let flavour = Flavour::Entra { tenant: tenant.to_owned() };
        let provider = Provider::new(Issuer::http(), ProviderConfig { flavour, ..issuer.config() }).unwrap();
        let claims = issuer.exchange(&provider, now()).await.unwrap().claims;
        assert_eq!(claims.email_verified, verified, "{edov}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_everybody_cannot_be_configured() {
    let home = url::Url::parse("https://skaas.example/auth/entra/callback").unwrap();
    for tenant in ["common", "organizations", "consumers", "contoso.onmicrosoft.com", ""] {
        let config = ProviderConfig::entra(tenant, "client", SECRET.to_owned().into(), home.clone());
        assert!(matches!(Provider::new(Issuer::http(), config), Err(Error::Config(_))), "{tenant}");
    }
}

#[tokio::test]
async fn errors_repeat_neither_secrets_nor_foreign_words() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(400).set_body_json(
            json!({"error": "invalid_grant<script>\n", "error_description": "the code CODE-SECRET is unknown"}),
        ))
        .mount(&issuer.server)
        .await;
    let callback = Callback {
        code: "CODE-SECRET",
        iss: None,
        nonce: &issuer.attempt.nonce,
        verifier: &issuer.attempt.verifier,
    };
    let error = issuer.provider().exchange(callback, now()).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 refused: invalid_grantscript");
    let printed = format!("{error:?} {:?} {:?}", issuer.config(), issuer.attempt);
    assert!(!printed.contains("CODE-SECRET") && !printed.contains(SECRET), "{printed}");
}

/// A misbehavior: its name, the answer, and whether an error is the right one for it.
type Misbehavior = (&'static str, ResponseTemplate, fn(&Error) -> bool);

/// The ways in which a provider's endpoint may break down or attack.
fn misbehaviours(elsewhere: &str) -> Vec<Misbehavior> {
    let ok = || ResponseTemplate::new(200);
    let is_malformed: fn(&Error) -> bool = |error| matches!(error, Error::Malformed { .. });
    let is_redirect: fn(&Error) -> bool = |error| matches!(error, Error::Refused(Refusal::Redirect { .. }));
    let is_status: fn(&Error) -> bool = |error| matches!(error, Error::Status { .. });
    vec![
        ("huge", ok().set_body_bytes(vec![b' '; 300 * 1024]), |error| {
            matches!(error, Error::TooLarge { limit: 262_144, .. })
        }),
        ("nested", ok().set_body_string("[".repeat(100_000)), is_malformed),
        ("a page", ok().set_body_string("<html>"), is_malformed),
        ("not text", ok().set_body_bytes(vec![0xff; 100]), is_malformed),
        ("nothing", ok(), is_malformed),
        ("another type", ok().set_body_string("[1, 2]"), is_malformed),
        ("another place", ResponseTemplate::new(307).insert_header("location", elsewhere), is_redirect),
        ("itself", ResponseTemplate::new(302).insert_header("location", "?again"), is_redirect),
        ("absent", ResponseTemplate::new(404).set_body_string("<html>"), is_status),
        ("broken", ResponseTemplate::new(500), is_status),
    ]
}

#[tokio::test]
async fn every_endpoint_of_a_provider_may_break_down_and_is_named_with_what_it_did() {
    let (elsewhere, claims) = ("https://192.168.0.1/", json!({"name": null}));
    for at in ["/.well-known/openid-configuration", "/token", "/keys", "/userinfo"] {
        for (how, answer, is_expected) in misbehaviours(elsewhere) {
            let issuer = Issuer::start(&[(1, "one")]).await;
            let userinfo = format!("{}/userinfo", issuer.server.uri());
            issuer.describes_itself(&json!({ "userinfo_endpoint": userinfo })).await;
            let id_token = signed(&issuer.claims(&claims), &key(1, "one"), "one");
            if at != "/token" {
                issuer.answers(&id_token).await;
            }
            issuer.does(at, answer).await;
            let error = issuer.exchange(&issuer.provider(), now()).await.unwrap_err();
            // A description and keys may be elsewhere, where we may not call in this test.
            let is_refused = matches!(error, Error::Refused(_)) && how == "another place";
            let is_circle = matches!(error, Error::Refused(Refusal::Redirect { .. })) && how == "itself";
            assert!(is_expected(&error) || is_refused || is_circle, "{at} {how}: {error:?}");
            assert!(!error.to_string().contains("<html>"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_malformed_id_token_is_an_error_of_the_provider_and_no_fault_of_ours() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let one = |header: Value, claims: Value| {
        token(&header, &claims, |text| {
            use openidconnect::{PrivateSigningKey as _, core::CoreJwsSigningAlgorithm};
            key(1, "one").sign(&CoreJwsSigningAlgorithm::EdDsa, text).unwrap()
        })
    };
    let header = || json!({"alg": "EdDSA", "kid": "one"});
    let with = |change: Value| one(header(), issuer.claims(&change));
    let second = now().as_second();
    let mut tokens = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        "e30.e30.e30".to_owned(),
        "\u{0}.\u{1f600}.x".to_owned(),
        "x".repeat(200_000),
        one(json!({}), issuer.claims(&json!({}))),
        one(json!([]), issuer.claims(&json!({}))),
        one(header(), json!([])),
        one(header(), json!(null)),
        one(header(), json!("sub")),
    ];
    for (claim, values) in [
        ("exp", json!(["soon", -1, {}, 1e300, null, u64::MAX])),
        ("iat", json!(["now", {}, 1e300, null, u64::MAX])),
        ("aud", json!([5, {}, [5], [[]]])),
        ("iss", json!([5, [], "not a url", ""])),
        ("sub", json!([5, [], {}, null])),
        ("nonce", json!([5, []])),
        ("email_verified", json!([[], "perhaps"])),
        ("name", json!([5, []])),
    ] {
        tokens.extend(values.as_array().unwrap().iter().map(|value| with(json!({ claim: value }))));
    }
    for id_token in tokens {
        let answer = issuer.receives(&id_token).await;
        let shown: String = id_token.chars().take(300).collect();
        assert!(
            matches!(answer, Err(Error::Unproven { .. } | Error::Malformed { .. })),
            "{shown}: {answer:?}"
        );
    }
    // Numbers in any notation are numbers: some libraries write times as floats.
    let float = |seconds: i64| serde_json::from_str::<Value>(&format!("{seconds}.0")).unwrap();
    issuer.receives(&with(json!({"exp": float(second + 300), "iat": float(second)}))).await.unwrap();
}

#[tokio::test]
async fn lifetimes_in_any_notation_are_taken() {
    for expires_in in [json!(3477), json!(3477.0), json!("3477"), json!(null), json!(-1), json!(1e300)] {
        let issuer = Issuer::start(&[(1, "one")]).await;
        let id_token = signed(&issuer.claims(&json!({})), &key(1, "one"), "one");
        let answer = json!({
            "access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": id_token, "expires_in": expires_in,
        });
        issuer.does("/token", ResponseTemplate::new(200).set_body_json(answer)).await;
        let signed_in = issuer.exchange(&issuer.provider(), now()).await;
        assert_eq!(signed_in.unwrap().claims.subject, "248289761001", "{expires_in}");
    }
}
