//! Owns what we know of a person and of their api tokens. Refuses secrets: a token is a hash here.

use jiff::Timestamp;

use crate::{
    id::{TokenId, UserId},
    scope::Scopes,
    token::TokenHash,
};

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The permanent ID.
    pub id: UserId,
    /// What stands in URLs; unique, never given to another after deletion.
    pub username: String,
    /// Where mail reaches them; unique in its lower-case form.
    pub email: String,
    /// When they came.
    pub created_at: Timestamp,
    /// Since when the account has been suspended, if it is.
    pub suspended_at: Option<Timestamp>,
}

impl User {
    /// Whether the account is suspended: nothing signs in to it or acts for it until an operator lifts the suspension.
    pub const fn is_suspended(&self) -> bool {
        self.suspended_at.is_some()
    }
}

impl std::fmt::Debug for User {
    /// Without the address: it does not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({}, {})", self.id, self.username)
    }
}

/// What is stored of an api token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Names this token.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// What its owner calls it: a device, a job.
    pub name: String,
    /// The 8 characters by which lists name it.
    pub id_part: String,
    /// What is looked up.
    pub hash: TokenHash,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// Since when it has been refused.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to within a minute or so.
    pub last_used_at: Option<Timestamp>,
    /// The address from which it was last used, where that is known.
    pub last_used_from: Option<String>,
    /// The token that created this one, if one did.
    pub parent: Option<TokenId>,
}

/// The tokens among `tokens` that were created with `ancestor`, or with one that was, and so on. Whoever held
/// `ancestor` may hold them too.
pub fn descendants(tokens: &[TokenRecord], ancestor: TokenId) -> Vec<&TokenRecord> {
    let mut found: Vec<&TokenRecord> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for token in tokens.iter().filter(|token| token.parent == Some(parent)) {
            if token.id != ancestor && !found.iter().any(|known| known.id == token.id) {
                found.push(token);
                parents.push(token.id);
            }
        }
    }
    found
}

impl TokenRecord {
    /// Whether it opens anything at `now`.
    pub fn works(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The longest name of a token, in characters.
pub const MAX_TOKEN_NAME: usize = 100;

/// Why an address cannot be an account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("enter an email address like name@example.com")]
pub struct InvalidEmail;

/// Checks the form of an address (RFC 5321 lengths, one `@`, a dot in the domain, no spaces or controls)
/// and returns it with its domain in lower case. That mail arrives there is shown only by sending some.
pub fn check_email(text: &str) -> Result<String, InvalidEmail> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
    let labels_fit = domain.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    let fits = (1..=64).contains(&local.len())
        && text.len() <= 254
        && local.chars().all(plain)
        && labels_fit
        && (domain.contains('.') || domain == "localhost");
    if fits { Ok(format!("{local}@{}", domain.to_lowercase())) } else { Err(InvalidEmail) }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::token::ApiToken;

    #[test]
    fn descendants_are_found_through_generations_and_a_circle_ends() {
        let mut rng = StdRng::seed_from_u64(1);
        let ids: Vec<TokenId> = (0..5).map(|_| TokenId::new(Timestamp::UNIX_EPOCH, &mut rng)).collect();
        let user = UserId::new(Timestamp::UNIX_EPOCH, &mut rng);
        let mut token = |id: TokenId, parent: Option<TokenId>| {
            let secret = ApiToken::generate(&mut rng);
            TokenRecord {
                id,
                user,
                name: "ci".to_owned(),
                id_part: secret.id_part().to_owned(),
                hash: secret.hash(),
                scopes: Scopes::full(),
                created_at: Timestamp::UNIX_EPOCH,
                expires_at: None,
                revoked_at: None,
                last_used_at: None,
                last_used_from: None,
                parent,
            }
        };
        let line = [
            token(ids[0], None),
            token(ids[1], Some(ids[0])),
            token(ids[2], Some(ids[1])),
            token(ids[3], None),
            token(ids[4], Some(ids[0])),
        ];
        let of = |tokens: &[TokenRecord], id| {
            let mut found: Vec<TokenId> = descendants(tokens, id).into_iter().map(|token| token.id).collect();
            found.sort();
            found
        };
        let mut made = [ids[1], ids[2], ids[4]];
        made.sort();
        assert_eq!(of(&line, ids[0]), made);
        assert_eq!(of(&line, ids[1]), [ids[2]]);
        assert_eq!(of(&line, ids[3]), []);
        let circle = [token(ids[0], Some(ids[1])), token(ids[1], Some(ids[0]))];
        assert_eq!(of(&circle, ids[0]), [ids[1]]);
    }

    #[test]
    fn addresses_are_checked_for_form_only() {
        for good in ["a@b.co", "first.last+tag@Sub.Example.com", " x@localhost "] {
            assert!(check_email(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "@b.co", "a@", "a b@c.de", "a@b", "a@-b.co", "a@b..co", "a<b>@c.de", "a@b@c.de"]
        {
            assert_eq!(check_email(bad), Err(InvalidEmail), "{bad}");
        }
    }
}
