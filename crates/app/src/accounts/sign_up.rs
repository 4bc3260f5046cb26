//! Owns how an account comes to be. Refuses to say whether an address is known here.

use skaas_domain::{
    device::Place,
    id::UserId,
    name::check_username,
    password,
    user::{User, check_email},
};
use skaas_store::{Conflict, StoreError, Tx, budgets::Budget, passwords, users};

use super::{Rejected, addresses, hashing, placeholder, spend};
use crate::{
    app::App,
    sessions::{self, Opened, SignedIn},
};

/// Accounts that one address may make.
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

/// Makes an account, signs its owner in, and mails a link to the address they gave. All of that is the same
/// whether the address is free, another's or unreachable: only who reads its mail learns which.
///
/// # Errors
/// [`Rejected::Field`] with `username`, `email` or `password`; [`Rejected::TooOften`].
pub async fn sign_up(
    app: &App,
    input: &SignUp,
    place: &Place,
    before: Option<&SignedIn>,
) -> Result<Opened, Rejected> {
    let username = input.username.trim();
    check_username(username).map_err(|error| Rejected::field("username", &error))?;
    let email = check_email(&input.email).map_err(|error| Rejected::field("email", &error))?;
    password::check(&input.password, &[username, &email])?;
    spend(app, &[(&SIGN_UPS, place.network())]).await?;
    let hash = hashing::hash(app, &input.password).await?;
    let mut tx = app.store.begin().await?;
    let user = new_user(app, &mut tx, username, None).await?;
    passwords::set(&mut tx, user.id, &hash, app.now()).await?;
    let letter = addresses::ask(app, &mut tx, &user, &email).await?;
    let has_enough = addresses::has_enough(app, &mut tx, &email).await?;
    let opened = sessions::open(app, &mut tx, user.id, place, before).await?;
    tx.commit().await?;
    // Else whoever has others' mailboxes flooded would also keep their owners from signing up.
    if has_enough {
        tracing::warn!(event = "mailbox_spared", user_id = %user.id);
    } else {
        letter.post(app);
    }
    tracing::info!(event = "signed_up", user_id = %user.id);
    Ok(opened)
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
    let user = User { id, username: username.to_owned(), email, created_at: now };
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
