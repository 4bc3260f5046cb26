//! The rules of a tree.

use std::cmp::Ordering;
use std::collections::HashSet;

use gix_hash::ObjectId;
use gix_validate::path::component::{self, Mode};

use super::{Fault, Named};
use crate::object::Kind;

/// Names longer than this stop checkouts on every platform; git warns from here on as well.
const LONGEST_NAME: usize = 4_096;

/// A file that its group may write to, as git recorded it before 2005-05. Histories still hold it, and
/// `git fsck --strict` warns without refusing it.
const OLD_FILE_MODE: &[u8] = b"100664";

/// One entry as written in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeEntry<'a> {
    /// The octal digits as they stand there.
    pub(crate) mode: &'a [u8],
    /// One path component, not empty.
    pub(crate) name: &'a [u8],
    /// What it points at.
    pub(crate) id: ObjectId,
}

impl TreeEntry<'_> {
    /// The kind of object that the mode promises; `None` for a submodule's commit, which lives
    /// elsewhere, and for unknown modes.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.mode {
            b"40000" => Some(Kind::Tree),
            b"100644" | b"100755" | b"120000" | OLD_FILE_MODE => Some(Kind::Blob),
            _ => None,
        }
    }
}

/// The entries of a tree, ending at the first one that cannot be read.
pub(crate) fn tree_entries(data: &[u8]) -> impl Iterator<Item = Result<TreeEntry<'_>, Fault>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = take_entry(&mut rest);
        if entry.is_none() {
            rest = &[];
        }
        Some(entry.ok_or(Fault::Object("the tree cannot be read")))
    })
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<TreeEntry<'a>> {
    let space = rest.iter().take(8).position(|byte| *byte == b' ')?;
    let (mode, after) = (&rest[..space], &rest[space + 1..]);
    let nul = after.iter().position(|byte| *byte == 0)?;
    let id = after.get(nul + 1..nul + 21)?;
    *rest = &after[nul + 21..];
    let id = ObjectId::from_bytes_or_panic(id);
    (nul > 0 && !mode.is_empty()).then_some(TreeEntry { mode, name: &after[..nul], id })
}

/// Checks a tree and gathers what it names.
pub(super) fn check_tree(data: &[u8], named: &mut Named) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    let mut previous: Option<TreeEntry<'_>> = None;
    for entry in tree_entries(data) {
        let entry = entry?;
        check_mode(&entry)?;
        named.old_modes += u64::from(entry.mode == OLD_FILE_MODE);
        check_name(&entry)?;
        if !seen.insert(entry.name) {
            return Err(Fault::entry("the tree has an entry twice", entry.name));
        }
        if previous.is_some_and(|before| git_order(&before, &entry) != Ordering::Less) {
            return Err(Fault::entry("the tree is not sorted", entry.name));
        }
        previous = Some(entry);
        gather(&entry, named)?;
    }
    Ok(())
}

fn check_mode(entry: &TreeEntry<'_>) -> Result<(), Fault> {
    let rule = match entry.mode {
        b"40000" | b"100644" | b"100755" | b"120000" | b"160000" | OLD_FILE_MODE => None,
        [b'0', ..] => Some("a file mode is padded with zeros"),
        _ => Some("a file mode is none of git's"),
    };
    let rule = rule.or_else(|| entry.id.is_null().then_some("an entry points at the zero id"));
    rule.map_or(Ok(()), |rule| Err(Fault::entry(rule, entry.name)))
}

fn check_name(entry: &TreeEntry<'_>) -> Result<(), Fault> {
    let name = entry.name;
    let mode = (entry.mode == b"120000").then_some(Mode::Symlink);
    // What only Windows forbids matters to releases, not to a repository that merely keeps it.
    let options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    let rule = match gix_validate::path::component(name.into(), mode, options) {
        Ok(_) if name.len() > LONGEST_NAME => "a name is longer than any file system takes",
        Ok(_) if has_dotgit_behind_backslash(name) => "a name means .git on Windows",
        Ok(_) => return Ok(()),
        Err(component::Error::DotGitDir) => "a name means .git on some file system",
        Err(component::Error::SymlinkedGitModules) => ".gitmodules is a symbolic link",
        Err(component::Error::Relative) => "a name is . or ..",
        Err(component::Error::PathSeparator) => "a name contains a slash",
        Err(_) => "a name is not allowed",
    };
    Err(Fault::entry(rule, name))
}

