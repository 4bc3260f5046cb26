//! `skaas` as users and git run it: the real program, real git, a separate home, and a stand-in for the server that
//! keeps state and can be made to misbehave.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod desk;
mod doctor;
mod fake;
mod files;
mod hostile;
#[cfg(feature = "keychain")]
mod keychain;
mod npm;
mod sign_in;
mod tls;
mod tokens;
mod usage;
