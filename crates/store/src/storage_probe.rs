//! Looks at object storage without leaving a trace: whether it can be written to, and whether what the
//! database names is there. For readiness and `doctor`; changing or deleting contents belongs elsewhere.

use std::{io::Write as _, path::Path};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutPayload};

use crate::{
    column::Value,
    contents::Content,
    database::Store,
    error::{Result, StoreError},
    objects::{Objects, PackPart},
    oid::Oid,
    sources::SourcePack,
    statement::{fetch_all, sql},
    storage_fault::{StorageFault, StorageFaultKind},
};

sql! {
    CONTENTS_AFTER = "SELECT tree, objects, bytes, created_at FROM contents WHERE tree > $1
        ORDER BY tree LIMIT $2";
    /// What was made of a content: `name version`, or `name (stub)`.
    USES = "SELECT s.name || ' ' || r.version AS value FROM releases r JOIN skills s ON s.id = r.skill_id
            WHERE r.tree = $1
        UNION SELECT s.name || ' (stub)' AS value FROM stubs t JOIN skills s ON s.id = t.skill_id
            WHERE t.tree = $1
        ORDER BY value";
    ALL_PACKS = "SELECT source_id, pack, bytes, objects, created_at, retired_at FROM source_packs
        WHERE retired_at IS NULL ORDER BY source_id, pack";
}

/// How much a probe writes: more than a file system keeps within its own tables.
const PROBE_BYTES: usize = 64 * 1024;

/// How a stored object compares with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// There, with the length that it should have.
    Whole,
    /// Not there.
    Missing,
    /// There, with another length.
    OtherLength,
}

impl Objects {
    /// Writes a little, and removes it again.
    async fn probe(&self) -> Result<()> {
        if let Some(folder) = &self.folder {
            let path = folder.path.clone();
            let tried = tokio::task::spawn_blocking(move || write_in(&path)).await;
            return Ok(tried.map_err(|error| StoreError::Unavailable(error.into()))??);
        }
        let bucket = self.probing.as_ref().unwrap_or(&self.backend);
        // A list first: an absent bucket answers other questions as an absent object would.
        bucket.list(Some(&self.key("probe"))).try_next().await?;
        let key = self.key("probe");
        bucket.put(&key, PutPayload::from_bytes(Bytes::from_static(&[0; 1024]))).await?;
        bucket.delete(&key).await?;
        Ok(())
    }

    async fn compare(&self, key: &object_store::path::Path, bytes: Option<i64>) -> Result<Stored> {
        match self.probing.as_ref().unwrap_or(&self.backend).head(key).await {
            Ok(found) if bytes.is_none_or(|bytes| found.size == bytes.unsigned_abs()) => Ok(Stored::Whole),
            Ok(_) => Ok(Stored::OtherLength),
            Err(object_store::Error::NotFound { .. }) => Ok(Stored::Missing),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes to a file without a name, which is gone when it is closed.
fn write_in(folder: &Path) -> Result<(), StorageFault> {
    let fault = |error: std::io::Error| match StorageFault::of_io(&error, &folder.display().to_string()) {
        // The folder was just there: a file in it could not be made.
        fault if fault.kind() == StorageFaultKind::Other => {
            StorageFault::new(StorageFaultKind::ReadOnly, fault)
        }
        fault => fault,
    };
    std::fs::read_dir(folder).map_err(fault)?;
    let mut file = unnamed_file(folder).map_err(fault)?;
    file.write_all(&vec![0; PROBE_BYTES]).and_then(|()| file.sync_data()).map_err(fault)
}

#[cfg(target_os = "linux")]
fn unnamed_file(folder: &Path) -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // Some network file systems know no files without a name.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => named_file(folder),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn unnamed_file(folder: &Path) -> std::io::Result<std::fs::File> {
    named_file(folder)
}

/// A file that loses its name at once.
fn named_file(folder: &Path) -> std::io::Result<std::fs::File> {
    let path = folder.join(format!(".probe-{}", std::process::id()));
    let file = std::fs::File::create(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl Store {
    /// Whether object storage takes what is written to it. Leaves nothing behind.
    ///
    /// # Errors
    /// The fault; [`StoreError::storage_fault`] names it.
    pub async fn probe_storage(&self) -> Result<()> {
        self.objects.probe().await
    }

    /// Up to `limit` contents in the order of their trees, after one.
    pub async fn contents_after(&self, after: Oid, limit: i64) -> Result<Vec<Content>> {
        fetch_all!(&mut self.read().await?, CONTENTS_AFTER, [after, limit])
    }

    /// Whether a content is where its row says.
    pub async fn compare_content(&self, content: &Content) -> Result<Stored> {
        self.objects.compare(&self.objects.content_key(content.tree), Some(content.bytes)).await
    }

    /// What is made of a content: skills and versions, for people.
    pub async fn uses_of_content(&self, tree: Oid) -> Result<Vec<String>> {
        let names: Vec<Value<String>> = fetch_all!(&mut self.read().await?, USES, [tree])?;
        Ok(names.into_iter().map(|Value(name)| name).collect())
    }

    /// The packs of all sources, without the retired.
    pub async fn all_source_packs(&self) -> Result<Vec<SourcePack>> {
        fetch_all!(&mut self.read().await?, ALL_PACKS, [])
    }

    /// Whether both files of a source's pack are where the row says.
    pub async fn compare_pack(&self, pack: &SourcePack) -> Result<Stored> {
        let key = |part| self.objects.pack_key(pack.source, pack.pack, part);
        match self.objects.compare(&key(PackPart::Pack), Some(pack.bytes)).await? {
            Stored::Whole => self.objects.compare(&key(PackPart::Index), None).await,
            other => Ok(other),
        }
    }
}
