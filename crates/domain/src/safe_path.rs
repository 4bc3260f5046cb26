//! Which paths and sizes a release may have, on every platform it can be checked out on. Owns the
//! rules and their names; refuses to mend anything.

use crate::finding::{Finding, escape_path};
use crate::plain_text::is_unprintable;
use std::collections::HashMap;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// How large a release may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files in it.
    pub max_files: usize,
    /// Bytes of all files together.
    pub max_total_bytes: u64,
    /// Bytes of one file.
    pub max_file_bytes: u64,
    /// Components of one path.
    pub max_depth: usize,
    /// Bytes of one path.
    pub max_path_bytes: usize,
    /// Bytes (and so at most as many UTF-16 units) of one component.
    pub max_component_bytes: usize,
}

impl Default for Limits {
    /// 5 000 files, 64 MiB, 16 MiB a file, 32 deep, 400 bytes a path, 200 a component.
    fn default() -> Self {
        Self {
            max_files: 5_000,
            max_total_bytes: 64 << 20,
            max_file_bytes: 16 << 20,
            max_depth: 32,
            max_path_bytes: 400,
            max_component_bytes: 200,
        }
    }
}

/// A rule that a path or a release broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rule {
    /// Not UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// The path or one of its components is empty (`a//b`, `/a`, `a/`).
    #[error("a part of its name is empty")]
    Empty,
    /// `.` or `..`.
    #[error("`.` and `..` are not names")]
    Dots,
    /// `.git`, in any spelling that some file system takes for it.
    #[error("git or a file system would take it for `.git`")]
    DotGit,
    /// `.gitmodules` or `.gitattributes` in any spelling: instructions to the git that clones.
    #[error("it would give instructions to the git of whoever clones it")]
    GitInstructions,
    /// A character that Windows forbids, backslash and colon among them.
    #[error("`{0}` cannot be in a file name on Windows")]
    Forbidden(char),
    /// A control, bidi, zero-width or otherwise invisible character.
    #[error("it holds the invisible character U+{0:04X}")]
    Invisible(u32),
    /// Ends in a dot or a space, which Windows drops; begins with a space.
    #[error("it begins with a space, or ends with a dot or a space")]
    Edge,
    /// A Windows device (`aux`, `con.txt`, `COM1`).
    #[error("it is the name of a device on Windows")]
    Device,
    /// The same as another path to a file system that ignores case or Unicode form.
    #[error("on some file systems it is the same file as {0}")]
    Twin(String),
    /// A file where another path needs a folder.
    #[error("{0} needs it to be a folder")]
    FileAndFolder(String),
    /// Too long.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// Too deep.
    #[error("it is more than {0} folders deep")]
    TooDeep(usize),
    /// One file is too large.
    #[error("it has {size} bytes, and a file may have {max}")]
    FileTooLarge {
        /// Its bytes.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// Too many files; said of the first one over the limit.
    #[error("a release may have {0} files")]
    TooMany(usize),
    /// Too many bytes; said of the file that passed the limit.
    #[error("a release may have {0} bytes")]
    TooLarge(u64),
}

impl Rule {
    /// Stable name, as shown in brackets after a finding.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotUtf8 => "path-utf8",
            Self::Empty => "path-empty",
            Self::Dots => "path-dots",
            Self::DotGit => "path-dot-git",
            Self::GitInstructions => "path-git-instructions",
            Self::Forbidden(_) => "path-character",
            Self::Invisible(_) => "path-invisible",
            Self::Edge => "path-edge",
            Self::Device => "path-device",
            Self::Twin(_) => "path-twin",
            Self::FileAndFolder(_) => "path-file-and-folder",
            Self::TooLong(_) => "path-length",
            Self::TooDeep(_) => "path-depth",
            Self::FileTooLarge { .. } => "file-size",
            Self::TooMany(_) => "release-files",
            Self::TooLarge(_) => "release-size",
        }
    }
}

/// A path and the rule it broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {rule}")]
pub struct UnsafePath {
    /// The path, escaped for display.
    pub path: String,
    /// The rule.
    pub rule: Rule,
}

impl UnsafePath {
    fn new(path: &[u8], rule: Rule) -> Self {
        Self { path: escape_path(path), rule }
    }

