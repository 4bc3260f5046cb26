//! Owns one configured provider: its description and keys as last fetched, and the two steps of a sign-in.
//! Refuses to start anything by itself: the description is fetched when first needed, so that a provider
//! that is down does not keep the server from starting.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use openidconnect::core::CoreJsonWebKeySet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{
    claims::{Claims, Groups, SignedIn},
    discovery::{self, Metadata},
    groups,
    verification::{self, Expected, Failure, MoreClaims, TokenClaims},
};
use crate::{
    error::{ANOTHER_ORGANISATION, ANOTHER_TENANT, Error, Result},
    http_client::{Http, Request},
    pkce::Attempt,
};

/// How long a description or a key set is used without asking again.
const FRESH: SignedDuration = SignedDuration::from_hours(6);
/// Bytes of a token endpoint's or userinfo endpoint's answer.
const ANSWER_CAP: usize = 256 * 1024;

/// In what a provider differs from the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flavour {
    /// In nothing.
    Standard,
    /// Okta: groups need the scope `groups`.
    Okta,
    /// Google: groups come from an API; `hd` says which Workspace somebody belongs to.
    Google {
        /// The only Workspace domain whose people may sign in, if there is one.
        hosted_domain: Option<String>,
    },
    /// Entra: `oid` is the subject (`sub` differs per application); only one tenant is believed.
    Entra {
        /// Its tenant id, a UUID.
        tenant: String,
    },
}

/// What the operator says about a provider.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// In what it differs.
    pub flavour: Flavour,
    /// Its issuer identifier, exactly as it names itself.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our secret there; none for a public client.
    pub client_secret: Option<SecretString>,
    /// Where the browser comes back to, exactly as registered there.
    pub redirect_uri: Url,
    /// Scopes beside `openid email profile`.
    pub scopes: Vec<String>,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// The API that lists them where the claim is cut off (Entra) or there is none (Google).
    pub groups_api: Option<Url>,
}

/// What the browser brought back, after `state` was found to be this browser's.
#[derive(Debug, Clone, Copy)]
pub struct Callback<'a> {
    /// The authorization code.
    pub code: &'a str,
    /// The parameter `iss`, if there was one (RFC 9207).
    pub iss: Option<&'a str>,
    /// The attempt's nonce.
    pub nonce: &'a SecretString,
    /// The attempt's PKCE verifier.
    pub verifier: &'a SecretString,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Timestamp, Arc<Metadata>)>,
    keys: Option<(Timestamp, Arc<CoreJsonWebKeySet>)>,
}

/// One configured provider.
pub struct Provider {
    http: Http,
    config: ProviderConfig,
    known: Mutex<Known>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    id_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: serde_json::Value,
    name: Option<String>,
    preferred_username: Option<String>,
    #[serde(flatten)]
    more: MoreClaims,
}

impl ProviderConfig {
    /// Any issuer that follows the standard.
    pub fn standard(
        issuer: &str,
        client_id: &str,
        client_secret: Option<SecretString>,
        redirect_uri: Url,
    ) -> Self {
        Self {
            flavour: Flavour::Standard,
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret,
            redirect_uri,
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            groups_api: None,
        }
    }

    /// Okta, at an issuer like `https://acme.okta.com` or `https://acme.okta.com/oauth2/default`.
    pub fn okta(issuer: &str, client_id: &str, client_secret: SecretString, redirect_uri: Url) -> Self {
        let config = Self::standard(issuer, client_id, Some(client_secret), redirect_uri);
        Self { flavour: Flavour::Okta, scopes: vec!["groups".to_owned()], ..config }
    }

    /// Google. Groups are asked for only where `groups_api` and its scope are added.
    pub fn google(client_id: &str, client_secret: SecretString, redirect_uri: Url) -> Self {
        let config =
            Self::standard("https://accounts.google.com", client_id, Some(client_secret), redirect_uri);
        Self { flavour: Flavour::Google { hosted_domain: None }, ..config }
    }

