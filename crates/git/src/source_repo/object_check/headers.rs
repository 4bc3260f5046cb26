//! The rules of commits and annotated tags: their header lines.

use gix_hash::ObjectId;

use super::{Fault, Named};
use crate::object::Kind;

/// Header lines, read one after the other.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// The value of the next line when it has this key.
    fn take(&mut self, key: &[u8]) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let value = self.0[..end].strip_prefix(key)?.strip_prefix(b" ")?;
        self.0 = &self.0[end + 1..];
        Some(value)
    }

    fn id(&mut self, key: &[u8], fault: &'static str) -> Result<ObjectId, Fault> {
        self.take(key).and_then(hex_id).ok_or(Fault::Object(fault))
    }
}

fn hex_id(text: &[u8]) -> Option<ObjectId> {
    (text.len() == 40).then(|| ObjectId::from_hex(text).ok()).flatten()
}

/// The header ends in a line end and holds no NUL.
fn check_header(data: &[u8]) -> Result<(), Fault> {
    let header = data.windows(2).position(|pair| pair == b"\n\n").map_or(data, |end| &data[..=end]);
    if header.contains(&0) {
        return Err(Fault::Object("a header contains a NUL"));
    }
    if header.last() != Some(&b'\n') {
        return Err(Fault::Object("the header is not terminated"));
    }
    Ok(())
}

/// Checks a commit and gathers its tree and parents.
pub(super) fn check_commit(data: &[u8], named: &mut Named) -> Result<(), Fault> {
    check_header(data)?;
    let mut lines = Lines(data);
    named.link(lines.id(b"tree", "the commit has no valid tree line")?, Kind::Tree)?;
    while lines.0.starts_with(b"parent ") {
        named.link(lines.id(b"parent", "the commit has an invalid parent line")?, Kind::Commit)?;
    }
    check_person(lines.take(b"author").ok_or(Fault::Object("the commit has no author"))?)?;
    if lines.0.starts_with(b"author ") {
        return Err(Fault::Object("the commit has several authors"));
    }
    check_person(lines.take(b"committer").ok_or(Fault::Object("the commit has no committer"))?)?;
    if data.contains(&0) {
        return Err(Fault::Object("the commit contains a NUL"));
    }
    Ok(())
}

/// Checks an annotated tag and gathers what it points at.
pub(super) fn check_tag(data: &[u8], named: &mut Named) -> Result<(), Fault> {
    check_header(data)?;
    let mut lines = Lines(data);
    let target = lines.id(b"object", "the tag has no valid object line")?;
    let kind = match lines.take(b"type") {
        Some(b"commit") => Kind::Commit,
        Some(b"tree") => Kind::Tree,
        Some(b"blob") => Kind::Blob,
        Some(b"tag") => Kind::Tag,
        _ => return Err(Fault::Object("the tag has no valid type line")),
    };
    named.link(target, kind)?;
    lines.take(b"tag").ok_or(Fault::Object("the tag has no name"))?;
    // Tags of the first years have no tagger; git lets them pass even when strict.
    if lines.0.starts_with(b"tagger ") {
        check_person(lines.take(b"tagger").ok_or(Fault::Object("the tagger is not terminated"))?)?;
    }
    Ok(())
}

/// `Name <mail> seconds +zone`, as strict as `fsck_ident` is.
fn check_person(line: &[u8]) -> Result<(), Fault> {
    let angle = |text: &[u8]| text.iter().position(|byte| matches!(byte, b'<' | b'>'));
    let open = angle(line)
        .filter(|at| line[*at] == b'<')
        .ok_or(Fault::Object("a person has no mail address in <>"))?;
    if open == 0 || line[open - 1] != b' ' {
        return Err(Fault::Object("a person has no space before the mail address"));
    }
    let after = &line[open + 1..];
    let close = angle(after)
        .filter(|at| after[*at] == b'>')
        .ok_or(Fault::Object("a person's mail address is not closed"))?;
    let date = after[close + 1..]
        .strip_prefix(b" ")
        .ok_or(Fault::Object("a person has no space before the date"))?;
    check_date(date)
}

