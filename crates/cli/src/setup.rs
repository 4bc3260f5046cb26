//! What signing in writes on this machine, and how to remove exactly that. The record is saved before every step, so
//! that it covers everything that may exist even if a step fails or is interrupted.

use skaas_api::Secret;

use crate::{
    address::Address,
    failure::Result,
    git::{helper, store},
    hosts::{self, Host, Hosts, Kept, prefix_of},
    keychain, netrc, places, private_file, program, settings,
};

/// What the user asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    /// Use git's `store` helper instead of ours.
    pub(crate) store: bool,
    /// Add an entry to `.netrc` as well.
    pub(crate) netrc: bool,
    /// Use the system keychain if there is one.
    pub(crate) keychain: bool,
}

fn save(address: &Address, host: &Host) -> Result<()> {
    Hosts::update(|hosts| hosts.set(address, host.clone()))
}

/// Saves a token in our own file, before anything else can fail.
pub(crate) fn keep(address: &Address, username: &str, token: &Secret) -> Result<Host> {
    let host = Host {
        username: username.to_owned(),
        prefix: prefix_of(token),
        kept: Kept::File,
        token: Some(token.clone()),
        helper: None,
        helper_reset: false,
        netrc: None,
    };
    save(address, &host)?;
    Ok(host)
}

/// Moves the token to where the user wants it, and connects git.
pub(crate) fn make(address: &Address, mut host: Host, token: &Secret, wishes: Wishes) -> Result<Host> {
    if wishes.store {
        host.kept = Kept::GitStore;
        save(address, &host)?;
        store::put(address, &host.username, token)?;
        host.token = None;
    } else if wishes.keychain && keychain::put(&address.origin(), &host.username, token) {
        host = Host { kept: Kept::Keychain, token: None, ..host };
    }
    save(address, &host)?;
    let program = if wishes.store { "store".to_owned() } else { program::helper()? };
    let written = helper::plan(address, &program)?;
    host = Host { helper: Some(written.helper.clone()), helper_reset: written.reset, ..host };
    save(address, &host)?;
    helper::install(address, &written)?;
    if wishes.netrc {
        let path = netrc::file()?;
        host.netrc = Some(path.clone());
        save(address, &host)?;
        netrc::put(&path, address, &host.username, token)?;
    }
    Ok(host)
}

/// Removes everything that [`make`] wrote except the record itself. Continues after a failure, and returns what could
/// not be removed.
pub(crate) fn undo(address: &Address, host: &Host) -> Vec<String> {
    let mut left = Vec::new();
    let token = host.token(address);
    if let Some(helper) = &host.helper {
        let written = helper::Written { helper: helper.clone(), reset: host.helper_reset };
        if let Err(failure) = helper::remove(address, &written) {
            left.push(failure.to_string());
        }
    }
    if let Some(path) = &host.netrc {
        match netrc::remove(path, address, &host.username, &host.prefix) {
            Ok(true) => {}
            Ok(false) => left.push(format!(
                "the entry for {} in {} was edited; remove it yourself",
                address.machine(),
                places::shown(path)
            )),
            Err(failure) => left.push(failure.to_string()),
        }
    }
    match (host.kept, token) {
        (Kept::Keychain, Some(_)) if !keychain::remove(&address.origin(), &host.username) => {
            left.push("the token is still in the system keychain".into());
        }
        (Kept::GitStore, Some(token)) => {
            if let Err(failure) = store::remove(address, &host.username, &token) {
                left.push(failure.to_string());
            }
        }
        _ => {}
    }
    left
}

/// Deletes the record of a sign-in, after [`undo`]. The last one takes our files and folders with it.
pub(crate) fn forget(address: &Address) -> Result<()> {
    let mut last = false;
    Hosts::update(|hosts| {
        hosts.remove(address);
        last = hosts.iter().next().is_none();
    })?;
    if !last {
        return Ok(());
    }
    program::remove_copy()?;
    let hosts = hosts::file()?;
    private_file::remove_lock(&hosts)?;
    private_file::remove_lock(&hosts.with_file_name("netrc"))?;
    let settings = settings::file()?;
    if !settings.exists() {
        private_file::remove_lock(&settings)?;
    }
    places::remove_empty_folders()
}
