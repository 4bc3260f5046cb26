//! Owns what can go wrong on the way out, in two voices: a sentence that may be shown to whoever asked, and
//! a source chain for the operator. Refuses to repeat secrets, or bodies of others, in either.

use http::StatusCode;

use crate::egress::Refusal;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The outcome of anything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why nothing, or nothing usable, came back. Hosts are named; paths, queries and bodies are not, since they
/// may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The egress guard did not let the request out. No connection was made.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No connection, or one that broke.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// Who was called.
        host: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// No whole answer in time.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// Who was called.
        host: String,
    },
    /// More than was asked for; the rest was not read.
    #[error("{host} answered with more than {limit} bytes")]
    TooLarge {
        /// Who was called.
        host: String,
        /// How many bytes would have been taken.
        limit: usize,
    },
    /// A status that says that this did not work.
    #[error("{host} answered with {status}")]
    Status {
        /// Who was called.
        host: String,
        /// What it said.
        status: StatusCode,
    },
    /// An answer that is not what the standard or the service's own documents say.
    #[error("{host} answered with something that is not {what}")]
    Malformed {
        /// Who was called.
        host: String,
        /// What was expected.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Source,
    },
    /// The other side says no, in the words of its protocol (RFC 6749, section 5.2). The text is its own and
    /// is foreign.
    #[error("{host} refused: {code}")]
    Denied {
        /// Who was called.
        host: String,
        /// The protocol's error code, of letters, digits, `_`, `-` and `.` only.
        code: String,
    },
    /// What came back does not prove what it should: wrong issuer, audience, nonce, signature, tenant, time.
    #[error("{host} sent a proof of identity that does not hold: {reason}")]
    Unproven {
        /// Who was called.
        host: String,
        /// What does not hold. Names the check, not the values.
        reason: &'static str,
        /// The check's own words.
        #[source]
        source: Option<Source>,
    },
    /// The operator told us something that cannot work.
    #[error("{0}")]
    Config(String),
    /// A message could not be made or handed on.
    #[error("the mail was not sent: {reason}")]
    Mail {
        /// What went wrong.
        reason: &'static str,
        /// Whether trying again later may help.
        transient: bool,
        /// The other side's words.
        #[source]
        source: Option<Source>,
    },
}

/// The reasons for which somebody well known to the provider is none of this installation's people.
pub(crate) const ANOTHER_TENANT: &str = "another tenant";
pub(crate) const ANOTHER_ORGANISATION: &str = "an account outside the organisation";

impl Error {
    /// Whether the provider knows who it is, and this installation takes nobody of theirs.
    pub fn is_of_another_organisation(&self) -> bool {
        matches!(self, Self::Unproven { reason: ANOTHER_TENANT | ANOTHER_ORGANISATION, .. })
    }

    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            // A name that leads nowhere may lead somewhere later, and is not told apart from one that must not be called.
            Self::Refused(Refusal::NotPublic { .. }) | Self::Unreachable { .. } | Self::TimedOut { .. } => {
                true
            }
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Mail { transient, .. } => *transient,
            _ => false,
        }
    }

    pub(crate) fn malformed(host: &str, what: &'static str, source: impl Into<Source>) -> Self {
        Self::Malformed { host: host.to_owned(), what, source: source.into() }
    }

    pub(crate) fn unproven(host: &str, reason: &'static str) -> Self {
        Self::Unproven { host: host.to_owned(), reason, source: None }
    }

    /// An [`Error::Denied`] with what of `code` is fit to be shown (RFC 6749 allows more letters than we do).
    pub(crate) fn denied(host: &str, code: &str) -> Self {
        let code: String = code
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
            .take(64)
            .collect();
        Self::Denied { host: host.to_owned(), code }
    }
}
