//! Merges the many small packs of a source. Nobody sees a difference, so a failure is only logged.

use std::sync::Arc;

use jiff::SignedDuration;
use skaas_domain::id::SourceId;
use skaas_git::{
    ObjectId,
    source_repo::{Consolidated, PackName, RepoError, SourceRepo},
};
use skaas_store::sources::{self, SourcePack};

use super::source_copy::{self, blocking};
use crate::{
    app::App,
    error::{Error, Result},
    oid::{oid, stored},
};

/// Merges the packs when there are many. The caller holds off other pushes to this source on this node.
pub(super) async fn run(app: &App, source: SourceId, repo: &Arc<SourceRepo>) {
    if repo.wants_consolidation()
        && let Err(error) = merge(app, source, repo).await
    {
        tracing::warn!(event = "consolidation_failed", causes = ?error);
    }
}

async fn merge(app: &App, source: SourceId, repo: &Arc<SourceRepo>) -> Result<()> {
    let mut conn = app.store.read().await?;
    let tips: Vec<ObjectId> =
        sources::refs(&mut conn, source).await?.into_iter().map(|r| oid(r.target)).collect();
    drop(conn);
    let before = repo.packs();
    let worker = Arc::clone(repo);
    let merge = move || match worker.consolidate_recent()? {
        Some(merged) => Ok(merged),
        None => worker.consolidate(&tips),
    };
    let merged = blocking(merge).await?.map_err(|error: RepoError| Error::internal(error))?;
    let (Some(name), Some(pack), Some(index)) = (merged.name(), merged.pack_path(), merged.index_path())
    else {
        return Ok(());
    };
    let bytes = std::fs::metadata(&pack).map_err(Error::internal)?.len();
    let row = SourcePack {
        source,
        pack: stored(name.0),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        objects: i64::from(merged.objects()),
        created_at: app.now(),
        retired_at: None,
    };
    let put = source_copy::put(&app.store, source, name, &pack, &index).await;
    let swapped = match put {
        Ok(()) => swap(app, &row, &merged, &before).await,
        Err(error) => Err(error),
    };
    if !matches!(swapped, Ok(true)) {
        source_copy::discard(app, source, row.pack).await;
    }
    if swapped? {
        repo.accept_consolidated(merged).map_err(Error::internal)?;
    }
    Ok(())
}

/// Puts the merged pack in the place of those it was made of, unless the source changed meanwhile.
async fn swap(app: &App, row: &SourcePack, merged: &Consolidated, before: &[PackName]) -> Result<bool> {
    let source = row.source;
    let mut tx = app.store.begin().await?;
    let Some(holder) = sources::find_by_id(&mut tx, source).await? else { return Ok(false) };
    // Holds off other nodes' pushes to this source until this is committed.
    sources::set_problems(&mut tx, source, &holder.problems).await?;
    let mut known: Vec<PackName> =
        sources::packs(&mut tx, source).await?.iter().map(|pack| PackName(oid(pack.pack))).collect();
    known.sort_unstable();
    if known != before {
        // Another node has taken a push meanwhile, which may rely on an object that would go.
        return Ok(false);
    }
    sources::add_pack(&mut tx, row).await?;
    if !app.store.has_source_pack(source, row.pack).await? {
        return Ok(false);
    }
    for old in merged.replaces() {
        sources::retire_pack(&mut tx, source, stored(old.0), row.created_at).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// How long the packs that were merged stay in object storage: for readers on other nodes that are about to
/// fetch them, and for a backup that copies the database first and objects after it.
const RETIRED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Deletes packs that others replaced long enough ago.
pub(crate) async fn delete_retired(app: &App) -> Result<()> {
    let Ok(before) = app.now().checked_sub(RETIRED_FOR) else { return Ok(()) };
    let mut conn = app.store.read().await?;
    let retired = sources::retired_packs(&mut conn, before).await?;
    drop(conn);
    for pack in retired {
        app.store.delete_retired_pack(pack.source, pack.pack, before).await?;
    }
    Ok(())
}
