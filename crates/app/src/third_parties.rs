//! The third parties a node is configured to talk to: the mail server, identity providers, the breach service and
//! foreign documents. The protocols themselves belong to `skaas_outbound`.

use skaas_domain::identity::ProviderKind;
use skaas_outbound::{
    breaches::RangeService, github::Github, mail::Mailer, oidc::Provider, ways_out::WaysOut,
};

/// The configured third parties. The default has none: programs other than the server don't need any.
#[derive(Default)]
pub struct ThirdParties {
    /// How mail goes out.
    pub mailer: Option<Mailer>,
    /// Who may vouch for a person, in the order of their buttons.
    pub providers: Vec<IdentityProvider>,
    /// The ways to what the operator configured and to what users name.
    pub ways_out: Option<WaysOut>,
    /// Who knows passwords from breaches, beyond the list that ships with us.
    pub breaches: Option<RangeService>,
}

/// One configured identity provider.
pub struct IdentityProvider {
    /// Its word in addresses and Skillport ids.
    pub kind: ProviderKind,
    /// The protocol it speaks.
    pub way: Way,
}

/// The protocol that a provider speaks.
pub enum Way {
    /// `OpenID` Connect.
    Oidc(Box<Provider>),
    /// GitHub's OAuth.
    Github(Box<Github>),
}

impl ThirdParties {
    /// The provider of that word.
    pub(crate) fn provider(&self, word: &str) -> Option<&IdentityProvider> {
        self.providers.iter().find(|provider| provider.kind.as_str() == word)
    }
}
