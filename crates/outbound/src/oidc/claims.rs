//! Owns what a sign-in proved, in our words. Refuses raw tokens.

use secrecy::SecretString;

/// Who signed in, as their provider vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who vouches: with `subject`, the key of an identity.
    pub issuer: String,
    /// The person at the issuer, never given to another: `sub`; for Entra `oid`; for GitHub the numeric id.
    pub subject: String,
    /// An address that the provider names. It links nothing by itself.
    pub email: Option<String>,
    /// Whether the provider says that it checked the address. False where it says nothing.
    pub email_verified: bool,
    /// What the person is called.
    pub name: Option<String>,
    /// The name the person signs in by there (`preferred_username`, GitHub's login): a proposal, no key.
    pub username: Option<String>,
    /// The groups the person is in.
    pub groups: Groups,
    /// Entra's `tid`; checked against the configured tenant.
    pub tenant: Option<String>,
    /// Google's `hd`: the Workspace domain of the person, absent for private accounts.
    pub hosted_domain: Option<String>,
}

/// What is known of somebody's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// All of them, sorted, each once.
    Listed(Vec<String>),
    /// The provider says that there are more than fit into a token: ask
    /// [`Provider::groups_from_api`](super::Provider::groups_from_api).
    CutOff,
    /// The provider said nothing about groups.
    Unsaid,
}

impl Groups {
    /// All of `groups`, sorted, each once.
    pub fn listed(groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_unstable();
        groups.dedup();
        Self::Listed(groups)
    }
}

/// A completed sign-in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// What was proved.
    pub claims: Claims,
    /// Opens the provider's API for a while, with the scopes asked for. Not to be stored.
    pub access_token: SecretString,
}
