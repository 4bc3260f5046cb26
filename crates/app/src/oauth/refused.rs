//! Owns why an OAuth request is refused. Refuses to know how the answer looks.

use std::time::Duration;

use skaas_domain::oauth::ErrorCode;
use skaas_store::StoreError;

use crate::code::Code;
use crate::{accounts::Rejected, error::Error};

/// Why a request of a client is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// In the words of the RFCs.
    #[error("{why}")]
    Said {
        /// The word a program acts on.
        code: ErrorCode,
        /// The sentence a developer reads.
        why: String,
    },
    /// Too many from this address or person.
    #[error("too many attempts; try again in {} min", retry_after.as_secs().div_ceil(60).max(1))]
    TooOften {
        /// When the next one will be taken.
        retry_after: Duration,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Refused {
    /// A word of the RFCs, with its sentence.
    #[allow(clippy::needless_pass_by_value, reason = "texts and errors alike are given away here")]
    pub fn said(code: ErrorCode, why: impl ToString) -> Self {
        Self::Said { code, why: why.to_string() }
    }

    /// The word of the RFCs, where it is one.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Said { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::TooOften { retry_after } => Self::TooOften { retry_after },
            Rejected::Other(error) => Self::Other(error),
            other => Self::Other(Error::refused(Code::InvalidValue, other.to_string())),
        }
    }
}
