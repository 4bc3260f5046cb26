//! Removes what failed and killed writes left behind: objects that no row names, contents that no release and
//! no stub uses, and the temporary files of a folder.
//!
//! A writer stores objects first and their rows second, so deleting "an object without a row" races with it.
//! Both sides meet under a lock: the sweep decides and deletes while new rows are kept out, and a writer checks,
//! with its rows written and before it commits, that the objects are still there
//! ([`Store::has_source_pack`], and the end of [`Store::put_contents`]). The age of an object only keeps the two
//! from getting in each other's way; no safety depends on a clock.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path as Key};
use skaas_domain::id::SourceId;

use super::{Objects, PackPart};
use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    database::Store,
    error::{Result, StoreError},
    oid::Oid,
    statement::{execute, fetch_all, fetch_one, sql},
};

sql! {
    /// Waits for who writes rows of these or has locked one, and keeps others from it. SQLite lets one transaction
    /// write at a time anyway.
    KEEP_ROWS_OUT = "SELECT 1", pg = "LOCK TABLE contents, source_packs IN EXCLUSIVE MODE";
    NAMED_CONTENTS = "SELECT tree AS value FROM contents";
    NAMED_PACKS = "SELECT source_id, pack FROM source_packs";
    UNUSED_CONTENTS = "SELECT tree, bytes FROM contents WHERE created_at < $1
        AND tree NOT IN (SELECT tree FROM releases) AND tree NOT IN (SELECT tree FROM stubs) ORDER BY tree";
    FORGET_CONTENT = "DELETE FROM contents WHERE tree = $1 AND created_at < $2
        AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.tree = contents.tree)
        AND NOT EXISTS (SELECT 1 FROM stubs WHERE stubs.tree = contents.tree)";
    COUNT_CONTENT = "SELECT count(*) AS value FROM contents WHERE tree = $1";
    COUNT_PACK = "SELECT count(*) AS value FROM source_packs WHERE source_id = $1 AND pack = $2";
    FORGET_RETIRED = "DELETE FROM source_packs WHERE source_id = $1 AND pack = $2 AND retired_at < $3";
}

/// How many deletions share a lock: few, since writers wait for it.
const AT_ONCE: usize = 16;

/// What a sweep found, or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Objects that no row names, and contents that nothing uses.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Temporary files of writes that never ended. A bucket has none: its lifecycle rules end uploads.
    pub temporary_files: u64,
    /// Their bytes.
    pub temporary_bytes: u64,
}

/// Something that may go.
#[derive(Debug, Clone, Copy)]
enum Stray {
    /// A content with a row that no release and no stub uses.
    Unused { tree: Oid, bytes: u64 },
    /// A content without a row.
    Content { tree: Oid, bytes: u64 },
    /// A file of a pack without a row.
    Pack { source: SourceId, pack: Oid, part: PackPart, bytes: u64 },
}

impl Stray {
    const fn bytes(&self) -> u64 {
        match self {
            Self::Unused { bytes, .. } | Self::Content { bytes, .. } | Self::Pack { bytes, .. } => *bytes,
        }
    }
}

struct UnusedContent {
    tree: Oid,
    bytes: i64,
}
record!(UnusedContent { tree: Oid, bytes: i64 });

struct NamedPack {
    source: SourceId,
    pack: Oid,
}
record!(NamedPack { source: SourceId = "source_id", pack: Oid });

impl Store {
    /// Counts what [`Store::sweep`] would remove, and changes nothing.
    pub async fn leftovers(&self, before: Timestamp) -> Result<Leftovers> {
        let strays = self.strays(before).await?;
        let (temporary_files, temporary_bytes) = self.temporary_files(before, false).await?;
        let object_bytes = strays.iter().map(Stray::bytes).sum();
        Ok(Leftovers { objects: strays.len() as u64, object_bytes, temporary_files, temporary_bytes })
    }

