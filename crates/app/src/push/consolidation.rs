//! Owns the merging of many small packs of a source into one. Refuses to change anything that anybody sees: a
//! failure is only logged.

use std::sync::Arc;

use jiff::SignedDuration;
use skaas_domain::id::SourceId;
use skaas_git::{
    ObjectId,
    source_repo::{PackName, SourceRepo},
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
    let merged = blocking(move || worker.consolidate(&tips)).await?.map_err(Error::internal)?;
    let (Some(name), Some(pack), Some(index)) = (merged.name(), merged.pack_path(), merged.index_path())
    else {
        return Ok(());
    };
    source_copy::put(&app.store, source, name, &pack, &index).await?;
    let bytes = std::fs::metadata(&pack).map_err(Error::internal)?.len();
    let now = app.now();
    let row = SourcePack {
        source,
        pack: stored(name.0),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        objects: i64::from(merged.objects()),
        created_at: now,
        retired_at: None,
    };
    let mut tx = app.store.begin().await?;
    let Some(holder) = sources::find_by_id(&mut tx, source).await? else { return Ok(()) };
    // Holds off other nodes' pushes to this source until this is committed.
    sources::set_problems(&mut tx, source, &holder.problems).await?;
    let mut known: Vec<PackName> =
        sources::packs(&mut tx, source).await?.iter().map(|pack| PackName(oid(pack.pack))).collect();
    known.sort_unstable();
    if known != before {
        // Another node has taken a push meanwhile, which may rely on an object that would go.
        return Ok(());
    }
    sources::add_pack(&mut tx, &row).await?;
    for old in merged.replaces() {
        sources::retire_pack(&mut tx, source, stored(old.0), now).await?;
    }
    tx.commit().await?;
    repo.accept_consolidated(merged).map_err(Error::internal)?;
    Ok(())
}

/// How long a merged pack's parts stay in object storage: for readers on other nodes that began before.
const RETIRED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Deletes packs that others replaced long enough ago.
pub(crate) async fn sweep(app: &App) -> Result<()> {
    let Ok(before) = app.now().checked_sub(RETIRED_FOR) else { return Ok(()) };
    let mut conn = app.store.read().await?;
    let retired = sources::retired_packs(&mut conn, before).await?;
    drop(conn);
    for pack in retired {
        app.store.delete_source_pack(pack.source, pack.pack).await?;
        let mut tx = app.store.begin().await?;
        sources::forget_pack(&mut tx, pack.source, pack.pack).await?;
        tx.commit().await?;
    }
    Ok(())
}
