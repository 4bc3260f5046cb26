//! Owns sending mail: over SMTP, or into a folder where there is none. Refuses to write the texts.
//!
//! Where mail goes is the operator's own configuration, so the egress guard is not asked: a relay stands on
//! the same machine or network more often than not.

mod folder;
mod message;
mod smtp;

pub use folder::Folder;
pub use message::{Message, Sender};
pub use smtp::{Security, Smtp, SmtpConfig};

use jiff::Timestamp;

use crate::error::Result;

/// What sends mail.
pub enum Mailer {
    /// Hands it to a mail server.
    Smtp(Smtp),
    /// Writes it down for the operator to read.
    Folder(Folder),
}

impl Mailer {
    /// Whether mail would be taken: the server answers and accepts the password. Sends nothing.
    ///
    /// # Errors
    /// [`Error::Mail`](crate::Error::Mail), or for a folder that it cannot be written to.
    pub async fn check(&self) -> Result<()> {
        match self {
            Self::Smtp(smtp) => smtp.check().await,
            Self::Folder(folder) => folder.check().await,
        }
    }

    /// Sends `message`, dated `date`. `id` becomes its Message-ID: a mail that is sent again with the same `id` is the
    /// same mail to whoever receives both. Returns once the server or the disk has it.
    ///
    /// # Errors
    /// [`Error::Mail`](crate::Error::Mail), which says whether a later attempt may help.
    pub async fn send(&self, message: &Message, date: Timestamp, id: u128) -> Result<()> {
        match self {
            Self::Smtp(smtp) => smtp.send(message, date, id).await,
            Self::Folder(folder) => folder.send(message, date, id).await,
        }
    }
}
