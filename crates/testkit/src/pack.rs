//! Packs as bytes, decoded from the format's description alone (gitformat-pack), so that what was sent is
//! judged by something that the server's own code has no part in.
//!
//! Owns: entries, deltas, ids. Refuses: a pack that names a base nobody can produce.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;

use flate2::bufread::ZlibDecoder;
use sha1::{Digest as _, Sha1};

/// The kinds of objects by their number in a pack's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 1.
    Commit,
    /// 2.
    Tree,
    /// 3.
    Blob,
    /// 4.
    Tag,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Commit),
            2 => Some(Self::Tree),
            3 => Some(Self::Blob),
            4 => Some(Self::Tag),
            _ => None,
        }
    }
}

/// An object with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its content, whole.
    pub data: Vec<u8>,
}

impl Object {
    /// Its id in hexadecimal.
    pub fn id(&self) -> String {
        let mut hash = Sha1::new();
        hash.update(format!("{} {}\0", self.kind.word(), self.data.len()));
        hash.update(&self.data);
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes text");
            text
        })
    }

    /// The ids that a tree holds, in hexadecimal; none for other kinds.
    pub fn tree_entries(&self) -> Vec<String> {
        let (mut ids, mut rest) = (Vec::new(), &self.data[..]);
        while self.kind == Kind::Tree && !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).expect("an entry's name ends");
            ids.push(hex(&rest[end + 1..end + 21]));
            rest = &rest[end + 21..];
        }
        ids
    }

    /// The tree of a commit.
    pub fn commit_tree(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.data).ok()?;
        let line = text.lines().next()?.strip_prefix("tree ")?;
        (self.kind == Kind::Commit).then(|| line.to_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes text");
        text
    })
}

/// What a pack holds, and what it leans on.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Objects by id.
    pub objects: HashMap<String, Object>,
    /// Bases that deltas named by id and that are not in the pack.
    pub outside: Vec<String>,
}

/// Decodes a whole pack. `known` gives objects that are not in it, for thin packs.
///
/// # Errors
/// A sentence on what is wrong with it.
pub fn decode(pack: &[u8], known: impl Fn(&str) -> Option<Object>) -> Result<Decoded, String> {
    let body = pack.len().checked_sub(20).ok_or("it is shorter than its checksum")?;
    if Sha1::digest(&pack[..body])[..] != pack[body..] {
        return Err("its checksum is another".into());
    }
    if pack.get(..8) != Some(b"PACK\0\0\0\x02") {
        return Err("it does not begin as a pack".into());
    }
    let count = u32::from_be_bytes(pack[8..12].try_into().expect("four bytes"));
    let mut reader = Reader { pack: &pack[..body], at: 12 };
    let (mut decoded, mut by_offset) = (Decoded::default(), HashMap::new());
    for _ in 0..count {
        let offset = reader.at;
        let object = reader.entry(&by_offset, &mut decoded, &known)?;
        by_offset.insert(offset, object.clone());
        decoded.objects.insert(object.id(), object);
    }
    if reader.at == body {
        Ok(decoded)
    } else {
        Err(format!("{} bytes after the last entry", body - reader.at))
    }
}

struct Reader<'a> {
    pack: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let byte = *self.pack.get(self.at).ok_or("it ends within an entry")?;
        self.at += 1;
        Ok(byte)
    }

    fn entry(
        &mut self,
        by_offset: &HashMap<usize, Object>,
        decoded: &mut Decoded,
        known: &impl Fn(&str) -> Option<Object>,
    ) -> Result<Object, String> {
        let offset = self.at;
        let first = self.byte()?;
        let (number, mut size, mut shift) = ((first >> 4) & 7, u64::from(first & 15), 4);
        let mut more = first & 0x80 != 0;
        while more {
            let byte = self.byte()?;
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            more = byte & 0x80 != 0;
        }
        if let Some(kind) = Kind::of(number) {
            return Ok(Object { kind, data: self.inflate(size)? });
        }
        let base = match number {
            6 => {
                let back = self.offset()?;
                let at = offset.checked_sub(back).ok_or("a base before the pack")?;
                by_offset.get(&at).cloned().ok_or("an offset at which no entry begins")?
            }
            7 => {
                let id = hex(self.pack.get(self.at..self.at + 20).ok_or("it ends within an id")?);
                self.at += 20;
                if let Some(object) = decoded.objects.get(&id) {
                    object.clone()
                } else {
                    decoded.outside.push(id.clone());
                    known(&id).ok_or_else(|| format!("base {id}, which the client was never given"))?
                }
            }
            other => return Err(format!("an entry of kind {other}")),
        };
        let delta = self.inflate(size)?;
        Ok(Object { kind: base.kind, data: apply(&base.data, &delta)? })
    }

    fn offset(&mut self) -> Result<usize, String> {
        let mut byte = self.byte()?;
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            value = ((value + 1) << 7) | usize::from(byte & 0x7f);
        }
        Ok(value)
    }

    fn inflate(&mut self, size: u64) -> Result<Vec<u8>, String> {
        let mut data = Vec::new();
        let mut zlib = ZlibDecoder::new(&self.pack[self.at..]);
        zlib.by_ref().take(size + 1).read_to_end(&mut data).map_err(|error| error.to_string())?;
        if data.len() as u64 != size {
            return Err(format!("an entry of {size} bytes has {}", data.len()));
        }
        // What follows the last byte (the checksum) is taken in as well.
        let mut nothing = [0];
        if zlib.read(&mut nothing).map_err(|error| error.to_string())? != 0 {
            return Err("an entry is longer than it says".into());
        }
        self.at += usize::try_from(zlib.total_in()).expect("it is within the pack");
        Ok(data)
    }
}

