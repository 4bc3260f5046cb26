//! What can be done that the audit log records: the words, and how people read them.

use std::str::FromStr;

use crate::money::UnknownWord;

macro_rules! actions {
    ($($name:ident = $word:literal, $sentence:literal;)*) => {
        /// An act that the audit log records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = $sentence] $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word used in the database and by programs. It never changes: hashes cover it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What was done, as people read it.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),* }
            }
        }
    };
}

actions! {
    AccountCreate = "account.create", "Account created";
    AccountDelete = "account.delete", "Account deleted";
    AccountSuspend = "account.suspend", "Account suspended";
    AccountRestore = "account.restore", "Account restored";
    EmailChange = "email.change", "Email address confirmed";
    SignIn = "session.create", "Signed in";
    SignOut = "session.end", "Signed out";
    SessionRevoke = "session.revoke", "Session revoked";
    SignOutEverywhere = "session.revoke_all", "Signed out everywhere";
    PasswordSet = "password.set", "Password set";
    PasswordChange = "password.change", "Password changed";
    PasswordReset = "password.reset", "Password reset";
    IdentityLink = "identity.link", "Sign-in method added";
    IdentityUnlink = "identity.unlink", "Sign-in method removed";
    PasskeyAdd = "passkey.add", "Passkey added";
    PasskeyRemove = "passkey.remove", "Passkey removed";
    TotpAdd = "totp.add", "Authenticator app added";
    TotpRemove = "totp.remove", "Authenticator app removed";
    RecoveryCodesCreate = "recovery.create", "Recovery codes created";
    RecoveryCodeUse = "recovery.use", "Recovery code used";
    SecondFactorReset = "second_factor.reset", "Second factor reset";
    TokenCreate = "token.create", "API token created";
    TokenRevoke = "token.revoke", "API token revoked";
    AppAuthorize = "app.authorize", "App authorized";
    AppRevoke = "app.revoke", "App revoked";
    AppTokenRevoke = "app.sign_out", "App signed itself out";
    GrantAdd = "grant.add", "Access granted";
    GrantRevoke = "grant.revoke", "Access revoked";
    ListingChange = "listing.change", "Listing changed";
    ListingPublish = "listing.publish", "Listing published";
    ListingWithdraw = "listing.withdraw", "Listing withdrawn";
    ListingQuarantine = "listing.quarantine", "Listing quarantined";
    ListingRestore = "listing.restore", "Listing released from quarantine";
    ListingDelete = "listing.delete", "Listing deleted";
    PriceSet = "price.set", "Price set";
    PriceArchive = "price.archive", "Price archived";
    Push = "release.create", "Skills pushed";
    OperatorAdd = "operator.add", "Made an operator";
    OperatorRemove = "operator.remove", "No longer an operator";
    JobRetry = "job.retry", "Job retried";
    JobCancel = "job.cancel", "Job canceled";
    VaultRotate = "vault.rotate", "Vault sealed with another master key";
    VaultDiscard = "vault.discard", "Records of a lost master key discarded";
    StorageSweep = "storage.sweep", "Object storage swept";
    BackupRestored = "backup.restored", "Restored backup settled";
    StepsRestamp = "steps.restamp", "Timestamps corrected";
}

impl FromStr for Action {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or_else(|| UnknownWord {
            text: text.chars().take(64).collect(),
            expected: "an action such as session.create, token.revoke or grant.add",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_action_has_a_dotted_word_of_its_own_that_reads_back() {
        let words: HashSet<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        for action in Action::ALL {
            assert!(action.as_str().contains('.'), "{action:?}");
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
    }
}
