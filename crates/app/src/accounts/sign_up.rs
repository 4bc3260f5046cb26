//! How an account is created. Nothing here tells whether an address has an account.

use skaas_domain::{
    id::UserId,
    name::check_username,
    password,
    user::{User, check_email},
};
use skaas_store::{
    Conflict, StoreError, Tx,
    budgets::{Budget, Spent},
    passwords, users,
};

use super::{Rejected, addresses, hashing, password::check, placeholder, spend};
use crate::{
    app::App,
    audit::{self, Act, Action},
    sessions::{self, Opened, Visitor},
};

/// Accounts that can be created from one network.
const SIGN_UPS: Budget =
    Budget { name: "sign_up_address", limit: 20, window: jiff::SignedDuration::from_hours(1) };

/// What a person types to sign up.
#[derive(Clone)]
pub struct SignUp {
    /// To stand in URLs.
    pub username: String,
    /// To be confirmed.
    pub email: String,
    /// To be checked and hashed.
    pub password: String,
}

/// An account just created.
#[derive(Debug, Clone)]
pub struct SignedUp {
    /// Its first session.
    pub opened: Opened,
    /// Whether a link was mailed to the address; not if that address got enough mail from us already.
    pub is_mailed: bool,
}

/// Creates an account, signs its owner in, and mails a link to the address they gave. All of that is the same
/// whether the address is free, somebody else's or unreachable: only the person who reads its mail learns which.
///
/// # Errors
/// [`Rejected::Field`] with `username`, `email` or `password`; [`Rejected::TooOften`].
pub async fn sign_up(app: &App, input: &SignUp, visitor: Visitor<'_>) -> Result<SignedUp, Rejected> {
    let place = visitor.place;
    let username = input.username.trim();
    check_username(username).map_err(|error| Rejected::field("username", &error))?;
    let email = check_email(&input.email).map_err(|error| Rejected::field("email", &error))?;
    let hints = [username, &email];
    password::check(&input.password, &hints)?;
    spend(app, &[(&SIGN_UPS, place.network())]).await?;
    // Nobody has the service asked for them without end.
    check(app, &input.password, &hints).await?;
    let hash = hashing::hash(app, &input.password).await?;
    let mut tx = app.store.begin().await?;
    let user = new_user(app, &mut tx, username, None).await?;
    passwords::set(&mut tx, user.id, &hash, app.now()).await?;
    // Without mail the account is created all the same: otherwise a stranger who floods a mailbox would also keep its
    // owner from signing up.
    let is_mailed = matches!(addresses::spend_mail(app, &mut tx, &email, place).await?, Spent::Left(_));
    if is_mailed {
        addresses::ask(app, &mut tx, &user, &email).await?;
    }
    let opened = sessions::open(app, &mut tx, user.id, visitor).await?;
    let act = Act::done(Action::AccountCreate, user.id, "password");
    audit::record_visit(&mut tx, Some(user.id), Some(&place.address), app.now(), act).await?;
    tx.commit().await?;
    if !is_mailed {
        tracing::warn!(event = "mailbox_spared", user_id = %user.id);
    }
    tracing::info!(event = "signed_up", user_id = %user.id);
    Ok(SignedUp { opened, is_mailed })
}

/// Adds a user, with an address that somebody vouches for or none. Nothing is committed here.
pub(crate) async fn new_user(
    app: &App,
    tx: &mut Tx,
    username: &str,
    vouched: Option<&str>,
) -> Result<User, Rejected> {
    check_username(username).map_err(|error| Rejected::field("username", &error))?;
    let now = app.now();
    let id = app.with_rng(|rng| UserId::new(now, rng));
    let email = vouched.map_or_else(|| placeholder(id), str::to_owned);
    let user = User { id, username: username.to_owned(), email, created_at: now, suspended_at: None };
    users::add(tx, &user).await.map_err(|error| match error {
        StoreError::Conflict(Conflict::EmailTaken) => StoreError::from(Conflict::EmailTaken).into(),
        StoreError::Conflict(conflict) => Rejected::field("username", &conflict),
        other => other.into(),
    })?;
    if vouched.is_some() {
        users::verify_email(tx, id, &user.email, now).await?;
    }
    Ok(user)
}
