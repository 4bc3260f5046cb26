//! Our entry in git's `store` helper (`~/.git-credentials`). git writes the file and gets the token on standard
//! input.

use skaas_api::Secret;

use super::run;
use crate::{address::Address, failure::Result};

fn attributes(address: &Address, username: &str) -> String {
    format!("protocol={}\nhost={}\nusername={username}\n", address.scheme(), address.host_and_port())
}

/// Stores the token.
pub(crate) fn put(address: &Address, username: &str, token: &Secret) -> Result<()> {
    let input = format!("{}password={}\n\n", attributes(address, username), token.reveal());
    run(&["credential-store", "store"], &input)?.or_fail("git cannot store the token").map(drop)
}

/// The stored token.
pub(crate) fn get(address: &Address, username: &str) -> Option<Secret> {
    let input = format!("{}\n", attributes(address, username));
    let ran = run(&["credential-store", "get"], &input).ok().filter(super::Ran::succeeded)?;
    let text = String::from_utf8(ran.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("password=")).map(Secret::new)
}

/// Removes exactly this token.
pub(crate) fn remove(address: &Address, username: &str, token: &Secret) -> Result<()> {
    let input = format!("{}password={}\n\n", attributes(address, username), token.reveal());
    run(&["credential-store", "erase"], &input)?.or_fail("git cannot remove the stored token").map(drop)
}
