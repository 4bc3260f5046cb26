//! Use cases about operators: who has the role, whether somebody may open the operator's desk, and what there is to see
//! first. The acts themselves are where their things are: `suspension`, `listings`, `jobs`, `accounts`.
//!
//! Invariant: an act at the desk reads the role in its own transaction and holds it until that ends
//! ([`Actor::require_desk`]). So an operator whose role was taken away does nothing more, not even with a request that
//! was under way.

use jiff::Timestamp;
use skaas_domain::user::User;
use skaas_store::{Conn, Tx, operators, users as rows};

use crate::{
    actor::{Actor, Via},
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    health::{self, Readiness},
    jobs::{self, Backlog},
    second_factor, users,
};

pub use skaas_store::operators::{Counts, Operator};

/// How somebody stands to the operator's desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// They may enter.
    Open,
    /// They are an operator who signed in too long ago.
    Stale,
    /// They are an operator without a second factor.
    Unprotected,
    /// To them, there is no such place.
    Absent,
}

/// What everybody is told who is no operator: the words for an address where nothing is.
fn nothing_here() -> Error {
    Error::refused(Code::NoSuchPage, "there is nothing at this address; check it for typos")
}

/// Whether `visitor` may open the operator's desk now.
pub async fn door(app: &App, visitor: Option<&Actor>) -> Result<Door> {
    let Some(visitor) = visitor else { return Ok(Door::Absent) };
    match visitor.via() {
        Via::Operator(_) => Ok(Door::Open),
        Via::Session(signed_in) => {
            let mut conn = app.store.read().await?;
            if !operators::is_one(&mut conn, signed_in.user.id).await? {
                return Ok(Door::Absent);
            }
            if !signed_in.session.is_fresh(app.now()) {
                return Ok(Door::Stale);
            }
            let has_factor = second_factor::factors(&mut conn, signed_in.user.id).await?.is_set_up();
            Ok(if has_factor { Door::Open } else { Door::Unprotected })
        }
        Via::ApiToken(_) | Via::OauthGrant(_) => Ok(Door::Absent),
    }
}

impl Actor {
    /// Makes sure that an operator acts: at the command line, or in a browser in which a user with the role and a second
    /// factor signed in within the last 15 minutes ([`skaas_domain::session::FRESH`]). The role is read in the
    /// transaction of the act, and nobody takes it away before that ends.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for everybody else; [`crate::Kind::Forbidden`] for an older sign-in, and without a second
    /// factor.
    pub(crate) async fn require_desk(&self, tx: &mut Tx, now: Timestamp) -> Result<()> {
        match self.via() {
            Via::Operator(_) => Ok(()),
            Via::Session(signed_in) if operators::hold(tx, signed_in.user.id).await? => {
                self.is_recent(now)?;
                second_factor::require(tx, signed_in.user.id).await
            }
            _ => Err(nothing_here()),
        }
    }

    /// The same for what is only read, as the snapshot or connection of `conn` sees it.
    ///
    /// # Errors
    /// As [`Actor::require_desk`].
    pub(crate) async fn require_view(&self, conn: &mut Conn, now: Timestamp) -> Result<()> {
        match self.via() {
            Via::Operator(_) => Ok(()),
            Via::Session(signed_in) if operators::is_one(conn, signed_in.user.id).await? => {
                self.is_recent(now)?;
                second_factor::require(conn, signed_in.user.id).await
            }
            _ => Err(nothing_here()),
        }
    }

    fn is_recent(&self, now: Timestamp) -> Result<()> {
        let why = "sign in again to continue; nothing was changed";
        let refused = |_| Error::refused(Code::RecentSignInRequired, why);
        self.require_fresh(now).map(|_| ()).map_err(refused)
    }

    /// Whether the account menu leads to the operator's desk. For display only: every act asks the database.
    pub fn is_operator(&self) -> bool {
        matches!(self.via(), Via::Session(signed_in) if signed_in.is_operator)
    }
}

