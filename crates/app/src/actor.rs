//! Who asks: every use case takes an [`Actor`] and checks what it needs of one. `authentication`, `sessions` and
//! `oauth` make them; what an actor may do with a thing is decided where the thing is.

use std::{fmt, net::IpAddr, sync::Arc, sync::LazyLock};

use jiff::Timestamp;
use skaas_domain::{
    id::{OauthGrantId, SessionId},
    scope::{Need, Scopes},
    user::{TokenRecord, User},
};
use skaas_store::{Conn, oauth_tokens::OauthBearer, sessions::SignedIn};

use crate::{
    accounts::Rejected,
    app::App,
    code::Code,
    error::{Error, Result},
    users,
    viewer::Viewer,
};

/// Who asks, by which means, with which scopes, and from where.
///
/// It was true when the request arrived. A clone shares everything, so the hot path allocates nothing for one.
#[derive(Clone)]
pub struct Actor {
    via: Via,
    from: Option<IpAddr>,
}

/// The means by which somebody acts.
#[derive(Clone)]
pub enum Via {
    /// One of the user's API tokens.
    ApiToken(Arc<Viewer>),
    /// An access token of an app that the user authorized.
    OauthGrant(Arc<OauthBearer>),
    /// A browser in which the user is signed in.
    Session(Arc<SignedIn>),
    /// The operator's command line. The name is the one that the system knows them by.
    Operator(Arc<str>),
}

/// Whose things a use case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The actor's own.
    Own,
    /// Those of the user with this name. Only the operator may name a user.
    Of(&'a str),
}

impl<'a> From<&'a str> for Whose<'a> {
    fn from(username: &'a str) -> Self {
        Self::Of(username)
    }
}

/// A browser session may do everything that its user may.
static EVERYTHING: LazyLock<Scopes> = LazyLock::new(Scopes::full);

impl Actor {
    pub(crate) const fn new(via: Via, from: Option<IpAddr>) -> Self {
        Self { via, from }
    }

    /// The operator, whose command line can reach the database anyway.
    pub fn operator(name: &str) -> Self {
        Self::new(Via::Operator(name.into()), None)
    }

    /// The means by which they act.
    pub const fn via(&self) -> &Via {
        &self.via
    }

    /// The network address that the request came from, where there is one.
    pub const fn from(&self) -> Option<IpAddr> {
        self.from
    }

    /// The name to record beside an act: a username, or the name that the system knows the operator by.
    pub(crate) fn name(&self) -> String {
        match &self.via {
            Via::Operator(name) => name.to_string(),
            _ => self.user().map(|user| user.username.clone()).unwrap_or_default(),
        }
    }

    /// The user who acts; `None` for the operator, who may have no account.
    pub fn user(&self) -> Option<&User> {
        match &self.via {
            Via::ApiToken(viewer) => Some(viewer.user()),
            Via::OauthGrant(bearer) => Some(&bearer.user),
            Via::Session(signed_in) => Some(&signed_in.user),
            Via::Operator(_) => None,
        }
    }

    /// What they may do, and pass on.
    pub fn scopes(&self) -> &Scopes {
        match &self.via {
            Via::ApiToken(viewer) => &viewer.token().scopes,
            Via::OauthGrant(bearer) => bearer.scopes(),
            Via::Session(_) | Via::Operator(_) => &EVERYTHING,
        }
    }

    /// The user who acts, if what they presented permits `need`.
    ///
    /// # Errors
    /// [`crate::Code::OutOfScope`] for a token that was made for other things, never [`Error::Unauthenticated`]: the token
    /// works, and git would erase it. [`crate::Kind::Forbidden`] for the operator, who has nothing of their own.
    pub fn require(&self, need: &Need<'_>) -> Result<&User> {
        match &self.via {
            Via::ApiToken(viewer) => viewer.allow(need).map(|()| viewer.user()),
            Via::OauthGrant(bearer) if bearer.scopes().permits(need) => Ok(&bearer.user),
            Via::OauthGrant(bearer) => Err(Error::refused(Code::OutOfScope, bearer.scopes().refusal(need))),
            Via::Session(signed_in) => Ok(&signed_in.user),
            Via::Operator(_) => {
                Err(Error::refused(Code::AccountRequired, "name the user; the operator has no account"))
            }
        }
    }

