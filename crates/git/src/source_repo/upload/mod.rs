//! Serving a source to its own creator: `git clone` and `git fetch` on a second machine.
//!
//! Owns the refs as upload-pack tells them, and the answer to a fetch. Refuses permission: who may
//! read a source may read all of its history, what was pushed over included, until packs are
//! merged. Parsing and acknowledging are those of [`crate::upload_pack`]; buyers are never served
//! from here.

mod history;
mod objects;

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use gix_hash::ObjectId;

use self::history::{Graph, Walk};
use super::pack_set::{PackSet, Reader};
use super::pack_writer::{self, WriteError};
use super::snapshot::tag_target;
use super::{RepoError, SourceRepo};
use crate::object::Kind;
use crate::pkt_line::{FLUSH, put, put_line};
use crate::sideband::{SideBand, progress};
use crate::upload_pack::{
    AGENT, Deepen, FetchRequest, LsRefs, Preface, Round, Version, acknowledge, error_reply,
};

/// Capabilities of v2. No `filter`: git then clones everything and says so.
const V2_CAPABILITIES: [&str; 4] =
    ["ls-refs=unborn", "fetch=shallow wait-for-done", "server-option", "object-format=sha1"];

/// Capabilities of v0 and v1.
const V0_CAPABILITIES: &str = "multi_ack multi_ack_detailed no-done thin-pack side-band side-band-64k \
     ofs-delta shallow deepen-since deepen-not deepen-relative no-progress include-tag \
     allow-tip-sha1-in-want allow-reachable-sha1-in-want object-format=sha1";

/// The refs of a source, for a fetch.
#[derive(Debug, Clone, Copy)]
pub struct SourceRefs<'a> {
    /// Full names and what they point at, in any order.
    pub refs: &'a [(String, ObjectId)],
    /// The branch that HEAD stands for, full name, whether or not it exists yet.
    pub head: &'a str,
}

impl SourceRefs<'_> {
    fn resolve(&self, name: &str) -> Option<ObjectId> {
        let name = if name == "HEAD" { self.head } else { name };
        self.refs.iter().find(|(known, _)| known == name).map(|(_, id)| *id)
    }

    /// A name as people shorten it.
    fn resolve_short(&self, name: &str) -> Option<ObjectId> {
        ["", "refs/tags/", "refs/heads/"].iter().find_map(|prefix| self.resolve(&format!("{prefix}{name}")))
    }

    /// HEAD, then all by name.
    fn listed(&self) -> Vec<(&str, ObjectId)> {
        let mut sorted: Vec<_> = self.refs.iter().map(|(name, id)| (name.as_str(), *id)).collect();
        sorted.sort_unstable();
        self.resolve("HEAD").map(|id| ("HEAD", id)).into_iter().chain(sorted).collect()
    }
}

/// How to answer a fetch from a source.
#[derive(Debug)]
pub enum SourceAnswer {
    /// The whole body.
    Reply(Bytes),
    /// A body with a pack in it, to be written out.
    Pack(SourcePack),
}

/// A chosen pack with what stands around it. Keeps reading from the packs it was chosen from.
#[derive(Debug)]
pub struct SourcePack {
    prelude: Bytes,
    objects: objects::Chosen,
    set: Arc<PackSet>,
    side_band: SideBand,
    progress: bool,
}

impl SourcePack {
    /// Objects in the pack.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Writes the whole body. Blocks on `out`, which should hand on what it gets.
    ///
    /// # Errors
    /// Those of `out`, and [`io::ErrorKind::InvalidData`] around a [`RepoError`]; the client has
    /// an incomplete pack then and says so.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.prelude)?;
        if self.progress {
            out.write_all(&progress(&format!("Sending {} objects.\n", self.objects.len()), self.side_band))?;
        }
        let mut framed = Framed { out, side_band: self.side_band, buffer: Vec::new() };
        pack_writer::write_pack(&self.set, &self.objects, &mut framed).map_err(|error| match error {
            WriteError::Write(error) => error,
            WriteError::Repo(error) => io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        if self.side_band != SideBand::None {
            out.write_all(FLUSH)?;
        }
        out.flush()
    }
}

/// Cuts what is written into packets of channel 1.
struct Framed<'a, W> {
    out: &'a mut W,
    side_band: SideBand,
    buffer: Vec<u8>,
}

