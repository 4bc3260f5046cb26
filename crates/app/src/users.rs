//! Use cases about people: add, find, list, delete.

use jiff::Timestamp;
use skaas_domain::{
    id::UserId,
    listing::{Listing, ListingState},
    name::check_username,
    scope::Need,
    user::{User, check_email},
};
use skaas_store::{
    Conn, Tx,
    listings::{self, ListingFilter},
    operators, sessions,
    users::{self, UserSearch},
};

use crate::{
    accounts::{access, address},
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    operators::{Found, PAGE_ROWS},
};

/// Adds a user under a name that nobody has or had, and that looks like nobody's.
pub async fn add(app: &App, actor: &Actor, username: &str, email: &str) -> Result<User> {
    let mut tx = app.store.begin().await?;
    let user = add_in(app, actor, &mut tx, username, email).await?;
    tx.commit().await?;
    tracing::info!(event = "user_added", user_id = %user.id);
    Ok(user)
}

/// Like [`add`], inside the caller's transaction.
pub async fn add_in(app: &App, actor: &Actor, tx: &mut Tx, username: &str, email: &str) -> Result<User> {
    actor.require_operator()?;
    check_username(username).map_err(|error| Error::refused(Code::InvalidValue, error.to_string()))?;
    let email = check_email(email).map_err(|error| Error::refused(Code::InvalidValue, error.to_string()))?;
    let now = app.now();
    let id = app.with_rng(|rng| UserId::new(now, rng));
    let user = User { id, username: username.to_owned(), email, created_at: now, suspended_at: None };
    users::add(tx, &user).await?;
    audit::record(tx, actor, now, Act::done(Action::AccountCreate, id, "")).await?;
    Ok(user)
}

/// The user of this name, for the operator.
pub async fn find(app: &App, actor: &Actor, username: &str) -> Result<User> {
    actor.require_operator()?;
    by_name(app, username).await
}

/// The user of this name.
pub(crate) async fn by_name(app: &App, username: &str) -> Result<User> {
    by_name_in(&mut app.store.read().await?, username).await
}

/// The user of this name, as the transaction or snapshot of `conn` sees it.
pub(crate) async fn by_name_in(conn: &mut Conn, username: &str) -> Result<User> {
    users::find_by_username(conn, username).await?.ok_or_else(|| absent(username))
}

/// The user who asks, as far as their token may see.
pub struct Myself {
    /// Who.
    pub user: User,
    /// Their email address, if they have one and the token may see it.
    pub email: Option<String>,
    /// Whether mail is known to reach them there; `None` where the token may not see it.
    pub email_verified: Option<bool>,
}

/// Says who asks. Any token may; the email address needs the scope `account`.
pub async fn myself(app: &App, actor: &Actor) -> Result<Myself> {
    let user = actor.require(&Need::Myself)?.clone();
    if actor.require(&Need::Account { write: false }).is_err() {
        return Ok(Myself { user, email: None, email_verified: None });
    }
    let mut conn = app.store.read().await?;
    let email_verified = Some(users::email_verified_at(&mut conn, user.id).await?.is_some());
    Ok(Myself { email: address(&user).map(str::to_owned), user, email_verified })
}

/// What everybody may know of a user.
pub struct Profile {
    /// Who.
    pub user: User,
    /// The names of the skills they offer to everybody, sorted.
    pub skills: Vec<String>,
}

/// What everybody may know of the user of this name.
pub async fn profile(app: &App, username: &str) -> Result<Profile> {
    let mut conn = app.store.read().await?;
    let nobody = || Error::refused(Code::NoSuchUser, "this user does not exist");
    let user = users::find_by_username(&mut conn, username).await?.ok_or_else(nobody)?;
    if user.is_suspended() {
        return Ok(Profile { user, skills: Vec::new() });
    }
    let filter = ListingFilter {
        creator: Some(user.id),
        state: Some(ListingState::Published),
        after: -1,
        limit: u32::MAX,
    };
    let mut skills: Vec<String> =
        listings::list(&mut conn, &filter).await?.into_iter().map(|listing| listing.name).collect();
    skills.sort();
    Ok(Profile { user, skills })
}

/// A user as operators see them.
#[derive(Debug, Clone)]
pub struct Details {
    /// Who.
    pub user: User,
    /// Their address, if they have one.
    pub address: Option<String>,
    /// Since when mail is known to reach them there.
    pub confirmed_at: Option<Timestamp>,
    /// Why their account is suspended, if it is.
    pub suspended_reason: Option<String>,
    /// Whether they have the role of an operator.
    pub is_operator: bool,
    /// How many browsers they are signed in with.
    pub sessions: usize,
    /// How many tokens and apps act for them.
    pub tokens: usize,
    /// How many apps they authorized.
    pub applications: usize,
    /// Their skills, by name.
    pub listings: Vec<Listing>,
}

