//! Builds the third parties a node talks to (mail, identity providers, the egress guard) from the configuration.
//! Nothing is contacted here: one that is down does not keep the server from starting.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use skaas_app::{
    ThirdParties,
    outbound::{
        Egress, Error as MailError, ExposeSecret as _, Http, HttpLimits, SecretString,
        breaches::RangeService,
        egress::InvalidAllowance,
        github::{Github, GithubConfig},
        http_client::HttpOptions,
        mail::{Folder, Mailer, Sender, Smtp, SmtpConfig},
        oidc::{Flavour, Provider, ProviderConfig},
        ways_out::WaysOut,
    },
    third_parties::{IdentityProvider, Way},
};
use skaas_domain::identity::{InvalidProvider, ProviderKind};
use url::Url;

use crate::config::{InvalidSettings, KINDS, ProviderSettings, Settings, wrong};

/// Words that begin an id of another kind than a person's at a provider (`{name}:{subject}`): an account here, a group,
/// an organization. A provider of that name could vouch for them.
const RESERVED: [&str; 3] = ["skaas", "group", "org"];

impl ProviderSettings {
    /// The provider that this sets up.
    ///
    /// # Errors
    /// [`InvalidSettings`] for a kind that does not exist, and for a name that a provider cannot have.
    fn kind(&self) -> Result<ProviderKind, InvalidSettings> {
        let example = "kind = \"oidc\", name = \"keycloak\"";
        let refuse = |name: &str, reason: String, example: String| InvalidSettings::Value {
            name: name.to_owned(),
            reason,
            example,
        };
        let name = "identity_provider.name (SKAAS_OIDC_NAME)";
        let word = match self.kind.as_str() {
            "oidc" => self.name.as_str(),
            known if KINDS.contains(&known) => known,
            other => {
                let reason = format!("{other:?} is none of {}", KINDS.join(", "));
                return Err(refuse("identity_provider.kind", reason, example.to_owned()));
            }
        };
        if word.is_empty() {
            let reason = "a provider of kind \"oidc\" needs a name".to_owned();
            return Err(refuse(name, reason, example.to_owned()));
        }
        if RESERVED.contains(&word) {
            let reason = format!("{word:?} is reserved: ids that begin with \"{word}:\" mean something else");
            return Err(refuse(name, reason, example.to_owned()));
        }
        let kind: ProviderKind = word
            .parse()
            .map_err(|error: InvalidProvider| refuse(name, error.to_string(), example.to_owned()))?;
        if self.kind == "oidc" && !matches!(kind, ProviderKind::Oidc(_)) {
            let reason = format!("{word:?} is the name of another kind of provider");
            return Err(refuse(name, reason, format!("kind = \"{word}\", or name = \"{word}-staff\"")));
        }
        Ok(kind)
    }

    fn secret(&self) -> anyhow::Result<Option<SecretString>> {
        let secret = if self.client_secret_file.is_empty() {
            self.client_secret.clone()
        } else {
            let text = std::fs::read_to_string(&self.client_secret_file)
                .with_context(|| format!("cannot read the client secret in {}", self.client_secret_file))?;
            text.trim_end_matches(['\r', '\n']).into()
        };
        Ok((!secret.expose_secret().is_empty()).then_some(secret))
    }

    /// Names this provider, and the variables that may have set it up, with what is wrong.
    fn wrong(&self, reason: &str) -> InvalidSettings {
        let word = if self.name.is_empty() { &self.kind } else { &self.name };
        let prefix = format!("SKAAS_{}", self.kind.to_uppercase());
        InvalidSettings::Value {
            name: format!("identity_provider {word:?} ({prefix}_NAME, _CLIENT_ID, _CLIENT_SECRET, _ISSUER)"),
            reason: reason.to_owned(),
            example: format!(
                "{prefix}_CLIENT_ID=skaas {prefix}_CLIENT_SECRET_FILE=/run/secrets/{}",
                self.kind
            ),
        }
    }

    fn build(&self, http: &Http, public_url: &str) -> anyhow::Result<IdentityProvider> {
        let kind = self.kind()?;
        let redirect = Url::parse(&format!("{public_url}/auth/{kind}/callback"))?;
        let way = match kind {
            ProviderKind::Github => Way::Github(Box::new(Github::new(http.clone(), self.github(redirect)?))),
            _ => Way::Oidc(Box::new(Provider::new(http.clone(), self.oidc(&kind, redirect)?)?)),
        };
        Ok(IdentityProvider { kind, way })
    }

    fn needed_secret(&self) -> anyhow::Result<SecretString> {
        self.secret()?.with_context(|| format!("the identity provider {} has no client_secret", self.kind))
    }

