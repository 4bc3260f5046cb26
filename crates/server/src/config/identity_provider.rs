//! The settings of an identity provider: a repeated block, or one of each kind from the environment. What becomes
//! of them is in [`crate::third_parties`].

use serde::Deserialize;
use skaas_app::outbound::SecretString;

use super::declaration::Shown as _;

/// The kinds that the environment can set up, one of each.
pub(crate) const KINDS: [&str; 5] = ["github", "google", "entra", "okta", "oidc"];

/// One setting of a provider.
struct Key {
    name: &'static str,
    /// A value for the manual, as TOML.
    example: &'static str,
    doc: &'static str,
}

/// Declares the settings, each as `/// documentation` `name: type = example, "SUFFIX";`. The suffix is the end of the
/// environment variable, after `SKAAS_{KIND}_`.
macro_rules! provider {
    ($($(#[doc = $doc:literal])? $key:ident: $type:ty = $example:tt $(, $suffix:literal)?;)*) => {
        /// What an operator says of one identity provider.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct ProviderSettings {
            $($(#[doc = $doc])? pub(crate) $key: $type,)*
        }

        const KEYS: &[Key] = &[
            $(Key { name: stringify!($key), example: stringify!($example), doc: concat!("", $($doc)?) },)*
        ];

        impl ProviderSettings {
            /// What `read` finds for each suffix.
            fn of<E>(read: impl Fn(&str) -> Result<Option<String>, E>) -> Result<Self, E> {
                Ok(Self { $($($key: read($suffix)?.unwrap_or_default().into(),)?)* ..Self::default() })
            }

            /// What is set, as TOML.
            fn shown(&self) -> Vec<(&'static str, String)> {
                let all = [$((stringify!($key), self.$key.shown())),*];
                all.into_iter().filter(|(_, value)| !["\"\"", "[]"].contains(&value.as_str())).collect()
            }
        }
    };
}

provider! {
    /// github, google, entra, okta or oidc
    kind: String = "oidc";
    /// oidc only: its name in URLs and in Skillport IDs; not skaas, group or org
    name: String = "keycloak", "NAME";
    /// okta and oidc; google and entra: see below
    issuer: String = "https://id.example.com/realms/staff", "ISSUER";
    /// entra only: the tenant's ID; members of other tenants are refused
    tenant: String = "", "TENANT";
    /// google only: accept only members of this Workspace domain
    hosted_domain: String = "", "HOSTED_DOMAIN";
    client_id: String = "skaas", "CLIENT_ID";
    client_secret: SecretString = "", "CLIENT_SECRET";
    /// a file with the secret, instead of `client_secret`
    client_secret_file: String = "";
    /// in addition to openid, email and profile
    scopes: Vec<String> = [];
    /// the claim that lists groups, if it is not "groups"
    groups_claim: String = "";
    /// the API that lists groups if the claim is truncated or missing
    groups_api: String = "", "GROUPS_API";
    /// github only, for GitHub Enterprise
    web_base: String = "https://github.com", "WEB_BASE";
    /// github only
    api_base: String = "https://api.github.com", "API_BASE";
}

const ABOUT: &str = r#"
# Identity providers that people can sign in with, besides a password. Repeat the block for each. Register the
# callback {public_url}/auth/{kind}/callback with the provider; for kind "oidc", use the name instead of the kind.
# From the environment, one of each kind: SKAAS_GITHUB_CLIENT_ID, SKAAS_GITHUB_CLIENT_SECRET, and the same
# with GOOGLE (and SKAAS_GOOGLE_HOSTED_DOMAIN), ENTRA (and SKAAS_ENTRA_TENANT), OKTA (and SKAAS_OKTA_ISSUER),
# OIDC (and SKAAS_OIDC_ISSUER, SKAAS_OIDC_NAME). For tests and national clouds also SKAAS_GOOGLE_ISSUER,
# SKAAS_ENTRA_ISSUER, SKAAS_ENTRA_GROUPS_API, SKAAS_GITHUB_WEB_BASE, SKAAS_GITHUB_API_BASE.
#
# [[identity_provider]]
"#;

const MORE: &str = r#"#
# Google and Entra have a fixed issuer. Set another one only for tests and for national clouds, such as Azure
# Government: issuer = "https://login.microsoftonline.us/TENANT/v2.0" with
# groups_api = "https://graph.microsoft.us/v1.0/me/transitiveMemberOf". It must be the issuer named in the
# provider's tokens. Members of other tenants are refused there, too.
"#;

/// The part of `skaas.default.toml` about providers. All of it is a comment, since there is none by default.
pub(super) fn manual() -> String {
    let lines = KEYS.iter().map(|key| {
        let line = format!("# {} = {}", key.name, key.example);
        if key.doc.is_empty() { format!("{line}\n") } else { format!("{line:<39} #{}\n", key.doc) }
    });
    format!("{ABOUT}{}{MORE}", lines.collect::<String>())
}

impl ProviderSettings {
    /// The providers whose `SKAAS_{KIND}_CLIENT_ID` is in the environment. `variable` also reads `…_FILE`.
    pub(crate) fn from_environment<E>(
        variable: impl Fn(&str) -> Result<Option<String>, E>,
    ) -> Result<Vec<Self>, E> {
        let mut found = Vec::new();
        for kind in KINDS {
            let read = |suffix: &str| variable(&format!("SKAAS_{}_{suffix}", kind.to_uppercase()));
            if read("CLIENT_ID")?.is_some_and(|id| !id.is_empty()) {
                let mut one = Self::of(read)?;
                kind.clone_into(&mut one.kind);
                found.push(one);
            }
        }
        Ok(found)
    }

    /// What is set, as the TOML of one block.
    pub(super) fn block(&self) -> String {
        let lines = self.shown().into_iter().map(|(key, value)| format!("{key} = {value}\n"));
        format!("\n[[identity_provider]]\n{}", lines.collect::<String>())
    }
}
