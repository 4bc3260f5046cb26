//! What acts for a person besides their browsers, API tokens and authorized apps, and how all of it ends.

use jiff::Timestamp;
use skaas_domain::{
    id::UserId,
    user::{TokenRecord, User},
};
use skaas_store::{Tx, ceremonies, codes, devices, known_browsers, oauth_grants, sessions, tokens};

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::Result,
    oauth::applications::{self, Application},
    users,
};

/// What can act for a person without their password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The API tokens that work, oldest first.
    pub tokens: Vec<TokenRecord>,
    /// The authorized apps, newest first.
    pub applications: Vec<Application>,
}

impl Access {
    /// Whether there is nothing of the kind.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.applications.is_empty()
    }
}

/// What a new password means for tokens and apps that were authorized under the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherAccess {
    /// They are revoked with it: whoever knew the old password may have made them.
    Revoke,
    /// They keep working: the person trusts all of them.
    Keep,
}

/// What ended, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Browser sessions.
    pub sessions: u64,
    /// API tokens.
    pub tokens: u64,
    /// Authorized apps.
    pub applications: u64,
}

/// What can act for the user at this moment.
pub(crate) async fn access(app: &App, user: UserId) -> Result<Access> {
    let now = app.now();
    let mut tokens = tokens::list(&mut app.store.read().await?, user).await?;
    tokens.retain(|token| token.works(now));
    Ok(Access { tokens, applications: applications::of_user(app, user).await? })
}

/// Ends every session, every mailed link, every sign-in that waits for a second factor, and every approval that no
/// device has collected yet, and forgets the browsers; tokens and apps end too, unless they are to be kept. Nothing is committed here.
pub(super) async fn end(tx: &mut Tx, user: UserId, other: OtherAccess, now: Timestamp) -> Result<Ended> {
    codes::end_all(tx, user, now).await?;
    ceremonies::end_all(tx, user).await?;
    devices::withdraw_approved(tx, user, now).await?;
    known_browsers::remove_all(tx, user).await?;
    let sessions = sessions::revoke_others(tx, user, None, now).await?;
    let (tokens, applications) = match other {
        OtherAccess::Keep => (0, 0),
        OtherAccess::Revoke => {
            (tokens::revoke_all(tx, user, now).await?, oauth_grants::revoke_all(tx, user, now).await?)
        }
    };
    Ok(Ended { sessions, tokens, applications })
}

/// Ends everything that acts for the user of this name: sessions, tokens, apps, mailed links. Their next request
/// is refused, on every node; password and identities stay as they are.
///
/// # Errors
/// [`crate::Kind::NotFound`] when there is no such user.
pub async fn sign_out_everywhere(app: &App, actor: &Actor, username: &str) -> Result<Ended> {
    let mut tx = app.store.begin().await?;
    let (user, ended) = sign_out_everywhere_in(app, actor, &mut tx, username).await?;
    tx.commit().await?;
    let Ended { sessions, tokens, applications } = ended;
    tracing::info!(event = "signed_out_everywhere", user_id = %user.id, sessions, tokens, applications);
    Ok(ended)
}

/// Like [`sign_out_everywhere`], inside the caller's transaction; with the user whom it signed out.
pub async fn sign_out_everywhere_in(
    app: &App,
    actor: &Actor,
    tx: &mut Tx,
    username: &str,
) -> Result<(User, Ended)> {
    actor.require_desk(tx, app.now()).await?;
    let user = users::by_name_in(tx, username).await?;
    let now = app.now();
    let ended = end(tx, user.id, OtherAccess::Revoke, now).await?;
    let act = Act::done(Action::SignOutEverywhere, user.id, "sessions, tokens and apps");
    audit::record(tx, actor, now, act).await?;
    Ok((user, ended))
}
