//! Use cases about signing in by password. Refuses to say which part of a name and a password is wrong: the
//! words and the work are the same.

use jiff::SignedDuration;
use skaas_domain::{device::Place, password::MAX_CHARS, user::User};
use skaas_store::{
    budgets::{self, Budget},
    passwords, users,
};

use crate::{
    accounts::{Rejected, address, is_still, password_matches, spend},
    app::App,
    error::Result,
    sessions::{self, Opened, SignedIn},
};

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Tries from one network address at whatever account; from one network address at one account; at one account
/// from anywhere (many, and none by who has used up the other two: a guesser does not soon shut its owner out).
const ADDRESS: Budget = Budget { name: "sign_in_address", limit: 100, window: WINDOW };
const HERE: Budget = Budget { name: "sign_in_account_address", limit: 10, window: WINDOW };
const ACCOUNT: Budget = Budget { name: "sign_in_account", limit: 100, window: WINDOW };

/// Signs in with a username or a confirmed address, and a password.
///
/// # Errors
/// [`Rejected::NoMatch`] whatever is wrong; [`Rejected::TooOften`], for accounts that do not exist as for
/// those that do.
pub async fn by_password(
    app: &App,
    login: &str,
    password: &str,
    place: &Place,
    before: Option<&SignedIn>,
) -> Result<Opened, Rejected> {
    let login = login.trim();
    // Counted as it is looked up. Were a name and an address counted as the one account that has both, then the
    // tries left would tell that they belong together.
    let account = login.to_lowercase();
    let here = format!("{account} {}", place.network());
    let tries = [(&ADDRESS, place.network()), (&HERE, here.clone()), (&ACCOUNT, account)];
    spend(app, &tries).await?;
    let user = find(app, login).await?;
    let record = match &user {
        Some(user) => passwords::find(&mut app.store.read().await?, user.id).await?,
        None => None,
    };
    let fits = password.chars().count() <= MAX_CHARS;
    let hash = record.map(|record| record.hash).filter(|_| fits);
    // Nothing longer than an account can have is hashed.
    let password = if fits { password } else { "" };
    let matches = password_matches(app, password, hash.clone()).await?;
    let Some(user) = user.filter(|_| matches) else { return Err(no_match()) };
    let mut tx = app.store.begin().await?;
    if !is_still(&mut tx, user.id, hash.as_deref()).await? {
        return Err(no_match());
    }
    budgets::clear(&mut tx, &HERE, &here).await?;
    let opened = sessions::open(app, &mut tx, user.id, place, before).await?;
    tx.commit().await?;
    tracing::info!(event = "signed_in", user_id = %user.id, by = "password");
    Ok(opened)
}

fn no_match() -> Rejected {
    tracing::info!(event = "sign_in_refused");
    Rejected::NoMatch
}

async fn find(app: &App, login: &str) -> Result<Option<User>> {
    let mut conn = app.store.read().await?;
    if login.contains('@') {
        let found = users::find_by_email(&mut conn, login).await?;
        return Ok(found.filter(|user| address(user).is_some()));
    }
    Ok(users::find_by_username(&mut conn, &login.to_lowercase()).await?)
}
