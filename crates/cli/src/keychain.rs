//! The system keychain as a place for tokens. Where there is none (a container, a server, a build without it), the
//! functions say so and the caller uses a file.

use skaas_api::Secret;

/// Stores the token; `false` if there is no keychain.
pub(crate) fn put(origin: &str, username: &str, token: &Secret) -> bool {
    system::put(origin, username, token.reveal())
}

/// The stored token.
pub(crate) fn get(origin: &str, username: &str) -> Option<Secret> {
    system::get(origin, username).map(Secret::new)
}

/// Removes the token; `false` if that failed.
pub(crate) fn remove(origin: &str, username: &str) -> bool {
    system::remove(origin, username)
}

#[cfg(feature = "keychain")]
mod system {
    use keyring::v1::Entry;

    fn entry(origin: &str, username: &str) -> Option<Entry> {
        Entry::new(&format!("skaas:{origin}"), username).ok()
    }

    pub(super) fn put(origin: &str, username: &str, token: &str) -> bool {
        entry(origin, username).is_some_and(|entry| {
            // Some keychains accept everything and store nothing, so read it back.
            entry.set_password(token).is_ok() && entry.get_password().is_ok_and(|kept| kept == token)
        })
    }

    pub(super) fn get(origin: &str, username: &str) -> Option<String> {
        entry(origin, username)?.get_password().ok()
    }

    pub(super) fn remove(origin: &str, username: &str) -> bool {
        entry(origin, username).is_some_and(|entry| entry.delete_credential().is_ok())
    }
}

#[cfg(not(feature = "keychain"))]
mod system {
    pub(super) fn put(_: &str, _: &str, _: &str) -> bool {
        false
    }

    pub(super) fn get(_: &str, _: &str) -> Option<String> {
        None
    }

    pub(super) fn remove(_: &str, _: &str) -> bool {
        false
    }
}
