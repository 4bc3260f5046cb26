//! Upload-pack against real git: every pack that leaves is taken apart, and no object in it may lie
//! outside the allow-set of its moment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to fail loudly")]

mod client;
mod dialects;
mod filters;
mod hostile;
mod lapse;
mod model;
mod packs;
mod server;
mod world;
