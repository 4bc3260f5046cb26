//! Owns object ids, the hashing of our own bytes, and the text of commits.
//! Refuses to judge foreign objects: what comes from outside is hashed with collision detection
//! and checked where it is received.

use std::io::Write as _;

use sha1::{Digest as _, Sha1};

pub use gix_hash::ObjectId;

/// The four kinds of git objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// A file's content.
    Blob,
    /// An annotated tag.
    Tag,
}

impl Kind {
    /// The word that git hashes before an object's content.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    /// The number of this kind in a pack entry's header (gitformat-pack).
    pub const fn pack_type(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
        }
    }

    /// The kind with this number in a pack; `None` for deltas and reserved numbers.
    pub const fn from_pack_type(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Commit),
            2 => Some(Self::Tree),
            3 => Some(Self::Blob),
            4 => Some(Self::Tag),
            _ => None,
        }
    }
}

/// A hasher that was fed the header of an object of `size` bytes and now expects its content.
pub(crate) fn object_hasher(kind: Kind, size: u64) -> Sha1 {
    let mut header = [0u8; 32];
    let mut rest = &mut header[..];
    write!(rest, "{} {size}\0", kind.name()).expect("a kind and twenty digits fit in 32 bytes");
    let unused = rest.len();
    let mut hasher = Sha1::new();
    hasher.update(&header[..header.len() - unused]);
    hasher
}

/// The id that `hasher` has arrived at.
pub(crate) fn finish_id(hasher: Sha1) -> ObjectId {
    let digest: [u8; 20] = hasher.finalize().into();
    ObjectId::from(digest)
}

/// The id of an object with this content. For bytes we made ourselves: no collision detection.
pub fn hash_object(kind: Kind, data: &[u8]) -> ObjectId {
    let mut hasher = object_hasher(kind, data.len() as u64);
    hasher.update(data);
    finish_id(hasher)
}

/// Who made a commit. Any text is taken; [`CommitSpec::encode`] makes it safe for the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Shown name.
    pub name: String,
    /// Mail address, without angle brackets.
    pub email: String,
}

/// What a commit is to say. Author and committer are the same, the time zone is UTC, there is no
/// encoding header and no signature: equal specifications are equal bytes on every node.
#[derive(Clone, Copy, Debug)]
pub struct CommitSpec<'a> {
    /// The tree it shows.
    pub tree: ObjectId,
    /// Its parents, first parent first.
    pub parents: &'a [ObjectId],
    /// Author and committer.
    pub author: &'a Signature,
    /// Seconds since the epoch, UTC. Times before the epoch are written as the epoch, since git
    /// refuses them.
    pub date: i64,
    /// The message; a final newline is added where it lacks.
    pub message: &'a str,
}

/// A commit's id and its bytes without the object header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCommit {
    /// The object id.
    pub id: ObjectId,
    /// The content.
    pub data: Vec<u8>,
}

impl CommitSpec<'_> {
    /// Writes the commit. Control characters and angle brackets leave the names, NUL leaves the
    /// message, and an empty name becomes `unknown`, as `git fsck --strict` demands.
    pub fn encode(&self) -> RawCommit {
        let name = header_text(&self.author.name, "unknown");
        let email = header_text(&self.author.email, "");
        let seconds = self.date.max(0);
        let mut text = Vec::with_capacity(160 + 48 * self.parents.len() + self.message.len());
        let wrote = "a Vec takes every write";
        writeln!(text, "tree {}", self.tree).expect(wrote);
        for parent in self.parents {
            writeln!(text, "parent {parent}").expect(wrote);
        }
        for role in ["author", "committer"] {
            writeln!(text, "{role} {name} <{email}> {seconds} +0000").expect(wrote);
        }
        text.push(b'\n');
        text.extend(self.message.bytes().filter(|byte| *byte != 0));
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        RawCommit { id: hash_object(Kind::Commit, &text), data: text }
    }
}