    fn github(&self, redirect_uri: Url) -> anyhow::Result<GithubConfig> {
        let base = |text: &str, usual: &str| Url::parse(if text.is_empty() { usual } else { text });
        Ok(GithubConfig {
            web_base: base(&self.web_base, "https://github.com").context("web_base is not an address")?,
            api_base: base(&self.api_base, "https://api.github.com").context("api_base is not an address")?,
            client_id: self.client_id.clone(),
            client_secret: self.needed_secret()?,
            redirect_uri,
        })
    }

    fn oidc(&self, kind: &ProviderKind, redirect: Url) -> anyhow::Result<ProviderConfig> {
        let id = self.client_id.as_str();
        let mut config = match kind {
            ProviderKind::Google => ProviderConfig::google(id, self.needed_secret()?, redirect),
            ProviderKind::Entra => ProviderConfig::entra(&self.tenant, id, self.needed_secret()?, redirect),
            ProviderKind::Okta => ProviderConfig::okta(&self.issuer, id, self.needed_secret()?, redirect),
            _ => ProviderConfig::standard(&self.issuer, id, self.secret()?, redirect),
        };
        // Another address than Google's and Entra's own: a test, or a national cloud. Who is believed there
        // stays as it is: Entra's people of the pinned tenant alone.
        if !self.issuer.is_empty() {
            config.issuer.clone_from(&self.issuer);
        }
        if !self.hosted_domain.is_empty() {
            if *kind != ProviderKind::Google {
                bail!("hosted_domain is Google's; the identity provider {} has none", self.kind);
            }
            config.flavour = Flavour::Google { hosted_domain: Some(self.hosted_domain.clone()) };
        }
        if !self.groups_claim.is_empty() {
            config.groups_claim.clone_from(&self.groups_claim);
        }
        if !self.groups_api.is_empty() {
            let api = Url::parse(&self.groups_api).context("groups_api is not an address")?;
            if *kind == ProviderKind::Entra {
                // A national cloud has a Graph of its own, which takes tokens of its own scope only.
                config.scopes = vec![format!("{}/User.Read", api.origin().ascii_serialization())];
            }
            config.groups_api = Some(api);
        }
        config.scopes.extend(self.scopes.iter().cloned());
        Ok(config)
    }
}

/// The third parties that the configuration names.
pub(crate) fn from_settings(settings: &Settings, public_url: &str) -> anyhow::Result<ThirdParties> {
    let breaches = breaches(settings)?;
    let ways = WaysOut::new(egress("egress.allow", &settings.egress.allow)?, for_users(settings)?)?;
    let providers = providers(settings, ways.for_operator(), public_url)?;
    if settings.mail.smtp.expose_secret().is_empty() {
        tracing::info!(event = "mail_to_folder", folder = %mail_folder(settings).display());
    }
    Ok(ThirdParties { mailer: Some(mailer(settings)?), providers, ways_out: Some(ways), breaches })
}

/// The service that knows breached passwords, if one is configured. A person waits for its answer, so it has less
/// time than others.
fn breaches(settings: &Settings) -> Result<Option<RangeService>, InvalidSettings> {
    let base = &settings.passwords.breach_service;
    if base.is_empty() {
        return Ok(None);
    }
    let limits = HttpLimits {
        patience: Duration::from_secs(2),
        connecting: Duration::from_secs(1),
        ..HttpLimits::default()
    };
    let egress = egress("egress.allow", &settings.egress.allow)?;
    let service = Http::with(egress, HttpOptions { limits, ..HttpOptions::default() })
        .and_then(|http| RangeService::new(http, base));
    service.map(Some).map_err(|error| wrong("passwords.breach_service", &error.to_string()))
}

/// Whether all of it can be used. Calls nobody.
pub(crate) fn check(settings: &Settings) -> Result<(), InvalidSettings> {
    let egress_of_providers = egress("egress.allow", &settings.egress.allow)?;
    for_users(settings)?;
    mailer(settings)?;
    breaches(settings)?;
    if settings.identity_provider.is_empty() {
        return Ok(());
    }
    let http =
        Http::new(egress_of_providers).map_err(|error| wrong("identity_provider", &error.to_string()))?;
    // Any address does: the configured one may be found out only when the server listens.
    providers(settings, &http, "http://localhost").map(drop)
}

fn egress(key: &str, list: &str) -> Result<Egress, InvalidSettings> {
    list.parse().map_err(|error: InvalidAllowance| wrong(key, &error.to_string()))
}

/// What users may have the server call: what is permitted under the present name of the setting or its former one.
fn for_users(settings: &Settings) -> Result<Egress, InvalidSettings> {
    let Settings { egress: lists, .. } = settings;
    let mut permitted = egress("egress.allow_for_users", &lists.allow_for_users)?;
    permitted.extend(egress("egress.allow_for_clients", &lists.allow_for_clients)?);
    Ok(permitted)
}

