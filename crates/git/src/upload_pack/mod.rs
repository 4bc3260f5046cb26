//! Upload-pack: what a fetch asks, and what it may be told and sent (gitprotocol-v2, gitprotocol-pack).
//!
//! Owns the advertisement, the parsing of requests, negotiation, the arithmetic of boundaries and the
//! plan of a pack. Refuses to write the pack, to know users, and to decide what is permitted: the
//! caller marks that on every commit it passes ([`Commit::permitted`]), anew for every request.
//!
//! The order of a request: [`advertise`]; then [`parse_v2`] or [`parse_v0`]; then [`ls_refs`] or
//! [`answer`], which gives either all bytes of the reply or a [`Plan`] for a pack.

mod advertise;
mod answer;
mod filter;
mod history;
mod negotiation;
mod parse;
mod plan;
mod request;

use gix_hash::ObjectId;
use thiserror::Error;

pub use advertise::{Version, advertise, ls_refs, reads_boundary};
pub use answer::{Answer, NO_HISTORY, Plan, answer, error_reply};
pub use filter::{UnsupportedFilter, parse_filter};
pub use history::{AllowedObjects, Commit, History};
pub use negotiation::{Preface, Round, acknowledge};
pub use parse::{Limits, parse_v0, parse_v2};
pub use request::{Command, Deepen, FetchRequest, LsRefs, MultiAck};

/// The one branch of every served repository; HEAD is a symbolic ref to it.
pub const MAIN: &str = "refs/heads/main";

/// What this server calls itself in `agent=`.
pub const AGENT: &str = concat!("skaas/", env!("CARGO_PKG_VERSION"));

/// The refs a user sees, now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    /// The tip: `refs/heads/main`. `None` in a repository without commits.
    pub head: Option<ObjectId>,
    /// Short tag names (`v1.2.3`, no `refs/tags/`) with the root commits they name. Only permitted
    /// roots belong here. Order does not matter.
    pub tags: Vec<(String, ObjectId)>,
}

impl Refs {
    /// What a full ref name stands for.
    pub fn resolve(&self, name: &str) -> Option<ObjectId> {
        if name == "HEAD" || name == MAIN {
            return self.head;
        }
        let short = name.strip_prefix("refs/tags/")?;
        self.tags.iter().find(|(tag, _)| tag == short).map(|(_, id)| *id)
    }
}

/// A request that is not the protocol's: answered with status 400, its text as `text/plain`.
///
/// A well-formed request for something that is not given is no error of this type: it is answered
/// by an `ERR` packet, which git shows to the person.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The framing is broken.
    #[error(transparent)]
    Packet(#[from] crate::pkt_line::PacketError),
    /// A line that does not belong where it stands; the text is cut and cleaned.
    #[error("unexpected line in the request: {0:?}")]
    UnexpectedLine(String),
    /// The request ends too early.
    #[error("the request is incomplete: {0}")]
    Incomplete(&'static str),
    /// Beyond one of the [`Limits`].
    #[error("the request has more than {limit} {of}")]
    TooMany {
        /// What there is too much of.
        of: &'static str,
        /// How much would have been read.
        limit: usize,
    },
    /// A hash function that is not served.
    #[error("this repository's object format is sha1")]
    ObjectFormat,
}
