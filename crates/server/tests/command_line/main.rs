//! The `skaas` program, a running server, real git, a real agent, a real terminal: from nothing to a
//! marketplace, and back to nothing.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

#[path = "../oauth/browser.rs"]
#[allow(dead_code, reason = "the other story answers OAuth clients as well")]
mod browser;
mod desk;
mod faults;
mod sign_in;
#[path = "../story/mod.rs"]
mod story;
mod tokens;
