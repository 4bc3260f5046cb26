//! The parts of a node: how each is looked at, and how often.

use std::io::Write as _;

use jiff::SignedDuration;

use super::{Trouble, contents};
use crate::{app::App, error::causes};

/// One thing that a node depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The database answers.
    Database,
    /// Its schema is the one that this program made.
    Schema,
    /// Object storage takes what is written.
    Storage,
    /// What the database names is in object storage, and whole.
    Contents,
    /// The folder for pushes under way takes what is written.
    Scratch,
    /// Redis answers, where nodes count requests together.
    Counts,
    /// The mail server takes mail, where there is one.
    Mail,
}

impl Part {
    /// Every part, in the order in which they are reported.
    pub const ALL: [Self; 7] = [
        Self::Database,
        Self::Schema,
        Self::Storage,
        Self::Contents,
        Self::Scratch,
        Self::Counts,
        Self::Mail,
    ];

    /// The word for it in metrics, in the log and in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Storage => "storage",
            Self::Contents => "contents",
            Self::Scratch => "scratch",
            Self::Counts => "redis",
            Self::Mail => "mail",
        }
    }

    /// What its trouble means, for anybody: no reasons, no addresses.
    pub const fn trouble(self) -> &'static str {
        match self {
            Self::Database => "the database does not answer",
            Self::Schema => "the database has another schema than this program",
            Self::Storage => "object storage refuses writes",
            Self::Contents => "stored contents are missing or damaged",
            Self::Scratch => "the data folder refuses writes",
            Self::Counts => "Redis does not answer; requests are counted on each node alone",
            Self::Mail => "the mail server does not take mail",
        }
    }

    /// Whether a node without it can do nothing useful. Of contents, only the check itself can say.
    pub(super) const fn is_needed(self) -> bool {
        matches!(self, Self::Database | Self::Schema | Self::Storage)
    }

    /// How long an answer holds.
    pub(super) const fn every(self) -> SignedDuration {
        SignedDuration::from_secs(match self {
            Self::Database => 1,
            Self::Schema | Self::Storage | Self::Contents | Self::Scratch => 30,
            Self::Counts => 10,
            Self::Mail => 300,
        })
    }

    pub(super) async fn check(self, app: &App) -> Result<(), Trouble> {
        let outcome = match self {
            Self::Database => app.store.ping().await.map_err(|error| causes(&error)),
            Self::Schema => app.store.check_schema().await.map_err(|error| causes(&error)),
            Self::Storage => app.store.probe_storage().await.map_err(|error| causes(&error)),
            Self::Contents => return contents::sample(app).await,
            Self::Scratch => write_to_scratch(app).await.map_err(|error| causes(&error)),
            Self::Counts => app.rates.check().await.map_err(|error| causes(&error)),
            Self::Mail => match &app.third_parties.mailer {
                Some(mailer) => mailer.check().await.map_err(|error| causes(&error)),
                None => Ok(()),
            },
        };
        outcome.map_err(|reason| Trouble { reason, stops: self.is_needed() })
    }
}

/// Pushes are received into a file: a little is written to one that has no name.
async fn write_to_scratch(app: &App) -> std::io::Result<()> {
    let folder = app.config.scratch.clone();
    let tried = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::tempfile_in(&folder)?;
        file.write_all(&vec![0; 64 * 1024])
    });
    tried.await.map_err(std::io::Error::other)?
}
