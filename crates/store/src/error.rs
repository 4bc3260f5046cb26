//! Owns what can go wrong here, in words a caller can act on. Refuses to know how it is answered.

use std::borrow::Cow;

use crate::storage_fault::{StorageFault, StorageFaultKind};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The outcome of anything here.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store did not do what it was asked. Whatever the variant: nothing was committed, except where a
/// connection broke while the database was answering a commit ([`StoreError::Unavailable`]); then it may
/// have been, and the caller reads again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A rule about what may stand beside what forbids it; a person can choose otherwise.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// What was named does not exist.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// Others hold what is needed; the same request may succeed in a moment.
    #[error("the database is busy; nothing was changed, try again")]
    Busy(#[source] Source),
    /// No room is left on the disk.
    #[error("no space is left for the data; nothing was changed")]
    Full(#[source] Source),
    /// The database or the object storage cannot be reached or was restarted.
    #[error("the database or the object storage cannot be reached")]
    Unavailable(#[source] Source),
    /// What is stored cannot be what was written.
    #[error("what is stored of {what} is damaged")]
    Corrupt {
        /// What was being read.
        what: Cow<'static, str>,
        /// What is wrong with it.
        #[source]
        source: Source,
    },
    /// An earlier statement of the transaction had failed, so it could not be committed.
    #[error("the transaction had failed before it was to be committed; nothing was changed")]
    Aborted,
    /// The store was told something that cannot work.
    #[error("{0}")]
    Config(String),
    /// The database's schema is not one that this program may touch.
    #[error("{0}")]
    Migration(String),
    /// Anything else: a mistake of ours.
    #[error("the database refused a statement")]
    Database(#[source] Source),
}

/// A rule about what may stand beside what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The name is in use.
    #[error("the name {name:?} is taken")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The name was in use once; it is never given again.
    #[error("the name {name:?} belonged to something that was deleted and is not given again")]
    NameRetired {
        /// The name.
        name: String,
    },
    /// People would take the name for another's.
    #[error("the name {name:?} looks like {of:?}, which is another's")]
    LookAlike {
        /// The name.
        name: String,
        /// Whose look it has.
        of: String,
    },
    /// Another user has this e-mail address.
    #[error("another user has this email address")]
    EmailTaken,
    /// An api token with this id part or hash exists.
    #[error("such an API token exists; make another")]
    TokenTaken,
    /// Another user signs in with this identity.
    #[error("this identity is linked to another user")]
    IdentityTaken,
    /// A device authorization with one of these codes exists.
    #[error("such a code exists; make another")]
    CodeTaken,
    /// A client of this id exists.
    #[error("an OAuth client of this id exists")]
    ClientTaken,
    /// The creator has a source of this name.
    #[error("a source of this name exists")]
    SourceExists,
    /// A ref is not where the writer believed it to be.
    #[error("the ref {name:?} was moved by somebody else")]
    RefMoved {
        /// Its full name.
        name: String,
    },
    /// The version was released with other content.
    #[error("version {version:?} is released with other content; a released version never changes")]
    VersionTaken {
        /// The version.
        version: String,
    },
    /// The user has had a trial of this skill.
    #[error("a trial of this skill was used before; there is one per user and skill")]
    TrialUsed,
}

impl StoreError {
    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_) | Self::Full(_))
    }

    /// The same failure for another caller who waited for the same work. Its sources are kept as text.
    #[must_use]
    pub fn again(&self) -> Self {
        let source = |source: &Source| match source.downcast_ref::<StorageFault>() {
            Some(fault) => fault.clone().into(),
            None => Source::from(causes(&**source)),
        };
        match self {
            Self::Conflict(conflict) => Self::Conflict(conflict.clone()),
            Self::Missing(what) => Self::Missing(what),
            Self::Busy(why) => Self::Busy(source(why)),
            Self::Full(why) => Self::Full(source(why)),
            Self::Unavailable(why) => Self::Unavailable(source(why)),
            Self::Corrupt { what, source: why } => Self::Corrupt { what: what.clone(), source: source(why) },
            Self::Aborted => Self::Aborted,
            Self::Config(text) => Self::Config(text.clone()),
            Self::Migration(text) => Self::Migration(text.clone()),
            Self::Database(why) => Self::Database(source(why)),
        }
    }

    /// What is wrong with object storage, where that is what failed.
    pub fn storage_fault(&self) -> Option<&StorageFault> {
        match self {
            Self::Unavailable(source) | Self::Full(source) => source.downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn corrupt(what: impl Into<Cow<'static, str>>, source: impl Into<Source>) -> Self {
        Self::Corrupt { what: what.into(), source: source.into() }
    }
}

/// Every cause of an error, from the outside in, for the operator: each said once.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        // Many a library repeats the cause within its own words.
        if !last.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        last = cause;
    }
    text
}