    /// Google with groups, for a Workspace whose administrator permits it.
    #[must_use]
    pub fn with_google_groups(mut self) -> Self {
        let api = "https://cloudidentity.googleapis.com/v1/groups/-/memberships:searchDirectGroups";
        self.groups_api = Url::parse(api).ok();
        self.scopes.push("https://www.googleapis.com/auth/cloud-identity.groups.readonly".to_owned());
        self
    }

    /// Entra, pinned to the tenant with this id (a UUID).
    pub fn entra(tenant: &str, client_id: &str, client_secret: SecretString, redirect_uri: Url) -> Self {
        let tenant = tenant.to_ascii_lowercase();
        let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let config = Self::standard(&issuer, client_id, Some(client_secret), redirect_uri);
        let graph = Url::parse("https://graph.microsoft.com/v1.0/me/transitiveMemberOf").ok();
        let scopes = vec!["https://graph.microsoft.com/User.Read".to_owned()];
        Self { flavour: Flavour::Entra { tenant }, groups_api: graph, scopes, ..config }
    }

    fn check(&self) -> Result<()> {
        discovery::parse_issuer(&self.issuer)?;
        match &self.flavour {
            Flavour::Entra { tenant } if !is_uuid(tenant) => Err(Error::Config(format!(
                "the Entra tenant {tenant:?} is not a tenant id; it looks like \
                 72f988bf-86f1-41af-91ab-2d7cd011db47 and stands on the tenant's overview page"
            ))),
            _ if self.client_id.is_empty() => {
                Err(Error::Config(format!("a client id is missing for the issuer {}", self.issuer)))
            }
            _ => Ok(()),
        }
    }
}