/// The user of this name, with what acts for them and what they made, for operators.
pub async fn details(app: &App, actor: &Actor, username: &str) -> Result<Details> {
    let now = app.now();
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, now).await?;
    let user = by_name_in(&mut conn, username).await?;
    let id = user.id;
    let confirmed_at = users::email_verified_at(&mut conn, id).await?;
    let suspended_reason = users::suspended_reason(&mut conn, id).await?;
    let is_operator = operators::has_role(&mut conn, id).await?;
    let sessions = sessions::list(&mut conn, id, now).await?.len();
    let filter = ListingFilter { creator: Some(id), limit: u32::MAX, ..ListingFilter::default() };
    let mut listings = listings::list(&mut conn, &filter).await?;
    listings.sort_by(|one, other| one.name.cmp(&other.name));
    drop(conn);
    let access = access(app, id).await?;
    let address = address(&user).map(str::to_owned);
    let (tokens, applications) = (access.tokens.len(), access.applications.len());
    Ok(Details {
        user,
        address,
        confirmed_at,
        suspended_reason,
        is_operator,
        sessions,
        tokens,
        applications,
        listings,
    })
}

/// The users whose name or address contains `text`, by name, for operators.
pub async fn search(
    app: &App,
    actor: &Actor,
    text: &str,
    suspended: bool,
    page: usize,
) -> Result<Found<User>> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    let search = UserSearch { text, suspended };
    let all = users::count(&mut conn, &UserSearch { text: "", suspended: false }).await?;
    let matching = users::count(&mut conn, &search).await?;
    let (page, skipped) = Found::<User>::page(page, matching);
    let rows = users::search(&mut conn, &search, skipped, PAGE_ROWS).await?;
    Ok(Found { rows, page, matching, all })
}

/// All users, by name.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<User>> {
    const PAGE: u32 = 1000;
    actor.require_operator()?;
    let mut all: Vec<User> = Vec::new();
    loop {
        let mut conn = app.store.read().await?;
        let after = all.last().map_or("", |user| user.username.as_str());
        let page = users::list(&mut conn, after, PAGE).await?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// Deletes a user: the address is erased, the tokens stop at once, the name is never given again.
///
/// # Errors
/// [`crate::Kind::Conflict`] while something of theirs is on sale: nobody would be there to answer for it, or to be paid.
pub async fn delete(app: &App, actor: &Actor, username: &str) -> Result<User> {
    let mut tx = app.store.begin().await?;
    let user = delete_in(app, actor, &mut tx, username).await?;
    tx.commit().await?;
    tracing::info!(event = "user_deleted", user_id = %user.id);
    Ok(user)
}

/// Like [`delete`], inside the caller's transaction.
pub async fn delete_in(app: &App, actor: &Actor, tx: &mut Tx, username: &str) -> Result<User> {
    actor.require_operator()?;
    let user = by_name_in(tx, username).await?;
    let on_sale = on_sale(tx, user.id).await?;
    if let Some(first) = on_sale.first() {
        return Err(Error::refused(
            Code::SkillsOnSale,
            format!(
                "{username} has paid skills on sale ({}); nothing was changed. Withdraw each of them first: \
             skaas-server admin listing set {first} --withdraw",
                on_sale.join(", ")
            ),
        ));
    }
    let now = app.now();
    audit::record(tx, actor, now, Act::done(Action::AccountDelete, user.id, "")).await?;
    users::delete(tx, user.id, now).await?;
    Ok(user)
}

/// The names of the paid skills that a user offers. Nobody publishes or prices another before the end of `tx`.
pub(crate) async fn on_sale(tx: &mut Tx, creator: UserId) -> Result<Vec<String>> {
    let mut filter = ListingFilter { creator: Some(creator), limit: 1, ..ListingFilter::default() };
    if listings::list(tx, &filter).await?.is_empty() {
        return Ok(Vec::new());
    }
    tx.bump_catalogue().await?;
    (filter.state, filter.limit) = (Some(ListingState::Published), u32::MAX);
    let published = listings::list(tx, &filter).await?;
    Ok(published.into_iter().filter(|listing| listing.prices.is_paid()).map(|listing| listing.name).collect())
}

pub(crate) fn absent(username: &str) -> Error {
    let username: String = username.chars().take(64).collect();
    Error::refused(
        Code::NoSuchUser,
        format!("there is no user {username:?}; `skaas-server admin user list` shows all"),
    )
}
