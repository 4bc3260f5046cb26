//! Versions of releases: reading what authors write, and deciding which version a push becomes.
//! Owns the order of precedence; refuses to know what was already released beyond the last one.

use crate::client_name;
use crate::finding::Finding;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Longest version text that is read or kept.
pub const MAX_LEN: usize = 64;

/// What every stub's version starts with; creators may not use it.
pub const STUB_PREFIX: &str = "0.0.0-stub.";

/// A version after Semantic Versioning 2.0.0, without build metadata (two contents that differ only
/// there would be equal to every client). Ordered by precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(semver::Version);

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a version like 1.2.3")]
pub struct InvalidVersion(String);

impl Version {
    /// The version of a first release that names none: 0.1.0.
    pub fn first() -> Self {
        Self(semver::Version::new(0, 1, 0))
    }

    /// `major.minor.patch`.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(semver::Version::new(major, minor, patch))
    }

    /// The version of the stub whose content has this SHA-256: `0.0.0-stub.` and eight hex digits.
    pub(crate) fn stub(digest: [u8; 32]) -> Self {
        use sha2::{Digest as _, Sha256};
        let [a, b, c, d, ..] = digest;
        // Semver (rule 9) forbids a leading zero in an identifier of digits alone; in that rare
        // case the next digest in the chain is as good a name for the same content.
        match format!("{STUB_PREFIX}{a:02x}{b:02x}{c:02x}{d:02x}").parse() {
            Ok(version) => version,
            Err(_) => Self::stub(Sha256::digest(digest).into()),
        }
    }

    /// Whether it is a stub's.
    pub fn is_stub(&self) -> bool {
        self.0.major == 0
            && self.0.minor == 0
            && self.0.patch == 0
            && self.0.pre.as_str().split('.').next() == Some("stub")
    }

    /// Whether it is a pre-release (`1.0.0-beta.1`).
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// The smallest plain version above this one: the patch raised, or the pre-release finished.
    #[must_use]
    pub fn next_patch(&self) -> Self {
        let patch = if self.is_prerelease() { self.0.patch } else { self.0.patch.saturating_add(1) };
        Self::new(self.0.major, self.0.minor, patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Strict: exactly semver, no `v`, no build metadata.
impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(shown(text));
        if text.len() > MAX_LEN {
            return Err(invalid());
        }
        let version = semver::Version::parse(text).map_err(|_| invalid())?;
        if version.build.is_empty() { Ok(Self(version)) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

fn shown(text: &str) -> String {
    crate::plain_text::shorten(&crate::plain_text::one_line(text), 80)
}

/// Reads what a person wrote: a leading `v`, missing parts, leading zeros and build metadata are
/// mended. The flag says whether anything had to be.
///
/// # Errors
/// When no version can be seen in it.
pub fn read_lenient(text: &str) -> Result<(Version, bool), InvalidVersion> {
    let invalid = || InvalidVersion(shown(text));
    if text.len() > MAX_LEN {
        return Err(invalid());
    }
    if let Ok(version) = text.parse() {
        return Ok((version, false));
    }
    let bare = text.trim().trim_start_matches(['v', 'V', '=']).trim();
    let bare = bare.split('+').next().unwrap_or(bare);
    let (numbers, pre) = bare.split_once('-').map_or((bare, None), |(a, b)| (a, Some(b)));
    let mut parts = Vec::with_capacity(3);
    for part in numbers.split('.') {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        parts.push(part.parse::<u64>().map_err(|_| invalid())?);
    }
    if parts.len() > 3 {
        return Err(invalid());
    }
    parts.resize(3, 0);
    let mut mended = format!("{}.{}.{}", parts[0], parts[1], parts[2]);
    if let Some(pre) = pre {
        mended = format!("{mended}-{pre}");
    }
    Ok((mended.parse().map_err(|_| invalid())?, true))
}

/// The version a git tag names, for the skill `name`: `v1.2.3`, `1.2.3`, and in a source of many
/// skills `name-v1.2.3`, `name@1.2.3` or `name/v1.2.3`. `tag` is the name without `refs/tags/`.
pub fn from_tag(tag: &str, name: &str) -> Option<Version> {
    let rest = match tag.strip_prefix(name) {
        Some(rest) if client_name::is_client_name(name) => rest.strip_prefix(['-', '@', '/']).unwrap_or(tag),
        _ => tag,
    };
    let bare = rest.strip_prefix('v').unwrap_or(rest);
    bare.parse().ok()
}

/// The versions that the files of a skill name, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// From `.claude-plugin/plugin.json` (or the entry of the source's own marketplace.json).
    pub plugin_json: Option<Written>,
    /// From the frontmatter's `metadata.version`, else its `version`.
    pub frontmatter: Option<Written>,
}

/// A version as its author wrote it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Path of the file inside the source.
    pub file: String,
    /// Line in it, from 1, where known.
    pub line: Option<u32>,
}

/// Where a decided version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionOrigin {
    /// plugin.json or the source's marketplace entry.
    PluginJson,
    /// The frontmatter of SKILL.md.
    Frontmatter,
    /// The pushed tag.
    Tag,
    /// Nothing named one: the next patch of the last release, or 0.1.0.
    Counted,
}

