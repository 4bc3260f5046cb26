//! Owns what a command says when it cannot do its work, and the exit code that says it to programs. Refuses
//! to print.

use std::fmt;

use crate::address::Address;

/// What kind of failure: a stable exit code each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It did not work.
    Failed,
    /// The command line or a setting cannot be taken.
    Usage,
    /// There is no token for this server, or it is refused.
    NotSignedIn,
    /// What was named does not exist.
    NotFound,
    /// The server, or the person asked, said no.
    Refused,
    /// The server could not be reached.
    Network,
    /// Ctrl-C.
    Interrupted,
}

impl Kind {
    /// All of them, by their code.
    pub(crate) const ALL: [Self; 7] = [
        Self::Failed,
        Self::Usage,
        Self::NotSignedIn,
        Self::NotFound,
        Self::Refused,
        Self::Network,
        Self::Interrupted,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotSignedIn => 3,
            Self::NotFound => 4,
            Self::Refused => 5,
            Self::Network => 6,
            Self::Interrupted => 130,
        }
    }

    /// What the code says, in the words of `--help`.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "wrong arguments or settings",
            Self::NotSignedIn => "not signed in",
            Self::NotFound => "not found",
            Self::Refused => "refused",
            Self::Network => "server out of reach",
            Self::Interrupted => "interrupted",
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotSignedIn => "not-signed-in",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Network => "network",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What happened, why, and what to run next.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) what: String,
    pub(crate) why: Option<String>,
    pub(crate) next: Option<String>,
}

/// What a command comes to.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: None, next: None }
    }

    pub(crate) fn why(self, why: impl fmt::Display) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// There is no token for this server here.
    pub(crate) fn not_signed_in(server: &Address) -> Self {
        Self::new(Kind::NotSignedIn, format!("not signed in to {server}")).next(server.auth())
    }

    /// The server knows the token no longer.
    pub(crate) fn token_refused(server: &Address) -> Self {
        Self::new(Kind::NotSignedIn, format!("{server} refuses the token of this device"))
            .why("it was revoked or has expired")
            .next(server.auth())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}
