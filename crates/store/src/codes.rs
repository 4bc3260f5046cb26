//! Owns the rows of links in mails: verification, reset. Refuses to let one work twice.

use std::str::FromStr;

use jiff::Timestamp;
use skaas_domain::{
    id::{CodeId, UserId},
    money::UnknownWord,
    secret::SecretHash,
};

use crate::{
    column::record,
    connection::{Conn, Tx},
    error::Result,
    statement::{execute, fetch_optional, sql},
};

macro_rules! columns {
    () => {
        "id, kind, user_id, sent_to, created_at, expires_at, used_at"
    };
}

sql! {
    /// Only the newest works: whoever asks again does so because the earlier one went astray.
    SUPERSEDE = "UPDATE codes SET expires_at = $3
        WHERE user_id = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3";
    ADD = concat!("INSERT INTO codes (", columns!(), ", hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    FIND = concat!("SELECT ", columns!(), " FROM codes WHERE hash = $1 AND kind = $2
        AND used_at IS NULL AND expires_at > $3
        AND EXISTS (SELECT 1 FROM users WHERE users.id = codes.user_id AND deleted_at IS NULL)");
    FIND_BY_ID = concat!("SELECT ", columns!(), " FROM codes WHERE id = $1 AND used_at IS NULL AND expires_at > $2
        AND EXISTS (SELECT 1 FROM users WHERE users.id = codes.user_id AND deleted_at IS NULL)");
    ADD_TWIN = concat!("INSERT INTO codes (", columns!(), ", hash)
        SELECT $2, kind, user_id, sent_to, created_at, expires_at, NULL, $3 FROM codes
        WHERE id = $1 AND used_at IS NULL AND expires_at > $4");
    REDEEM = concat!("UPDATE codes SET used_at = $3 WHERE hash = $1 AND kind = $2
        AND used_at IS NULL AND expires_at > $3
        AND EXISTS (SELECT 1 FROM users WHERE users.id = codes.user_id AND deleted_at IS NULL)
        RETURNING ", columns!());
    END_ALL = "UPDATE codes SET expires_at = $2 WHERE user_id = $1 AND used_at IS NULL AND expires_at > $2";
    FORGET = "DELETE FROM codes WHERE expires_at < $1";
    FORGET_OF = "DELETE FROM codes WHERE user_id = $1";
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeKind {
    /// To show that mail to an address arrives, which is then the account's.
    Verify,
    /// To choose a new password.
    Reset,
}

impl CodeKind {
    /// The word used in columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }
}

impl FromStr for CodeKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Verify, Self::Reset]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownWord { text: text.chars().take(64).collect(), expected: "verify, reset" })
    }
}

/// What is stored of a link.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// Names this one.
    pub id: CodeId,
    /// What for.
    pub kind: CodeKind,
    /// For whom.
    pub user: UserId,
    /// The address that it was sent to, and shows to be theirs.
    pub sent_to: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl std::fmt::Debug for Code {
    /// Without the address: it does not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({}, {:?}, {})", self.id, self.kind, self.user)
    }
}

record!(Code {
    id: CodeId,
    kind: CodeKind,
    user: UserId = "user_id",
    sent_to: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
});

/// Adds a link. Earlier ones of the same user and kind stop working.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn add(tx: &mut Tx, code: &Code, hash: &SecretHash) -> Result<()> {
    tx.bump_user(code.user).await?;
    execute!(tx, SUPERSEDE, [code.user, code.kind, code.created_at])?;
    execute!(
        tx,
        ADD,
        [code.id, code.kind, code.user, code.sent_to, code.created_at, code.expires_at, code.used_at, hash]
    )?;
    Ok(())
}

/// The link of this hash and kind, if it works at `now`: to show a form for it. It is not used up.
pub async fn find(
    conn: &mut Conn,
    kind: CodeKind,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<Code>> {
    fetch_optional!(conn, FIND, [hash, kind, now])
}

/// The link of this id, if it works at `now`.
pub async fn find_by_id(conn: &mut Conn, id: CodeId, now: Timestamp) -> Result<Option<Code>> {
    fetch_optional!(conn, FIND_BY_ID, [id, now])
}

/// Adds a link that works for the same, and for as long, as `of`: each attempt to mail a link mails one of its own,
/// whose secret nobody kept. Returns `false`, having added nothing, if `of` no longer works.
///
/// # Errors
/// [`crate::StoreError::Missing`] when there is no such user.
pub async fn add_twin(tx: &mut Tx, of: &Code, id: CodeId, hash: &SecretHash, now: Timestamp) -> Result<bool> {
    // Whoever ends the user's links waits here, or has done so.
    tx.bump_user(of.user).await?;
    Ok(execute!(tx, ADD_TWIN, [of.id, id, hash, now])? == 1)
}

/// Uses a link up; `None` when it does not work, or not any more. Of many at once one gets it.
pub async fn redeem(tx: &mut Tx, kind: CodeKind, hash: &SecretHash, at: Timestamp) -> Result<Option<Code>> {
    fetch_optional!(tx, REDEEM, [hash, kind, at])
}

/// Ends every link of a user's that was not used; how many.
pub async fn end_all(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<u64> {
    tx.bump_user(user).await?;
    execute!(tx, END_ALL, [user, at])
}

/// Drops links that ended before then; how many.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, FORGET, [before])
}

/// Drops all links of a user who is being deleted, with the addresses in them.
pub(crate) async fn forget_of(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, FORGET_OF, [user])?;
    Ok(())
}
