//! Owns signing in with GitHub (an OAuth app or a GitHub App's user flow; GitHub is no OIDC provider).
//! Refuses to know repositories and installations.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::{
    error::{Error, Result},
    http_client::{Http, Request},
    oidc::{Claims, Groups},
    pkce::Attempt,
};

/// What the operator says about GitHub.
#[derive(Debug, Clone)]
pub struct GithubConfig {
    /// Where people sign in: `https://github.com`, or a GitHub Enterprise server.
    pub web_base: Url,
    /// Where its API is: `https://api.github.com`, or `https://ghe.example/api/v3`.
    pub api_base: Url,
    /// Our client id there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: SecretString,
    /// Where the browser comes back to, as registered there.
    pub redirect_uri: Url,
}

/// GitHub as an identity provider.
pub struct Github {
    http: Http,
    config: GithubConfig,
}

/// A user as GitHub's API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GithubUser {
    /// Never changes and is never given to another, unlike the login.
    pub id: u64,
    /// What they are called there; can be changed, and then taken by another.
    pub login: String,
    /// Their own name.
    pub name: Option<String>,
}

#[derive(Deserialize)]
struct EmailEntry {
    email: String,
    primary: bool,
    verified: bool,
}

/// GitHub answers 200 for both.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
    error: Option<String>,
}

impl Github {
    /// GitHub, not asked anything yet.
    pub fn new(http: Http, config: GithubConfig) -> Self {
        Self { http, config }
    }

    /// How it is configured.
    pub fn config(&self) -> &GithubConfig {
        &self.config
    }

    /// Who vouches: the web address without a slash at its end.
    pub fn issuer(&self) -> &str {
        self.config.web_base.as_str().trim_end_matches('/')
    }

    /// Where to send the browser.
    /// <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>
    pub fn authorization_url(&self, attempt: &Attempt) -> Url {
        let mut url = below(&self.config.web_base, "login/oauth/authorize");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", self.config.redirect_uri.as_str())
            .append_pair("scope", "read:user user:email")
            .append_pair("state", attempt.state.expose_secret())
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Redeems a code for an access token.
    ///
    /// # Errors
    /// [`Error::Denied`] with GitHub's code (`bad_verification_code`).
    pub async fn exchange(&self, code: &str, verifier: &SecretString) -> Result<SecretString> {
        let url = below(&self.config.web_base, "login/oauth/access_token");
        let fields = [
            ("client_id", self.config.client_id.as_str()),
            ("client_secret", self.config.client_secret.expose_secret()),
            ("code", code),
            ("redirect_uri", self.config.redirect_uri.as_str()),
            ("code_verifier", verifier.expose_secret()),
        ];
        let answer = self.http.send(Request::post_form(url, &fields)).await?;
        if let Ok(TokenAnswer { error: Some(error), .. }) = answer.json("an OAuth error") {
            return Err(Error::denied(&answer.host, &error));
        }
        let answer = answer.successful()?;
        let token: TokenAnswer = answer.json("a token response")?;
        token
            .access_token
            .ok_or_else(|| Error::malformed(&answer.host, "a token response", "it holds no token"))
    }

    /// Whose token this is.
    pub async fn user(&self, token: &SecretString) -> Result<GithubUser> {
        self.ask("user", token, "a GitHub user").await
    }

    /// The address that the user made primary and GitHub verified, if there is one and we may know it: a GitHub App
    /// without the permission for addresses is answered by 403 or 404.
    pub async fn primary_verified_email(&self, token: &SecretString) -> Result<Option<String>> {
        let asked = self.ask("user/emails?per_page=100", token, "a list of GitHub e-mail addresses").await;
        let emails: Vec<EmailEntry> = match asked {
            Err(Error::Status { status: StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, .. }) => Vec::new(),
            other => other?,
        };
        Ok(emails.into_iter().find(|email| email.primary && email.verified).map(|email| email.email))
    }

    /// The whole second step: code, user, address.
    pub async fn sign_in(&self, code: &str, verifier: &SecretString) -> Result<Claims> {
        let token = self.exchange(code, verifier).await?;
        let user = self.user(&token).await?;
        let email = self.primary_verified_email(&token).await?;
        Ok(Claims {
            issuer: self.issuer().to_owned(),
            subject: user.id.to_string(),
            email_verified: email.is_some(),
            email,
            name: user.name,
            username: Some(user.login),
            groups: Groups::Unsaid,
            tenant: None,
            hosted_domain: None,
        })
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        token: &SecretString,
        what: &'static str,
    ) -> Result<T> {
        use http::{HeaderName, HeaderValue, header::ACCEPT};
        let request = Request::get(below(&self.config.api_base, path))
            .header(ACCEPT, HeaderValue::from_static("application/vnd.github+json"))
            .header(HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28"))
            .bearer(token)?;
        self.http.send(request).await?.successful()?.json(what)
    }
}

/// `path` below `base`, whatever slash `base` ends with.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(query);
    url
}