    /// As an error finding.
    pub fn into_finding(self) -> Finding {
        let message = self.rule.to_string();
        // The path is escaped already.
        Finding { file: self.path, ..Finding::error("", self.rule.name(), message) }
    }
}

/// At most this many refusals are listed; a hostile tree may break a rule in every path.
const MAX_REFUSALS: usize = 20;

/// Checks all paths of a release with their sizes in bytes.
///
/// # Errors
/// The first twenty offences, in the order of the paths given.
pub fn check_release_paths<'a>(
    files: impl IntoIterator<Item = (&'a [u8], u64)>,
    limits: &Limits,
) -> Result<(), Vec<UnsafePath>> {
    let mut refusals = Vec::new();
    let mut seen = Spellings::default();
    let mut total = 0u64;
    for (count, (path, size)) in files.into_iter().enumerate() {
        if refusals.len() >= MAX_REFUSALS {
            break;
        }
        let mut refuse = |rule| refusals.push(UnsafePath::new(path, rule));
        if count >= limits.max_files {
            refuse(Rule::TooMany(limits.max_files));
            break;
        }
        if size > limits.max_file_bytes {
            refuse(Rule::FileTooLarge { size, max: limits.max_file_bytes });
        }
        total = total.saturating_add(size);
        if total > limits.max_total_bytes {
            refuse(Rule::TooLarge(limits.max_total_bytes));
            break;
        }
        match check_path(path, limits).and_then(|path| seen.add(path)) {
            Ok(()) => {}
            Err(rule) => refuse(rule),
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Checks one path alone and returns it as text.
///
/// # Errors
/// The first rule it breaks.
pub fn check_path<'a>(path: &'a [u8], limits: &Limits) -> Result<&'a str, Rule> {
    if path.len() > limits.max_path_bytes {
        return Err(Rule::TooLong(limits.max_path_bytes));
    }
    let text = std::str::from_utf8(path).map_err(|_| Rule::NotUtf8)?;
    if text.split('/').count() > limits.max_depth {
        return Err(Rule::TooDeep(limits.max_depth));
    }
    for component in text.split('/') {
        check_component(component, limits)?;
    }
    Ok(text)
}

fn check_component(component: &str, limits: &Limits) -> Result<(), Rule> {
    if component.is_empty() {
        return Err(Rule::Empty);
    }
    if component == "." || component == ".." {
        return Err(Rule::Dots);
    }
    if component.len() > limits.max_component_bytes {
        return Err(Rule::TooLong(limits.max_component_bytes));
    }
    // Before the general rules, so that the message names the true danger.
    if is_git_name(component, "git", &["git"]) {
        return Err(Rule::DotGit);
    }
    if is_git_name(component, "gitmodules", &["gitmod", "gi7eba"])
        || is_git_name(component, "gitattributes", &["gitatt", "gi7d29"])
    {
        return Err(Rule::GitInstructions);
    }
    for c in component.chars() {
        if is_unprintable(c) {
            return Err(Rule::Invisible(u32::from(c)));
        }
        if matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*') {
            return Err(Rule::Forbidden(c));
        }
    }
    if component.starts_with(char::is_whitespace)
        || component.ends_with(|c: char| c == '.' || c.is_whitespace())
    {
        return Err(Rule::Edge);
    }
    if is_device(component) {
        return Err(Rule::Device);
    }
    Ok(())
}

/// Whether HFS+ or NTFS may take `component` for `.{name}`: HFS+ ignores certain invisible
/// characters and case, NTFS ignores case, trailing dots and spaces and what follows a colon, and
/// gives short names (`GIT~1`; for longer names the first six letters, or two and a hash).
fn is_git_name(component: &str, name: &str, short: &[&str]) -> bool {
    let visible: String = component.chars().filter(|&c| !is_unprintable(c)).collect();
    let folded = fold(&visible);
    let main = folded.split(':').next().unwrap_or("");
    let main = main.trim_end_matches(['.', ' ']);
    if main.strip_prefix('.').is_some_and(|rest| rest == name) {
        return true;
    }
    main.rsplit_once('~').is_some_and(|(stem, number)| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && short.contains(&stem)
    })
}