/// Makes a user an operator. Only the command line can: a stolen session makes no operators.
///
/// # Errors
/// [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if they are one already, or their account is suspended.
pub async fn add(app: &App, actor: &Actor, username: &str) -> Result<User> {
    actor.require_operator()?;
    let mut tx = app.store.begin().await?;
    let user = users::by_name_in(&mut tx, username).await?;
    let is_new = operators::add(&mut tx, user.id, app.now(), &actor.name()).await?;
    // Read again now that nobody else changes the account.
    if rows::find_by_id(&mut tx, user.id).await?.is_some_and(|user| user.is_suspended()) {
        let why = format!(
            "{username} is suspended; nothing was changed. Unsuspend the account first: \
             skaas-server admin user unsuspend {username}"
        );
        return Err(Error::refused(Code::UserSuspended, why));
    }
    if !is_new {
        let why = format!("{username} is an operator already; nothing was changed");
        return Err(Error::refused(Code::IsOperator, why));
    }
    let act = Act::done(Action::OperatorAdd, user.id, "");
    audit::record(&mut tx, actor, app.now(), act).await?;
    tx.commit().await?;
    tracing::info!(event = "operator_added", user_id = %user.id);
    Ok(user)
}

/// Takes the role away. From then on the operator's pages are absent to them.
///
/// # Errors
/// [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] if they are no operator.
pub async fn remove(app: &App, actor: &Actor, username: &str) -> Result<User> {
    actor.require_operator()?;
    let mut tx = app.store.begin().await?;
    let user = users::by_name_in(&mut tx, username).await?;
    if !operators::remove(&mut tx, user.id).await? {
        let why = format!("{username} is not an operator; nothing was changed");
        return Err(Error::refused(Code::NotOperator, why));
    }
    let act = Act::done(Action::OperatorRemove, user.id, "");
    audit::record(&mut tx, actor, app.now(), act).await?;
    tx.commit().await?;
    tracing::info!(event = "operator_removed", user_id = %user.id);
    Ok(user)
}

/// The operators, by name.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Operator>> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    Ok(operators::list(&mut conn).await?)
}

/// What an operator sees first.
#[derive(Debug, Clone)]
pub struct Overview {
    /// What there is, in numbers.
    pub counts: Counts,
    /// What is to be done.
    pub backlog: Backlog,
    /// How this node is.
    pub readiness: Readiness,
    /// Who has the role.
    pub operators: Vec<Operator>,
}

/// What an operator sees first.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    let now = app.now();
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, now).await?;
    let counts = operators::counts(&mut conn).await?;
    let operators = operators::list(&mut conn).await?;
    drop(conn);
    let backlog = jobs::backlog(&app.store, now).await?;
    Ok(Overview { counts, backlog, readiness: health::ready(app).await, operators })
}

/// A page of what a search found.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The rows of the page.
    pub rows: Vec<T>,
    /// Its number, from 1: the last one if the search asked for a later one.
    pub page: usize,
    /// How many rows match.
    pub matching: u64,
    /// How many there are.
    pub all: u64,
}

/// Rows on one page of a search.
pub const PAGE_ROWS: u32 = 20;

impl<T> Found<T> {
    /// The same page with other rows.
    pub fn map<U>(self, row: impl FnMut(T) -> U) -> Found<U> {
        let Self { rows, page, matching, all } = self;
        Found { rows: rows.into_iter().map(row).collect(), page, matching, all }
    }

    /// The page to read, given how many rows match, and how many rows come before it.
    pub(crate) fn page(asked: usize, matching: u64) -> (usize, u64) {
        let pages = matching.div_ceil(u64::from(PAGE_ROWS)).max(1);
        let page = u64::try_from(asked).unwrap_or(u64::MAX).clamp(1, pages);
        (usize::try_from(page).unwrap_or(usize::MAX), (page - 1) * u64::from(PAGE_ROWS))
    }
}
