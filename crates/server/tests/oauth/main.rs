//! Programs that sign people in, each story on SQLite and on PostgreSQL: the device login word by word, and
//! the authorization server as its clients see it.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod applications;
mod browser;
mod clients;
mod descriptions;
mod device;
mod interface;
mod real;
mod secrets;
