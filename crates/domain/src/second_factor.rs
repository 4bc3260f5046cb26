//! The rules of second factors: who must have one, and which may be removed. How one is verified belongs to
//! [`crate::totp`], [`crate::recovery_code`] and the app.

/// What a person is on this server, as far as it decides how they must sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    /// They are an operator.
    pub is_operator: bool,
    /// They sell at least one skill at a price.
    pub is_paid_creator: bool,
}

/// Whether somebody with these roles must have a second factor: a stolen password would give their power over other
/// people, or their money, to a stranger.
pub const fn requires_second_factor(roles: Roles) -> bool {
    roles.is_operator || roles.is_paid_creator
}

/// The second factors that an account has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Factors {
    /// How many passkeys.
    pub passkeys: usize,
    /// Whether an authenticator app is set up.
    pub authenticator_app: bool,
    /// How many recovery codes were not used yet.
    pub recovery_codes: usize,
}

impl Factors {
    /// Whether signing in asks for one. Recovery codes alone don't count: they replace a factor, and run out.
    pub const fn is_set_up(self) -> bool {
        self.passkeys > 0 || self.authenticator_app
    }
}

/// Whether somebody with these roles may be left with these factors.
pub const fn may_have(roles: Roles, left: Factors) -> bool {
    left.is_set_up() || !requires_second_factor(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_ROLES: [Roles; 4] = [
        Roles { is_operator: false, is_paid_creator: false },
        Roles { is_operator: true, is_paid_creator: false },
        Roles { is_operator: false, is_paid_creator: true },
        Roles { is_operator: true, is_paid_creator: true },
    ];

    #[test]
    fn operators_and_paid_creators_need_a_second_factor_and_nobody_else_does() {
        assert_eq!(ALL_ROLES.map(requires_second_factor), [false, true, true, true]);
    }

    #[test]
    fn only_those_who_need_one_may_not_remove_their_last_factor() {
        let codes_only = Factors { recovery_codes: 10, ..Factors::default() };
        let app = Factors { authenticator_app: true, ..Factors::default() };
        let passkey = Factors { passkeys: 1, ..Factors::default() };
        for roles in ALL_ROLES {
            assert_eq!(may_have(roles, codes_only), !requires_second_factor(roles));
            assert!(may_have(roles, app) && may_have(roles, passkey));
        }
        assert!(!codes_only.is_set_up());
    }
}
