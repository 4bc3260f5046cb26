//! The audit log: who did what, with which thing, from where, and what became of it.
//!
//! An act is recorded in the transaction of the act itself, so that both are committed or neither. A fetch is not an
//! act: nothing is recorded for one. A scheduled job seals what was recorded into hash chains.
//!
//! Invariants
//! - Nothing changes or deletes an entry. When an account is deleted, only the IP addresses are erased.
//! - An entry names things by ID or public name. It has no email address, no secret, and nothing that a person typed to
//!   sign in.

mod reading;
mod sealing;
mod verification;

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
pub use skaas_domain::audit::{Action, ActorKind, Address, Broken, Entry, Head, Outcome, Subject};
use skaas_domain::{
    audit::{NewEntry, Who},
    id::UserId,
};
use skaas_store::{
    StoreError, Tx, audit as rows,
    budgets::{self, Budget, Spent},
};

use crate::{
    actor::{Actor, Via},
    app::App,
    error::Result,
};

pub use reading::{Activity, By, Exported, Named, Wanted, export, list, newest, own};
pub(crate) use sealing::SealAudit;
pub use sealing::seal;
pub use verification::{Fault, Noted, Report, verify};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Refusals that are recorded for one account, and for all names that no account has. Whoever tries more passwords adds
/// nothing to the log, so nobody fills the disk by failing to sign in.
const REFUSALS: Budget = Budget { name: "audit_refused_account", limit: 20, window: HOUR };
const REFUSALS_OF_NOBODY: Budget = Budget { name: "audit_refused", limit: 200, window: HOUR };

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
pub(crate) async fn record(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    act: Act<'_>,
) -> Result<(), StoreError> {
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
) -> Result<(), StoreError> {
    let who = Who { kind: ActorKind::Visitor, user, id: String::new() };
    add(tx, &who, address, now, act).await
}

/// Records what the server did without being asked.
pub(crate) async fn record_of_server(tx: &mut Tx, now: Timestamp, act: Act<'_>) -> Result<(), StoreError> {
    let who = Who { kind: ActorKind::Server, user: None, id: String::new() };
    add(tx, &who, None, now, act).await
}

/// Records an act that has no transaction of its own, because it takes many of them.
pub(crate) async fn record_alone(app: &App, actor: &Actor, act: Act<'_>) -> Result<()> {
    let mut tx = app.store.begin().await?;
    record(&mut tx, actor, app.now(), act).await?;
    Ok(tx.commit().await?)
}

/// Records that somebody who isn't signed in was refused. `account` is the one that they tried, if it exists; what they
/// typed is not recorded, since it may be a password.
pub(crate) async fn record_refusal(
    app: &App,
    action: Action,
    account: Option<UserId>,
    address: &str,
) -> Result<()> {
    let now = app.now();
    // Losing the last of them in a power cut is no harm; waiting for the disk would be one.
    let mut tx = app.store.begin_lazy().await?;
    let spent = match account {
        Some(account) => budgets::spend(&mut tx, &REFUSALS, &account.to_string(), now).await?,
        None => budgets::spend(&mut tx, &REFUSALS_OF_NOBODY, "", now).await?,
    };
    if let Spent::Left(_) = spent {
        let act = Act { action, subject: account, thing: "", outcome: Outcome::Refused };
        record_visit(&mut tx, None, Some(address), now, act).await?;
    }
    Ok(tx.commit().await?)
}

async fn add(
    tx: &mut Tx,
    actor: &Who,
    address: Option<&str>,
    at: Timestamp,
    act: Act<'_>,
) -> Result<(), StoreError> {
    let Act { action, subject, thing, outcome } = act;
    let address = address.map(spelled);
    let subject = Subject(subject);
    let entry = NewEntry { at, subject, actor, address: address.as_deref(), action, thing, outcome };
    rows::add(tx, &entry).await
}

/// An address in one spelling: an IPv4 client of an IPv6 socket reads like any other.
fn spelled(address: &str) -> String {
    address.parse().map_or_else(|_| address.to_owned(), |ip: IpAddr| ip.to_canonical().to_string())
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
