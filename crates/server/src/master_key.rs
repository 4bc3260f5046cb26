//! Where the master keys of the vault come from: the setting, else a file in the data folder that is made on the
//! embedded database. The keys themselves are [`skaas_domain::master_key`], and what they open is `skaas_app::vault`.
//!
//! The file is in the data folder because that is the only place that every set-up lets the server write to and keeps
//! when it is replaced: a volume, a state directory. It is not among what a backup copies (docs/operating.md).

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rand::{SeedableRng as _, rngs::StdRng};
use skaas_app::{DatabaseConfig, Store, outbound::ExposeSecret as _};
use skaas_domain::master_key::{Keyring, MasterKey};
use zeroize::Zeroizing;

use crate::{
    config::{InvalidSettings, Settings},
    installation,
};

/// Where a node on the embedded database keeps its keys, unless they are configured.
pub(crate) fn file(settings: &Settings) -> Option<PathBuf> {
    let is_configured = !settings.vault.master_key.expose_secret().trim().is_empty();
    let is_embedded = matches!(installation::database_config(settings), DatabaseConfig::Sqlite { .. });
    (is_embedded && !is_configured).then(|| settings.data_dir.join("master.key"))
}

/// The keys that are there.
///
/// # Errors
/// A file that cannot be read, or holds something else than keys.
pub(crate) fn keyring(settings: &Settings) -> anyhow::Result<Keyring> {
    match file(settings) {
        Some(path) => Ok(read(&path)?.unwrap_or_default()),
        None => Ok(Keyring::parse(settings.vault.master_key.expose_secret())?),
    }
}

/// The keys that are there. On the embedded database, a key is made where there is none, unless something is sealed
/// already: then another key would not help.
///
/// # Errors
/// As [`keyring`], and a file that cannot be written.
pub(crate) async fn keyring_or_new(settings: &Settings, store: &Store) -> anyhow::Result<Keyring> {
    let Some(path) = file(settings) else { return keyring(settings) };
    if let Some(keyring) = read(&path)? {
        return Ok(keyring);
    }
    if skaas_app::vault::is_used(store).await? {
        return Ok(Keyring::default());
    }
    let key = MasterKey::generate(&mut StdRng::from_os_rng());
    write_new(&path, &key).with_context(|| format!("cannot write a master key to {}", path.display()))?;
    // Another process may have been faster; then its key is in the file.
    let keyring = read(&path)?.unwrap_or_default();
    tracing::info!(event = "master_key_made", file = %path.display());
    Ok(keyring)
}

/// The keys in a file; `None` where there is no file.
fn read(path: &Path) -> anyhow::Result<Option<Keyring>> {
    let fault = |reason: String| InvalidSettings::Value {
        name: format!("the master key in {}", path.display()),
        reason,
        example: "restore the file from where you keep a copy of it, or set SKAAS_MASTER_KEY".to_owned(),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error.to_string()).into()),
    };
    let keyring = Keyring::parse(&text).map_err(|error| fault(error.to_string()))?;
    if keyring.current().is_none() {
        return Err(fault("the file holds no key".to_owned()).into());
    }
    Ok(Some(keyring))
}

/// Writes a new file that only its owner can read, with its whole content or not at all. A file that is there stays.
fn write_new(path: &Path, key: &MasterKey) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // tempfile makes files with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(format!("{}\n", *key.reveal()).as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error.error.into()),
    }
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_new_key_file_is_its_owners_alone_and_an_existing_one_stays() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        assert!(read(&path).unwrap().is_none());
        let key = |seed| MasterKey::generate(&mut StdRng::seed_from_u64(seed));
        write_new(&path, &key(1)).unwrap();
        write_new(&path, &key(2)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().unwrap().ids().collect::<Vec<_>>(), [key(1).id()]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        for text in ["", "\n", "CANARY"] {
            std::fs::write(&path, text).unwrap();
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("master.key") && !said.contains("CANARY"), "{said}");
        }
    }
}
