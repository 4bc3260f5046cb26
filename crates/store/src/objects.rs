//! Owns object storage: a folder or a bucket, and the keys in it. Refuses to know what is in an object.
//!
//! Keys: `contents/ab/cdef…` (a bundle by its tree's id), `sources/{source id}/{pack}.pack` and `.idx`,
//! `journal/…` (see [`crate::journal`]).
//! A key is written once and never changed, so that a reader may keep what it has read.

mod sweep;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, WriteMultipart,
    aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Key,
};
use skaas_domain::id::SourceId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    config::{ObjectsConfig, S3Config},
    counted,
    database::Store,
    error::{Result, StoreError},
    oid::Oid,
    storage_fault::StorageFault,
};

pub use sweep::Leftovers;
#[cfg(feature = "testing")]
pub(crate) use sweep::STATEMENTS;

/// What is larger goes up in parts.
const ONE_PUT: usize = 16 << 20;
/// The length of a part. S3 takes up to 10 000, so that an object may have 80 GB.
const PART: usize = 8 << 20;
/// How many parts are on their way at once.
const PARTS_AT_ONCE: usize = 4;

/// How long a probe of a bucket may take for each of its requests.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// Whether a whole file system can be told to write what it holds back.
const CAN_SETTLE: bool = cfg!(target_os = "linux");

/// One of the two files of a source's pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackPart {
    /// The pack.
    Pack,
    /// Its index.
    Index,
}

/// The object storage.
pub(crate) struct Objects {
    pub(crate) backend: Arc<dyn ObjectStore>,
    /// What every key begins with; empty, or ends in a slash.
    prefix: String,
    /// What and where it is, for people.
    pub(crate) description: String,
    /// The folder, if it is one.
    pub(crate) folder: Option<Folder>,
    /// The bucket, asked once and not for long: for probes.
    pub(crate) probing: Option<Arc<dyn ObjectStore>>,
}

/// What a folder can do that a bucket cannot, or need not.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Writes without waiting for the disk: for batches, which [`Objects::settle`] ends.
    hasty: Arc<dyn ObjectStore>,
}

impl Objects {
    /// Opens the storage; makes the folder when absent.
    pub(crate) fn open(config: &ObjectsConfig) -> Result<Self> {
        if let ObjectsConfig::Folder { path } = config {
            std::fs::create_dir_all(path)
                .map_err(|error| StorageFault::of_io(&error, &path.display().to_string()))?;
        }
        Self::look(config)
    }

    /// Opens the storage as it is.
    pub(crate) fn look(config: &ObjectsConfig) -> Result<Self> {
        match config {
            ObjectsConfig::Folder { path } => Self::folder(path),
            ObjectsConfig::S3(config) => Self::s3(config),
        }
    }

    fn folder(path: &Path) -> Result<Self> {
        // Look first: the library would hide the file system's reason behind its own message.
        std::fs::read_dir(path).map_err(|error| StorageFault::of_io(&error, &path.display().to_string()))?;
        let hasty = LocalFileSystem::new_with_prefix(path)?;
        // After a power cut, no release row may be left without its content.
        let backend = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
        Ok(Self {
            backend: Arc::new(backend),
            prefix: String::new(),
            description: format!("folder {}", path.display()),
            folder: Some(Folder { path: path.to_owned(), hasty: Arc::new(hasty) }),
            probing: None,
        })
    }

    fn s3(config: &S3Config) -> Result<Self> {
        let backend = Self::bucket(config, 5, Duration::from_mins(2))?;
        let probing = Self::bucket(config, 0, PROBE_PATIENCE)?;
        let prefix = match config.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let at = config.endpoint.as_deref().unwrap_or(&config.region);
        let description = format!("S3 bucket {} at {at}", config.bucket);
        Ok(Self { backend, prefix, description, folder: None, probing: Some(probing) })
    }

    fn bucket(config: &S3Config, max_retries: usize, patience: Duration) -> Result<Arc<dyn ObjectStore>> {
        let retry = RetryConfig {
            max_retries,
            retry_timeout: Duration::from_secs(30),
            backoff: BackoffConfig::default(),
        };
        let client = ClientOptions::new()
            .with_timeout(patience)
            .with_connect_timeout(Duration::from_secs(5).min(patience));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_retry(retry)
            .with_client_options(client)
            .with_allow_http(config.allow_http);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(id) = &config.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(secret) = &config.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        let backend = builder
            .build()
            .map_err(|error| StoreError::Config(format!("the S3 settings cannot be used: {error}")))?;
        Ok(Arc::new(backend))
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        Key::from(format!("{}{name}", self.prefix))
    }

    pub(crate) fn content_key(&self, tree: Oid) -> Key {
        let hex = tree.to_string();
        self.key(&format!("contents/{}/{}", &hex[..2], &hex[2..]))
    }

    pub(crate) fn pack_key(&self, source: SourceId, pack: Oid, part: PackPart) -> Key {
        let ending = match part {
            PackPart::Pack => "pack",
            PackPart::Index => "idx",
        };
        self.key(&format!("sources/{source}/{pack}.{ending}"))
    }

