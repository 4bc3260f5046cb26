//! Signing in with the emulated GitHub.

use skaas_outbound::{
    Egress, Error, Http,
    github::{Github, GithubConfig},
};
use url::Url;

use crate::{attempt, browser::Browser, exported};

fn github(secret: &str) -> Option<Github> {
    let base = Url::parse(&exported("SKAAS_TEST_GITHUB_BASE")?).unwrap();
    let config = GithubConfig {
        web_base: base.clone(),
        api_base: base,
        client_id: exported("SKAAS_TEST_PROVIDER_CLIENT")?,
        client_secret: secret.to_owned().into(),
        redirect_uri: Url::parse("http://127.0.0.1:18900/auth/github/callback").unwrap(),
    };
    let http = Http::new("localhost 127.0.0.1".parse::<Egress>().unwrap()).unwrap();
    Some(Github::new(http, config))
}

#[tokio::test]
async fn github_says_who_signed_in_and_which_address_is_checked() {
    let Some(github) = exported("SKAAS_TEST_PROVIDER_SECRET").and_then(|secret| github(&secret)) else {
        return;
    };
    let attempt = attempt(11);
    let mut browser = Browser::new(&github.config().redirect_uri);
    let query = browser.sign_in(github.authorization_url(&attempt), "ann").await;
    let claims = github.sign_in(&query["code"], &attempt.verifier).await.unwrap();
    assert_eq!(claims.issuer, github.config().web_base.as_str().trim_end_matches('/'));
    assert!(claims.subject.parse::<u64>().is_ok(), "{claims:?}");
    assert_eq!((claims.username.as_deref(), claims.name.as_deref()), (Some("ann"), Some("Ann Archer")));
    assert_eq!((claims.email.as_deref(), claims.email_verified), (Some("ann@example.com"), true));

    let again = github.exchange(&query["code"], &attempt.verifier).await;
    assert!(
        matches!(&again, Err(Error::Denied { code, .. }) if code == "bad_verification_code"),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_githubs_own_error() {
    let Some(github) = github("wrong") else { return };
    let denied = github.exchange("0123456789", &attempt(12).verifier).await;
    assert!(
        matches!(&denied, Err(Error::Denied { code, .. }) if code == "incorrect_client_credentials"),
        "{denied:?}"
    );
}
