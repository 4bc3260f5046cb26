//! Owns mail where there is no mail server: one `.eml` file each, and a line in the log that says where.
//! Refuses to make the files readable for others: they hold links that open accounts.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::message::{Message, Sender};
use crate::error::{Error, Result};

/// A folder that mail is written into.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    sender: Sender,
}

impl Folder {
    /// The folder at `path`, which is made with the first mail.
    pub fn new(path: impl Into<PathBuf>, sender: Sender) -> Self {
        Self { path: path.into(), sender }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder that is not there yet is made with the first mail.
    pub(super) async fn check(&self) -> Result<()> {
        match tokio::fs::metadata(&self.path).await {
            Ok(found) if !found.is_dir() || found.permissions().readonly() => Err(Error::Mail {
                reason: "the mail folder cannot be written to",
                transient: true,
                source: None,
            }),
            _ => Ok(()),
        }
    }

    pub(super) async fn send(&self, message: &Message, now: Timestamp, id: u128) -> Result<()> {
        let bytes = self.sender.write(message, now, id)?.formatted();
        // Names sort by time. A mail that is sent again replaces itself.
        let name = format!("{}-{:016x}.eml", now.strftime("%Y%m%dT%H%M%SZ"), id & u128::from(u64::MAX));
        let (folder, file) = (self.path.clone(), self.path.join(name));
        let written = {
            let file = file.clone();
            tokio::task::spawn_blocking(move || write(&folder, &file, &bytes)).await
        };
        match written.map_err(io::Error::other).and_then(|written| written) {
            Ok(()) => {
                tracing::info!(file = %file.display(), "mail_written");
                Ok(())
            }
            Err(error) => Err(Error::Mail {
                reason: "the mail folder cannot be written to",
                transient: true,
                source: Some(error.into()),
            }),
        }
    }
}

/// Whole or not at all: who watches the folder never reads half a mail.
fn write(folder: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut making = std::fs::DirBuilder::new();
    let mut opening = std::fs::OpenOptions::new();
    making.recursive(true);
    // What a killed process left of it is overwritten.
    opening.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        making.mode(0o700);
        opening.mode(0o600);
    }
    making.create(folder)?;
    let part = file.with_extension("part");
    let mut open = opening.open(&part)?;
    open.write_all(bytes)?;
    open.sync_all()?;
    std::fs::rename(&part, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_mail_lands_whole_in_the_folder_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("mail"), "skills@skaas.example".parse().unwrap());
        let message = Message {
            to: "ann@example.com".into(),
            subject: "Confirm".into(),
            text: "https://skaas.example/verify".into(),
            html: "<a href=\"https://skaas.example/verify\">verify</a>".into(),
        };
        for _ in 0..2 {
            folder.send(&message, "2026-11-20T12:00:00Z".parse().unwrap(), u128::MAX).await.unwrap();
        }
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files, [folder.path().join("20261120T120000Z-ffffffffffffffff.eml")]);
        let text = std::fs::read_to_string(&files[0]).unwrap();
        assert!(
            text.contains("To: ann@example.com") && text.contains("https://skaas.example/verify"),
            "{text}"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