/// Windows takes a backslash for a separator.
fn has_dotgit_behind_backslash(name: &[u8]) -> bool {
    name.contains(&b'\\') && name.split(|byte| *byte == b'\\').any(|part| means_on_ntfs(part, None))
}

/// Whether NTFS or HFS+ would take `name` for `.git` (`None`) or for a dot file that git reads.
fn means_on_ntfs(name: &[u8], mode: Option<Mode>) -> bool {
    let options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    matches!(
        gix_validate::path::component(name.into(), mode, options),
        Err(component::Error::DotGitDir | component::Error::SymlinkedGitModules)
    )
}

/// git sorts a folder as if its name ended in a slash.
fn git_order(left: &TreeEntry<'_>, right: &TreeEntry<'_>) -> Ordering {
    let shared = left.name.len().min(right.name.len());
    let next = |entry: &TreeEntry<'_>| match entry.name.get(shared) {
        Some(byte) => *byte,
        None if entry.mode == b"40000" => b'/',
        None => 0,
    };
    left.name[..shared].cmp(&right.name[..shared]).then_with(|| next(left).cmp(&next(right)))
}

fn gather(entry: &TreeEntry<'_>, named: &mut Named) -> Result<(), Fault> {
    let kind = entry.kind();
    // A link by that name was refused above, so asking as if it were one finds every spelling.
    let modules = means_on_ntfs(entry.name, Some(Mode::Symlink));
    let attributes = is_gitattributes(entry.name);
    if kind != Some(Kind::Blob) && (modules || attributes) {
        return Err(Fault::entry("a file that git reads for itself is no file", entry.name));
    }
    let Some(kind) = kind else {
        return Ok(());
    };
    named.link(entry.id, kind)?;
    if modules {
        named.gitmodules.insert(entry.id);
    }
    if attributes {
        named.gitattributes.insert(entry.id);
    }
    Ok(())
}

/// Whether some file system opens this name when git asks for `.gitattributes`: letter case,
/// code points that HFS+ passes over, endings that NTFS drops, and the two forms of short names.
fn is_gitattributes(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else {
        return is_gitattributes_on_ntfs(&name.to_ascii_lowercase());
    };
    let visible: String = text.chars().filter(|c| !ignored_by_hfs(*c)).collect();
    is_gitattributes_on_ntfs(visible.to_ascii_lowercase().as_bytes())
}

