//! Owns what a token may be used for. Refuses to know what its owner may have: a scope only ever takes away
//! from that.
//!
//! Scopes are written as OAuth writes them (RFC 6749, section 3.3), words with single spaces between:
//! `marketplaces skill:lint-pro action:github/create_issue mcp creator account read-only`, or `full`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::client_name::is_client_name;

/// The most scopes that one token may have.
pub const MAX_SCOPES: usize = 100;

/// One thing that a token may be used for; [`Scope::ReadOnly`] is what it may not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything that its owner may do.
    Full,
    /// The personal marketplace and the skills in it.
    Marketplaces,
    /// The personal marketplace, and of the skills in it this one and the others that are chosen.
    Skill(String),
    /// Actions on outside services.
    Action(ActionScope),
    /// The tools of the MCP endpoint.
    Mcp,
    /// The creator's side: sources, listings, prices.
    Creator,
    /// The account itself: profile, tokens, sessions, identities.
    Account,
    /// Nothing may be changed with it, whatever else it has.
    ReadOnly,
}

/// Which actions a token may call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionScope {
    /// All of all integrations: `action:*`.
    Every,
    /// All of one integration: `action:github`.
    Integration(String),
    /// One: `action:github/create_issue`.
    One {
        /// The integration's name.
        integration: String,
        /// The action's name in it.
        action: String,
    },
}

/// What somebody is about to do with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// To ask who they are. Any token may.
    Myself,
    /// To fetch the personal marketplace.
    Marketplace,
    /// To fetch the skill of this name.
    Skill(&'a str),
    /// To fetch from a source of theirs.
    Pull,
    /// To push to a source of theirs.
    Push,
    /// To see, or change, what they sell.
    Creator {
        /// Whether anything is changed.
        write: bool,
    },
    /// To see, or change, their account.
    Account {
        /// Whether anything is changed.
        write: bool,
    },
    /// To speak to the MCP endpoint; each tool asks again for what it does.
    Mcp,
    /// To call an action.
    Action {
        /// The integration's name.
        integration: &'a str,
        /// The action's name in it.
        action: &'a str,
        /// Whether it may change anything there.
        write: bool,
    },
}

/// Everything that a token may be used for. Empty, it may be used for nothing but [`Need::Myself`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scopes(BTreeSet<Scope>);

/// Why a text says no scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// A word that means nothing.
    #[error(
        "{0:?} is not a scope: use full, marketplaces, skill:NAME, action:*, action:INTEGRATION, \
         action:INTEGRATION/ACTION, mcp, creator, account or read-only"
    )]
    Unknown(String),
    /// Nothing at all, or only what takes away.
    #[error(
        "select at least one permission besides read-only; for read access to everything, use full and read-only"
    )]
    Nothing,
    /// More than [`MAX_SCOPES`].
    #[error("a token has at most {MAX_SCOPES} scopes")]
    TooMany,
}

/// Whether `text` can name an integration or an action: `create_issue`, `google-calendar`.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
}

