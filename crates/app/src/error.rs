//! Owns what can go wrong in a use case, in two voices: a sentence for the caller, a source chain for the
//! operator. Refuses to know HTTP: the edge maps kinds to status codes.

use std::{fmt, time::Duration};

use skaas_store::StoreError;
pub use skaas_store::causes;

/// Why a use case gave no result. `Display` is fit for the caller; sources are for the log only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No token, or one that opens nothing.
    #[error("sign in with your username and one of your API tokens as the password")]
    Unauthenticated,
    /// Known, but not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// Known, but the token that was presented was made for other things. Another token would help.
    #[error("{0}")]
    OutOfScope(String),
    /// Absent, or not to be known about: both read the same.
    #[error("{0}")]
    NotFound(String),
    /// The input cannot be taken.
    #[error("{0}")]
    Invalid(String),
    /// Fine by itself, but not beside what is already there.
    #[error("{0}")]
    Conflict(String),
    /// Larger than the limit it names.
    #[error("{0}")]
    TooLarge(String),
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
    /// Another service, asked on somebody's behalf, failed or sent something unusable. The sentence names it.
    #[error("{0}")]
    Upstream(String),
    /// The database or the object storage did not answer as it should.
    #[error("something went wrong on the server; nothing was changed; try again")]
    Store(#[source] StoreError),
    /// A rule of our own did not hold.
    #[error("something went wrong on the server; nothing was changed; try again")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    /// An [`Error::Internal`] from anything.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// The same failure for another caller who waited for the same work.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Unauthenticated => Self::Unauthenticated,
            Self::Forbidden(text) => Self::Forbidden(text.clone()),
            Self::OutOfScope(text) => Self::OutOfScope(text.clone()),
            Self::NotFound(text) => Self::NotFound(text.clone()),
            Self::Invalid(text) => Self::Invalid(text.clone()),
            Self::Conflict(text) => Self::Conflict(text.clone()),
            Self::TooLarge(text) => Self::TooLarge(text.clone()),
            Self::RateLimited { counted, retry_after } => {
                Self::RateLimited { counted: *counted, retry_after: *retry_after }
            }
            Self::Busy { retry_after } => Self::Busy { retry_after: *retry_after },
            Self::Upstream(text) => Self::Upstream(text.clone()),
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
            StoreError::Conflict(conflict) => Self::Conflict(format!("{conflict}; nothing was changed")),
            StoreError::Missing(what) => Self::NotFound(format!("there is no such {what}")),
            StoreError::Busy(_) => Self::Busy { retry_after: Duration::from_secs(1) },
            fault => Self::Store(fault),
        }
    }
}

/// What a use case returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
