//! Use cases about a person's own account: sign up, confirm an address, reset and change the password,
//! delete.
//!
//! Invariant: an address belongs to an account only once mail reached the person there (or an identity
//! provider, or the operator, vouches for it). Until then the account has a placeholder. So nobody blocks
//! another's address by typing it, and signing up reads the same whether an address is known here or not.

mod access;
mod addresses;
mod hashing;
mod mails;
mod overview;
mod password;
mod sign_up;

use std::time::Duration;

use jiff::SignedDuration;
use skaas_domain::{id::UserId, password::WeakPassword, user::User};
use skaas_store::{
    StoreError,
    budgets::{self, Budget, Spent},
};

use crate::{app::App, error::Error};

pub(crate) use access::access;
pub use access::{Access, Ended, OtherAccess, sign_out_everywhere, sign_out_everywhere_in};
pub use addresses::{ChangeOfAddress, Confirmation, change_address, confirm_address, unconfirmed_address};
pub(crate) use hashing::{Hashing, matches as password_matches};
pub(crate) use mails::{Changed, Mail, ResetRequest, tell_changed};
pub use overview::{Overview, delete, overview};
pub(crate) use password::is_still;
pub use password::{NewPassword, Resettable, ask_reset, change_password, reset_password, reset_works};
pub(crate) use sign_up::new_user;
pub use sign_up::{SignUp, SignedUp, sign_up};

/// How long a mailed link works that chooses a new password.
const RESETTABLE: SignedDuration = SignedDuration::from_hours(1);

/// Where placeholders live: a domain that can have no mail (RFC 2606).
const UNCONFIRMED: &str = "unconfirmed.invalid";

/// Why a form was not taken: with the field at fault, where one is.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// One field cannot be taken as it is.
    #[error("{why}")]
    Field {
        /// The name of the field in the form.
        field: &'static str,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The name and the password do not go together: which of the two is wrong is not said.
    #[error("wrong username, email address or password; an email address works once it is confirmed")]
    NoMatch,
    /// Too many tries.
    #[error("too many attempts; try again in {} min", minutes(*retry_after))]
    TooOften {
        /// When the next one will be taken.
        retry_after: Duration,
    },
    /// The person signed in too long ago for this.
    #[error("sign in again to continue")]
    Stale,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Rejected {
    pub(crate) fn field(field: &'static str, why: &(impl ToString + ?Sized)) -> Self {
        Self::Field { field, why: why.to_string() }
    }
}

impl From<StoreError> for Rejected {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60).max(1)
}

/// The placeholder of an account without a confirmed address.
fn placeholder(user: UserId) -> String {
    format!("{user}@{UNCONFIRMED}")
}

/// The user's address, if they have one: the placeholder is none.
pub fn address(user: &User) -> Option<&str> {
    let is_placeholder = user.email.rsplit_once('@').is_some_and(|(_, domain)| domain == UNCONFIRMED);
    (!is_placeholder).then_some(user.email.as_str())
}

/// Spends one try of each budget in turn, or says when the next one may be made. What was spent stays spent,
/// whatever becomes of the try; budgets behind one that has run out stay as they are. So the asker's own come
/// first: whoever has used those up neither empties another's nor fills the database with what they make up.
pub(crate) async fn spend(app: &App, tries: &[(&Budget, String)]) -> Result<(), Rejected> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let mut exhausted = None;
    for (budget, subject) in tries {
        if let Spent::Exhausted { until } = budgets::spend(&mut tx, budget, subject, now).await? {
            exhausted = Some((budget, until));
            break;
        }
    }
    tx.commit().await?;
    let Some((budget, until)) = exhausted else { return Ok(()) };
    tracing::warn!(event = "tries_exhausted", budget = budget.name);
    let wait = u64::try_from(until.duration_since(now).as_secs()).unwrap_or(1);
    Err(Rejected::TooOften { retry_after: Duration::from_secs(wait.max(1)) })
}

impl From<WeakPassword> for Rejected {
    fn from(weak: WeakPassword) -> Self {
        Self::field("password", &weak)
    }
}