impl ActionScope {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None if text == "*" => Some(Self::Every),
            None => is_word(text).then(|| Self::Integration(text.to_owned())),
            Some((integration, "*")) => {
                is_word(integration).then(|| Self::Integration(integration.to_owned()))
            }
            Some((integration, action)) => (is_word(integration) && is_word(action))
                .then(|| Self::One { integration: integration.to_owned(), action: action.to_owned() }),
        }
    }

    fn covers(&self, integration: &str, action: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Integration(name) => name == integration,
            Self::One { integration: name, action: one } => name == integration && one == action,
        }
    }

    fn covers_all_of(&self, other: &Self) -> bool {
        match other {
            Self::Every => *self == Self::Every,
            Self::Integration(name) => {
                *self == Self::Every || matches!(self, Self::Integration(mine) if mine == name)
            }
            Self::One { integration, action } => self.covers(integration, action),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Marketplaces => f.write_str("marketplaces"),
            Self::Skill(name) => write!(f, "skill:{name}"),
            Self::Action(ActionScope::Every) => f.write_str("action:*"),
            Self::Action(ActionScope::Integration(name)) => write!(f, "action:{name}"),
            Self::Action(ActionScope::One { integration, action }) => {
                write!(f, "action:{integration}/{action}")
            }
            Self::Mcp => f.write_str("mcp"),
            Self::Creator => f.write_str("creator"),
            Self::Account => f.write_str("account"),
            Self::ReadOnly => f.write_str("read-only"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let known = match text {
            "full" => Some(Self::Full),
            "marketplaces" => Some(Self::Marketplaces),
            "mcp" => Some(Self::Mcp),
            "creator" => Some(Self::Creator),
            "account" => Some(Self::Account),
            "read-only" => Some(Self::ReadOnly),
            _ => match text.split_once(':') {
                Some(("skill", name)) => is_client_name(name).then(|| Self::Skill(name.to_owned())),
                Some(("action", which)) => ActionScope::parse(which).map(Self::Action),
                _ => None,
            },
        };
        known.ok_or_else(|| InvalidScope::Unknown(text.chars().take(64).collect()))
    }
}

impl Scope {
    /// What it means, as a person reads it before they agree: „read your marketplace …“.
    pub fn explain(&self) -> String {
        match self {
            Self::Full => "full access: everything you can do".to_owned(),
            Self::Marketplaces => "read your marketplace and its skills".to_owned(),
            Self::Skill(name) => format!("read your marketplace and the skill {name}"),
            Self::Action(ActionScope::Every) => "call actions of every service you connect".to_owned(),
            Self::Action(ActionScope::Integration(name)) => format!("call every action of {name}"),
            Self::Action(ActionScope::One { integration, action }) => {
                format!("call the action {action} of {integration}")
            }
            Self::Mcp => "use tools through MCP".to_owned(),
            Self::Creator => "push to your sources and manage what you publish".to_owned(),
            Self::Account => "view and change your account, tokens and sessions".to_owned(),
            Self::ReadOnly => "read only: change nothing".to_owned(),
        }
    }
}

impl fmt::Display for Need<'_> {
    /// What was about to be done, to follow "this token may not ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Myself => f.write_str("ask whose it is"),
            Self::Marketplace => f.write_str("fetch the marketplace"),
            Self::Skill(name) => write!(f, "fetch the skill {name}"),
            Self::Pull => f.write_str("fetch from a source"),
            Self::Push => f.write_str("push to a source"),
            Self::Creator { write: false } => f.write_str("see what you publish"),
            Self::Creator { write: true } => f.write_str("change what you publish"),
            Self::Account { write: false } => f.write_str("see the account"),
            Self::Account { write: true } => f.write_str("change the account"),
            Self::Mcp => f.write_str("use MCP"),
            Self::Action { integration, action, .. } => {
                write!(f, "call the action {action} of {integration}")
            }
        }
    }
}

impl Need<'_> {
    /// Whether it changes anything.
    pub const fn writes(&self) -> bool {
        match self {
            Self::Push => true,
            Self::Creator { write } | Self::Account { write } | Self::Action { write, .. } => *write,
            Self::Myself | Self::Marketplace | Self::Skill(_) | Self::Pull | Self::Mcp => false,
        }
    }
}

impl Scopes {
    /// Everything that the owner may do: what tokens have that nobody limited.
    pub fn full() -> Self {
        Self(BTreeSet::from([Scope::Full]))
    }