/// Windows' reserved device names, with any extension.
fn is_device(component: &str) -> bool {
    let base = component.split('.').next().unwrap_or("").trim_end().to_ascii_uppercase();
    if matches!(base.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let Some(rest) = base.strip_prefix("COM").or_else(|| base.strip_prefix("LPT")) else {
        return false;
    };
    let mut digits = rest.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
}

/// The form in which two names are equal on some file system: case folded (through upper case, so
/// that `ß` meets `SS` and final sigma meets sigma), composed, without emoji selectors.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfd()
        .filter(|c| !matches!(c, '\u{fe0e}' | '\u{fe0f}'))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}

/// Every file and folder so far, by its folded path.
#[derive(Default)]
struct Spellings(HashMap<String, Spelling>);

struct Spelling {
    path: String,
    is_folder: bool,
}

impl Spellings {
    fn add(&mut self, path: &str) -> Result<(), Rule> {
        let slashes = path.match_indices('/').map(|(at, _)| (at, true));
        for (end, is_folder) in slashes.chain([(path.len(), false)]) {
            let part = &path[..end];
            match self.0.get(&fold(part)) {
                None => {
                    self.0.insert(fold(part), Spelling { path: part.to_owned(), is_folder });
                }
                Some(known) if known.path != part => return Err(Rule::Twin(known.path.clone())),
                Some(known) if known.is_folder != is_folder => {
                    return Err(Rule::FileAndFolder(known.path.clone()));
                }
                Some(_) if !is_folder => return Err(Rule::Twin(part.to_owned())),
                Some(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule_of(path: &[u8]) -> Option<&'static str> {
        check_path(path, &Limits::default()).err().map(|rule| rule.name())
    }

    fn check(paths: &[&str]) -> Result<(), Vec<UnsafePath>> {
        check_release_paths(paths.iter().map(|path| (path.as_bytes(), 1)), &Limits::default())
    }

    #[test]
    fn every_spelling_of_dot_git_is_refused() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            "git~12",
            ".g\u{200c}it",
            ".gi\u{feff}t",
            "\u{202e}.git",
            ".git ",
            ".git.",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
        ] {
            assert_eq!(rule_of(name.as_bytes()), Some("path-dot-git"), "{name:?}");
            assert_eq!(rule_of(format!("a/{name}/config").as_bytes()), Some("path-dot-git"));
        }
        for name in [".gitmodules", ".GITMODULES", "gitmod~1", "GI7EBA~1", ".gitattributes "] {
            assert_eq!(rule_of(name.as_bytes()), Some("path-git-instructions"), "{name:?}");
        }
        for name in [".gitignore", ".github/x.yml", "git", "agit~1", "git~x", ".gitkeep"] {
            assert_eq!(rule_of(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn every_hostile_name_is_refused_by_its_own_rule() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "path-empty"),
            (b"/a", "path-empty"),
            (b"a//b", "path-empty"),
            (b"a/", "path-empty"),
            (b"../a", "path-dots"),
            (b"a/./b", "path-dots"),
            (b"a\\b", "path-character"),
            (b"c:x", "path-character"),
            (b"what?", "path-character"),
            (b"a\xffb", "path-utf8"),
            (b"a\nb", "path-invisible"),
            (b"a\x7f", "path-invisible"),
            ("a\u{202e}gpj.exe".as_bytes(), "path-invisible"),
            ("a\u{200b}".as_bytes(), "path-invisible"),
            (b"a.", "path-edge"),
            (b"a ", "path-edge"),
            (b" a", "path-edge"),
            (b"aux", "path-device"),
            (b"x/con.txt", "path-device"),
            (b"Com1.md", "path-device"),
            ("lpt\u{b2}".as_bytes(), "path-device"),
            (b"conin$", "path-device"),
            (b"nul .txt", "path-device"),
        ];
        for (path, rule) in cases {
            assert_eq!(rule_of(path), Some(*rule), "{}", escape_path(path));
        }
        for path in ["console.md", "auxiliary/x", "com10", "a b.md", "\u{e9}t\u{e9}.md", "...x", "com.md"] {
            assert_eq!(rule_of(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn twins_by_case_form_or_kind_are_refused() {
        for pair in [
            ["README.md", "readme.md"],
            ["a/x", "A/y"],
            ["caf\u{e9}", "cafe\u{301}"],
            ["stra\u{df}e", "STRASSE"],
            ["\u{3c3}", "\u{3c2}"],
            ["a", "a/b"],
            ["a/b", "a"],
            ["a", "a"],
            ["Aux1/b", "aux1"],
        ] {
            let refusals = check(&pair).unwrap_err();
            assert_eq!(refusals.len(), 1, "{pair:?}");
        }
        assert_eq!(check(&["a/x", "a/y", "b"]), Ok(()));
    }

    #[test]
    fn limits_hold_for_length_depth_count_and_size() {
        let limits = Limits { max_files: 2, max_total_bytes: 10, max_file_bytes: 6, ..Limits::default() };
        let rules = |files: &[(&str, u64)]| {
            check_release_paths(files.iter().map(|(path, size)| (path.as_bytes(), *size)), &limits)
                .map_err(|refusals| refusals.iter().map(|r| r.rule.name()).collect::<Vec<_>>())
        };
        assert_eq!(rules(&[("a", 6), ("b", 4)]), Ok(()));
        assert_eq!(rules(&[("a", 7)]), Err(vec!["file-size"]));
        assert_eq!(rules(&[("a", 6), ("b", 5)]), Err(vec!["release-size"]));
        assert_eq!(rules(&[("a", u64::MAX), ("b", u64::MAX)]), Err(vec!["file-size", "release-size"]));
        assert_eq!(rules(&[("a", 1), ("b", 1), ("c", 1)]), Err(vec!["release-files"]));
        assert_eq!(rule_of("x/".repeat(32).as_bytes()), Some("path-depth"));
        assert_eq!(rule_of("a".repeat(201).as_bytes()), Some("path-length"));
        assert_eq!(rule_of(["a".repeat(100).as_str(); 4].join("/").as_bytes()), Some("path-length"));
    }

    #[test]
    fn a_refusal_names_the_path_escaped() {
        let finding = check(&["a\u{202e}b"]).unwrap_err().remove(0).into_finding();
        assert_eq!(
            finding.to_string(),
            "error: a\\u{202e}b: it holds the invisible character U+202E [path-invisible]"
        );
    }

    proptest! {
        #[test]
        fn an_accepted_path_is_clean_in_every_way(path in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(text) = check_path(&path, &Limits::default()) {
                prop_assert!(!text.contains(['\\', ':', '\0']));
                for part in text.split('/') {
                    prop_assert!(!part.is_empty() && part != "." && part != "..");
                    prop_assert!(!part.to_lowercase().trim_end_matches(['.', ' ']).eq(".git"));
                    prop_assert!(!part.chars().any(is_unprintable));
                }
            }
        }

        #[test]
        fn hiding_characters_never_smuggle_dot_git(at in 0usize..5, hidden in "[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{feff}]{1,3}", case in any::<[bool; 3]>()) {
            let letters: Vec<char> = ['g', 'i', 't'].iter().zip(case)
                .map(|(c, up)| if up { c.to_ascii_uppercase() } else { *c }).collect();
            let mut name: Vec<char> = std::iter::once('.').chain(letters).collect();
            for (offset, c) in hidden.chars().enumerate() {
                name.insert(at.min(name.len()) + offset.min(name.len() - at.min(name.len())), c);
            }
            let name: String = name.into_iter().collect();
            prop_assert_eq!(rule_of(name.as_bytes()), Some("path-dot-git"));
        }

        #[test]
        fn changing_case_always_makes_a_twin(path in "[a-z]{1,6}(/[a-z\u{e0}-\u{f6}]{1,6}){0,3}") {
            let upper = path.to_uppercase();
            prop_assume!(rule_of(path.as_bytes()).is_none() && rule_of(upper.as_bytes()).is_none());
            prop_assert!(check(&[&path, &upper]).is_err());
        }

        #[test]
        fn the_order_of_paths_does_not_decide(paths in proptest::collection::vec("[aAbB]{1,2}(/[aA]{1})?", 1..6)) {
            let forward: Vec<&str> = paths.iter().map(String::as_str).collect();
            let backward: Vec<&str> = paths.iter().rev().map(String::as_str).collect();
            prop_assert_eq!(check(&forward).is_ok(), check(&backward).is_ok());
        }
    }
}
