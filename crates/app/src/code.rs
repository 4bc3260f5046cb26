//! The stable names of what can go wrong. Programs act on them: a code may be added, never renamed or given another
//! meaning. docs/errors.md lists them for people; a test compares the two.

/// What sort of failure it is, which is all that a status code can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No working credentials.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Absent, or not to be known about: both read the same.
    NotFound,
    /// The input cannot be taken.
    Invalid,
    /// Fine by itself, but not beside what is already there.
    Conflict,
    /// Larger than the limit.
    TooLarge,
    /// Too often.
    RateLimited,
    /// All places are taken for the moment.
    Busy,
    /// Another service, asked on somebody's behalf, failed or sent something unusable.
    Upstream,
    /// Something that the server stands on is away; it passes.
    Unavailable,
    /// The server's own fault.
    Fault,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident;)*) => {
        /// Why a request failed, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name that programs see.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What sort of failure it is.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

codes! {
    /// No token, or one that opens nothing.
    Unauthenticated = "unauthenticated", Unauthenticated;

    /// The token was made for other things. Another token would help.
    OutOfScope = "out-of-scope", Forbidden;
    /// The API token belongs to another user than the one named beside it.
    WrongUsername = "wrong-username", Forbidden;
    /// The account is suspended.
    AccountSuspended = "account-suspended", Forbidden;
    /// Only the operator may do it.
    OperatorOnly = "operator-only", Forbidden;
    /// It concerns somebody with an account, which the operator's command line has none of.
    AccountRequired = "account-required", Forbidden;
    /// An authorized app may not do it.
    NotForApps = "not-for-apps", Forbidden;
    /// It works only in a browser in which the user is signed in.
    BrowserOnly = "browser-only", Forbidden;
    /// It works only with an API token.
    ApiTokenOnly = "api-token-only", Forbidden;
    /// The sign-in is too long ago for this.
    RecentSignInRequired = "recent-sign-in-required", Forbidden;
    /// The role of the user requires a second factor, and they have none.
    SecondFactorRequired = "second-factor-required", Forbidden;
    /// The request came from another site, or a browser sent no CSRF token.
    Forged = "csrf", Forbidden;
    /// A token cannot make one that may do more, or that works longer, than itself.
    TokenTooPowerful = "token-too-powerful", Forbidden;
    /// The identity provider did not confirm who the person is.
    IdentityNotConfirmed = "identity-not-confirmed", Forbidden;
    /// The sign-in belongs to another browser or user, took too long, or is complete.
    SignInExpired = "sign-in-expired", Forbidden;
    /// The account at the identity provider belongs to another organization.
    WrongOrganization = "wrong-organization", Forbidden;
    /// Nobody can push to this repository.
    NotPushable = "not-pushable", Forbidden;
    /// git asked for something that this server does not speak.
    GitUnsupported = "git-unsupported", Forbidden;

    /// Nothing is at this address.
    NoSuchPage = "no-such-page", NotFound;
    /// No such repository, for this user.
    NoSuchRepository = "no-such-repository", NotFound;
    /// No such skill, or none that this user may know of.
    NoSuchSkill = "no-such-skill", NotFound;
    /// No such price.
    NoSuchPrice = "no-such-price", NotFound;
    /// No such user.
    NoSuchUser = "no-such-user", NotFound;
    /// No such API token.
    NoSuchToken = "no-such-token", NotFound;
    /// No such browser session.
    NoSuchSession = "no-such-session", NotFound;
    /// No such authorized app.
    NoSuchApplication = "no-such-application", NotFound;
    /// No such linked account.
    NoSuchIdentity = "no-such-identity", NotFound;
    /// No such passkey.
    NoSuchPasskey = "no-such-passkey", NotFound;
    /// No authenticator app, or none that is being set up.
    NoSuchAuthenticatorApp = "no-such-authenticator-app", NotFound;
    /// The server does not offer this identity provider.
    NoSuchProvider = "no-such-provider", NotFound;
    /// The mailed link is invalid or expired.
    NoSuchLink = "no-such-link", NotFound;
    /// No such job.
    NoSuchJob = "no-such-job", NotFound;
    /// Nothing is sealed with this master key.
    NoSuchKey = "no-such-key", NotFound;
    /// Something else is missing.
    Missing = "missing", NotFound;

    /// The request is malformed.
    Malformed = "malformed", Invalid;
    /// A field's value cannot be taken.
    InvalidValue = "invalid-value", Invalid;
    /// It is about the API token of the request, and there is none.
    ApiTokenRequired = "api-token-required", Invalid;
    /// The content coding is not supported, or the body does not keep to it.
    InvalidEncoding = "invalid-encoding", Invalid;
    /// The request ended or stalled before it was complete.
    Incomplete = "incomplete", Invalid;

    /// The name is in use, was in use, or looks like another's.
    NameTaken = "name-taken", Conflict;
    /// Another account uses the email address.
    EmailTaken = "email-taken", Conflict;
    /// The identity is linked to another user.
    IdentityTaken = "identity-taken", Conflict;
    /// A version was released with other content.
    VersionTaken = "version-taken", Conflict;
    /// The user has had a trial of this skill.
    TrialUsed = "trial-used", Conflict;
    /// The skill offers no trial.
    NoTrial = "no-trial", Conflict;
    /// The skill is not free.
    NotFree = "not-free", Conflict;
    /// The skill has no release that could be published.
    NothingToPublish = "nothing-to-publish", Conflict;
    /// The listing's prices would break a rule.
    PriceConflict = "price-conflict", Conflict;
    /// The user has paid skills on sale.
    SkillsOnSale = "skills-on-sale", Conflict;
    /// The only sign-in method can't be removed.
    LastSignInMethod = "last-sign-in-method", Conflict;
    /// The last second factor of a user whose role requires one can't be removed.
    LastSecondFactor = "last-second-factor", Conflict;
    /// Without a second factor there is nothing that recovery codes could replace.
    NoSecondFactor = "no-second-factor", Conflict;
    /// An authenticator app is set up already.
    AuthenticatorAppExists = "authenticator-app-exists", Conflict;
    /// The account has as many passkeys as it can have.
    TooManyPasskeys = "too-many-passkeys", Conflict;
    /// There can be no passkeys at the server's public address.
    PasskeysUnavailable = "passkeys-unavailable", Conflict;
    /// The OAuth client was removed in the meantime.
    ClientRemoved = "client-removed", Conflict;
    /// The user's account is suspended.
    UserSuspended = "user-suspended", Conflict;
    /// The user's account is not suspended.
    UserNotSuspended = "user-not-suspended", Conflict;
    /// The user is an operator.
    IsOperator = "is-operator", Conflict;
    /// The user is not an operator.
    NotOperator = "not-an-operator", Conflict;
    /// The listing is in quarantine.
    InQuarantine = "in-quarantine", Conflict;
    /// The listing is not in quarantine.
    NotInQuarantine = "not-in-quarantine", Conflict;
    /// The job is running.
    JobRunning = "job-running", Conflict;
    /// The master key is in use, or not in use everywhere yet.
    KeyInUse = "key-in-use", Conflict;
    /// Somebody else changed the same thing first.
    ChangedMeanwhile = "changed-meanwhile", Conflict;

    /// Larger than the limit.
    TooLarge = "too-large", TooLarge;
    /// Too many requests.
    RateLimited = "rate-limited", RateLimited;
    /// All places are taken for the moment.
    Busy = "busy", Busy;
    /// Another service failed.
    UpstreamFailed = "upstream-failed", Upstream;
    /// The database or the object storage is away.
    Unavailable = "unavailable", Unavailable;
    /// The server's own fault.
    Fault = "fault", Fault;
}

impl Code {
    /// The path of the page on which a person can do something about it.
    pub const fn page(self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated
            | Self::BrowserOnly
            | Self::RecentSignInRequired
            | Self::SignInExpired
            | Self::IdentityNotConfirmed
            | Self::WrongOrganization
            | Self::EmailTaken => Some("/signin"),
            Self::OutOfScope
            | Self::WrongUsername
            | Self::ApiTokenOnly
            | Self::NotForApps
            | Self::TokenTooPowerful
            | Self::NoSuchToken => Some("/account/tokens"),
            Self::NoSuchApplication => Some("/account/applications"),
            Self::NoSuchSession => Some("/account/sessions"),
            Self::NoSuchIdentity | Self::IdentityTaken => Some("/account/identities"),
            Self::SecondFactorRequired
            | Self::LastSecondFactor
            | Self::NoSecondFactor
            | Self::AuthenticatorAppExists
            | Self::TooManyPasskeys
            | Self::PasskeysUnavailable
            | Self::NoSuchPasskey
            | Self::NoSuchAuthenticatorApp => Some("/account/security"),
            Self::LastSignInMethod => Some("/account/password"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_one_of_a_kind() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        }
    }
}