fn check_date(date: &[u8]) -> Result<(), Fault> {
    let space = date.iter().position(|byte| *byte == b' ').ok_or(Fault::Object("a date has no time zone"))?;
    let (seconds, zone) = (&date[..space], &date[space + 1..]);
    if seconds.first() == Some(&b'0') && seconds.len() > 1 {
        return Err(Fault::Object("a date is padded with zeros"));
    }
    let parsed = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<i64>().ok());
    if !seconds.iter().all(u8::is_ascii_digit) || parsed.is_none() {
        return Err(Fault::Object("a date is not a number of seconds"));
    }
    match zone {
        [b'+' | b'-', digits @ ..] if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(Fault::Object("a time zone is malformed")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use super::super::check_object;
    use super::*;

    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    const ANN: &str = "Ann <a@example.com> 1700000000 +0100";

    fn commit(author: &str, committer: &str) -> String {
        format!("tree {TREE}\nauthor {author}\ncommitter {committer}\n\nhello\n")
    }

    #[test]
    fn ordinary_commits_and_tags_pass() {
        assert_eq!(check_object(Kind::Commit, commit(ANN, ANN).as_bytes()), Ok(()));
        let nameless = " <> 0 +0000";
        assert_eq!(check_object(Kind::Commit, commit(nameless, ANN).as_bytes()), Ok(()));
        let signed = format!(
            "tree {TREE}\nparent {TREE}\nauthor {ANN}\ncommitter {ANN}\nencoding latin1\ngpgsig -----BEGIN\n \n -----END\n\nx"
        );
        // A tree id as a parent is only a lie about kinds, found when the links are checked.
        assert!(check_object(Kind::Commit, signed.as_bytes()).is_err());
        let tag = format!("object {TREE}\ntype tree\ntag v1\ntagger {ANN}\n\nnotes\n");
        assert_eq!(check_object(Kind::Tag, tag.as_bytes()), Ok(()));
        let old = format!("object {TREE}\ntype tree\ntag v1\n\nnotes\n");
        assert_eq!(check_object(Kind::Tag, old.as_bytes()), Ok(()));
    }

    #[test]
    fn what_fsck_refuses_is_refused() {
        let mut cases: Vec<(Kind, String)> = vec![
            (Kind::Commit, String::new()),
            (Kind::Commit, format!("tree {TREE}")),
            (Kind::Commit, format!("tree {TREE}\n")),
            (Kind::Commit, format!("author {ANN}\ncommitter {ANN}\n\n")),
            (Kind::Commit, format!("tree {TREE}\nparent 12\nauthor {ANN}\ncommitter {ANN}\n\n")),
            (Kind::Commit, format!("tree {TREE}\nauthor {ANN}\nauthor {ANN}\ncommitter {ANN}\n\n")),
            (Kind::Commit, format!("tree {TREE}\nauthor {ANN}\n\n")),
            (Kind::Commit, format!("{}\0", commit(ANN, ANN))),
            (Kind::Tag, format!("object {TREE}\ntype folder\ntag v1\n\n")),
            (Kind::Tag, "type tree\ntag v1\n\n".to_owned()),
            (Kind::Tag, format!("object {TREE}\ntype tree\n\n")),
            (Kind::Tag, format!("object {TREE}\ntype tree\ntag v1\ntagger Ann\n\n")),
        ];
        for person in [
            "Ann",
            "<a@b> 1 +0000",
            "Ann<a@b> 1 +0000",
            "Ann <a@b 1 +0000",
            "Ann> <a@b> 1 +0000",
            "Ann <a<b> 1 +0000",
            "Ann <a@b>1 +0000",
            "Ann <a@b> 01 +0000",
            "Ann <a@b> x +0000",
            "Ann <a@b> 1",
            "Ann <a@b> 1 0000",
            "Ann <a@b> 1 +000",
            "Ann <a@b> 1 +00000",
            "Ann <a@b> 99999999999999999999 +0000",
            "Ann <a@b>  +0000",
        ] {
            cases.push((Kind::Commit, commit(person, ANN)));
            cases.push((Kind::Commit, commit(ANN, person)));
        }
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet"], "");
        git(folder.path(), &["mktree"], "");
        let written: Vec<String> = cases
            .iter()
            .map(|(kind, text)| {
                let write = ["hash-object", "--stdin", "-w", "--literally", "-t", kind.name()];
                String::from_utf8(git(folder.path(), &write, text).stdout).unwrap().trim().to_owned()
            })
            .collect();
        let found = git(folder.path(), &["fsck", "--strict"], "").stderr;
        let found = String::from_utf8(found).unwrap();
        for ((kind, text), id) in cases.iter().zip(&written) {
            assert!(check_object(*kind, text.as_bytes()).is_err(), "{text:?}");
            let refused = found.lines().any(|line| line.starts_with("error") && line.contains(id));
            assert!(refused, "fsck says nothing against {text:?}\n{found}");
        }
    }

    fn git(folder: &Path, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}
