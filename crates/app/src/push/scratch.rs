//! Keeps the scratch folder small: what killed pushes left in it, and copies of sources that nobody used for
//! long. All of it can be made again.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::{SignedDuration, Timestamp};
use skaas_domain::id::SourceId;
use skaas_git::source_repo::PackName;
use skaas_store::sources;

use super::{source_copy::blocking, source_lock};
use crate::{
    app::App,
    error::{Error, Result},
    oid::oid,
};

/// How long a copy stays that nobody pushes to or fetches from.
const UNUSED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Files and their bytes.
pub(crate) type Files = (u64, u64);

/// Removes what nobody needs, or only counts it. What failed pushes left goes once it was last written before
/// `before`; a copy in use by any process is left alone.
pub(crate) async fn clear(app: &App, before: Timestamp, remove: bool) -> Result<Files> {
    let scratch = app.config.scratch.clone();
    let listed = scratch.clone();
    let (sources, spools) = blocking(move || list(&listed, before)).await?.map_err(Error::internal)?;
    let mut found = (0, 0);
    for (path, bytes) in spools {
        if remove {
            fs::remove_file(&path).map_err(Error::internal)?;
        }
        found = (found.0 + 1, found.1 + bytes);
    }
    for source in sources {
        let (files, bytes) = clear_source(app, source, before, remove).await?;
        found = (found.0 + files, found.1 + bytes);
    }
    Ok(found)
}

async fn clear_source(app: &App, source: SourceId, before: Timestamp, remove: bool) -> Result<Files> {
    let mut conn = app.store.read().await?;
    let known = sources::find_by_id(&mut conn, source).await?.is_some();
    drop(conn);
    let unused = app.now().checked_sub(UNUSED_FOR).unwrap_or(before).min(before);
    let needed_since = SystemTime::from(if known { unused } else { before });
    let scratch = app.config.scratch.clone();
    let (lock_path, folder) =
        (source_lock::path_of(&scratch, source), scratch.join("sources").join(source.to_string()));
    let last_used = fs::metadata(&lock_path).or_else(|_| fs::metadata(&folder)).and_then(|m| m.modified());
    if !remove && !lock_path.exists() {
        // Nobody has used it since there are locks. Counting makes no files.
        return Ok((0, 0));
    }
    let Ok(Some(lock)) = source_lock::try_lock(&lock_path) else { return Ok((0, 0)) };
    if last_used.is_ok_and(|used| used < needed_since) {
        let whole = blocking(move || remove_whole(&folder, &lock_path, remove)).await?;
        drop(lock);
        return whole.map_err(Error::internal);
    }
    if !known {
        return Ok((0, 0));
    }
    // Read under the lock: no push to this source is under way on this folder.
    let mut conn = app.store.read().await?;
    let named = sources::packs(&mut conn, source).await?;
    drop(conn);
    let named: HashSet<PackName> = named.iter().map(|pack| PackName(oid(pack.pack))).collect();
    let cleared = blocking(move || clear_copy(&folder, &named, remove)).await?;
    drop(lock);
    cleared
}

/// Removes from a copy what is not one of the `named` packs.
fn clear_copy(folder: &Path, named: &HashSet<PackName>, remove: bool) -> Result<Files> {
    if !folder.exists() {
        return Ok((0, 0));
    }
    let expected: HashSet<String> =
        named.iter().flat_map(|name| [name.pack_file(), name.index_file()]).collect();
    let mut found = (0, 0);
    for entry in fs::read_dir(folder).map_err(Error::internal)? {
        let entry = entry.map_err(Error::internal)?;
        if expected.contains(&*entry.file_name().to_string_lossy()) {
            continue;
        }
        let (files, bytes) = remove_tree(&entry.path(), remove).map_err(Error::internal)?;
        found = (found.0 + files, found.1 + bytes);
    }
    Ok(found)
}

fn remove_whole(folder: &Path, lock: &Path, remove: bool) -> io::Result<Files> {
    let found = if folder.exists() { remove_tree(folder, remove)? } else { (0, 0) };
    if remove {
        fs::remove_file(lock)?;
    }
    Ok(found)
}

/// Removes a file or folder, or only counts what is in it.
fn remove_tree(path: &Path, remove: bool) -> io::Result<Files> {
    let (mut found, mut open) = ((0, 0), vec![path.to_owned()]);
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else {
            found = (found.0 + 1, found.1 + metadata.len());
        }
    }
    if remove {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed?;
    }
    Ok(found)
}

/// What the scratch folder holds: sources, and leftover bodies with their sizes in bytes.
type Listing = (HashSet<SourceId>, Vec<(PathBuf, u64)>);

/// The sources that have a copy or a lock here, and bodies of killed pushes where the file system cannot make
/// nameless files.
fn list(scratch: &Path, before: Timestamp) -> io::Result<Listing> {
    let before = SystemTime::from(before);
    let (mut sources, mut spools) = (HashSet::new(), Vec::new());
    for entry in entries(&scratch.join("sources"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        sources.extend(name.strip_suffix(".lock").unwrap_or(&name).parse::<SourceId>());
    }
    for entry in entries(scratch)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        let is_spool = metadata.is_file() && entry.file_name().to_string_lossy().starts_with(".tmp");
        if is_spool && metadata.modified()? < before {
            spools.push((entry.path(), metadata.len()));
        }
    }
    Ok((sources, spools))
}

/// The entries of a folder; none where there is no folder.
fn entries(folder: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<fs::DirEntry>>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(error),
    }
}
