//! Stories through the real router, each told on SQLite and on PostgreSQL: what creators push and what
//! becomes of it, what several nodes agree on, who may come in.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod admission;
mod creators;
mod names;
mod nodes;