/// A name or address as it may stand in a commit header.
fn header_text(text: &str, when_empty: &str) -> String {
    // git itself trims these from both ends of a name, so that one person has one spelling.
    let crud = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | ':' | ';' | '"' | '\'' | '\\');
    let safe: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '<' | '>'))
        .collect();
    match safe.trim_matches(crud) {
        "" => when_empty.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// The bytes are not a commit that git would read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object is not a well-formed commit")]
pub struct MalformedCommit;

/// What of a commit matters to serving it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedCommit {
    /// The tree it shows.
    pub tree: ObjectId,
    /// Its parents, first parent first.
    pub parents: Vec<ObjectId>,
    /// The committer's time in seconds since the epoch, UTC.
    pub date: i64,
}

impl ParsedCommit {
    /// Reads the header of a commit back. Unknown headers are passed over.
    ///
    /// # Errors
    /// Anything that lacks the tree line, or whose parents or committer cannot be read.
    pub fn parse(text: &[u8]) -> Result<Self, MalformedCommit> {
        let mut lines = text.split(|byte| *byte == b'\n');
        let tree = lines.next().and_then(|line| id_line(line, b"tree ")).ok_or(MalformedCommit)?;
        let mut parents = Vec::new();
        for line in lines {
            if line.starts_with(b"parent ") {
                parents.push(id_line(line, b"parent ").ok_or(MalformedCommit)?);
            } else if let Some(committer) = line.strip_prefix(b"committer ") {
                let date = date_of(committer).ok_or(MalformedCommit)?;
                return Ok(Self { tree, parents, date });
            } else if line.is_empty() {
                break;
            }
        }
        Err(MalformedCommit)
    }
}

fn id_line(line: &[u8], prefix: &[u8]) -> Option<ObjectId> {
    let hex = line.strip_prefix(prefix)?;
    (hex.len() == 40).then(|| ObjectId::from_hex(hex).ok()).flatten()
}

fn date_of(committer: &[u8]) -> Option<i64> {
    let after = committer.iter().rposition(|byte| *byte == b'>')? + 1;
    let mut words = std::str::from_utf8(&committer[after..]).ok()?.split_ascii_whitespace();
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ann() -> Signature {
        Signature { name: "Ann".into(), email: "ann@example.com".into() }
    }

    #[test]
    fn known_objects_have_their_known_ids() {
        let empty_tree = hash_object(Kind::Tree, b"");
        assert_eq!(empty_tree.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        let hello = hash_object(Kind::Blob, b"hello\n");
        assert_eq!(hello.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn a_commit_has_one_text() {
        let tree = hash_object(Kind::Tree, b"");
        let commit = CommitSpec {
            tree,
            parents: &[tree],
            author: &ann(),
            date: 1_700_000_000,
            message: "release: lint-pro 1.2.0",
        }
        .encode();
        let text = String::from_utf8(commit.data.clone()).unwrap();
        assert_eq!(
            text,
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
             parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
             author Ann <ann@example.com> 1700000000 +0000\n\
             committer Ann <ann@example.com> 1700000000 +0000\n\n\
             release: lint-pro 1.2.0\n"
        );
        assert_eq!(commit.id, hash_object(Kind::Commit, &commit.data));
    }

    proptest! {
        #[test]
        fn any_names_and_messages_read_back(
            name in any::<String>(), email in any::<String>(), message in any::<String>(),
            date in any::<i64>(), parents in prop::collection::vec(any::<[u8; 20]>(), 0..3),
        ) {
            let parents: Vec<ObjectId> = parents.into_iter().map(ObjectId::from).collect();
            let tree = hash_object(Kind::Tree, b"");
            let author = Signature { name, email };
            let spec = CommitSpec { tree, parents: &parents, author: &author, date, message: &message };
            let parsed = ParsedCommit::parse(&spec.encode().data).unwrap();
            prop_assert_eq!(parsed, ParsedCommit { tree, parents: parents.clone(), date: date.max(0) });
        }

        #[test]
        fn parsing_never_panics(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ParsedCommit::parse(&data);
        }
    }
}