/// The version a push becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The version.
    pub version: Version,
    /// Who named it. A counted version is always new; any other may equal or precede the last
    /// release, and what is released under it stays as it is.
    pub origin: VersionOrigin,
    /// What was mended or passed over.
    pub findings: Vec<Finding>,
}

/// Decides by precedence: plugin.json, else the frontmatter, else `tag` (already read by
/// [`from_tag`]), else the next patch after `last`, else 0.1.0. A text that is no version is passed
/// over with a warning.
///
/// # Errors
/// An error finding, when the author names a version that only stubs may have.
pub fn decide_version(
    declared: &Declared,
    tag: Option<&Version>,
    last: Option<&Version>,
) -> Result<Decided, Finding> {
    let mut findings = Vec::new();
    let named = [
        (VersionOrigin::PluginJson, &declared.plugin_json),
        (VersionOrigin::Frontmatter, &declared.frontmatter),
    ];
    for (origin, written) in named {
        let Some(written) = written else { continue };
        match read_lenient(&written.text) {
            Ok((version, _)) if version.is_stub() => {
                let message =
                    format!("{version} is kept for stubs; choose a version of your own, such as 1.0.0");
                return Err(Finding::error(&written.file, "version-reserved", message).at(written.line));
            }
            Ok((version, mended)) => {
                if mended {
                    let message = format!("version `{}` was read as {version}", shown(&written.text));
                    findings
                        .push(Finding::warning(&written.file, "version-semver", message).at(written.line));
                }
                return Ok(Decided { version, origin, findings });
            }
            Err(invalid) => {
                let message = format!("{invalid}; it was passed over");
                findings.push(Finding::warning(&written.file, "version-semver", message).at(written.line));
            }
        }
    }
    if let Some(tag) = tag {
        if tag.is_stub() {
            return Err(Finding::error("", "version-reserved", format!("the tag v{tag} is kept for stubs")));
        }
        return Ok(Decided { version: tag.clone(), origin: VersionOrigin::Tag, findings });
    }
    let version = last.map_or_else(Version::first, Version::next_patch);
    Ok(Decided { version, origin: VersionOrigin::Counted, findings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> Written {
        Written { text: text.to_owned(), file: "SKILL.md".to_owned(), line: Some(2) }
    }

    #[test]
    fn plugin_json_outranks_frontmatter_outranks_tag_outranks_counting() {
        let tag: Version = "3.0.0".parse().unwrap();
        let last: Version = "4.0.0".parse().unwrap();
        let mut declared =
            Declared { plugin_json: Some(written("1.0.0")), frontmatter: Some(written("2.0.0")) };
        let decide = |declared: &Declared, tag, last| {
            let decided = decide_version(declared, tag, last).unwrap();
            (decided.version.to_string(), decided.origin)
        };
        assert_eq!(decide(&declared, Some(&tag), Some(&last)), ("1.0.0".into(), VersionOrigin::PluginJson));
        declared.plugin_json = None;
        assert_eq!(decide(&declared, Some(&tag), Some(&last)), ("2.0.0".into(), VersionOrigin::Frontmatter));
        declared.frontmatter = None;
        assert_eq!(decide(&declared, Some(&tag), Some(&last)), ("3.0.0".into(), VersionOrigin::Tag));
        assert_eq!(decide(&declared, None, Some(&last)), ("4.0.1".into(), VersionOrigin::Counted));
        assert_eq!(decide(&declared, None, None), ("0.1.0".into(), VersionOrigin::Counted));
    }

    #[test]
    fn what_people_write_is_mended_with_a_warning() {
        for (text, version) in [
            ("1.0", "1.0.0"),
            ("v2", "2.0.0"),
            ("2024.01.05", "2024.1.5"),
            ("1.2-beta.1", "1.2.0-beta.1"),
            ("1.2.3+build", "1.2.3"),
        ] {
            let declared = Declared { plugin_json: None, frontmatter: Some(written(text)) };
            let decided = decide_version(&declared, None, None).unwrap();
            assert_eq!(decided.version.to_string(), version);
            assert_eq!(decided.findings.len(), 1);
        }
    }

    #[test]
    fn a_text_that_is_no_version_is_passed_over() {
        let declared = Declared { plugin_json: Some(written("latest")), frontmatter: Some(written("1.1.0")) };
        let decided = decide_version(&declared, None, None).unwrap();
        assert_eq!(decided.version.to_string(), "1.1.0");
        assert_eq!(decided.findings[0].rule, "version-semver");
    }

    #[test]
    fn a_creator_never_takes_a_stubs_version() {
        for text in ["0.0.0-stub.0123abcd", "0.0.0-stub", "v0.0.0-stub.1"] {
            let declared = Declared { plugin_json: Some(written(text)), frontmatter: None };
            assert_eq!(decide_version(&declared, None, None).unwrap_err().rule, "version-reserved");
            let tag = read_lenient(text).unwrap().0;
            assert!(decide_version(&Declared::default(), Some(&tag), None).is_err());
        }
    }

    #[test]
    fn a_tag_may_carry_the_skills_name() {
        for tag in ["v1.2.3", "1.2.3", "lint-pro-v1.2.3", "lint-pro@1.2.3", "lint-pro/v1.2.3"] {
            assert_eq!(from_tag(tag, "lint-pro").unwrap().to_string(), "1.2.3");
        }
        for tag in ["other-v1.2.3", "release", "v1.2", "v1.2.3+b"] {
            assert_eq!(from_tag(tag, "lint-pro"), None);
        }
    }

    proptest! {
        #[test]
        fn a_version_prints_as_it_was_read(text in "[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,4}(-[a-z]{1,4}(\\.[1-9])?)?") {
            if let Ok(version) = text.parse::<Version>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }

        #[test]
        fn the_next_patch_is_higher_and_plain(text in any::<String>(), a in 0u64..9, b in 0u64..9, c in 0u64..9, pre in "(-rc\\.[0-9])?") {
            let _ = read_lenient(&text);
            let version: Version = format!("{a}.{b}.{c}{pre}").parse().unwrap();
            prop_assert!(version.next_patch() > version);
            prop_assert!(!version.next_patch().is_prerelease());
        }

        #[test]
        fn every_digest_makes_a_stubs_version(digest in any::<[u8; 32]>()) {
            let version = Version::stub(digest);
            prop_assert!(version.is_stub());
            prop_assert!(version < Version::first());
        }
    }

    #[test]
    fn a_digest_that_reads_as_a_padded_number_is_replaced() {
        let mut digest = [0u8; 32];
        digest[..4].copy_from_slice(&[0x01, 0x23, 0x45, 0x67]);
        let text = Version::stub(digest).to_string();
        let digits = text.strip_prefix(STUB_PREFIX).unwrap();
        assert_eq!(digits.len(), 8);
        assert_ne!(digits, "01234567");
        digest[0] = 0xab;
        assert_eq!(Version::stub(digest).to_string(), "0.0.0-stub.ab234567");
    }
}
