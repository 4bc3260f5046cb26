//! Owns this node's copy of a source's packs: made from object storage when it is missing, lost without harm.
//! Refuses to be the place where packs live.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use skaas_domain::id::SourceId;
use skaas_git::source_repo::{Ingested, PackName, RepoError, SourceRepo};
use skaas_store::{PackPart, Store, sources, sources::SourcePack};

use crate::{
    app::App,
    code::Kind,
    error::{Error, Result},
    oid::{oid, stored},
};

/// How often the list of packs is read again because one of them was merged into another meanwhile.
const TRIES: usize = 4;

fn folder(app: &App, source: SourceId) -> PathBuf {
    app.config.scratch.join("sources").join(source.to_string())
}

/// Opens the copy, with the packs that the database names and no others: what a push left behind that was
/// never committed must not be built upon. The caller holds the source.
pub(super) async fn open(app: &App, source: SourceId) -> Result<Arc<SourceRepo>> {
    let dir = folder(app, source);
    let opened = dir.clone();
    let repo = Arc::new(blocking(move || open_folder(&opened)).await?.map_err(Error::internal)?);
    for _ in 0..TRIES {
        let mut conn = app.store.read().await?;
        let packs = sources::packs(&mut conn, source).await?;
        drop(conn);
        match bring_up_to(app, source, &repo, packs).await {
            // Another node merged it, and nobody needs it any more: what is named now is there.
            Err(error) if error.kind() == Kind::NotFound => {}
            outcome => return outcome.map(|()| repo),
        }
    }
    Err(Error::internal(format!("packs of {source} are missing in object storage")))
}

/// Removes the packs that are not named, and fetches those that are missing.
async fn bring_up_to(
    app: &App,
    source: SourceId,
    repo: &Arc<SourceRepo>,
    packs: Vec<SourcePack>,
) -> Result<()> {
    let here = repo.packs();
    let strays = strays(&here, &packs);
    if !strays.is_empty() {
        let repo = Arc::clone(repo);
        blocking(move || repo.remove_packs(&strays)).await?.map_err(Error::internal)?;
    }
    for pack in packs {
        let name = PackName(oid(pack.pack));
        if here.contains(&name) {
            continue;
        }
        fetch(&app.store, source, pack.pack, name, repo.dir()).await?;
        let repo = Arc::clone(repo);
        blocking(move || repo.add_pack(name)).await?.map_err(Error::internal)?;
    }
    Ok(())
}

/// Packs in a copy that the database does not name.
pub(super) fn strays(here: &[PackName], named: &[SourcePack]) -> Vec<PackName> {
    let named: HashSet<PackName> = named.iter().map(|pack| PackName(oid(pack.pack))).collect();
    here.iter().copied().filter(|pack| !named.contains(pack)).collect()
}

/// Opens the folder as it should have been left: what a push that was killed left in it goes, and a copy that a
/// loss of power damaged goes as a whole, to be made again.
pub(super) fn open_folder(dir: &Path) -> Result<SourceRepo, RepoError> {
    let repo = match SourceRepo::open(dir) {
        Err(error @ RepoError::Damaged { .. }) => {
            tracing::warn!(event = "source_copy_damaged", reason = %error, "it is made again");
            std::fs::remove_dir_all(dir).map_err(|source| RepoError::Io {
                act: "remove",
                path: dir.to_owned(),
                source,
            })?;
            SourceRepo::open(dir)?
        }
        opened => opened?,
    };
    repo.clear_leftovers()?;
    Ok(repo)
}

async fn fetch(
    store: &Store,
    source: SourceId,
    pack: skaas_store::Oid,
    name: PackName,
    dir: &Path,
) -> Result<()> {
    // The index last: a folder with a pack and no index is one that nobody reads.
    store.get_source_pack(source, pack, PackPart::Pack, &dir.join(name.pack_file())).await?;
    store.get_source_pack(source, pack, PackPart::Index, &dir.join(name.index_file())).await?;
    Ok(())
}

/// Copies a quarantined pack to where packs live; the row that makes it count is the caller's to write.
pub(super) async fn keep(
    app: &App,
    source: SourceId,
    ingested: &Ingested,
    now: Timestamp,
) -> Result<Option<SourcePack>> {
    let (Some(name), Some(pack), Some(index)) =
        (ingested.name(), ingested.pack_path(), ingested.index_path())
    else {
        return Ok(None);
    };
    if let Err(error) = put(&app.store, source, name, &pack, &index).await {
        discard(app, source, stored(name.0)).await;
        return Err(error);
    }
    Ok(Some(SourcePack {
        source,
        pack: stored(name.0),
        bytes: i64::try_from(ingested.pack_bytes()).unwrap_or(i64::MAX),
        objects: i64::from(ingested.objects()),
        created_at: now,
        retired_at: None,
    }))
}

/// Removes what a failed push had copied there. A sweep does so later where this fails as well.
pub(super) async fn discard(app: &App, source: SourceId, pack: skaas_store::Oid) {
    if let Err(error) = app.store.discard_source_pack(source, pack).await {
        tracing::warn!(event = "stray_pack", reason = %error);
    }
}

/// Copies both files of a pack to where packs live.
pub(super) async fn put(
    store: &Store,
    source: SourceId,
    name: PackName,
    pack: &Path,
    index: &Path,
) -> Result<()> {
    let id = stored(name.0);
    store.put_source_pack(source, id, PackPart::Pack, pack).await?;
    store.put_source_pack(source, id, PackPart::Index, index).await?;
    Ok(())
}

/// Work that blocks its thread.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}