/// Which of our variants a database's own error code is. SQLite's extended code or PostgreSQL's SQLSTATE.
fn of_code(code: &str, error: sqlx::Error) -> StoreError {
    if let Some(primary) = code.parse::<i32>().ok().filter(|_| code.len() != 5).map(|code| code & 0xff) {
        // https://www.sqlite.org/rescode.html
        return match primary {
            5 | 6 | 9 => StoreError::Busy(error.into()),
            13 => StoreError::Full(error.into()),
            8 | 10 | 14 | 15 => StoreError::Unavailable(error.into()),
            11 | 26 => StoreError::corrupt("the database file", error),
            _ => StoreError::Database(error.into()),
        };
    }
    // PostgreSQL, appendix A.
    match code {
        "40001" | "40P01" | "55P03" | "57014" | "53300" | "25P03" => StoreError::Busy(error.into()),
        "53100" => StoreError::Full(error.into()),
        "57P01" | "57P02" | "57P03" | "25006" | "53000" | "53200" | "58000" | "58030" => {
            StoreError::Unavailable(error.into())
        }
        "XX001" | "XX002" => StoreError::corrupt("the database", error),
        code if code.starts_with("08") => StoreError::Unavailable(error.into()),
        _ => StoreError::Database(error.into()),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(database) => {
                let code = database.code().map(Cow::into_owned).unwrap_or_default();
                of_code(&code, error)
            }
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
                Self::Unavailable(error.into())
            }
            E::PoolTimedOut => Self::Busy(error.into()),
            E::ColumnDecode { index, .. } => {
                let what = format!("column {index}");
                Self::corrupt(what, error)
            }
            E::Decode(_) | E::RowNotFound => Self::corrupt("a row", error),
            E::Configuration(_) => Self::Config(format!("the database address cannot be used: {error}")),
            _ => Self::Database(error.into()),
        }
    }
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        // That an object is absent is an answer where one asks for it; anywhere else the bucket is absent.
        StorageFault::of(&error).into()
    }
}

impl From<StorageFault> for StoreError {
    fn from(fault: StorageFault) -> Self {
        if fault.kind() == StorageFaultKind::Full {
            Self::Full(fault.into())
        } else {
            Self::Unavailable(fault.into())
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if is_full(&error) { Self::Full(error.into()) } else { Self::Unavailable(error.into()) }
    }
}

/// Whether somewhere down the chain a disk said that it is full (or the user's quota is).
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_same_for_everybody_who_waited_for_it() {
        let io = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let away = StoreError::from(io());
        assert!(away.is_transient() && away.again().is_transient());
        assert_eq!(causes(&away.again()), causes(&away));
        let full = StoreError::from(StorageFault::new(StorageFaultKind::Full, "the disk"));
        assert_eq!(full.again().storage_fault(), full.storage_fault());
        assert!(full.storage_fault().is_some());
        assert!(!StoreError::corrupt("a row", io()).again().is_transient());
    }

    #[test]
    fn the_codes_of_both_databases_become_what_a_caller_can_do() {
        let of = |code| of_code(code, sqlx::Error::RowNotFound);
        for code in ["5", "517", "6", "40001", "40P01", "55P03"] {
            assert!(matches!(of(code), StoreError::Busy(_)), "{code}");
        }
        for code in ["13", "53100"] {
            assert!(matches!(of(code), StoreError::Full(_)), "{code}");
        }
        for code in ["10", "522", "1032", "57P01", "08006"] {
            assert!(matches!(of(code), StoreError::Unavailable(_)), "{code}");
        }
        for code in ["11", "26", "XX001"] {
            assert!(matches!(of(code), StoreError::Corrupt { .. }), "{code}");
        }
        for code in ["1", "2067", "23505", ""] {
            assert!(matches!(of(code), StoreError::Database(_)), "{code}");
        }
    }
}