impl<W: Write> Framed<'_, W> {
    fn send(&mut self, length: usize) -> io::Result<()> {
        let mut packet = Vec::with_capacity(length + 5);
        put(&mut packet, &[&[1], &self.buffer[..length]]);
        self.buffer.drain(..length);
        self.out.write_all(&packet)
    }
}

impl<W: Write> Write for Framed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(limit) = self.side_band.data_limit() else {
            return self.out.write(bytes);
        };
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= limit {
            self.send(limit)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.send(self.buffer.len())?;
        }
        self.out.flush()
    }
}

impl SourceRepo {
    /// The body of `GET info/refs?service=git-upload-pack` for a source.
    pub fn advertise_fetch(&self, version: Version, refs: SourceRefs<'_>) -> Result<Bytes, RepoError> {
        let mut out = Vec::new();
        put_line(&mut out, "# service=git-upload-pack");
        out.extend_from_slice(FLUSH);
        match version {
            Version::V2 => {
                put_line(&mut out, "version 2");
                put_line(&mut out, &format!("agent={AGENT}"));
                for capability in V2_CAPABILITIES {
                    put_line(&mut out, capability);
                }
            }
            Version::V1 => {
                put_line(&mut out, "version 1");
                self.put_refs_v0(&mut out, refs)?;
            }
            Version::V0 => self.put_refs_v0(&mut out, refs)?,
        }
        out.extend_from_slice(FLUSH);
        Ok(out.into())
    }

    fn put_refs_v0(&self, out: &mut Vec<u8>, refs: SourceRefs<'_>) -> Result<(), RepoError> {
        let symref = refs.resolve("HEAD").map(|_| format!(" symref=HEAD:{}", refs.head)).unwrap_or_default();
        let mut capabilities = Some(format!("\0{V0_CAPABILITIES}{symref} agent={AGENT}"));
        let listed = refs.listed();
        if listed.is_empty() {
            let null = ObjectId::null(gix_hash::Kind::Sha1);
            put_line(out, &format!("{null} capabilities^{{}}{}", capabilities.take().unwrap_or_default()));
        }
        let set = self.set();
        let mut reader = Reader::new(&set);
        for (name, id) in listed {
            put_line(out, &format!("{id} {name}{}", capabilities.take().unwrap_or_default()));
            if let Some(peeled) = peeled(&mut reader, id)? {
                put_line(out, &format!("{peeled} {name}^{{}}"));
            }
        }
        Ok(())
    }

    /// The answer to `ls-refs` (gitprotocol-v2) for a source.
    pub fn ls_refs(&self, request: &LsRefs, refs: SourceRefs<'_>) -> Result<Bytes, RepoError> {
        let asked = |name: &str| {
            request.ref_prefixes.is_empty()
                || request.ref_prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let target = if request.symrefs { format!(" symref-target:{}", refs.head) } else { String::new() };
        let set = self.set();
        let mut reader = Reader::new(&set);
        let mut out = Vec::new();
        if refs.resolve("HEAD").is_none() && request.unborn && asked("HEAD") {
            put_line(&mut out, &format!("unborn HEAD{target}"));
        }
        for (name, id) in refs.listed().into_iter().filter(|(name, _)| asked(name)) {
            let mut line = format!("{id} {name}");
            if name == "HEAD" {
                line.push_str(&target);
            }
            if let Some(peeled) = peeled(&mut reader, id)?.filter(|_| request.peel) {
                line += " peeled:";
                line += &peeled.to_string();
            }
            put_line(&mut out, &line);
        }
        out.extend_from_slice(FLUSH);
        Ok(out.into())
    }

    /// Answers a fetch of the creator's own source: full and shallow clones, deepening, and pulls
    /// by negotiation, in every version of the protocol.
    pub fn fetch(&self, request: &FetchRequest, refs: SourceRefs<'_>) -> Result<SourceAnswer, RepoError> {
        match self.try_fetch(request, refs) {
            Ok(answer) => Ok(answer),
            Err(Refusal::Sentence(text)) => Ok(SourceAnswer::Reply(error_reply(&text))),
            Err(Refusal::Repo(error)) => Err(error),
        }
    }

    fn try_fetch(&self, request: &FetchRequest, refs: SourceRefs<'_>) -> Result<SourceAnswer, Refusal> {
        if request.filter.is_some() || request.unsupported_filter.is_some() {
            return Err("filters are not served here; fetch without --filter".to_owned().into());
        }
        if request.wants.is_empty() && request.want_refs.is_empty() && !request.wait_for_done {
            return Ok(SourceAnswer::Reply(Bytes::new()));
        }
        let set = self.set();
        let mut graph = Graph::new(&set);
        let wanted = Wanted::judge(request, refs, &mut graph)?;
        let excluded = excluded_tips(request, refs, &mut graph)?;
        let walk = Walk::over(request, &wanted.commits, &excluded, &mut graph)?;
        if walk.nothing_left {
            return Err("upload-pack: no commits selected for shallow requests".to_owned().into());
        }
        let preface = Preface {
            shallow: walk.shallow.clone(),
            unshallow: walk.unshallow.clone(),
            wanted_refs: wanted.names.clone(),
        };
        let round = acknowledge(request, &preface, &|id| walk.common.contains(id), walk.ready);
        let prelude = match round {
            Round::Reply(reply) => return Ok(SourceAnswer::Reply(reply)),
            Round::Pack(prelude) => prelude,
        };
        let include_tags = if request.include_tag { refs.refs } else { &[] };
        let objects = objects::choose(&mut graph, &walk, &wanted.others, include_tags)?;
        let progress = !request.no_progress && request.side_band != SideBand::None;
        Ok(SourceAnswer::Pack(SourcePack {
            prelude,
            objects,
            set: Arc::clone(&set),
            side_band: request.side_band,
            progress,
        }))
    }
}

/// Why there is no pack.
enum Refusal {
    /// For the person who fetches.
    Sentence(String),
    Repo(RepoError),
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::Sentence(text)
    }
}

