//! Signing in with real providers: a certified one, and emulated Google, Okta and Entra.

use secrecy::SecretString;
use skaas_outbound::{
    Egress, Error, Http,
    oidc::{Callback, Claims, Flavour, Groups, Provider, ProviderConfig, SignedIn},
    pkce::Attempt,
};
use url::Url;

use crate::{attempt, browser::Browser, exported, real_now};

fn http() -> Http {
    Http::new("127.0.0.1 ::1 localhost".parse::<Egress>().unwrap()).unwrap()
}

/// A provider of `scripts/test-identity-providers.sh`, known there under `name`.
fn provider(
    variable: &str,
    name: &str,
    change: impl FnOnce(ProviderConfig) -> ProviderConfig,
) -> Option<Provider> {
    let issuer = exported(variable)?;
    let home = Url::parse(&format!("http://127.0.0.1:18900/auth/{name}/callback")).unwrap();
    let (client, secret) = (exported("SKAAS_TEST_PROVIDER_CLIENT")?, exported("SKAAS_TEST_PROVIDER_SECRET")?);
    let config = change(ProviderConfig::standard(&issuer, &client, Some(secret.into()), home));
    Some(Provider::new(http(), config).unwrap())
}

struct Returned {
    attempt: Attempt,
    code: String,
    iss: Option<String>,
}

impl Returned {
    fn callback(&self) -> Callback<'_> {
        Callback {
            code: &self.code,
            iss: self.iss.as_deref(),
            nonce: &self.attempt.nonce,
            verifier: &self.attempt.verifier,
        }
    }
}

/// As far as the browser's way home.
async fn visit(provider: &Provider, person: &str, seed: u64) -> Returned {
    use secrecy::ExposeSecret;
    let attempt = attempt(seed);
    let url = provider.authorization_url(&attempt, real_now()).await.unwrap();
    let mut query = Browser::new(&provider.config().redirect_uri).sign_in(url, person).await;
    assert_eq!(query.get("state").map(String::as_str), Some(attempt.state.expose_secret()));
    Returned { attempt, code: query.remove("code").unwrap(), iss: query.remove("iss") }
}

async fn sign_in(provider: &Provider, person: &str) -> Result<SignedIn, Error> {
    let returned = visit(provider, person, 1).await;
    provider.exchange(returned.callback(), real_now()).await
}

fn groups(names: &[&str]) -> Groups {
    Groups::listed(names.iter().map(|name| (*name).to_owned()))
}

#[tokio::test]
async fn a_certified_provider_says_who_signed_in() {
    let Some(provider) = provider("SKAAS_TEST_OIDC_ISSUER", "oidc", |config| config) else { return };
    let claims = sign_in(&provider, "ann").await.unwrap().claims;
    let expected = Claims {
        issuer: provider.config().issuer.clone(),
        subject: "ann".to_owned(),
        email: Some("ann@example.com".to_owned()),
        email_verified: true,
        name: Some("Ann Archer".to_owned()),
        username: Some("ann".to_owned()),
        groups: groups(&["executives", "finance"]),
        tenant: None,
        hosted_domain: None,
    };
    assert_eq!(claims, expected);
    // Somebody whose address was never checked, and who is in no group.
    let claims = sign_in(&provider, "zoe").await.unwrap().claims;
    assert_eq!((claims.subject.as_str(), claims.email_verified, claims.groups), ("zoe", false, groups(&[])));
}

#[tokio::test]
async fn a_code_without_its_verifier_or_taken_twice_is_denied() {
    let Some(provider) = provider("SKAAS_TEST_OIDC_ISSUER", "oidc", |config| config) else { return };
    let returned = visit(&provider, "ann", 2).await;
    let stolen = SecretString::from("a".repeat(43));
    let denied = provider.exchange(Callback { verifier: &stolen, ..returned.callback() }, real_now()).await;
    assert!(matches!(&denied, Err(Error::Denied { code, .. }) if code == "invalid_grant"), "{denied:?}");

    let returned = visit(&provider, "ann", 3).await;
    provider.exchange(returned.callback(), real_now()).await.unwrap();
    let again = provider.exchange(returned.callback(), real_now()).await;
    assert!(matches!(&again, Err(Error::Denied { code, .. }) if code == "invalid_grant"), "{again:?}");
}