    /// Makes sure that the operator acts.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] for everybody else.
    pub fn require_operator(&self) -> Result<()> {
        match &self.via {
            Via::Operator(_) => Ok(()),
            _ => Err(Error::refused(Code::OperatorOnly, "only the operator of this server may do this")),
        }
    }

    /// The session of somebody who acts in a browser.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] for everybody else.
    pub fn require_session(&self) -> Result<&SignedIn> {
        match &self.via {
            Via::Session(signed_in) => Ok(signed_in),
            _ => Err(Error::refused(
                Code::BrowserOnly,
                "this works only in a browser in which you are signed in",
            )),
        }
    }

    /// The session of somebody who signed in just now: acts that could lock an owner out need that, so that whoever
    /// finds a browser signed in can't do them.
    ///
    /// # Errors
    /// [`Rejected::Stale`] for an older sign-in; [`crate::Kind::Forbidden`] outside of a browser.
    pub fn require_fresh(&self, now: Timestamp) -> Result<&SignedIn, Rejected> {
        let signed_in = self.require_session()?;
        if signed_in.session.is_fresh(now) { Ok(signed_in) } else { Err(Rejected::Stale) }
    }

    /// The viewer of somebody who acts by an API token: git serves nobody else.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] for everybody else.
    pub(crate) fn require_viewer(&self) -> Result<&Arc<Viewer>> {
        match &self.via {
            Via::ApiToken(viewer) => Ok(viewer),
            _ => Err(Error::refused(Code::ApiTokenOnly, "git needs an API token as the password")),
        }
    }

    /// The user whose things `whose` names: the actor, if `need` permits it, or whomever the operator names.
    pub(crate) async fn subject(&self, app: &App, whose: Whose<'_>, need: &Need<'_>) -> Result<User> {
        match whose {
            Whose::Own => self.require(need).cloned(),
            Whose::Of(username) => {
                self.require_operator()?;
                users::by_name(app, username).await
            }
        }
    }

    /// Like [`Self::subject`], as the transaction or snapshot of `conn` sees it: a user that it added is there.
    pub(crate) async fn subject_in(
        &self,
        conn: &mut Conn,
        whose: Whose<'_>,
        need: &Need<'_>,
    ) -> Result<User> {
        match whose {
            Whose::Own => self.require(need).cloned(),
            Whose::Of(username) => {
                self.require_operator()?;
                users::by_name_in(conn, username).await
            }
        }
    }

    /// The API token that they act by, if it is one.
    pub fn token(&self) -> Option<&TokenRecord> {
        if let Via::ApiToken(viewer) = &self.via { Some(viewer.token()) } else { None }
    }

    /// The browser session that they act in, if it is one.
    pub fn session(&self) -> Option<SessionId> {
        if let Via::Session(signed_in) = &self.via { Some(signed_in.session.id) } else { None }
    }

    /// The authorization of the app that they act by, if it is one.
    pub fn grant(&self) -> Option<OauthGrantId> {
        if let Via::OauthGrant(bearer) = &self.via { Some(bearer.grant.id) } else { None }
    }
}

impl fmt::Display for Actor {
    /// As logs name an actor: IDs, never names or addresses of users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.via {
            Via::ApiToken(viewer) => write!(f, "{} with {}", viewer.user().id, viewer.token().id),
            Via::OauthGrant(bearer) => write!(f, "{} with {}", bearer.user.id, bearer.grant.id),
            Via::Session(signed_in) => write!(f, "{} with {}", signed_in.user.id, signed_in.session.id),
            Via::Operator(name) => write!(f, "operator {name}"),
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actor({self})")
    }
}