fn ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn is_gitattributes_on_ntfs(lower: &[u8]) -> bool {
    let stream = lower.iter().position(|byte| *byte == b':').unwrap_or(lower.len());
    let mut name = &lower[..stream];
    while let [rest @ .., b' ' | b'.'] = name {
        name = rest;
    }
    if name == b".gitattributes" {
        return true;
    }
    let Some(tilde) = name.iter().position(|byte| *byte == b'~') else {
        return false;
    };
    let (stem, number) = (&name[..tilde], &name[tilde + 1..]);
    let numbered = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    numbered && name.len() <= 8 && (stem == b"gitatt" || b"gi7d29".starts_with(stem))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check_object;
    use super::*;

    fn tree(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (position, (mode, name)) in entries.iter().enumerate() {
            out.extend_from_slice(mode.as_bytes());
            out.push(b' ');
            out.extend_from_slice(name);
            out.push(0);
            // One id per place: the same id under two kinds is a fault of its own.
            out.extend_from_slice(&[u8::try_from(position + 1).unwrap(); 20]);
        }
        out
    }

    fn fault(entries: &[(&str, &[u8])]) -> Option<String> {
        check_object(Kind::Tree, &tree(entries)).err().map(|fault| fault.to_string())
    }

    #[test]
    fn an_ordinary_tree_passes() {
        assert_eq!(
            fault(&[
                ("100644", b".gitattributes"),
                ("100644", b".gitignore"),
                ("100644", b".gitmodules"),
                ("100644", b"a-b"),
                ("40000", b"a"),
                ("100755", b"a0"),
                ("120000", b"link"),
                ("160000", b"module"),
            ]),
            None
        );
        assert_eq!(fault(&[]), None);
    }

    #[test]
    fn every_spelling_of_dot_git_is_refused() {
        for name in [
            &b".git"[..],
            b".GIT",
            b".Git",
            b"git~1",
            b"GIT~1",
            b".git ",
            b".git.",
            b".git...",
            b".git::$INDEX_ALLOCATION",
            b"x\\.git",
            b"x\\git~1",
            b".git\\x",
            ".g\u{200c}it".as_bytes(),
            ".git\u{200d}".as_bytes(),
            "\u{feff}.git".as_bytes(),
        ] {
            assert!(fault(&[("40000", name)]).is_some_and(|text| text.contains(".git")), "{name:?}");
        }
        for name in [&b".gitx"[..], b"git", b"git~2", b".gi", b"xgit~1"] {
            assert_eq!(fault(&[("40000", name)]), None, "{name:?}");
        }
    }

    #[test]
    fn names_that_are_not_one_component_are_refused() {
        for name in [&b"."[..], b"..", b"a/b", b"/"] {
            assert!(fault(&[("100644", name)]).is_some(), "{name:?}");
        }
        assert!(fault(&[("100644", b"")]).is_some());
        assert!(fault(&[("100644", &[b'x'; 5_000])]).is_some());
    }

    #[test]
    fn unknown_and_padded_modes_are_refused() {
        for mode in ["040000", "0100664", "100600", "644", "0", "170000", "1006444", "10o644"] {
            assert!(fault(&[(mode, b"a")]).is_some(), "{mode}");
        }
    }

    #[test]
    fn order_and_duplicates_are_refused() {
        assert!(fault(&[("100644", b"b"), ("100644", b"a")]).is_some());
        assert!(fault(&[("100644", b"a"), ("100644", b"a")]).is_some());
        assert!(fault(&[("40000", b"a"), ("100644", b"a-b")]).is_some());
        // A file and a folder of one name, sorted correctly with something between them.
        assert!(fault(&[("100644", b"a"), ("100644", b"a-b"), ("40000", b"a")]).is_some());
    }

    #[test]
    fn gitmodules_is_a_plain_file() {
        assert!(fault(&[("120000", b".gitmodules")]).is_some());
        assert!(fault(&[("120000", b"GITMOD~1")]).is_some());
        assert!(fault(&[("40000", b".gitmodules")]).is_some());
        assert!(fault(&[("160000", b".gitmodules")]).is_some());
    }

    #[test]
    fn gitattributes_is_a_file_in_every_spelling() {
        for name in [
            &b".gitattributes"[..],
            b".GitAttributes",
            b".gitattributes. .",
            b".gitattributes:$DATA",
            b"GITATT~1",
            b"gi7d29~9",
            b"gi7d2~10",
            ".gita\u{200d}ttributes".as_bytes(),
        ] {
            assert!(fault(&[("40000", name)]).is_some(), "{name:?}");
            assert_eq!(fault(&[("100644", name)]), None, "{name:?}");
        }
        for name in [&b"gitattributes"[..], b".gitattributesx", b"gitatt~x", b"gi7d29"] {
            assert_eq!(fault(&[("40000", name)]), None, "{name:?}");
        }
    }

    #[test]
    fn truncated_and_null_entries_are_refused() {
        let whole = tree(&[("100644", b"a")]);
        for end in 1..whole.len() {
            assert!(check_object(Kind::Tree, &whole[..end]).is_err(), "{end}");
        }
        let mut null = whole;
        let start = null.len() - 20;
        null[start..].fill(0);
        assert!(check_object(Kind::Tree, &null).is_err());
    }

    #[test]
    fn one_id_cannot_be_a_file_and_a_folder() {
        let mut bytes = tree(&[("100644", b"a")]);
        bytes.extend_from_slice(b"40000 b\0");
        bytes.extend_from_slice(&[1; 20]);
        assert!(check_object(Kind::Tree, &bytes).is_err());
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = check_object(Kind::Tree, &data);
        }
    }
}
