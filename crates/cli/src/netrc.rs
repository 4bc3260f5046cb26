//! Our entry in `~/.netrc`, for clients that do not use git's credential helpers (Gemini CLI). It comes first and has
//! a fixed form: it cannot end up inside a macro or after a `default` entry, and removing it restores the file byte
//! for byte.

use std::path::{Path, PathBuf};

use skaas_api::Secret;

use crate::{address::Address, failure::Result, places, private_file};

/// The file that curl, and therefore git, reads.
pub(crate) fn file() -> Result<PathBuf> {
    Ok(places::home()?.join(if cfg!(windows) { "_netrc" } else { ".netrc" }))
}

fn entry(machine: &str, username: &str, token: &Secret) -> String {
    format!("machine {machine}\n  login {username}\n  password {}\n", token.reveal())
}

fn with(old: &[u8], entry: &str) -> Vec<u8> {
    [entry.as_bytes(), old].concat()
}

/// Returns the file without our entry, or `None` if the entry is not there as we wrote it.
fn without(old: &[u8], machine: &str, username: &str, prefix: &str) -> Option<Vec<u8>> {
    // The token may no longer be stored anywhere else, so its public part has to identify the entry.
    let head = format!("machine {machine}\n  login {username}\n  password {prefix}");
    let at = (0..old.len())
        // An entry starts at the beginning of a line.
        .find(|&at| (at == 0 || old[at - 1] == b'\n') && old[at..].starts_with(head.as_bytes()))?;
    let rest = &old[at + head.len()..];
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(old.len(), |n| at + head.len() + n + 1);
    let secret = &old[at + head.len()..end];
    let ours = secret.iter().all(|&b| b.is_ascii_alphanumeric() || b"-._~+/=\n".contains(&b));
    ours.then(|| [&old[..at], &old[end..]].concat())
}

/// Adds our entry.
pub(crate) fn put(path: &Path, address: &Address, username: &str, token: &Secret) -> Result<()> {
    let _lock = private_file::lock(&places::config_dir()?.join("netrc"))?;
    let old = private_file::read(path)?.unwrap_or_default();
    private_file::write(path, &with(&old, &entry(&address.machine(), username, token)))
}

/// Removes our entry; `false` if it is not there as we wrote it.
pub(crate) fn remove(path: &Path, address: &Address, username: &str, prefix: &str) -> Result<bool> {
    let _lock = private_file::lock(&places::config_dir()?.join("netrc"))?;
    let old = private_file::read(path)?.unwrap_or_default();
    let Some(rest) = without(&old, &address.machine(), username, prefix) else { return Ok(false) };
    if rest.is_empty() {
        private_file::remove(path)?;
    } else {
        private_file::write(path, &rest)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "sk_live_Xy12Ab9Q_0123456789abcdefghijklmnopqrstuvABCDEF";
    const PREFIX: &str = "sk_live_Xy12Ab9Q";

    fn taken(old: &[u8]) -> Option<Vec<u8>> {
        without(old, "skaas.com", "alice", PREFIX)
    }

    #[test]
    fn an_entry_changed_by_hand_or_of_a_look_alike_is_left_alone() {
        for foreign in [
            "machine notskaas.com\n  login alice\n  password sk_live_Xy12Ab9Q_abc\n",
            "machine skaas.com\n  login bob\n  password sk_live_Xy12Ab9Q_abc\n",
            "machine skaas.com login alice password sk_live_Xy12Ab9Q_abc\n",
            "machine skaas.com\n  login alice\n  password sk_live_Other123_abc\n",
            "# machine skaas.com\n  login alice\n  password sk_live_Xy12Ab9Q_abc\n",
            "machine skaas.com\n  login alice\n  password sk_live_Xy12Ab9Q_abc account x\n",
        ] {
            assert_eq!(taken(foreign.as_bytes()), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn what_stood_there_before_stays_byte_for_byte(old: Vec<u8>) {
            prop_assume!(taken(&old).is_none());
            let new = with(&old, &entry("skaas.com", "alice", &Secret::new(TOKEN)));
            prop_assert!(new.ends_with(&old));
            prop_assert_eq!(taken(&new), Some(old));
        }

        #[test]
        fn other_machines_lines_stay_whichever_come_and_go(
            lines in prop::collection::vec("(machine (not)?skaas\\.com login [a-z]{1,5} password [ -~]{0,12}|default login x|macdef init|#[ -~]{0,9}|)", 0..12),
            newline: bool,
        ) {
            let mut old = lines.join("\n");
            if newline { old.push('\n'); }
            let new = with(old.as_bytes(), &entry("skaas.com", "alice", &Secret::new(TOKEN)));
            let later = [&new[..], b"machine added.later login z password z\n"].concat();
            let rest = taken(&later).unwrap();
            prop_assert_eq!(rest, [old.as_bytes(), b"machine added.later login z password z\n"].concat());
        }
    }
}
