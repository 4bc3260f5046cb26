//! What can go wrong in a use case: a code for programs, a sentence for the caller, a chain of sources for the operator.
//! The edge maps kinds to status codes; nothing here knows HTTP.

use std::{fmt, time::Duration};

pub use skaas_store::causes;
use skaas_store::{Conflict, StoreError};

use crate::code::{Code, Kind};

/// Why a use case gave no result. `Display` is fit for the caller; sources are for the log only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No token, or one that opens nothing.
    #[error("sign in with your username and one of your API tokens as the password")]
    Unauthenticated,
    /// What was asked for is refused.
    #[error("{0}")]
    Refused(Refusal),
    /// Too often.
    #[error("too many requests {counted}; try again in {} s", whole_seconds(*retry_after))]
    RateLimited {
        /// What they have in common.
        counted: Counted,
        /// When the next one will be taken.
        retry_after: Duration,
    },
    /// All places are taken for the moment.
    #[error("the server is busy; try again in {} s", whole_seconds(*retry_after))]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The database or the object storage did not answer as it should.
    #[error("something went wrong on the server; nothing was changed; try again")]
    Store(#[source] StoreError),
    /// A rule of our own did not hold.
    #[error("something went wrong on the server; nothing was changed; try again")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A refusal: a code for programs, a sentence for people, and the page that helps, where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for programs.
    pub code: Code,
    /// What happened, and what to do.
    pub message: String,
    /// The path of the page that helps with this one; `None` for the one that helps with the code, if any.
    pub action: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What requests are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The token they come with.
    Token,
    /// The address they come from.
    Address,
}

impl Counted {
    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Address => "address",
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "with this token",
            Self::Address => "from this IP address",
        })
    }
}

/// A wait as callers are told it: never too short, and never none.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl Error {
    /// A refusal.
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused(Refusal { code, message: message.into(), action: None })
    }

    /// With the page on which a person can do something about it; a path of ours. Only a refusal can have one.
    #[must_use]
    pub fn with_action(mut self, path: String) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.action = Some(path);
        }
        self
    }

    /// An [`Error::Internal`] from anything.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// Why, for programs.
    pub fn code(&self) -> Code {
        match self {
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Refused(refusal) => refusal.code,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::Busy { .. } => Code::Busy,
            // The database away, the disk full: it passes, and a client that waits has lost nothing.
            Self::Store(fault) if fault.is_transient() => Code::Unavailable,
            Self::Store(_) | Self::Internal(_) => Code::Fault,
        }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.code().kind()
    }

    /// The path of the page on which a person can do something about it.
    pub fn action(&self) -> Option<&str> {
        match self {
            Self::Refused(Refusal { action: Some(action), .. }) => Some(action),
            _ => self.code().page(),
        }
    }

    /// The same failure for another caller who waited for the same work.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Unauthenticated => Self::Unauthenticated,
            Self::Refused(refusal) => Self::Refused(refusal.clone()),
            Self::RateLimited { counted, retry_after } => {
                Self::RateLimited { counted: *counted, retry_after: *retry_after }
            }
            Self::Busy { retry_after } => Self::Busy { retry_after: *retry_after },
            Self::Store(fault) => Self::Store(fault.again()),
            Self::Internal(source) => Self::internal(causes(&**source)),
        }
    }

    /// Whether the operator should be told: it is our fault, not the caller's.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Internal(_))
    }
}

impl From<StoreError> for Error {
    /// What a person can act on becomes a sentence for them; the rest is the operator's.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict) => {
                Self::refused(code_of(&conflict), format!("{conflict}; nothing was changed"))
            }
            StoreError::Missing(what) => Self::refused(Code::Missing, format!("there is no such {what}")),
            StoreError::Busy(_) => Self::Busy { retry_after: Duration::from_secs(1) },
            fault => Self::Store(fault),
        }
    }
}

const fn code_of(conflict: &Conflict) -> Code {
    match conflict {
        Conflict::NameTaken { .. }
        | Conflict::NameRetired { .. }
        | Conflict::LookAlike { .. }
        | Conflict::SourceExists => Code::NameTaken,
        Conflict::EmailTaken => Code::EmailTaken,
        Conflict::IdentityTaken => Code::IdentityTaken,
        Conflict::VersionTaken { .. } => Code::VersionTaken,
        Conflict::TrialUsed => Code::TrialUsed,
        Conflict::TokenTaken | Conflict::CodeTaken | Conflict::ClientTaken | Conflict::RefMoved { .. } => {
            Code::ChangedMeanwhile
        }
    }
}

/// What a use case returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
