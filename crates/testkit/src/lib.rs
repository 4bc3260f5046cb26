//! The harness the stories are told with: a whole server, both databases, real git.

pub mod app;
pub mod authenticator;
pub mod clients;
pub mod folder;
pub mod git;
pub mod git_backend;
pub mod log;
pub mod mail_server;
pub mod model;
pub mod noise;
pub mod pack;
pub mod process;
pub mod terminal;
pub mod wire;