impl From<RepoError> for Refusal {
    fn from(error: RepoError) -> Self {
        Self::Repo(error)
    }
}

/// The wants of a request.
#[derive(Default)]
struct Wanted {
    /// Commits, those behind tags included.
    commits: Vec<ObjectId>,
    /// Tags, trees and blobs to be sent as such.
    others: Vec<ObjectId>,
    /// What each `want-ref` stands for.
    names: Vec<(String, ObjectId)>,
}

impl Wanted {
    fn judge(request: &FetchRequest, refs: SourceRefs<'_>, graph: &mut Graph<'_>) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        for name in &request.want_refs {
            let id =
                refs.resolve(name).ok_or_else(|| format!("upload-pack: unknown ref {}", printable(name)))?;
            wanted.add(id, refs, graph)?;
            wanted.names.push((name.clone(), id));
        }
        for id in &request.wants {
            wanted.add(*id, refs, graph)?;
        }
        Ok(wanted)
    }

    /// Commits and tags may be old tips; anything else must be what a ref points at.
    fn add(&mut self, id: ObjectId, refs: SourceRefs<'_>, graph: &mut Graph<'_>) -> Result<(), Refusal> {
        let not_ours = || Refusal::Sentence(format!("upload-pack: not our ref {id}"));
        match graph.kind(&id)?.ok_or_else(not_ours)? {
            Kind::Commit => self.commits.push(id),
            Kind::Tag => {
                self.others.push(id);
                self.commits.extend(graph.peel(id)?);
            }
            Kind::Tree | Kind::Blob if refs.refs.iter().any(|(_, tip)| *tip == id) => self.others.push(id),
            Kind::Tree | Kind::Blob => return Err(not_ours()),
        }
        Ok(())
    }
}

/// The commits that `deepen-not` names.
fn excluded_tips(
    request: &FetchRequest,
    refs: SourceRefs<'_>,
    graph: &mut Graph<'_>,
) -> Result<Vec<ObjectId>, Refusal> {
    let Some(Deepen::Excluding { not, .. }) = &request.deepen else {
        return Ok(Vec::new());
    };
    let mut tips = Vec::new();
    for name in not {
        let id = refs
            .resolve_short(name)
            .ok_or_else(|| format!("upload-pack: deepen-not is not a ref: {}", printable(name)))?;
        tips.extend(graph.peel(id)?);
    }
    Ok(tips)
}

/// What an annotated tag stands for in the end; `None` for anything else.
fn peeled(reader: &mut Reader<'_>, id: ObjectId) -> Result<Option<ObjectId>, RepoError> {
    let mut current = id;
    while let Some(place) = reader.place(&current) {
        if reader.header(place)?.0 != Kind::Tag {
            break;
        }
        match tag_target(&reader.read(place)?.1) {
            Some(target) => current = target,
            None => break,
        }
    }
    Ok((current != id).then_some(current))
}

fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(200).collect()
}
