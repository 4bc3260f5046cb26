//! Owns which names may be taken: form, reserved words, look-alikes. Refuses to know who has taken what.

use unicode_normalization::UnicodeNormalization;

/// The longest username, in letters.
pub const MAX_USERNAME: usize = 39;
/// The longest name of a skill or a source, in letters (docs/agents.md, section 2).
pub const MAX_SKILL_NAME: usize = 64;

/// Why a name cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not lower-case letters, digits and single hyphens, or too long.
    #[error("{name:?} cannot be a name: use 1 to {max} of a-z and 0-9, with single hyphens between them")]
    Form {
        /// What was given, cut to 64 characters.
        name: String,
        /// The longest allowed.
        max: usize,
    },
    /// A word with a meaning here or for an agent client, or an imitation of one.
    #[error("{0:?} is reserved; choose another name")]
    Reserved(String),
}

/// Words that would collide with our own routes and roles.
const RESERVED_USERNAMES: &[&str] = &[
    "about",
    "account",
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "blog",
    "buy",
    "creator",
    "creators",
    "dashboard",
    "device",
    "docs",
    "explore",
    "git",
    "healthz",
    "help",
    "hooks",
    "login",
    "logout",
    "marketplace",
    "mcp",
    "me",
    "metrics",
    "new",
    "null",
    "o",
    "oauth",
    "official",
    "operator",
    "org",
    "organisation",
    "organization",
    "pay",
    "payments",
    "postmaster",
    "pricing",
    "privacy",
    "readyz",
    "root",
    "s",
    "security",
    "settings",
    "signin",
    "signup",
    "skaas",
    "skills",
    "skillport",
    "source",
    "static",
    "status",
    "stripe",
    "support",
    "system",
    "team",
    "terms",
    "u",
    "undefined",
    "user",
    "users",
    "v1",
    "webmaster",
    "well-known",
    "www",
];

/// Names that agent clients keep for themselves.
const KEPT_BY_CLIENTS: &[&str] = &[
    "agent-skills",
    "builtin",
    "claude-code-plugins",
    "claude-plugins-official",
    "inline",
    "skills-dir",
    "synced",
];

/// Names that would be taken for something of ours.
const KEPT_BY_US: &[&str] = &["buy", "marketplace", "skaas", "skills"];

/// Beginnings that claim an official origin.
const OFFICIAL_PREFIXES: &[&str] =
    &["anthropic-", "claude-official", "claude-plugins-", "official-anthropic", "official-claude"];

/// Whether `text` is `^[a-z0-9]+(-[a-z0-9]+)*$`: lower-case words with single hyphens between.
pub fn is_kebab(text: &str) -> bool {
    !text.is_empty()
        && text.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

fn check_form(name: &str, max: usize) -> Result<(), InvalidName> {
    if is_kebab(name) && name.len() <= max {
        Ok(())
    } else {
        Err(InvalidName::Form { name: name.chars().take(64).collect(), max })
    }
}

fn imitates(name: &str, reserved: &[&str]) -> bool {
    let mine = skeleton(name);
    reserved.iter().any(|word| skeleton(word) == mine)
}

/// Whether `name` may be a username: `^[a-z0-9](-?[a-z0-9])*$`, not reserved, not the look-alike of a reserved
/// word.
pub fn check_username(name: &str) -> Result<(), InvalidName> {
    check_form(name, MAX_USERNAME)?;
    if imitates(name, RESERVED_USERNAMES) || imitates(name, &["anthropic", "claude", "openai", "codex"]) {
        return Err(InvalidName::Reserved(name.into()));
    }
    Ok(())
}

/// Whether `name` may be a source's name. Sources live below their creator's name: only the form counts.
pub fn check_source_name(name: &str) -> Result<(), InvalidName> {
    check_form(name, MAX_SKILL_NAME)
}

/// Whether `name` may be a skill's name: the form that every client loads, none of the words that
/// clients keep for themselves, no imitation of an official name.
pub fn check_skill_name(name: &str) -> Result<(), InvalidName> {
    check_marketplace_name(name)?;
    if imitates(name, KEPT_BY_US) {
        return Err(InvalidName::Reserved(name.into()));
    }
    Ok(())
}

/// Whether `name` may be what clients call the personal marketplaces of an installation.
pub fn check_marketplace_name(name: &str) -> Result<(), InvalidName> {
    check_form(name, MAX_SKILL_NAME)?;
    let mine = skeleton(name);
    let official = OFFICIAL_PREFIXES.iter().any(|prefix| mine.starts_with(&skeleton(prefix)))
        || imitates(name, &["anthropic", "claude", "claude-code"]);
    if official || imitates(name, KEPT_BY_CLIENTS) {
        return Err(InvalidName::Reserved(name.into()));
    }
    Ok(())
}

/// What a name looks like: two names with one skeleton are taken for each other by people.
///
/// Compatibility-normalised (NFKC), lower case, without hyphens; `0`/`o`, `1`/`l`/`i`, `5`/`s`, `rn`/`m`
/// and `vv`/`w` are one (the confusables of UTS 39 that remain within a-z and 0-9).
pub fn skeleton(name: &str) -> String {
    let folded: String = name
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            other => other,
        })
        .collect();
    folded.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usernames_follow_one_form_and_keep_clear_of_reserved_words() {
        for good in ["alice", "a", "a-b-c", "x1", "lint-lover"] {
            assert_eq!(check_username(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "Alice", "a_b", "älice", "a b", &"a".repeat(40)] {
            assert!(matches!(check_username(bad), Err(InvalidName::Form { .. })), "{bad}");
        }
        for reserved in ["admin", "adm1n", "me", "c1aude", "anthropic", "sk-aas"] {
            assert!(matches!(check_username(reserved), Err(InvalidName::Reserved(_))), "{reserved}");
        }
    }

    #[test]
    fn skill_names_keep_clear_of_what_clients_reserve() {
        for good in ["lint-pro", "pdf", "claude-md-writer", "security-review"] {
            assert_eq!(check_skill_name(good), Ok(()), "{good}");
        }
        for bad in ["inline", "builtin", "bui1tin", "claude-plugins-official", "anthropic-tools", "claude"] {
            assert!(matches!(check_skill_name(bad), Err(InvalidName::Reserved(_))), "{bad}");
        }
    }

    #[test]
    fn names_that_people_take_for_each_other_share_a_skeleton() {
        for (a, b) in
            [("lint-pro", "lintpro"), ("lint-pro", "1int-pr0"), ("modern", "modem"), ("vvave", "wave")]
        {
            assert_eq!(skeleton(a), skeleton(b), "{a} {b}");
        }
        assert_ne!(skeleton("lint-pro"), skeleton("lint-prod"));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_panic(text: String) {
            let _ = (check_username(&text), check_skill_name(&text), skeleton(&text));
        }
    }
}
