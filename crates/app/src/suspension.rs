//! Use cases about suspending accounts. A suspension deletes nothing and can be lifted at any time.
//!
//! While it lasts nobody signs in to the account, and its sessions, API tokens and authorized apps open nothing. What the
//! user published is no longer offered; whoever has it keeps it (`domain::entitlement`).

use skaas_domain::{
    id::UserId,
    listing::{Listing, ListingState},
    reason::check_reason,
    user::User,
};
use skaas_store::{
    Conn, Tx,
    listings::{self, ListingFilter},
    operators, releases, users as rows,
};

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    publication::{Revision, store_contents, write},
    users,
};

/// What somebody is told who has proved that a suspended account is theirs. The reason is for operators.
pub(crate) fn suspended() -> Error {
    Error::refused(Code::AccountSuspended, "this account is suspended; contact the operator of this server")
}

/// Suspends a user's account. It takes effect on their next request, on every node.
///
/// # Errors
/// [`crate::Kind::Invalid`] without a reason; [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if it is suspended already, or an
/// operator's: whoever gets hold of one operator's session can't lock the others out.
pub async fn suspend(app: &App, actor: &Actor, username: &str, reason: &str) -> Result<User> {
    let reason =
        check_reason(reason).map_err(|error| Error::refused(Code::InvalidValue, error.to_string()))?;
    let user = change(app, actor, username, To::Suspended(&reason)).await?;
    tracing::info!(event = "user_suspended", user_id = %user.id, %actor);
    Ok(user)
}

/// Lifts the suspension of a user's account. Everything works again that would work without it.
///
/// # Errors
/// [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if it is not suspended.
pub async fn unsuspend(app: &App, actor: &Actor, username: &str) -> Result<User> {
    let user = change(app, actor, username, To::Working).await?;
    tracing::info!(event = "user_unsuspended", user_id = %user.id, %actor);
    Ok(user)
}

/// What becomes of an account.
#[derive(Clone, Copy)]
enum To<'a> {
    /// It is suspended, for this reason.
    Suspended(&'a str),
    /// It works.
    Working,
}

async fn change(app: &App, actor: &Actor, username: &str, to: To<'_>) -> Result<User> {
    loop {
        let mut conn = app.store.snapshot().await?;
        actor.require_view(&mut conn, app.now()).await?;
        let user = users::by_name_in(&mut conn, username).await?;
        let listings = published(&mut conn, user.id).await?;
        let revisions = rendered(app, &mut conn, &listings, matches!(to, To::Suspended(_))).await?;
        drop(conn);
        store_contents(app, &revisions).await?;
        let mut tx = app.store.begin().await?;
        actor.require_desk(&mut tx, app.now()).await?;
        // From here on nobody publishes anything: what was read is all there is, or the change begins again.
        tx.bump_catalogue().await?;
        let is_same = published(&mut tx, user.id).await? == listings;
        if is_same && write(app, &mut tx, &revisions).await? {
            write_account(app, &mut tx, &user, to).await?;
            let action = match to {
                To::Suspended(_) => Action::AccountSuspend,
                To::Working => Action::AccountRestore,
            };
            audit::record(&mut tx, actor, app.now(), Act::done(action, user.id, "")).await?;
            let user = users::by_name_in(&mut tx, username).await?;
            tx.commit().await?;
            return Ok(user);
        }
    }
}

async fn write_account(app: &App, tx: &mut Tx, user: &User, to: To<'_>) -> Result<()> {
    let is_changed = match to {
        To::Suspended(reason) => rows::suspend(tx, user.id, app.now(), reason).await?,
        To::Working => rows::unsuspend(tx, user.id).await?,
    };
    let (code, why) = match to {
        To::Suspended(_) if !is_changed => (Code::UserSuspended, "is suspended already; nothing was changed"),
        To::Working if !is_changed => (Code::UserNotSuspended, "is not suspended; nothing was changed"),
        To::Suspended(_) if operators::has_role(tx, user.id).await? => (
            Code::IsOperator,
            "is an operator; nothing was changed. Take the role away at the command line first",
        ),
        _ => return Ok(()),
    };
    Err(Error::refused(code, format!("{} {why}", user.username)))
}

/// What a user has published.
async fn published(conn: &mut Conn, creator: UserId) -> Result<Vec<Listing>> {
    let filter = ListingFilter {
        creator: Some(creator),
        state: Some(ListingState::Published),
        after: -1,
        limit: u32::MAX,
    };
    Ok(listings::list(conn, &filter).await?)
}

/// The listings as everybody sees them once their creator is suspended, or no longer is.
async fn rendered(
    app: &App,
    conn: &mut Conn,
    listings: &[Listing],
    creator_suspended: bool,
) -> Result<Vec<Revision>> {
    let mut revisions = Vec::with_capacity(listings.len());
    for before in listings {
        let latest = releases::latest(conn, before.skill).await?.map(|release| release.version);
        let after = Listing { creator_suspended, ..before.clone() };
        let before = Some(before.clone());
        revisions.push(Revision::render(app.voice(), before, after, None, latest.as_deref(), Vec::new())?);
    }
    Ok(revisions)
}
