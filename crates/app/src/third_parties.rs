//! The third parties a node is configured to talk to: the mail server, identity providers, the breach service and
//! foreign documents. The protocols themselves belong to `skaas_outbound`.

use skaas_domain::{id::UserId, identity::ProviderKind};
use skaas_outbound::{
    breaches::RangeService, github::Github, mail::Mailer, mail::Message, oidc::Provider, ways_out::WaysOut,
};
use tokio::sync::watch;

use crate::app::App;

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

/// Mails under way, so that an orderly end waits for them.
pub(crate) struct Post(watch::Sender<usize>);

impl Post {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// One mail under way.
struct UnderWay(App);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.post.0.send_modify(|count| *count -= 1);
    }
}

/// Does what leads to a mail beside the request that wanted it.
pub(crate) fn beside<F>(app: &App, work: impl FnOnce(App) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    app.post.0.send_modify(|count| *count += 1);
    let (under_way, work) = (UnderWay(app.clone()), work(app.clone()));
    tokio::spawn(async move {
        work.await;
        drop(under_way);
    });
}

/// Sends a mail beside the request that wanted it: how long it takes, and whether there is anybody to send
/// it to, shows in no answer. A failure is the operator's to see; the person can ask again.
pub(crate) fn post(app: &App, about: UserId, message: Message) {
    beside(app, move |app| async move {
        let Some(mailer) = &app.third_parties.mailer else {
            tracing::warn!(event = "mail_not_configured", user_id = %about);
            return;
        };
        let mut rng = app.fork_rng();
        match mailer.send(&message, app.now(), &mut rng).await {
            Ok(()) => tracing::info!(event = "mail_sent", user_id = %about),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(event = "mail_failed", user_id = %about, reason = %error, cause);
            }
        }
    });
}

/// Waits until no mail is under way.
pub async fn mail_settled(app: &App) {
    let mut count = app.post.0.subscribe();
    // The sender lives in the app that is lent to us.
    let _ = count.wait_for(|count| *count == 0).await;
}
