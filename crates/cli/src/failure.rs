//! Why a command failed: what happened, why, what to do next, and the exit code. Printing is `output`'s.

use std::fmt;

use crate::address::Address;

/// The kind of a failure. Each has a stable exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any other failure.
    Failed,
    /// Invalid arguments or settings.
    Usage,
    /// There is no token for this server, or the server rejects it.
    NotSignedIn,
    /// What was named does not exist.
    NotFound,
    /// The server or the user said no.
    Refused,
    /// The server is unreachable.
    Network,
    /// Ctrl-C.
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of its exit code.
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

    /// The meaning of the exit code, for `--help` and the manual.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "invalid arguments or settings",
            Self::NotSignedIn => "not signed in",
            Self::NotFound => "not found",
            Self::Refused => "refused",
            Self::Network => "server unreachable",
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

/// What happened, why, and what to do next.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) what: String,
    pub(crate) why: Option<String>,
    pub(crate) next: Option<String>,
}

/// The result of a command or a part of one.
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

    /// This machine has no token for the server.
    pub(crate) fn not_signed_in(server: &Address) -> Self {
        Self::new(Kind::NotSignedIn, format!("not signed in to {server}")).next(server.auth())
    }

    /// The server rejects the token.
    pub(crate) fn token_refused(server: &Address) -> Self {
        Self::new(Kind::NotSignedIn, format!("{server} rejected this machine's token"))
            .why("the token was revoked or has expired")
            .next(server.auth())
    }

    /// The server sent something that is not safe to write or to run.
    pub(crate) fn untrusted(server: &Address, what: &str) -> Self {
        Self::new(Kind::Refused, format!("{server} sent {what}"))
            .why("it could be used to run commands here or to send your token elsewhere, so it was ignored")
            .next("check the address of the server; if it is right, tell its operator")
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
