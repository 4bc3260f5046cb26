//! The rows of the threat table that no other test tells: each of these fails with the defence taken out.
//! `docs/SECURITY.md` says which row is whose.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod bodies;
mod doors;
mod faults;
mod go_between;
mod health;
mod leftovers;
mod limits;
mod load;
mod logs;
mod patience;
mod pushing;
mod raw;
mod secrets;
#[path = "../story/mod.rs"]
mod story;
mod tokens;