#[tokio::test]
async fn an_answer_for_another_attempt_or_from_another_provider_proves_nothing() {
    let Some(provider) = provider("SKAAS_TEST_OIDC_ISSUER", "oidc", |config| config) else { return };
    let returned = visit(&provider, "ann", 4).await;
    let other = SecretString::from("another attempt's nonce".to_owned());
    let unproven = provider.exchange(Callback { nonce: &other, ..returned.callback() }, real_now()).await;
    assert!(
        matches!(unproven, Err(Error::Unproven { reason: "another sign-in's nonce", .. })),
        "{unproven:?}"
    );

    for iss in [None, Some("https://evil.example")] {
        let returned = visit(&provider, "ann", 5).await;
        let mixed = provider.exchange(Callback { iss, ..returned.callback() }, real_now()).await;
        assert!(matches!(mixed, Err(Error::Unproven { .. })), "{iss:?}: {mixed:?}");
    }
}

#[tokio::test]
async fn a_wrong_client_secret_is_said_to_be_that() {
    let wrong = |config| ProviderConfig { client_secret: Some("wrong".to_owned().into()), ..config };
    let Some(provider) = provider("SKAAS_TEST_OIDC_ISSUER", "oidc", wrong) else { return };
    let denied = sign_in(&provider, "ann").await;
    assert!(matches!(&denied, Err(Error::Denied { code, .. }) if code == "invalid_client"), "{denied:?}");
}

#[tokio::test]
async fn google_says_whose_workspace_somebody_is_of() {
    let google = |config| ProviderConfig { flavour: Flavour::Google { hosted_domain: None }, ..config };
    let Some(provider) = provider("SKAAS_TEST_GOOGLE_ISSUER", "google", google) else { return };
    let claims = sign_in(&provider, "ann@example.com").await.unwrap().claims;
    assert_eq!(claims.email.as_deref(), Some("ann@example.com"));
    assert_eq!((claims.email_verified, claims.hosted_domain.as_deref()), (true, Some("example.com")));
    assert_eq!((claims.groups, claims.name.as_deref()), (Groups::Unsaid, Some("Ann Archer")));
    let claims = sign_in(&provider, "eve@elsewhere.test").await.unwrap().claims;
    assert_eq!((claims.email_verified, claims.hosted_domain), (false, None));
}

#[tokio::test]
async fn only_people_of_the_configured_workspace_come_in() {
    let pinned = |config| ProviderConfig {
        flavour: Flavour::Google { hosted_domain: Some("example.com".to_owned()) },
        ..config
    };
    let Some(provider) = provider("SKAAS_TEST_GOOGLE_ISSUER", "google", pinned) else { return };
    sign_in(&provider, "bob@example.com").await.unwrap();
    let outsider = sign_in(&provider, "eve@elsewhere.test").await;
    assert!(matches!(outsider, Err(Error::Unproven { reason: "an account outside the organisation", .. })));
}

#[tokio::test]
async fn okta_lists_groups_in_the_token() {
    let okta = |config: ProviderConfig| ProviderConfig {
        flavour: Flavour::Okta,
        scopes: vec!["groups".to_owned()],
        ..config
    };
    let Some(provider) = provider("SKAAS_TEST_OKTA_ISSUER", "okta", okta) else { return };
    let claims = sign_in(&provider, "ann@example.com").await.unwrap().claims;
    assert_eq!((claims.subject.as_str(), claims.groups), ("00uann", groups(&["executives", "finance"])));
    let claims = sign_in(&provider, "bob@example.com").await.unwrap().claims;
    assert_eq!((claims.subject.as_str(), claims.groups), ("00ubob", groups(&["finance"])));
}

#[tokio::test]
async fn entra_is_believed_for_its_tenant_alone() {
    let Some(tenant) = exported("SKAAS_TEST_ENTRA_TENANT") else { return };
    let flavour = Flavour::Entra { tenant: tenant.clone() };
    let entra = |config| ProviderConfig { flavour, ..config };
    let Some(provider) = provider("SKAAS_TEST_ENTRA_ISSUER", "entra", entra) else { return };
    let claims = sign_in(&provider, "ann@example.com").await.unwrap().claims;
    assert_eq!((claims.tenant.as_ref(), claims.subject.len()), (Some(&tenant), 36), "{claims:?}");
    // Whatever an administrator typed is not checked by anyone.
    assert_eq!((claims.email.as_deref(), claims.email_verified), (Some("ann@example.com"), false));
    let foreign = sign_in(&provider, "eve@elsewhere.test").await;
    assert!(matches!(foreign, Err(Error::Unproven { .. })), "{foreign:?}");
}

#[tokio::test]
async fn a_provider_on_the_own_network_is_called_only_where_the_operator_permits_it() {
    let Some(issuer) = exported("SKAAS_TEST_OIDC_ISSUER") else { return };
    let home = Url::parse("http://127.0.0.1:18900/auth/oidc/callback").unwrap();
    let config = ProviderConfig::standard(&issuer, "skaas-test", None, home);
    let provider = Provider::new(Http::new(Egress::default()).unwrap(), config).unwrap();
    let refused = provider.discover(real_now()).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}
