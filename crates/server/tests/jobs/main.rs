//! Queued work: done at least once, and once in effect, whatever becomes of workers, nodes and mail servers.

#![expect(clippy::unwrap_used, reason = "all of it is tests, also what is not marked as one")]

mod kills;
mod kinds;
mod mails;
mod operator;
mod schedules;
mod workers;
