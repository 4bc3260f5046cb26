//! Signing in by password. Nothing tells which part of a name and a password is wrong: the words and the work are
//! the same.

use jiff::SignedDuration;
use skaas_domain::{id::UserId, password::MAX_CHARS, secret::Secret, user::User};
use skaas_store::{
    budgets::{self, Budget},
    known_browsers, passwords, users,
};

use crate::{
    accounts::{Rejected, address, is_still, password_matches, spend},
    app::App,
    audit::{self, Action},
    error::Result,
    second_factor::{self, Admitted},
    sessions::{KNOWN_FOR, Visitor},
};

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Tries of a browser that somebody signed in to the account with before. It spends no other budget, so strangers
/// who use those up don't lock the owner out (OWASP, "device cookies").
const BROWSER: Budget = Budget { name: "sign_in_browser", limit: 10, window: WINDOW };
/// Tries of all other browsers: from one network at any account, from one network at one account, and at one account
/// from anywhere. Once a network is over its own limits, its tries no longer count against the account.
const ADDRESS: Budget = Budget { name: "sign_in_address", limit: 100, window: WINDOW };
const HERE: Budget = Budget { name: "sign_in_account_address", limit: 10, window: WINDOW };
const ACCOUNT: Budget = Budget { name: "sign_in_account", limit: 100, window: WINDOW };

/// Signs in with a username or a confirmed address, and a password. An account with a second factor waits for it.
///
/// # Errors
/// [`Rejected::NoMatch`] whatever is wrong; [`Rejected::TooOften`], for accounts that do not exist as for
/// those that do.
pub async fn by_password(
    app: &App,
    login: &str,
    password: &str,
    visitor: Visitor<'_>,
) -> Result<Admitted, Rejected> {
    let login = login.trim();
    let tries = tries(app, login, visitor).await?;
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
    let known = user.as_ref().map(|user| user.id);
    let Some(user) = user.filter(|_| matches) else { return Err(no_match(app, known, visitor).await?) };
    let mut tx = app.store.begin().await?;
    if !is_still(&mut tx, user.id, hash.as_deref()).await? {
        drop(tx);
        return Err(no_match(app, known, visitor).await?);
    }
    for (budget, subject) in tries.iter().filter(|(budget, _)| [HERE, BROWSER].contains(budget)) {
        budgets::clear(&mut tx, budget, subject).await?;
    }
    let admitted = second_factor::admit(app, &mut tx, user.id, visitor, "password").await?;
    tx.commit().await?;
    Ok(admitted)
}

/// The budgets that one try spends, and whose.
async fn tries(app: &App, login: &str, visitor: Visitor<'_>) -> Result<Vec<(&'static Budget, String)>> {
    if let Some(user) = known_here(app, login, visitor.browser).await? {
        return Ok(vec![(&BROWSER, format!("{} {}", user.id, visitor.browser.reveal()))]);
    }
    // Counted as it is looked up. If a name and an address counted as the one account that has both, the tries left
    // would tell that they belong together.
    let (account, network) = (login.to_lowercase(), visitor.place.network());
    let here = format!("{account} {network}");
    Ok(vec![(&ADDRESS, network), (&HERE, here), (&ACCOUNT, account)])
}

/// The account of this login, if this browser signed in to it before. Only the browser is looked up, so an account
/// that exists takes no longer than one that doesn't.
async fn known_here(app: &App, login: &str, browser: &Secret) -> Result<Option<User>> {
    let since = app.now().saturating_sub(KNOWN_FOR).unwrap_or(jiff::Timestamp::MIN);
    let mut conn = app.store.read().await?;
    let users = known_browsers::users(&mut conn, &browser.hash(), since).await?;
    let login = login.to_lowercase();
    let is_meant = |user: &User| {
        user.username == login || address(user).is_some_and(|address| address.to_lowercase() == login)
    };
    Ok(users.into_iter().find(is_meant))
}

/// Records a refused sign-in. The work is the same whether the account exists or not.
async fn no_match(app: &App, known: Option<UserId>, visitor: Visitor<'_>) -> Result<Rejected> {
    audit::record_refusal(app, Action::SignIn, known, &visitor.place.address).await?;
    tracing::info!(event = "sign_in_refused");
    Ok(Rejected::NoMatch)
}

async fn find(app: &App, login: &str) -> Result<Option<User>> {
    let mut conn = app.store.read().await?;
    if login.contains('@') {
        let found = users::find_by_email(&mut conn, login).await?;
        return Ok(found.filter(|user| address(user).is_some()));
    }
    Ok(users::find_by_username(&mut conn, &login.to_lowercase()).await?)
}