fn providers(
    settings: &Settings,
    http: &Http,
    public_url: &str,
) -> Result<Vec<IdentityProvider>, InvalidSettings> {
    let mut providers: Vec<IdentityProvider> = Vec::new();
    for one in &settings.identity_provider {
        one.kind()?;
        let provider = one.build(http, public_url).map_err(|error| one.wrong(&format!("{error:#}")))?;
        if providers.iter().any(|other| other.kind == provider.kind) {
            return Err(one.wrong("is set up twice"));
        }
        providers.push(provider);
    }
    Ok(providers)
}

fn mail_folder(settings: &Settings) -> PathBuf {
    match settings.mail.folder.as_str() {
        "" => settings.data_dir.join("mail"),
        folder => folder.into(),
    }
}

/// What sends mail: the mail server, else a folder.
pub(crate) fn mailer(settings: &Settings) -> Result<Mailer, InvalidSettings> {
    let mail = &settings.mail;
    let wrong = |key: &str, error: MailError| wrong(key, &error.to_string());
    let sender: Sender = mail.from.parse().map_err(|error| wrong("mail.from", error))?;
    if mail.smtp.expose_secret().is_empty() {
        return Ok(Mailer::Folder(Folder::new(mail_folder(settings), sender)));
    }
    let config: SmtpConfig = mail.smtp.expose_secret().parse().map_err(|error| wrong("mail.smtp", error))?;
    Ok(Mailer::Smtp(Smtp::new(&config, sender).map_err(|error| wrong("mail.smtp", error))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Result<Option<String>, ()> {
        |name| Ok(pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_sets_up_one_of_each_kind() {
        let found = ProviderSettings::from_environment(environment(&[
            ("SKAAS_GITHUB_CLIENT_ID", "abc"),
            ("SKAAS_GITHUB_CLIENT_SECRET", "s"),
            ("SKAAS_OIDC_CLIENT_ID", "def"),
            ("SKAAS_OIDC_NAME", "keycloak"),
            ("SKAAS_OIDC_ISSUER", "https://id.example"),
            ("SKAAS_OKTA_ISSUER", "https://ignored.example"),
        ]))
        .unwrap();
        let kinds: Vec<String> = found.iter().map(|one| one.kind().unwrap().to_string()).collect();
        assert_eq!(kinds, ["github", "keycloak"]);
        let http = Http::new(Egress::default()).unwrap();
        let built = found[1].build(&http, "https://skaas.example").unwrap();
        let Way::Oidc(oidc) = &built.way else { panic!("keycloak speaks OpenID Connect") };
        assert_eq!(oidc.config().redirect_uri.as_str(), "https://skaas.example/auth/keycloak/callback");
        assert_eq!(oidc.config().issuer, "https://id.example");
    }

    #[test]
    fn another_issuer_leaves_entra_pinned_to_its_tenant() {
        let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let issuer = format!("https://login.microsoftonline.us/{tenant}/v2.0");
        let settings = ProviderSettings {
            kind: "entra".into(),
            client_id: "x".into(),
            client_secret: "s".into(),
            tenant: tenant.into(),
            issuer: issuer.clone(),
            groups_api: "https://graph.microsoft.us/v1.0/me/transitiveMemberOf".into(),
            ..ProviderSettings::default()
        };
        let http = Http::new(Egress::default()).unwrap();
        let Way::Oidc(built) = settings.build(&http, "https://skaas.example").unwrap().way else { panic!() };
        assert_eq!(built.config().issuer, issuer);
        assert_eq!(built.config().flavour, Flavour::Entra { tenant: tenant.into() });
        assert_eq!(built.config().scopes, ["https://graph.microsoft.us/User.Read"]);
        for wrong in [
            ProviderSettings { tenant: "common".into(), ..settings.clone() },
            ProviderSettings { tenant: String::new(), ..settings.clone() },
            ProviderSettings { hosted_domain: "example.com".into(), ..settings.clone() },
        ] {
            assert!(wrong.build(&http, "https://skaas.example").is_err());
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_name() {
        let http = Http::new(Egress::default()).unwrap();
        let settings = |kind: &str, name: &str| ProviderSettings {
            kind: kind.into(),
            name: name.into(),
            client_id: "x".into(),
            ..ProviderSettings::default()
        };
        for (one, says) in [
            (settings("twitter", ""), "twitter"),
            (settings("oidc", ""), "needs a name"),
            (settings("oidc", "github"), "kind = \"github\""),
            (settings("oidc", "google"), "kind = \"google\""),
            (settings("oidc", "entra"), "kind = \"entra\""),
            (settings("oidc", "okta"), "kind = \"okta\""),
            (settings("oidc", "skaas"), "\"skaas:\" mean something else"),
            (settings("oidc", "group"), "reserved"),
            (settings("oidc", "org"), "reserved"),
            (settings("oidc", "Key Cloak"), "cannot name an identity provider"),
            (settings("github", ""), "client_secret"),
            (settings("google", ""), "client_secret"),
        ] {
            let error = format!("{:#}", one.build(&http, "https://skaas.example").err().unwrap());
            assert!(error.contains(says), "{error}");
        }
    }
}
