//! The audit log: who did what, with which thing, from where, and what became of it.
//!
//! An act is recorded in the transaction of the act itself, so that both are committed or neither. A fetch is not an
//! act: nothing is recorded for one.

use std::net::IpAddr;

use jiff::Timestamp;
pub use skaas_domain::audit::{Action, Outcome};
use skaas_domain::{
    audit::{ActorKind, NewEntry, Subject, Who},
    id::UserId,
};
use skaas_store::{Tx, audit as rows};

use crate::{
    actor::{Actor, Via},
    error::Result,
};

/// What an entry says, besides who acted and when.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// What was done.
    pub action: Action,
    /// The user whose chain the entry belongs to: their account page shows it. `None` is the server itself.
    pub subject: Option<UserId>,
    /// With what: an ID or a public name, never an email address, since it can't be erased.
    pub thing: &'a str,
    /// What became of it.
    pub outcome: Outcome,
}

impl<'a> Act<'a> {
    /// An act that happened to something of `subject`.
    pub const fn done(action: Action, subject: UserId, thing: &'a str) -> Self {
        Self { action, subject: Some(subject), thing, outcome: Outcome::Done }
    }

    /// An act that happened to the server itself.
    pub const fn on_server(action: Action, thing: &'a str) -> Self {
        Self { action, subject: None, thing, outcome: Outcome::Done }
    }
}

/// Records an act in the transaction of the act itself.
pub(crate) async fn record(tx: &mut Tx, actor: &Actor, now: Timestamp, act: Act<'_>) -> Result<()> {
    let from = actor.from().map(|from| from.to_string());
    add(tx, &who(actor), from.as_deref(), now, act).await
}

/// Records an act of somebody who isn't signed in: signing in or up, or following a mailed link. `user` is the account
/// that they proved to have.
pub(crate) async fn record_visit(
    tx: &mut Tx,
    user: Option<UserId>,
    address: Option<&str>,
    now: Timestamp,
    act: Act<'_>,
) -> Result<()> {
    let who = Who { kind: ActorKind::Visitor, user, id: String::new() };
    add(tx, &who, address, now, act).await
}

async fn add(tx: &mut Tx, actor: &Who, address: Option<&str>, at: Timestamp, act: Act<'_>) -> Result<()> {
    let Act { action, subject, thing, outcome } = act;
    // In one spelling, however the connection was made.
    let address = address.map(|text| {
        text.parse().map_or_else(|_| text.to_owned(), |ip: IpAddr| ip.to_canonical().to_string())
    });
    let subject = Subject(subject);
    let entry = NewEntry { at, subject, actor, address: address.as_deref(), action, thing, outcome };
    Ok(rows::add(tx, &entry).await?)
}

/// An actor as the log names them.
fn who(actor: &Actor) -> Who {
    let (kind, id) = match actor.via() {
        Via::ApiToken(viewer) => (ActorKind::ApiToken, viewer.token().id.to_string()),
        Via::OauthGrant(bearer) => (ActorKind::OauthGrant, bearer.grant.id.to_string()),
        Via::Session(signed_in) => (ActorKind::Session, signed_in.session.id.to_string()),
        Via::Operator(name) => (ActorKind::Operator, name.to_string()),
    };
    Who { kind, user: actor.user().map(|user| user.id), id }
}
