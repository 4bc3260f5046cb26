//! The journal of revocations: what was revoked, kept outside the database. A restored backup has forgotten every
//! revocation since it was made; the journal tells the operator what works again.
//!
//! One object per transaction, `journal/revoked/{yyyymmdd}/{microsecond}-{ID}.json`, with kinds, IDs and times: no
//! secrets, no hashes, no names. It is written after the commit. Written before, it would list revocations that were
//! then rolled back, and revoking would depend on object storage. The commit is what counts: an entry that cannot be
//! written is logged, and one that takes long is written in the background.

use std::{str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use object_store::{ObjectStoreExt as _, PutPayload, path::Path as Key};
use serde_json::{Value as Json, json};
use skaas_domain::id::{GrantId, OauthGrantId, SessionId, TokenId, UserId};

use crate::{
    counted,
    database::Store,
    error::{Result, StoreError},
    objects::Objects,
};

/// Where the entries are; below it is one folder per day.
const FOLDER: &str = "journal/revoked";
/// How long whoever revokes something waits for the entry.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many entries are read at once.
const AT_ONCE: usize = 16;

/// What was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// An API token.
    Token(TokenId),
    /// The authorization of an OAuth client.
    App(OauthGrantId),
    /// A browser session.
    Session(SessionId),
    /// A grant for a skill.
    Grant(GrantId),
    /// The whole account: it was deleted.
    User,
}

impl Revoked {
    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::App(_) => "app",
            Self::Session(_) => "session",
            Self::Grant(_) => "grant",
            Self::User => "user",
        }
    }
}

/// One revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// What was revoked.
    pub what: Revoked,
    /// Whose it was.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
}

impl Revocation {
    /// The ID of what was revoked.
    pub fn id(&self) -> String {
        match &self.what {
            Revoked::Token(id) => id.to_string(),
            Revoked::App(id) => id.to_string(),
            Revoked::Session(id) => id.to_string(),
            Revoked::Grant(id) => id.to_string(),
            Revoked::User => self.user.to_string(),
        }
    }

    fn to_json(self) -> Json {
        json!({ "kind": self.what.kind(), "id": self.id(), "user": self.user, "at": self.at.to_string() })
    }

    fn from_json(json: &Json) -> Option<Self> {
        fn field<T: FromStr>(json: &Json, name: &str) -> Option<T> {
            json.get(name)?.as_str()?.parse().ok()
        }
        let what = match json.get("kind")?.as_str()? {
            "token" => Revoked::Token(field(json, "id")?),
            "app" => Revoked::App(field(json, "id")?),
            "session" => Revoked::Session(field(json, "id")?),
            "grant" => Revoked::Grant(field(json, "id")?),
            "user" => Revoked::User,
            _ => return None,
        };
        Some(Self { what, user: field(json, "user")?, at: field(json, "at")? })
    }
}

/// Writes the revocations of one transaction. Never fails, and returns after [`PATIENCE`] at the latest.
pub(crate) async fn append(objects: Arc<Objects>, revocations: Vec<Revocation>) {
    let Some(first) = revocations.first() else { return };
    let name = format!("{FOLDER}/{}/{}-{}.json", day(first.at), first.at.as_microsecond(), first.id());
    let entries: Json = revocations.iter().map(|one| one.to_json()).collect();
    let text = entries.to_string();
    let write = async move {
        let put = async { Ok(objects.backend.put(&objects.key(&name), PutPayload::from(text)).await?) };
        if let Err(error) = counted::storage("put", put).await {
            let reason = crate::causes(&error);
            tracing::warn!(event = "revocations_not_journaled", count = revocations.len(), %reason);
        }
    };
    // A task of the runtime: it ends even if nobody waits any longer.
    let _ = tokio::time::timeout(PATIENCE, tokio::spawn(write)).await;
}

/// The name of the folder for this moment.
fn day(at: Timestamp) -> String {
    at.strftime("%Y%m%d").to_string()
}

impl Store {
    /// All revocations in the journal, in no particular order. Damaged entries are logged and left out.
    pub async fn revocations(&self) -> Result<Vec<Revocation>> {
        let folder = self.objects.key(FOLDER);
        let keys: Vec<Key> =
            self.objects.backend.list(Some(&folder)).map_ok(|meta| meta.location).try_collect().await?;
        let read = keys.into_iter().map(|key| async move {
            match self.objects.backend.get(&key).await {
                // Removed since it was listed, for its age.
                Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                found => Ok::<_, StoreError>(parse(&key, &found?.bytes().await?)),
            }
        });
        stream::iter(read).buffer_unordered(AT_ONCE).try_concat().await
    }

    /// Removes the entries of all days before the one of `before`. Returns how many. Any node may do so at any time.
    pub async fn forget_revocations(&self, before: Timestamp) -> Result<u64> {
        let oldest = day(before);
        let days = self.objects.backend.list_with_delimiter(Some(&self.objects.key(FOLDER))).await?;
        let mut count = 0;
        for folder in days.common_prefixes {
            if folder.filename().is_some_and(|name| name < oldest.as_str()) {
                count += self.forget_day(&folder).await?;
            }
        }
        Ok(count)
    }

    async fn forget_day(&self, folder: &Key) -> Result<u64> {
        let backend = &self.objects.backend;
        let keys: Vec<Key> = backend.list(Some(folder)).map_ok(|meta| meta.location).try_collect().await?;
        let mut count = 0;
        for key in &keys {
            match backend.delete(key).await {
                Ok(()) => count += 1,
                // Another node was faster.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(on_disk) = &self.objects.folder {
            // Fails if an entry has just been added; the next time will do.
            let _ = tokio::fs::remove_dir(on_disk.path.join(folder.as_ref())).await;
        }
        Ok(count)
    }
}

fn parse(key: &Key, bytes: &Bytes) -> Vec<Revocation> {
    let parsed: Option<Vec<Revocation>> = serde_json::from_slice::<Vec<Json>>(bytes)
        .ok()
        .and_then(|entries| entries.iter().map(Revocation::from_json).collect());
    parsed.unwrap_or_else(|| {
        tracing::warn!(event = "journal_entry_damaged", key = %key);
        Vec::new()
    })
}