    /// Removes objects that no row names, contents that nothing uses, and temporary files, all of them last
    /// written before `before`. Any number of nodes may do so at any time.
    pub async fn sweep(&self, before: Timestamp) -> Result<Leftovers> {
        let (temporary_files, temporary_bytes) = self.temporary_files(before, true).await?;
        let mut swept = Leftovers { temporary_files, temporary_bytes, ..Leftovers::default() };
        for batch in self.strays(before).await?.chunks(AT_ONCE) {
            let mut tx = self.begin().await?;
            execute!(&mut tx, KEEP_ROWS_OUT, [])?;
            for stray in batch {
                if self.remove(&mut tx, stray, before).await? {
                    swept.objects += 1;
                    swept.object_bytes += stray.bytes();
                }
            }
            tx.commit().await?;
        }
        Ok(swept)
    }

    /// Removes the files of a pack that a failed push had stored, unless a row names it by now. Works on a full
    /// disk: nothing is written.
    pub async fn discard_source_pack(&self, source: SourceId, pack: Oid) -> Result<()> {
        let mut tx = self.begin().await?;
        execute!(&mut tx, KEEP_ROWS_OUT, [])?;
        if !is_named(&mut tx, source, pack).await? {
            self.delete_source_pack(source, pack).await?;
        }
        Ok(())
    }

