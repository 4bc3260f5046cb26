//! The harness the stories are told with: a whole server, both databases, real git.

pub mod clients;
pub mod git;
pub mod process;
pub mod wire;