/// Applies a delta (gitformat-pack, "Deltified representation").
fn apply(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = Reader { pack: delta, at: 0 };
    let mut length = || -> Result<usize, String> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = reader.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
    };
    let (from, to) = (length()?, length()?);
    if from != base.len() {
        return Err(format!("a delta for {from} bytes on a base of {}", base.len()));
    }
    let mut out = Vec::with_capacity(to);
    while reader.at < delta.len() {
        let op = reader.byte()?;
        if op & 0x80 == 0 {
            let literal =
                delta.get(reader.at..reader.at + usize::from(op)).ok_or("a literal beyond the delta")?;
            out.extend_from_slice(literal);
            reader.at += usize::from(op);
            continue;
        }
        let mut number = |bits: u8, first: u8| -> Result<usize, String> {
            (0..bits).try_fold(0, |value, bit| {
                let present = op & (1 << (first + bit)) != 0;
                Ok(if present { value | (usize::from(reader.byte()?) << (8 * bit)) } else { value })
            })
        };
        let (start, mut size) = (number(4, 0)?, number(3, 4)?);
        if size == 0 {
            size = 0x10000;
        }
        out.extend_from_slice(base.get(start..start + size).ok_or("a copy beyond the base")?);
    }
    if out.len() == to { Ok(out) } else { Err(format!("a delta makes {} bytes, not {to}", out.len())) }
}

/// The pack within an answer of upload-pack, and the error in it; both are absent from most answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The pack as it came over the side-band.
    pub pack: Option<Vec<u8>>,
    /// What an `ERR` packet or the error band says.
    pub error: Option<String>,
}

/// Takes an answer of upload-pack apart (gitprotocol-common, gitprotocol-pack).
///
/// # Errors
/// A sentence, for what are no packet lines.
pub fn answered(mut body: &[u8]) -> Result<Answered, String> {
    let (mut pack, mut error) = (Vec::new(), None);
    while !body.is_empty() {
        let digits = body.get(..4).and_then(|four| std::str::from_utf8(four).ok());
        let length =
            digits.and_then(|four| usize::from_str_radix(four, 16).ok()).ok_or("no packet length")?;
        if length < 4 {
            body = &body[4..];
            continue;
        }
        let payload = body.get(4..length).ok_or("a packet beyond the answer")?;
        body = &body[length..];
        match payload.first() {
            Some(1) => pack.extend_from_slice(&payload[1..]),
            Some(3) => error = Some(String::from_utf8_lossy(&payload[1..]).into_owned()),
            _ if payload.starts_with(b"ERR ") => {
                error = Some(String::from_utf8_lossy(&payload[4..]).trim().to_owned());
            }
            _ => {}
        }
    }
    Ok(Answered { pack: (!pack.is_empty()).then_some(pack), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Git, Ran};

    /// A repository with a file that changed a little, packed by git itself with deltas.
    #[test]
    fn what_git_packs_is_read_as_git_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::new(&folder.path().join("home"));
        let repo = folder.path().join("repo");
        std::fs::create_dir_all(&repo).unwrap();
        git.ok(&repo, &["init", "-q"]);
        for round in 0..5 {
            let lines: Vec<String> = (0..400).map(|line| format!("line {line} {}", line == round)).collect();
            std::fs::write(repo.join("file"), lines.join("\n")).unwrap();
            git.commit(&repo, "Next");
        }
        let listed = git.ok(&repo, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
        for options in [&["--delta-base-offset"][..], &[]] {
            let prefix = folder.path().join("pack");
            let mut arguments = vec!["pack-objects", "-q", "--depth=10"];
            arguments.extend_from_slice(options);
            let prefix = prefix.to_string_lossy().into_owned();
            arguments.push(&prefix);
            let name = Ran::capture(&mut git.command(&repo, &arguments), listed.as_bytes()).expect_success();
            let bytes = std::fs::read(format!("{prefix}-{}.pack", name.trim())).unwrap();
            let decoded = decode(&bytes, |_| None).unwrap();
            let mut ids: Vec<&str> = decoded.objects.keys().map(String::as_str).collect();
            ids.sort_unstable();
            assert_eq!(ids, listed.lines().collect::<Vec<_>>());
            let mut broken = bytes.clone();
            broken[40] ^= 1;
            assert!(decode(&broken, |_| None).is_err());
        }
    }
}
