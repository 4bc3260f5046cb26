//! The audit log as values: what an entry says, and the hash chains that show whether somebody changed one later.
//!
//! Every user has a chain of their own, and so has the server. An entry joins its chain when it is sealed: it gets the
//! next position, and a hash over the previous hash and everything it says. [`Chain`] seals and verifies.

mod action;
mod chain;

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::{id::UserId, money::UnknownWord};

pub use action::Action;
pub use chain::{Broken, Chain, Head, SALT_BYTES, address_digest};

/// What became of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It happened.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The word used in columns and by programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for Outcome {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "done" => Ok(Self::Done),
            "refused" => Ok(Self::Refused),
            _ => Err(UnknownWord { text: text.chars().take(64).collect(), expected: "done, refused" }),
        }
    }
}

/// Whose chain an entry belongs to: a user's, or the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub Option<UserId>);

impl Subject {
    /// The server's own chain.
    pub const SERVER: Self = Self(None);
}

impl From<UserId> for Subject {
    fn from(user: UserId) -> Self {
        Self(Some(user))
    }
}

impl fmt::Display for Subject {
    /// The user's ID; nothing for the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |user| user.fmt(f))
    }
}

impl FromStr for Subject {
    type Err = crate::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self::SERVER) } else { text.parse().map(|user| Self(Some(user))) }
    }
}

/// The means by which somebody acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// With an API token.
    ApiToken,
    /// By an authorized app.
    OauthGrant,
    /// In a browser in which they were signed in.
    Session,
    /// On the operator's command line.
    Operator,
    /// Without being signed in: to sign in, or by a mailed link.
    Visitor,
    /// Nobody: the server acted on a schedule.
    Server,
}

impl ActorKind {
    const ALL: [Self; 6] =
        [Self::ApiToken, Self::OauthGrant, Self::Session, Self::Operator, Self::Visitor, Self::Server];

    /// The word used in columns and by programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiToken => "token",
            Self::OauthGrant => "app",
            Self::Session => "session",
            Self::Operator => "operator",
            Self::Visitor => "visitor",
            Self::Server => "server",
        }
    }
}

impl FromStr for ActorKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownWord {
            text: text.chars().take(64).collect(),
            expected: "token, app, session, operator, visitor, server",
        })
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// By which means.
    pub kind: ActorKind,
    /// The user, if one acted.
    pub user: Option<UserId>,
    /// The token, session, authorization or operator's name; empty for a visitor.
    pub id: String,
}

/// The IP address of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The act came from here.
    Known(String),
    /// It came from no network: the operator's command line.
    None,
    /// It was erased together with the account.
    Erased,
}

impl Address {
    /// The address as text, if it is known.
    pub fn known(&self) -> Option<&str> {
        if let Self::Known(address) = self { Some(address) } else { None }
    }
}

/// An act that is yet to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry<'a> {
    /// When.
    pub at: Timestamp,
    /// Whose chain it belongs to.
    pub subject: Subject,
    /// Who acted.
    pub actor: &'a Who,
    /// From which IP address, if from any.
    pub address: Option<&'a str>,
    /// What they did.
    pub action: Action,
    /// With what: an ID or a public name, never an email address.
    pub thing: &'a str,
    /// What became of it.
    pub outcome: Outcome,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the whole log. Numbers grow, with gaps.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Whose chain it belongs to.
    pub subject: Subject,
    /// Who acted.
    pub actor: Who,
    /// From where.
    pub address: Address,
    /// What they did: the word of an [`Action`], perhaps of a newer program's.
    pub action: String,
    /// With what.
    pub thing: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Its place in the chain, once it is sealed.
    pub seal: Option<Seal>,
}

impl Entry {
    /// What was done, as a sentence without its subject.
    pub fn sentence(&self) -> &str {
        self.action.parse::<Action>().map_or(&self.action, |action| action.sentence())
    }
}

/// What sealing adds to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Its number in its chain, from 1.
    pub position: i64,
    /// Random bytes that keep the digest from telling the address; erased with it.
    pub salt: Option<Vec<u8>>,
    /// Stands for the address in the hash, so that the address can be erased.
    pub address_digest: [u8; 32],
    /// The hash of the chain up to and including this entry.
    pub hash: [u8; 32],
}