    /// These, in one order and each once. What `full` covers is left out beside it.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut set: BTreeSet<Scope> = scopes.into_iter().collect();
        if set.contains(&Scope::Full) {
            set.retain(|scope| matches!(scope, Scope::Full | Scope::ReadOnly));
        }
        Self(set)
    }

    /// Whether nothing is taken away.
    pub fn is_full(&self) -> bool {
        self.has(&Scope::Full) && !self.is_read_only()
    }

    /// Whether nothing may be changed.
    pub fn is_read_only(&self) -> bool {
        self.has(&Scope::ReadOnly)
    }

    /// Whether this very scope is among them.
    pub fn has(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// The chosen skills; none where all are meant, or none are.
    pub fn skills(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|scope| match scope {
            Scope::Skill(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether every skill of the marketplace may be read. To choose skills is to leave out the others, also
    /// beside `marketplaces`.
    fn reads_all_skills(&self) -> bool {
        self.has(&Scope::Full) || (self.has(&Scope::Marketplaces) && self.skills().next().is_none())
    }

    fn actions(&self) -> impl Iterator<Item = &ActionScope> {
        self.0.iter().filter_map(|scope| match scope {
            Scope::Action(which) => Some(which),
            _ => None,
        })
    }

    /// Whether a token of these scopes may be used for `need`. That its owner may is not asked here.
    pub fn permits(&self, need: &Need<'_>) -> bool {
        if need.writes() && self.is_read_only() {
            return false;
        }
        let has = |scope: Scope| self.has(&Scope::Full) || self.has(&scope);
        match need {
            Need::Myself => true,
            Need::Marketplace => has(Scope::Marketplaces) || self.skills().next().is_some(),
            Need::Skill(name) => self.reads_all_skills() || self.skills().any(|chosen| chosen == *name),
            Need::Pull | Need::Push | Need::Creator { .. } => has(Scope::Creator),
            Need::Account { .. } => has(Scope::Account),
            Need::Mcp => has(Scope::Mcp),
            Need::Action { integration, action, .. } => {
                self.has(&Scope::Full) || self.actions().any(|scope| scope.covers(integration, action))
            }
        }
    }

    /// Whether a token of these scopes opens nothing that one of `other` does not: what a token may hand on,
    /// and what a refresh may ask for (RFC 6749, section 6).
    pub fn is_within(&self, other: &Self) -> bool {
        if other.is_read_only() && !self.is_read_only() {
            return false;
        }
        if other.has(&Scope::Full) {
            return true;
        }
        self.0.iter().all(|scope| match scope {
            Scope::ReadOnly => true,
            Scope::Full => false,
            // Beside chosen skills it opens the marketplace alone.
            Scope::Marketplaces if self.skills().next().is_some() => other.permits(&Need::Marketplace),
            Scope::Marketplaces => other.reads_all_skills(),
            Scope::Skill(name) => other.permits(&Need::Skill(name)),
            Scope::Action(which) => other.actions().any(|mine| mine.covers_all_of(which)),
            Scope::Mcp | Scope::Creator | Scope::Account => other.has(scope),
        })
    }

    /// What they mean together, line by line, as a person reads it before they agree.
    pub fn explain(&self) -> Vec<String> {
        if !self.is_read_only() {
            return self.0.iter().map(Scope::explain).collect();
        }
        let reading = self.0.iter().map(|scope| match scope {
            Scope::Full => "read everything you can see".to_owned(),
            Scope::Creator => "fetch from your sources and view what you publish".to_owned(),
            Scope::Account => "view your account, tokens and sessions".to_owned(),
            Scope::ReadOnly => "change nothing".to_owned(),
            other => other.explain(),
        });
        reading.collect()
    }

    /// Why `need` is refused: a sentence that says what the token is limited to.
    pub fn refusal(&self, need: &Need<'_>) -> String {
        format!("this token may not {need}: it is limited to `{self}`; use one that allows it")
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, scope) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            scope.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let words: Vec<&str> = text.split_ascii_whitespace().take(MAX_SCOPES + 1).collect();
        if words.len() > MAX_SCOPES {
            return Err(InvalidScope::TooMany);
        }
        let scopes = words.into_iter().map(str::parse).collect::<Result<Vec<Scope>, _>>()?;
        let scopes = Self::of(scopes);
        let gives = scopes.iter().any(|scope| *scope != Scope::ReadOnly);
        if gives { Ok(scopes) } else { Err(InvalidScope::Nothing) }
    }
}

impl serde::Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
