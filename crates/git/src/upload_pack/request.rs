//! What a client asks, as values.
//!
//! Owns the request types of protocol v2 and v0/v1. Refuses bytes: `parse` reads them.

use gix_hash::ObjectId;

use super::{Refs, Version, reads_boundary};
use crate::pack::ObjectFilter;
use crate::sideband::SideBand;

/// A request of protocol v2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `command=ls-refs`: answer with [`super::ls_refs`].
    LsRefs(LsRefs),
    /// `command=fetch`: answer with [`super::answer`].
    Fetch(Box<FetchRequest>),
    /// The lone flush that git posts to learn whether it is let in, before a large request. Answer
    /// with status 200 and an empty body.
    Probe,
}

/// `ls-refs` of protocol v2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LsRefs {
    /// Name what an annotated tag points at. Our tags are commits, so nothing is ever to be peeled.
    pub peel: bool,
    /// Name the target of HEAD.
    pub symrefs: bool,
    /// Name HEAD's target even before it exists.
    pub unborn: bool,
    /// List only refs that begin with one of these; all when empty.
    pub ref_prefixes: Vec<String>,
}

/// How far down the client wants the commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deepen {
    /// `deepen <n>`
    Depth {
        /// Commits on a path from a wanted one, itself included; `u32::MAX >> 1` is git's "all".
        depth: u32,
        /// Counted from the client's present boundary (`deepen-relative`).
        relative: bool,
    },
    /// `deepen-since` and `deepen-not`, which may come together.
    Excluding {
        /// Seconds since 1970: only younger commits.
        since: Option<i64>,
        /// Ref names: only commits that these do not reach.
        not: Vec<String>,
    },
}

/// How common commits are acknowledged in v0/v1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultiAck {
    /// One `ACK` for the first common commit.
    #[default]
    None,
    /// `multi_ack`: `ACK <id> continue`.
    Plain,
    /// `multi_ack_detailed`: `ACK <id> common` and `ACK <id> ready`.
    Detailed,
}

/// A fetch, of any protocol version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's independent flags, one each")]
pub struct FetchRequest {
    /// The version it was parsed as.
    pub version: Version,
    /// Objects asked for by id, in order, each once.
    pub wants: Vec<ObjectId>,
    /// Refs asked for by name (v2 `want-ref`).
    pub want_refs: Vec<String>,
    /// Commits the client says it has, newest first by habit.
    pub haves: Vec<ObjectId>,
    /// The client has no more to say: answer with a pack.
    pub done: bool,
    /// Commits whose parents the client says it lacks.
    pub shallow: Vec<ObjectId>,
    /// How deep the answer is to go; `None` where the client leaves its boundaries as they are.
    pub deepen: Option<Deepen>,
    /// What to leave out of the pack.
    pub filter: Option<ObjectFilter>,
    /// The filter that was asked for when it is one that is not served: refused by `answer`.
    pub unsupported_filter: Option<String>,
    /// Deltas against objects outside the pack are understood.
    pub thin_pack: bool,
    /// No progress lines, please.
    pub no_progress: bool,
    /// Annotated tags of what is sent are wanted too. Ours are lightweight: nothing to include.
    pub include_tag: bool,
    /// Deltas may name their base by its offset.
    pub ofs_delta: bool,
    /// How the pack is wrapped.
    pub side_band: SideBand,
    /// Never go over to the pack before `done` (v2).
    pub wait_for_done: bool,
    /// The client's name for itself.
    pub agent: Option<String>,
    /// `server-option`s (v2), uninterpreted.
    pub server_options: Vec<String>,
    /// How to acknowledge (v0/v1).
    pub multi_ack: MultiAck,
    /// The pack may follow `ready` without a `done` (v0/v1).
    pub no_done: bool,
    /// v0/v1: something followed the wants. A request that ends there asks for the boundary alone,
    /// and any more, a NAK included, breaks the client.
    pub negotiating: bool,
}

impl FetchRequest {
    /// Whether the answer depends on more of the history than the tip and the roots named by tags.
    ///
    /// `whole` is [`super::History::whole`]. When this is false, pass the tip alone as
    /// [`super::History::steps`] and the roots of the wanted tags as [`super::History::roots`]: clones of
    /// depth 1 are the hot path.
    pub fn needs_history(&self, refs: &Refs, whole: bool) -> bool {
        let advertised =
            |want: &ObjectId| refs.head == Some(*want) || refs.tags.iter().any(|(_, id)| id == want);
        !self.haves.is_empty()
            || !self.shallow.is_empty()
            || !self.wants.iter().all(advertised)
            || (self.deepen.is_none() && (whole || !self.takes_boundary()))
    }

    /// Whether this asks for a new copy, without a depth: `git clone`, but also `git fetch` into an empty
    /// repository or with `fetch.negotiationAlgorithm=noop`. On the wire these are the same request.
    pub fn is_fresh(&self) -> bool {
        self.deepen.is_none() && self.haves.is_empty()
    }

    /// Whether a fresh copy can be told that it ends at the tip, though it asked for no depth. In v0 the
    /// advertisement says so, to the clients that read it there. In v2 it precedes the pack; a partial
    /// clone would then look for the missing parents in an endless loop. Of git's commands only `clone`
    /// accepts such a boundary; `fetch` refuses the refs, and is told what to do ([`super::NO_HISTORY`]).
    pub(super) fn takes_boundary(&self) -> bool {
        match self.version {
            Version::V2 => self.filter.is_none(),
            Version::V0 | Version::V1 => reads_boundary(self.agent.as_deref()),
        }
    }
}
