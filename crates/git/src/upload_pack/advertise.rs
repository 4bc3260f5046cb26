//! What a client is told before it asks: the version, the capabilities, the refs.
//!
//! Owns info/refs and `ls-refs`. Refuses to choose refs: it lists what it is given.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use gix_hash::{Kind, ObjectId};

use super::{AGENT, LsRefs, MAIN, Refs};
use crate::pkt_line::{FLUSH, put, put_line};

/// A version of the protocol (gitprotocol-http, "Git-Protocol").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// The original one, without a number.
    #[default]
    V0,
    /// As v0, with a line that says so.
    V1,
    /// Commands; what git speaks since 2.26.
    V2,
}

impl Version {
    /// Reads the `Git-Protocol` header: colon-separated keys, the highest known `version=` wins, and
    /// whatever is not understood means v0, as git does.
    pub fn from_header(header: Option<&str>) -> Self {
        let keys = header.unwrap_or_default().split(':');
        keys.filter_map(|key| match key.trim().strip_prefix("version=")? {
            "1" => Some(Self::V1),
            "2" => Some(Self::V2),
            _ => None,
        })
        .max_by_key(|version| *version as u8)
        .unwrap_or_default()
    }
}

/// Whether a client of v0 or v1 reads `shallow` lines in an advertisement, by its `User-Agent` header or
/// its `agent=` capability. git does since 1.9, on every platform. Older versions stop at them ("protocol
/// error: expected sha/ref"), and so do libgit2 and dulwich.
///
/// A client that does not read them is sent every step down to the first while all are permitted, and is
/// refused with a sentence when they are not.
pub fn reads_boundary(agent: Option<&str>) -> bool {
    git_version(agent).is_some_and(|version| version >= (1, 9))
}

/// Whether a client is git itself, by the same name.
pub(super) fn is_git(agent: Option<&str>) -> bool {
    git_version(agent).is_some()
}

/// The version of git, if that is what the agent is. libgit2 calls itself `git/2.0 (libgit2 1.9.0)`.
fn git_version(agent: Option<&str>) -> Option<(u32, u32)> {
    let version = agent?.strip_prefix("git/").filter(|version| !version.contains("libgit2"))?;
    let mut numbers = version.split(|char: char| !char.is_ascii_digit()).map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Capabilities of v2, one line each.
///
/// `ref-in-want` is understood but not offered: a `git clone` (2.47) that was promised one tip and
/// given a newer one by name fails when it writes HEAD, while one that asks by id gets the older tip,
/// which stays fetchable. `filter` must be offered, since a client that asks in vain takes itself for
/// a partial clone all the same, and then goes looking for the boundary's parents without end.
const V2_CAPABILITIES: [&str; 4] =
    ["ls-refs=unborn", "fetch=shallow wait-for-done filter", "server-option", "object-format=sha1"];

/// Capabilities of v0 and v1. The two `allow-…-sha1-in-want` let a client name an older step of its
/// own, or a blob that its filter left out; what may be named is decided per want all the same.
const V0_CAPABILITIES: &str = "multi_ack multi_ack_detailed no-done thin-pack side-band side-band-64k ofs-delta \
     shallow deepen-since deepen-not deepen-relative no-progress include-tag \
     allow-tip-sha1-in-want allow-reachable-sha1-in-want filter object-format=sha1";

/// The body of `GET info/refs?service=git-upload-pack`
/// (`application/x-git-upload-pack-advertisement`).
///
/// For v2 it depends on nothing but the version. In v0 and v1 this is the only place where a fresh
/// copy can be told at which commits it ends. `shallow` is the tip if a fresh copy is to end there
/// ([`super::History::whole`]), the tip has parents, and the client reads such lines
/// ([`reads_boundary`]). A copy that has more than the tip can still follow (git over HTTP: tested).
pub fn advertise(version: Version, refs: &Refs, shallow: &[ObjectId]) -> Bytes {
    /// In version 2 it says nothing about the repository.
    static V2: LazyLock<Bytes> = LazyLock::new(|| rendered(Version::V2, &Refs::default(), &[]));
    match version {
        Version::V2 => V2.clone(),
        Version::V0 | Version::V1 => rendered(version, refs, shallow),
    }
}

fn rendered(version: Version, refs: &Refs, shallow: &[ObjectId]) -> Bytes {
    let mut out = Vec::with_capacity(640);
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
            put_refs_v0(&mut out, refs, shallow);
        }
        Version::V0 => put_refs_v0(&mut out, refs, shallow),
    }
    out.extend_from_slice(FLUSH);
    out.into()
}

fn put_refs_v0(out: &mut Vec<u8>, refs: &Refs, shallow: &[ObjectId]) {
    let listed = listed(refs);
    let symref = if refs.head.is_some() { format!(" symref=HEAD:{MAIN}") } else { String::new() };
    let mut capabilities = format!("\0{V0_CAPABILITIES}{symref} agent={AGENT}");
    if listed.is_empty() {
        let null = ObjectId::null(Kind::Sha1);
        put_line(out, &format!("{null} capabilities^{{}}{capabilities}"));
    }
    for (name, id) in listed {
        put_line(out, &format!("{id} {name}{}", std::mem::take(&mut capabilities)));
    }
    for id in shallow {
        put_line(out, &format!("shallow {id}"));
    }
}

/// The answer to `ls-refs` (gitprotocol-v2).
pub fn ls_refs(request: &LsRefs, refs: &Refs) -> Bytes {
    let asked = |name: &str| {
        request.ref_prefixes.is_empty() || request.ref_prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut out = Vec::with_capacity(256);
    let mut put_ref = |id: &[u8], name: &str| {
        let symref: &[&[u8]] = match name {
            "HEAD" if request.symrefs => &[b" symref-target:", MAIN.as_bytes()],
            _ => &[b"", b""],
        };
        put(&mut out, &[id, b" ", name.as_bytes(), symref[0], symref[1], b"\n"]);
    };
    if refs.head.is_none() && request.unborn && asked("HEAD") {
        put_ref(b"unborn", "HEAD");
    }
    for (name, id) in listed(refs).into_iter().filter(|(name, _)| asked(name)) {
        let mut hex = Kind::hex_buf();
        put_ref(id.hex_to_buf(&mut hex).as_bytes(), &name);
    }
    out.extend_from_slice(FLUSH);
    out.into()
}

/// All refs in the order of an advertisement: HEAD, then by name.
fn listed(refs: &Refs) -> Vec<(Cow<'static, str>, ObjectId)> {
    let branches = refs.head.into_iter().flat_map(|head| [("HEAD".into(), head), (MAIN.into(), head)]);
    let mut tags: Vec<(Cow<'_, str>, ObjectId)> =
        refs.tags.iter().map(|(name, id)| (format!("refs/tags/{name}").into(), *id)).collect();
    tags.sort();
    branches.chain(tags).collect()
}