    /// Deletes a pack that was retired before `before`: its row, then its files.
    pub async fn delete_retired_pack(&self, source: SourceId, pack: Oid, before: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        execute!(&mut tx, KEEP_ROWS_OUT, [])?;
        if execute!(&mut tx, FORGET_RETIRED, [source, pack, before])? == 1 {
            self.delete_source_pack(source, pack).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Whether both files of a pack are in object storage. Once its row is written in the caller's transaction
    /// the answer holds until that ends: a sweep waits.
    pub async fn has_source_pack(&self, source: SourceId, pack: Oid) -> Result<bool> {
        for part in [PackPart::Pack, PackPart::Index] {
            if self.objects.meta(&self.objects.pack_key(source, pack, part)).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn strays(&self, before: Timestamp) -> Result<Vec<Stray>> {
        // Objects first: one whose row is written in between is named by the time rows are read.
        let listed = self.objects.listed(before).await?;
        let mut conn = self.read().await?;
        let unused: Vec<UnusedContent> = fetch_all!(&mut conn, UNUSED_CONTENTS, [before])?;
        let contents: Vec<Value<Oid>> = fetch_all!(&mut conn, NAMED_CONTENTS, [])?;
        let packs: Vec<NamedPack> = fetch_all!(&mut conn, NAMED_PACKS, [])?;
        drop(conn);
        let contents: HashSet<Oid> = contents.into_iter().map(|Value(tree)| tree).collect();
        let packs: HashSet<(SourceId, Oid)> = packs.into_iter().map(|row| (row.source, row.pack)).collect();
        let mut strays: Vec<Stray> = unused
            .into_iter()
            .map(|row| Stray::Unused { tree: row.tree, bytes: row.bytes.unsigned_abs() })
            .collect();
        strays.extend(listed.into_iter().filter(|stray| match stray {
            Stray::Content { tree, .. } => !contents.contains(tree),
            Stray::Pack { source, pack, .. } => !packs.contains(&(*source, *pack)),
            Stray::Unused { .. } => false,
        }));
        Ok(strays)
    }

    /// Removes a stray if it still is one, now that no row can appear; whether it did.
    async fn remove(&self, tx: &mut Tx, stray: &Stray, before: Timestamp) -> Result<bool> {
        let key = match stray {
            Stray::Unused { tree, .. } => {
                if execute!(tx, FORGET_CONTENT, [tree, before])? == 0 {
                    return Ok(false);
                }
                return self.objects.delete(&self.objects.content_key(*tree)).await.map(|()| true);
            }
            Stray::Content { tree, .. } => {
                let Value(rows): Value<i64> = fetch_one!(tx, COUNT_CONTENT, [tree])?;
                if rows > 0 {
                    return Ok(false);
                }
                self.objects.content_key(*tree)
            }
            Stray::Pack { source, pack, part, .. } => {
                if is_named(tx, *source, *pack).await? {
                    return Ok(false);
                }
                self.objects.pack_key(*source, *pack, *part)
            }
        };
        match self.objects.meta(&key).await? {
            Some(meta) if is_older(&meta, before) => self.objects.delete(&key).await.map(|()| true),
            // It was written again: by a push that has yet to write its row.
            _ => Ok(false),
        }
    }

    /// Counts temporary files and their bytes; removes them when asked to.
    async fn temporary_files(&self, before: Timestamp, remove: bool) -> Result<(u64, u64)> {
        let Some(folder) = &self.objects.folder else { return Ok((0, 0)) };
        let path = folder.path.clone();
        let walk = move || {
            let (mut count, mut bytes) = (0, 0);
            for (file, length) in temporary_files_in(&path, before)? {
                if remove && let Err(error) = fs::remove_file(&file) {
                    if error.kind() == io::ErrorKind::NotFound {
                        continue;
                    }
                    return Err(error);
                }
                count += 1;
                bytes += length;
            }
            Ok((count, bytes))
        };
        let walked = tokio::task::spawn_blocking(walk).await;
        Ok(walked.map_err(|error| StoreError::Unavailable(error.into()))??)
    }
}

async fn is_named(conn: &mut Conn, source: SourceId, pack: Oid) -> Result<bool> {
    let Value(rows): Value<i64> = fetch_one!(conn, COUNT_PACK, [source, pack])?;
    Ok(rows > 0)
}

impl Objects {
    /// What is stored under keys of ours and was last written before `before`.
    async fn listed(&self, before: Timestamp) -> Result<Vec<Stray>> {
        let mut found = Vec::new();
        for folder in ["contents", "sources"] {
            let mut listing = self.backend.list(Some(&self.key(folder)));
            while let Some(meta) = listing.try_next().await? {
                if is_older(&meta, before) {
                    // A key of another form is not ours to delete.
                    found.extend(self.parse(&meta.location, meta.size));
                }
            }
        }
        Ok(found)
    }

    fn parse(&self, key: &Key, bytes: u64) -> Option<Stray> {
        let mut parts = key.as_ref().strip_prefix(&self.prefix)?.split('/');
        let (kind, folder, name) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        if kind == "contents" {
            let tree = format!("{folder}{name}").parse().ok().filter(|_| folder.len() == 2)?;
            return Some(Stray::Content { tree, bytes });
        }
        let (pack, ending) = name.split_once('.')?;
        let part = match ending {
            "pack" => PackPart::Pack,
            "idx" => PackPart::Index,
            _ => return None,
        };
        Some(Stray::Pack { source: folder.parse().ok()?, pack: pack.parse().ok()?, part, bytes })
    }

    /// What is known of an object; `None` when it is not there.
    async fn meta(&self, key: &Key) -> Result<Option<ObjectMeta>> {
        match self.backend.head(key).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object; that it is gone already is no error.
    async fn delete(&self, key: &Key) -> Result<()> {
        match self.backend.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_older(meta: &ObjectMeta, before: Timestamp) -> bool {
    meta.last_modified.timestamp_micros() < before.as_microsecond()
}

/// The files that the storage library writes before it gives them their name: it ends in `#` and a number.
fn temporary_files_in(folder: &Path, before: Timestamp) -> io::Result<Vec<(PathBuf, u64)>> {
    let before = std::time::SystemTime::from(before);
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A file may be given its name, or go, between the listing and the look at it.
            let Ok(metadata) = entry.metadata() else { continue };
            let name = entry.file_name();
            if metadata.is_dir() {
                open.push(entry.path());
            } else if is_temporary(&name.to_string_lossy()) && metadata.modified()? < before {
                found.push((entry.path(), metadata.len()));
            }
        }
    }
    Ok(found)
}

fn is_temporary(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_library_names_so_is_temporary() {
        assert!(is_temporary("cdef#1") && is_temporary("0a.pack#12"));
        for name in ["cdef", "cdef#", "cdef#1a", "0a.pack", "#x1"] {
            assert!(!is_temporary(name), "{name}");
        }
    }
}
