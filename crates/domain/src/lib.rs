//! The words and decisions of skaas: ids, money, names, tokens, listings, entitlement, and the texts that
//! agent clients load. Everything here is pure.
//!
//! Invariant: no `async`, no IO, no SQL, no HTTP, no reading of a clock or of random numbers.

pub mod clock;
pub mod entitlement;
pub mod id;
pub mod listing;
pub mod money;
pub mod name;
pub mod token;
pub mod user;
