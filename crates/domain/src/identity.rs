//! Owns who vouches for a user, and as whom. Refuses e-mail addresses as a key: one never links accounts.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};

use crate::{
    client_name::is_client_name,
    id::{IdentityId, SignInId, UserId},
};

/// How long a person may take at an identity provider.
pub const SIGN_IN_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// The most groups that are kept of one identity.
pub const MAX_GROUPS: usize = 1000;

/// An identity provider. It prints as the word in `/auth/{provider}/start` and in Skillport ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderKind {
    /// GitHub, by OAuth; the subject is the account's number.
    Github,
    /// Google; the subject is `sub`.
    Google,
    /// Microsoft Entra, pinned to one tenant; the subject is `oid`.
    Entra,
    /// Okta; the subject is `sub`.
    Okta,
    /// Any other `OpenID` Connect issuer, under the operator's name for it; the subject is `sub`.
    Oidc(String),
}

/// A word that names no provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name an identity provider: use github, google, entra, okta, or a-z, 0-9 and hyphens")]
pub struct InvalidProvider(pub String);

impl ProviderKind {
    /// The word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Github => "github",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Oidc(name) => name,
        }
    }

    /// Its name, as a button on a page says it.
    pub fn label(&self) -> &str {
        match self {
            Self::Github => "GitHub",
            Self::Google => "Google",
            Self::Entra => "Microsoft",
            Self::Okta => "Okta",
            Self::Oidc(name) => name,
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProviderKind {
    type Err = InvalidProvider;

    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        match text {
            "github" => Ok(Self::Github),
            "google" => Ok(Self::Google),
            "entra" => Ok(Self::Entra),
            "okta" => Ok(Self::Okta),
            name if is_client_name(name) => Ok(Self::Oidc(name.to_owned())),
            other => Err(InvalidProvider(other.chars().take(64).collect())),
        }
    }
}

/// What an identity is known by: nothing else ever links accounts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityKey {
    /// Who vouches: an issuer's URL, exactly as it writes it.
    pub issuer: String,
    /// For whom, in the issuer's own words: `sub`, or `oid` of an Entra tenant.
    pub subject: String,
}

/// A way in.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    /// Names this identity.
    pub id: IdentityId,
    /// Whose it is.
    pub user: UserId,
    /// Through which provider.
    pub provider: ProviderKind,
    /// As whom.
    pub key: IdentityKey,
    /// The address that the provider last told, for people to recognise.
    pub email: Option<String>,
    /// The name that the provider last told.
    pub name: Option<String>,
    /// The groups that the provider last told, by id.
    pub groups: Vec<String>,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// When it was last signed in with.
    pub last_used_at: Timestamp,
}

impl fmt::Debug for IdentityRecord {
    /// Without address and name: they do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityRecord({}, {}, {})", self.id, self.user, self.provider)
    }
}

impl IdentityRecord {
    /// What an organisation's rules name a person by: `{provider}:{uid}`.
    pub fn skillport_id(&self) -> String {
        format!("{}:{}", self.provider, self.key.subject)
    }
}

/// Whether a user who has `others` identities beside the one to be unlinked keeps a way in.
pub const fn may_unlink(others: usize, has_password: bool) -> bool {
    others > 0 || has_password
}

/// What a sign-in at a provider is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To sign in, or to sign up.
    SignIn,
    /// To link the identity to this user, who is signed in.
    Link(UserId),
}

/// A sign-in that went to an identity provider and is to come back in the same browser.
#[derive(Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Names this one.
    pub id: SignInId,
    /// Where it went.
    pub provider: ProviderKind,
    /// What the provider's answer must repeat (`OpenID` Connect Core, section 3.1.2.1).
    pub nonce: String,
    /// The PKCE verifier (RFC 7636): of no use without the provider's code.
    pub verifier: String,
    /// What for.
    pub intent: Intent,
    /// The path on our site to go to afterwards: see [`return_path`].
    pub return_to: String,
    /// When it began.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works.
    pub expires_at: Timestamp,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({}, {}, {:?}, [redacted])", self.id, self.provider, self.intent)
    }
}

/// The longest path to come back to, in bytes: an app's question stands in one, with all that it wants back.
const MAX_RETURN_PATH: usize = 16 * 1024;

/// `text` where it is a path on our own site, `/` where it is anything else: another host, a scheme,
/// `//host`, a backslash or control character that a browser reads as one.
pub fn return_path(text: &str) -> &str {
    let plain = text.len() <= MAX_RETURN_PATH && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain && text.starts_with('/') && !text.starts_with("//") { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn providers_print_as_their_word() {
        for word in ["github", "google", "entra", "okta", "keycloak", "my-company"] {
            assert_eq!(word.parse::<ProviderKind>().unwrap().to_string(), word);
        }
        assert_eq!("keycloak".parse::<ProviderKind>(), Ok(ProviderKind::Oidc("keycloak".into())));
        for bad in ["", "GitHub", "a b", "../x", "a/b", "a:b"] {
            assert!(bad.parse::<ProviderKind>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_unlinks_their_last_way_in() {
        assert!(!may_unlink(0, false));
        assert!(may_unlink(1, false) && may_unlink(0, true));
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        for good in ["/", "/account?x=1#y", "/oauth/authorize?redirect_uri=https%3A%2F%2Fx"] {
            assert_eq!(return_path(good), good);
        }
        for bad in
            ["", "account", "//evil.example", "https://evil.example", "/\\evil", "/\t/evil", "/\n", "/é"]
        {
            assert_eq!(return_path(bad), "/", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_return_path_stays_on_our_site(text in "[/\\\\a:.@?#\\t]{0,12}") {
            let ours = url::Url::parse("https://skaas.example/").unwrap();
            let there = ours.join(return_path(&text)).unwrap();
            prop_assert_eq!(there.origin(), ours.origin());
        }
    }
}