    /// Stores a content. In haste it lasts only once [`Objects::settle`] has said so.
    pub(crate) async fn put_content(&self, tree: Oid, data: Bytes, haste: bool) -> Result<()> {
        let key = self.content_key(tree);
        let backend = match &self.folder {
            Some(folder) if haste && CAN_SETTLE => &folder.hasty,
            _ => &self.backend,
        };
        if data.len() <= ONE_PUT {
            backend.put(&key, PutPayload::from_bytes(data)).await?;
            return Ok(());
        }
        let upload = backend.put_multipart(&key).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut rest = data;
        while !rest.is_empty() {
            if let Err(error) = writer.wait_for_capacity(PARTS_AT_ONCE).await {
                return Self::abandon(writer, error.into()).await;
            }
            writer.put(rest.split_to(rest.len().min(PART)));
        }
        writer.finish().await?;
        Ok(())
    }

    /// Waits until all that was put in haste is on the disk: one wait for a whole batch, where each file's
    /// own would be several milliseconds.
    #[cfg(target_os = "linux")]
    pub(crate) async fn settle(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.path.clone();
        let sync = move || rustix::fs::syncfs(std::fs::File::open(path)?).map_err(std::io::Error::from);
        let synced = tokio::task::spawn_blocking(sync).await;
        Ok(synced.map_err(|error| StoreError::Unavailable(error.into()))??)
    }

    /// Nothing is put in haste here.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_async, reason = "it has to wait where batches are settled")]
    pub(crate) async fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// Aborts a failed upload and returns the original error.
    async fn abandon(writer: WriteMultipart, why: StoreError) -> Result<()> {
        if let Err(error) = writer.abort().await {
            tracing::warn!(%error, "upload_not_aborted");
        }
        Err(why)
    }

    pub(crate) async fn has_content(&self, tree: Oid) -> Result<bool> {
        match self.backend.head(&self.content_key(tree)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn get_content(&self, tree: Oid) -> Result<Bytes> {
        match self.backend.get(&self.content_key(tree)).await {
            Ok(found) => Ok(found.bytes().await?),
            Err(object_store::Error::NotFound { .. }) => Err(StoreError::Missing("content")),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_file(&self, key: &Key, from: &Path) -> Result<()> {
        let mut file = tokio::fs::File::open(from).await?;
        let length = file.metadata().await?.len();
        if length <= ONE_PUT as u64 {
            let mut data = Vec::new();
            file.read_to_end(&mut data).await?;
            self.backend.put(key, PutPayload::from(data)).await?;
            return Ok(());
        }
        let upload = self.backend.put_multipart(key).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        loop {
            if let Err(error) = writer.wait_for_capacity(PARTS_AT_ONCE).await {
                return Self::abandon(writer, error.into()).await;
            }
            let mut part = Vec::with_capacity(PART);
            if let Err(error) = (&mut file).take(PART as u64).read_to_end(&mut part).await {
                return Self::abandon(writer, error.into()).await;
            }
            if part.is_empty() {
                break;
            }
            writer.put(part.into());
        }
        writer.finish().await?;
        Ok(())
    }

    /// Streams into a file beside `to`, then gives it that name: `to` is whole or not there.
    async fn get_file(&self, key: &Key, to: &Path) -> Result<()> {
        let found = match self.backend.get(key).await {
            Err(object_store::Error::NotFound { .. }) => return Err(StoreError::Missing("source pack")),
            found => found?,
        };
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let partial = to.with_file_name(name);
        let mut file = tokio::fs::File::create(&partial).await?;
        let mut stream = found.into_stream();
        while let Some(piece) = stream.try_next().await? {
            file.write_all(&piece).await?;
        }
        file.sync_all().await?;
        drop(file);
        tokio::fs::rename(&partial, to).await?;
        Ok(())
    }
}

impl Store {
    /// Copies one file of a source's pack into object storage. Large ones go up in parts.
    pub async fn put_source_pack(
        &self,
        source: SourceId,
        pack: Oid,
        part: PackPart,
        from: &Path,
    ) -> Result<()> {
        counted::storage("put", self.objects.put_file(&self.objects.pack_key(source, pack, part), from)).await
    }

    /// Copies one file of a source's pack out of object storage; `to` then is whole, or does not exist.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it is not there.
    pub async fn get_source_pack(
        &self,
        source: SourceId,
        pack: Oid,
        part: PackPart,
        to: &Path,
    ) -> Result<()> {
        counted::storage("get", self.objects.get_file(&self.objects.pack_key(source, pack, part), to)).await
    }

    /// Deletes both files of a source's pack; that they are gone already is no error.
    pub async fn delete_source_pack(&self, source: SourceId, pack: Oid) -> Result<()> {
        for part in [PackPart::Index, PackPart::Pack] {
            match self.objects.backend.delete(&self.objects.pack_key(source, pack, part)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