impl Provider {
    /// A provider that has not been asked anything yet.
    ///
    /// # Errors
    /// [`Error::Config`] when the configuration cannot work.
    pub fn new(http: Http, config: ProviderConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { http, config, known: Mutex::default() })
    }

    /// How it is configured.
    pub fn config(&self) -> &ProviderConfig {
        &self.config
    }

    /// The provider's description, fetched at most every six hours. An old one goes on being used while the
    /// provider cannot be reached.
    pub async fn discover(&self, now: Timestamp) -> Result<Arc<Metadata>> {
        let known = self.known(|known| known.metadata.clone());
        if let Some((at, metadata)) = &known
            && is_fresh(*at, now)
        {
            return Ok(Arc::clone(metadata));
        }
        match (discovery::fetch(&self.http, &self.config.issuer).await, known) {
            (Ok(metadata), _) => {
                let metadata = Arc::new(metadata);
                self.known(|known| known.metadata = Some((now, Arc::clone(&metadata))));
                Ok(metadata)
            }
            (Err(error), Some((_, metadata))) if error.is_transient() => {
                tracing::warn!(issuer = self.config.issuer, %error, "provider_description_kept");
                Ok(metadata)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Where to send the browser (OIDC Core, section 3.1.2.1, with RFC 7636).
    pub async fn authorization_url(&self, attempt: &Attempt, now: Timestamp) -> Result<Url> {
        use secrecy::ExposeSecret;
        let metadata = self.discover(now).await?;
        let mut scopes = vec!["openid", "email", "profile"];
        scopes.extend(self.config.scopes.iter().map(String::as_str));
        let mut url = metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", self.config.redirect_uri.as_str())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", attempt.state.expose_secret())
            .append_pair("nonce", attempt.nonce.expose_secret())
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        if let Flavour::Google { hosted_domain: Some(domain) } = &self.config.flavour {
            url.query_pairs_mut().append_pair("hd", domain);
        }
        Ok(url)
    }

    /// Redeems the code and opens the ID token.
    ///
    /// # Errors
    /// [`Error::Denied`] when the provider does not take the code; [`Error::Unproven`] when what it sent does
    /// not prove who signed in.
    pub async fn exchange(&self, callback: Callback<'_>, now: Timestamp) -> Result<SignedIn> {
        let metadata = self.discover(now).await?;
        self.check_iss(&metadata, callback.iss)?;
        let answer = self.redeem(&metadata, &callback).await?;
        let host = host_of(&metadata.token_endpoint);
        let id_token = answer.id_token.ok_or_else(|| Error::unproven(&host, "no ID token came along"))?;
        let expected = Expected {
            host: &host,
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: callback.nonce,
            access_token: &answer.access_token,
            now,
        };
        let token = self.open(&id_token, &metadata, &expected).await?;
        let mut claims = self.claims_of(&host, &token)?;
        if self.needs_user_info(&claims) {
            self.ask_user_info(&metadata, &answer.access_token, token.subject(), &mut claims).await?;
        }
        Ok(SignedIn { claims, access_token: answer.access_token })
    }

    /// The groups of who signed in, from the provider's API: where [`Groups::CutOff`] (Entra), or where the
    /// claim does not exist (Google).
    ///
    /// # Errors
    /// [`Error::Config`] where this provider has no such API.
    pub async fn groups_from_api(&self, signed_in: &SignedIn) -> Result<Groups> {
        let none = || Error::Config(format!("no API that lists groups is known of {}", self.config.issuer));
        let api = self.config.groups_api.as_ref().ok_or_else(none)?;
        let token = &signed_in.access_token;
        let found = match (&self.config.flavour, &signed_in.claims.email) {
            (Flavour::Entra { .. }, _) => groups::from_graph(&self.http, api, token).await?,
            (Flavour::Google { .. }, Some(email)) if signed_in.claims.email_verified => {
                groups::from_google(&self.http, api, token, email).await?
            }
            (Flavour::Google { .. }, _) => return Ok(Groups::listed([])),
            _ => return Err(none()),
        };
        Ok(Groups::listed(found))
    }

    /// RFC 9207: which provider the answer comes from. A mix-up sends another's code here.
    fn check_iss(&self, metadata: &Metadata, iss: Option<&str>) -> Result<()> {
        let host = host_of(&metadata.authorization_endpoint);
        match iss {
            Some(iss) if iss != self.config.issuer => {
                Err(Error::unproven(&host, "another provider's answer (iss)"))
            }
            None if metadata.authorization_response_iss_parameter_supported => {
                Err(Error::unproven(&host, "an answer that does not name its provider (iss)"))
            }
            _ => Ok(()),
        }
    }

    async fn redeem(&self, metadata: &Metadata, callback: &Callback<'_>) -> Result<TokenAnswer> {
        use secrecy::ExposeSecret;
        let config = &self.config;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", callback.code),
            ("redirect_uri", config.redirect_uri.as_str()),
            ("code_verifier", callback.verifier.expose_secret()),
        ];
        // In the provider's own order, which is how it says what it likes best.
        let mut methods = metadata.token_endpoint_auth_methods_supported.iter().map(String::as_str);
        let basic = methods
            .find(|method| matches!(*method, "client_secret_basic" | "client_secret_post"))
            .is_none_or(|method| method == "client_secret_basic");
        let url = metadata.token_endpoint.clone();
        let request = match &config.client_secret {
            Some(secret) if basic => {
                Request::post_form(url, &fields).client_basic(&config.client_id, secret)?
            }
            secret => {
                fields.push(("client_id", &config.client_id));
                if let Some(secret) = secret {
                    fields.push(("client_secret", secret.expose_secret()));
                }
                Request::post_form(url, &fields)
            }
        };
        let answer = self.http.send(request.at_most(ANSWER_CAP)).await?;
        if !answer.status.is_success() {
            // Section 5.2 of RFC 6749, where it is one; a proxy's error page is a mere status.
            if let Ok(TokenRefusal { error }) = answer.json("an OAuth error") {
                return Err(Error::denied(&answer.host, &error));
            }
        }
        answer.successful()?.json("a token response")
    }

    /// Opens the ID token; with keys fetched anew once when none of the known ones fits.
    async fn open(
        &self,
        raw: &SecretString,
        metadata: &Metadata,
        expected: &Expected<'_>,
    ) -> Result<TokenClaims> {
        use secrecy::ExposeSecret;
        let known = self.known(|known| known.keys.clone()).filter(|(at, _)| is_fresh(*at, expected.now));
        if let Some((_, keys)) = known {
            match verification::open(raw.expose_secret(), &keys, expected) {
                Err(Failure::Key(_)) => {}
                opened => return Ok(opened?),
            }
        }
        let keys = Arc::new(discovery::fetch_keys(&self.http, metadata).await?);
        self.known(|known| known.keys = Some((expected.now, Arc::clone(&keys))));
        Ok(verification::open(raw.expose_secret(), &keys, expected)?)
    }

    fn claims_of(&self, host: &str, token: &TokenClaims) -> Result<Claims> {
        let more = token.additional_claims();
        let tenant = more.text("tid");
        let hosted_domain = more.text("hd");
        let mut subject = token.subject().as_str().to_owned();
        let mut email_verified = token.email_verified() == Some(true);
        match &self.config.flavour {
            Flavour::Entra { tenant: pinned } => {
                if tenant.as_deref() != Some(pinned.as_str()) {
                    return Err(Error::unproven(host, ANOTHER_TENANT));
                }
                subject = more.text("oid").ok_or_else(|| Error::unproven(host, "no object id (oid)"))?;
                // Entra's `email` is whatever an administrator typed; only this says that the domain is theirs.
                email_verified = more.0.get("xms_edov").is_some_and(is_true);
            }
            Flavour::Google { hosted_domain: Some(wanted) }
                if hosted_domain.as_deref() != Some(wanted.as_str()) =>
            {
                return Err(Error::unproven(host, ANOTHER_ORGANISATION));
            }
            _ => {}
        }
        // Core, section 2: at most 255 ASCII characters. It becomes a key.
        if subject.is_empty() || subject.len() > 255 || !subject.is_ascii() {
            return Err(Error::unproven(host, "a subject that cannot be one"));
        }
        let email = token.email().map(|email| email.as_str().to_owned());
        Ok(Claims {
            issuer: self.config.issuer.clone(),
            subject,
            email_verified: email_verified && email.is_some(),
            email,
            name: token.name().and_then(|name| name.get(None)).map(|name| name.as_str().to_owned()),
            username: token.preferred_username().map(|name| name.as_str().to_owned()),
            groups: groups::of_claims(more, &self.config.groups_claim),
            tenant,
            hosted_domain,
        })
    }

    /// Core, section 5.4: with an access token, a provider may keep claims out of the ID token. Google and
    /// Entra do not.
    fn needs_user_info(&self, claims: &Claims) -> bool {
        let complete = claims.email.is_some() && claims.name.is_some() && claims.groups != Groups::Unsaid;
        matches!(self.config.flavour, Flavour::Standard | Flavour::Okta) && !complete
    }

    async fn ask_user_info(
        &self,
        metadata: &Metadata,
        access_token: &SecretString,
        subject: &str,
        claims: &mut Claims,
    ) -> Result<()> {
        let Some(url) = metadata.userinfo_endpoint.clone() else { return Ok(()) };
        let request = Request::get(url).bearer(access_token)?.at_most(ANSWER_CAP);
        let answer = self.http.send(request).await?.successful()?;
        let info: UserInfo = answer.json("a userinfo response")?;
        // Section 5.3.2: anything else could be another person's.
        if info.sub != subject {
            return Err(Error::unproven(&answer.host, "claims about another subject"));
        }
        if claims.email.is_none() {
            claims.email_verified = info.email.is_some() && is_true(&info.email_verified);
            claims.email = info.email;
        }
        claims.name = claims.name.take().or(info.name);
        claims.username = claims.username.take().or(info.preferred_username);
        if claims.groups == Groups::Unsaid {
            claims.groups = groups::of_claims(&info.more, &self.config.groups_claim);
        }
        Ok(())
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    // A clock that was set back does not keep old keys for ever.
    now >= at && now.duration_since(at) < FRESH
}

/// Some providers write booleans as text.
fn is_true(value: &serde_json::Value) -> bool {
    value == true || value == "true" || value == "1" || value == 1
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
