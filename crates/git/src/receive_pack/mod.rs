//! The server side of `git push` over smart HTTP, protocol v0 and v1 (git has no v2 for pushing).
//!
//! Owns: the ref advertisement, the parser of the commands before the pack, the rules a ref name
//! and its old value must keep, the report and its side-band framing. The pack itself is taken in
//! by [`crate::source_repo`].
//! Refuses: knowing who pushes, where refs are kept (the caller compares and swaps), HTTP.
//!
//! A push, in order:
//! 1. `GET info/refs?service=git-receive-pack` is answered by [`advertise`].
//! 2. `POST git-receive-pack`: a [`CommandReader`] reads up to the pack as the body arrives
//!    ([`parse_commands`] from a blocking reader). [`PushRequest::is_probe`] is answered by an
//!    empty 200. git shows nothing of another status: from here on a refusal is a [`Report`].
//! 3. [`judge`] gives a first verdict per command; [`crate::source_repo::SourceRepo::ingest`]
//!    takes the rest of the body into quarantine, reporting through a [`SidebandWriter`].
//! 4. [`crate::source_repo::SourceRepo::check_tips`] gives a second verdict, the caller swaps its
//!    refs and accepts the quarantine, and [`SidebandWriter::report`] ends the answer.

mod commands;
mod judgement;
mod packets;
mod report;

pub use commands::{
    Capabilities, CommandReader, ParseError, ParseLimits, PushRequest, RefCommand, advertise, parse_commands,
};
pub use judgement::{RefRules, Verdict, add_verdicts, judge, settle_atomic, valid_ref_name};
pub use report::{Report, SidebandWriter};
