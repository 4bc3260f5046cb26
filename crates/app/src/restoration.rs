//! The use cases after a backup was restored. The database has forgotten what happened since the backup:
//! - Copies may hold steps that it no longer knows. They would call themselves up to date and keep their contents, so
//!   every lineage branches off.
//! - What was revoked works again. The journal in object storage still knows, so it is listed and can be revoked again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use skaas_domain::id::UserId;
use skaas_store::{
    Conn, grants,
    journal::{Revocation, Revoked},
    listings, oauth_clients, oauth_grants, sessions,
    steps::{self, Advance, Repo, Step, Tip},
    tokens, users as people,
};

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    error::Result,
    lineage::commit_date,
    oid::{oid, stored},
    render::restored_step,
    users,
};

/// How many lineages go on in one transaction.
const AT_ONCE: u32 = 200;

/// Adds to every lineage a step that no copy can have yet and that shows what the previous step shows. Returns how many
/// lineages there are. Copies from before the backup fast-forward to it. Copies that are ahead of it are told to clone
/// again. Doing it twice does no harm.
///
/// A lineage that began after the backup is unknown, and starts again like that of a new user.
pub async fn branch_off(app: &App, actor: &Actor) -> Result<u64> {
    actor.require_operator()?;
    let (mut after, mut count) = (None, 0);
    loop {
        let mut conn = app.store.read().await?;
        let tips = steps::tips(&mut conn, after, AT_ONCE).await?;
        drop(conn);
        let Some(last) = tips.last() else { break };
        after = Some((last.user, last.repo));
        count += go_on(app, &tips).await?;
    }
    audit::record_alone(app, actor, Act::on_server(Action::BackupRestored, "")).await?;
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

/// Something that the journal says was revoked, and that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorksAgain {
    /// What was revoked, and when.
    pub revocation: Revocation,
    /// What its user knows it by: the name of a token, app or skill, or the browser of a session.
    pub name: String,
    /// Whose it is.
    pub username: String,
}

/// What was revoked after the backup and works again, the oldest revocation first.
pub async fn works_again(app: &App, actor: &Actor) -> Result<Vec<WorksAgain>> {
    actor.require_operator()?;
    let mut latest = BTreeMap::new();
    for revocation in app.store.revocations().await? {
        let known: &mut Revocation = latest.entry((revocation.user, revocation.what)).or_insert(revocation);
        known.at = known.at.max(revocation.at);
    }
    let now = app.now();
    let mut conn = app.store.read().await?;
    let mut found = Vec::new();
    for revocation in latest.into_values() {
        let Some(user) = people::find_by_id(&mut conn, revocation.user).await? else { continue };
        if let Some(name) = name_if_it_works(&mut conn, &revocation, &user.username, now).await? {
            found.push(WorksAgain { revocation, name, username: user.username });
        }
    }
    found.sort_by_key(|one| (one.revocation.at, one.revocation.id()));
    Ok(found)
}

/// The name of what was revoked; `None` if it doesn't work, or isn't in the backup at all.
async fn name_if_it_works(
    conn: &mut Conn,
    &Revocation { what, user, .. }: &Revocation,
    username: &str,
    now: Timestamp,
) -> Result<Option<String>> {
    Ok(match what {
        Revoked::Token(id) => {
            let token = tokens::find(conn, user, id).await?;
            token.filter(|token| token.works(now)).map(|token| token.name)
        }
        Revoked::Session(id) => {
            let session = sessions::find(conn, user, id).await?;
            session.filter(|session| session.works(now)).map(|session| session.place.agent)
        }
        Revoked::App(id) => {
            let grant = oauth_grants::find(conn, id).await?;
            let Some(grant) = grant.filter(|grant| grant.user == user && grant.works(now)) else {
                return Ok(None);
            };
            let client = oauth_clients::find(conn, &grant.client_id).await?;
            Some(client.map_or(grant.client_id, |client| client.name))
        }
        Revoked::Grant(id) => {
            let Some(record) = grants::find(conn, id).await? else { return Ok(None) };
            let grant = record.grant;
            let works = grant.revoked_at.is_none() && grant.until.is_none_or(|end| now < end);
            if !works || grant.user != user {
                return Ok(None);
            }
            let listing = listings::find_by_id(conn, grant.skill).await?;
            Some(listing.map_or_else(|| grant.skill.to_string(), |listing| listing.name))
        }
        Revoked::User => Some(username.to_owned()),
    })
}

/// Revokes all of it again. Accounts come last, each in its own transaction.
///
/// # Errors
/// [`crate::Kind::Conflict`] for an account that has paid skills on sale; everything else is revoked by then.
pub async fn revoke_again(app: &App, actor: &Actor, found: &[WorksAgain]) -> Result<()> {
    actor.require_operator()?;
    let now = app.now();
    let (accounts, rest): (Vec<&WorksAgain>, Vec<&WorksAgain>) =
        found.iter().partition(|one| one.revocation.what == Revoked::User);
    let mut tx = app.store.begin().await?;
    // All transactions that change several users take them in this order.
    let mut rest: Vec<Revocation> = rest.into_iter().map(|one| one.revocation).collect();
    rest.sort_by_key(|one| (one.user, one.what));
    for Revocation { what, user, .. } in &rest {
        let (action, thing) = match what {
            Revoked::Token(id) => {
                tokens::revoke(&mut tx, *user, &id.to_string(), now).await?;
                (Action::TokenRevoke, id.to_string())
            }
            Revoked::App(id) => {
                oauth_grants::revoke(&mut tx, *user, *id, now).await?;
                (Action::AppRevoke, id.to_string())
            }
            Revoked::Session(id) => {
                sessions::revoke(&mut tx, *user, *id, now).await?;
                (Action::SessionRevoke, id.to_string())
            }
            Revoked::Grant(id) => {
                grants::revoke(&mut tx, *id, now).await?;
                (Action::GrantRevoke, id.to_string())
            }
            Revoked::User => continue,
        };
        audit::record(&mut tx, actor, now, Act::done(action, *user, &thing)).await?;
    }
    tx.commit().await?;
    tracing::info!(event = "revoked_again", count = rest.len());
    for account in accounts {
        users::delete(app, actor, &account.username).await?;
    }
    Ok(())
}
