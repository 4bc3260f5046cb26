//! Which repository of a person's space is meant, and how that is written in URLs and rows. Whether it exists, and who
//! may read it, is decided elsewhere.

use std::{fmt, str::FromStr};

use crate::id::{InvalidId, SkillId};

/// A repository that is served to one user. `S` is how its skill is named: by name in URLs (`Repo<&str>`), by ID in rows
/// and keys (`Repo<SkillId>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repo<S> {
    /// The personal marketplace.
    Marketplace,
    /// One skill.
    Skill(S),
}

impl<S> Repo<S> {
    /// The same repository with its skill named in another way.
    ///
    /// # Errors
    /// The error of `name`, which is called for a skill only.
    pub fn try_map<T, E>(self, name: impl FnOnce(S) -> Result<T, E>) -> Result<Repo<T>, E> {
        Ok(match self {
            Self::Marketplace => Repo::Marketplace,
            Self::Skill(skill) => Repo::Skill(name(skill)?),
        })
    }
}

/// The word of the marketplace, in URLs and in rows.
const MARKETPLACE: &str = "marketplace";
/// The folder of skills in URLs.
const SKILLS: &str = "skills";

/// A part of a URL's path without `.git`; `None` if nothing is left.
pub fn without_suffix(part: &str) -> Option<&str> {
    let name = part.strip_suffix(".git").unwrap_or(part);
    (!name.is_empty()).then_some(name)
}

impl<'a> Repo<&'a str> {
    /// Reads what follows a person's space in a URL: `marketplace/…` or `skills/{name}/…`, each with or without `.git`.
    /// Returns the repository and the rest behind the slash.
    pub fn split_path(path: &'a str) -> Option<(Self, &'a str)> {
        let (first, rest) = path.split_once('/')?;
        if first == SKILLS {
            let (skill, rest) = rest.split_once('/')?;
            return Some((Self::Skill(without_suffix(skill)?), rest));
        }
        (without_suffix(first)? == MARKETPLACE).then_some((Self::Marketplace, rest))
    }
}

impl fmt::Display for Repo<&str> {
    /// Formats the path below a person's space, without `.git`: what [`Repo::split_path`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Marketplace => f.write_str(MARKETPLACE),
            Self::Skill(name) => write!(f, "{SKILLS}/{name}"),
        }
    }
}

impl fmt::Display for Repo<SkillId> {
    /// Formats the key in rows: `marketplace`, or the skill's ID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Marketplace => f.write_str(MARKETPLACE),
            Self::Skill(skill) => skill.fmt(f),
        }
    }
}

impl FromStr for Repo<SkillId> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == MARKETPLACE { Ok(Self::Marketplace) } else { text.parse().map(Self::Skill) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_path_of_a_repo_reads_back_as_itself(name in "[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", suffix in "(\\.git)?") {
            for repo in [Repo::Marketplace, Repo::Skill(&*name)] {
                let path = format!("{repo}{suffix}/info/refs");
                prop_assert_eq!(Repo::split_path(&path), Some((repo, "info/refs")));
            }
        }
    }

    #[test]
    fn the_key_of_a_repo_reads_back_as_itself() {
        for text in ["marketplace", "skl_01jbx9m5q0e8w8x3x5v2k7n4rt"] {
            assert_eq!(text.parse::<Repo<SkillId>>().unwrap().to_string(), text);
        }
        assert!("skills/lint".parse::<Repo<SkillId>>().is_err());
    }
}
