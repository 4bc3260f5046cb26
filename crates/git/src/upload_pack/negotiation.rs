//! Finding what both sides have, and everything that stands before a pack.
//!
//! Owns the acknowledgements of v2 and of the three dialects of v0/v1, and the order of sections.
//! Refuses to know graphs: what is common and whether that suffices are arguments.

use bytes::Bytes;
use gix_hash::ObjectId;

use super::{FetchRequest, MultiAck, Version};
use crate::pkt_line::{DELIM, FLUSH, put, put_line};

/// What is said about the client's boundary, and the names it asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preface {
    /// Commits that become boundaries: their parents are not given.
    pub shallow: Vec<ObjectId>,
    /// Boundaries of the client's that cease to be some: their parents are in the pack.
    pub unshallow: Vec<ObjectId>,
    /// What each `want-ref` stands for.
    pub wanted_refs: Vec<(String, ObjectId)>,
}

/// How one exchange of a negotiation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Round {
    /// The whole reply; the client comes again.
    Reply(Bytes),
    /// These bytes, then the pack.
    Pack(Bytes),
}

/// Answers the `have` lines of a request.
///
/// `common` tells which of them are known here; `ready` says that a pack could be made of those,
/// so that a client which permits it is spared another round.
pub fn acknowledge(
    request: &FetchRequest,
    preface: &Preface,
    common: &dyn Fn(&ObjectId) -> bool,
    ready: bool,
) -> Round {
    match request.version {
        Version::V2 => acknowledge_v2(request, preface, common, ready),
        Version::V0 | Version::V1 => acknowledge_v0(request, preface, common, ready),
    }
}

/// gitprotocol-v2, "fetch": acknowledgments, shallow-info, wanted-refs, packfile.
fn acknowledge_v2(
    request: &FetchRequest,
    preface: &Preface,
    common: &dyn Fn(&ObjectId) -> bool,
    ready: bool,
) -> Round {
    let mut out = Vec::new();
    let negotiating = !request.done && !request.haves.is_empty();
    if negotiating {
        put_line(&mut out, "acknowledgments");
        let acks: Vec<_> = request.haves.iter().filter(|id| common(id)).collect();
        if acks.is_empty() {
            put_line(&mut out, "NAK");
        }
        for id in acks {
            put_line(&mut out, &format!("ACK {id}"));
        }
        if !ready || request.wait_for_done {
            out.extend_from_slice(FLUSH);
            return Round::Reply(out.into());
        }
        put_line(&mut out, "ready");
        out.extend_from_slice(DELIM);
    }
    if !preface.shallow.is_empty() || !preface.unshallow.is_empty() || request.deepen.is_some() {
        put_line(&mut out, "shallow-info");
        put_boundary(&mut out, preface);
        out.extend_from_slice(DELIM);
    }
    if !preface.wanted_refs.is_empty() {
        put_line(&mut out, "wanted-refs");
        for (name, id) in &preface.wanted_refs {
            put_line(&mut out, &format!("{id} {name}"));
        }
        out.extend_from_slice(DELIM);
    }
    put_line(&mut out, "packfile");
    Round::Pack(out.into())
}

/// gitprotocol-pack, "Packfile Negotiation", in its stateless form: the boundary is repeated in
/// every reply to a request that deepens.
fn acknowledge_v0(
    request: &FetchRequest,
    preface: &Preface,
    common: &dyn Fn(&ObjectId) -> bool,
    ready: bool,
) -> Round {
    let mut out = Vec::new();
    if request.deepen.is_some() {
        put_boundary(&mut out, preface);
        out.extend_from_slice(FLUSH);
    }
    if !request.negotiating {
        return Round::Reply(out.into());
    }
    let mut last_common = None;
    for id in request.haves.iter().filter(|id| common(id)) {
        let first = last_common.replace(id).is_none();
        match request.multi_ack {
            MultiAck::Detailed => put_line(&mut out, &format!("ACK {id} common")),
            MultiAck::Plain => put_line(&mut out, &format!("ACK {id} continue")),
            MultiAck::None if first => put_line(&mut out, &format!("ACK {id}")),
            MultiAck::None => {}
        }
    }
    let detailed = request.multi_ack == MultiAck::Detailed;
    let offered = last_common.filter(|_| ready && detailed && !request.done);
    if let Some(id) = offered {
        put_line(&mut out, &format!("ACK {id} ready"));
    }
    let early = offered.filter(|_| request.no_done);
    if !request.done && (last_common.is_none() || request.multi_ack != MultiAck::None) {
        put_line(&mut out, "NAK");
    }
    if !request.done && early.is_none() {
        return Round::Reply(out.into());
    }
    match last_common {
        None => put_line(&mut out, "NAK"),
        Some(id) if request.multi_ack != MultiAck::None => put_line(&mut out, &format!("ACK {id}")),
        Some(_) => {}
    }
    Round::Pack(out.into())
}

/// These lines end without a line feed, as upload-pack writes them: libgit2 fails on one.
fn put_boundary(out: &mut Vec<u8>, preface: &Preface) {
    for id in &preface.shallow {
        put(out, &[format!("shallow {id}").as_bytes()]);
    }
    for id in &preface.unshallow {
        put(out, &[format!("unshallow {id}").as_bytes()]);
    }
}
