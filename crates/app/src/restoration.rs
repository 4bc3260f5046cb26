//! The use case after a backup was restored. Copies made since the backup may hold steps that the database no longer
//! knows: they would call themselves up to date, and keep what they show.

use skaas_domain::id::UserId;
use skaas_store::steps::{self, Advance, Repo, Step, Tip};

use crate::{
    app::App,
    error::Result,
    lineage::commit_date,
    oid::{oid, stored},
    render::restored_step,
};

/// How many lineages go on in one transaction.
const AT_ONCE: u32 = 200;

/// Lets every lineage go on by a step that no copy can have yet, and that shows what the one before it shows; how
/// many lineages. Copies from before the backup fast-forward to it. Copies that are ahead of it are told to clone
/// again. Doing it twice does no harm.
///
/// A lineage that began after the backup is unknown here, and begins once more like that of a new user.
pub async fn branch_off(app: &App) -> Result<u64> {
    let (mut after, mut count) = (None, 0);
    loop {
        let mut conn = app.store.read().await?;
        let tips = steps::tips(&mut conn, after, AT_ONCE).await?;
        drop(conn);
        let Some(last) = tips.last() else { break };
        after = Some((last.user, last.repo));
        count += go_on(app, &tips).await?;
    }
    tracing::info!(event = "restored", lineages = count);
    Ok(count)
}

async fn go_on(app: &App, tips: &[Tip]) -> Result<u64> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let mut count = 0;
    for Tip { user, repo, step } in tips {
        let commit = restored_step(oid(step.tree), oid(step.commit), commit_date(&step.commit_raw), now);
        let next = Step {
            seq: step.seq + 1,
            commit: stored(commit.id),
            commit_raw: commit.data,
            delta: None,
            created_at: now,
            ..step.clone()
        };
        count += u64::from(advance(&mut tx, (*user, *repo), step, &next).await?);
    }
    tx.commit().await?;
    Ok(count)
}

/// Whether the step was written: a fetch may have gone on meanwhile, by a step that is as good.
async fn advance(
    tx: &mut skaas_store::Tx,
    (user, repo): (UserId, Repo),
    tip: &Step,
    next: &Step,
) -> Result<bool> {
    let advanced = steps::advance(tx, user, repo, Some((tip.seq, tip.commit)), next).await?;
    Ok(matches!(advanced, Advance::Advanced))
}
