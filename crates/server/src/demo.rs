//! `skaas-server demo`: a separate server in a separate folder, and a tour of it with the commands that anybody can type.
//! No other installation is touched: neither the environment nor a `skaas.toml` nearby is read.

mod line;
mod samples;
mod screen;
mod stage;
mod tour;

use std::{
    path::{Path, PathBuf},
    pin::pin,
};

use anyhow::{Context as _, anyhow, bail};

use crate::{
    arguments::{Demo, Place},
    signals::told_to_stop,
};
use stage::Stage;

/// The file that marks a folder as a demo's, and so as one that may be emptied.
const MARK: &str = ".skaas-demo";

/// Gives the tour, then serves until Ctrl-C or SIGTERM, or ends at once with `--exit`.
///
/// # Errors
/// A folder that is not a demo's, a port that is taken, git missing, or a step of the tour whose
/// result is not what it should be.
pub(crate) async fn run(place: &Place, options: &Demo) -> anyhow::Result<()> {
    if place.config.is_some() || place.database_url.is_some() {
        bail!(
            "the demo uses its own server, database and configuration: leave --config and --database-url \
             out, or use `skaas-server serve` for yours"
        );
    }
    let folder = fresh_folder(place.data.as_deref().unwrap_or(Path::new("demo-data")))?;
    let stage = Stage::new(&folder, options.port)?;
    let stop = stage.stopper();
    let exit = options.exit;
    let mut told_to_stop = pin!(told_to_stop()?);
    let tour = tokio::task::spawn_blocking(move || tour::give(&stage, exit));
    let told = tokio::select! {
        ended = tour => ended.context("the tour broke off").flatten(),
        () = &mut told_to_stop => Err(anyhow!("interrupted before the tour's end")),
    };
    if told.is_ok() && !exit {
        told_to_stop.await;
    }
    // Whatever happened, no server is left behind.
    stop.stop();
    screen::gap()?;
    screen::say(&format!("Stopped. Everything is kept in {}.", line::short(&folder)))?;
    told
}

/// An empty folder at `path`: new, or emptied when an earlier demo made it.
fn fresh_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    let used = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if used && !path.join(MARK).is_file() {
        bail!(
            "{shown} holds files that are not a demo's; nothing was touched. Give another folder with --data"
        );
    }
    if used {
        std::fs::remove_dir_all(path)
            .with_context(|| format!("cannot empty {shown}, an earlier demo's folder"))?;
    }
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {shown}"))?;
    std::fs::write(
        path.join(MARK),
        "Made by `skaas-server demo`, which empties this folder when it runs again.\n",
    )
    .with_context(|| format!("cannot write into {shown}"))?;
    path.canonicalize().with_context(|| format!("cannot find {shown} again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("skaas-demo-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        path
    }

    #[test]
    fn a_folder_with_somebody_elses_files_is_left_alone() {
        let path = scratch("foreign");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("thesis.txt"), "years of work").unwrap();
        let refusal = fresh_folder(&path).unwrap_err().to_string();
        assert!(refusal.contains("--data"), "{refusal}");
        assert_eq!(std::fs::read_to_string(path.join("thesis.txt")).unwrap(), "years of work");
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn an_earlier_demos_folder_is_emptied() {
        let path = scratch("earlier");
        fresh_folder(&path).unwrap();
        std::fs::write(path.join("old"), "").unwrap();
        let folder = fresh_folder(&path).unwrap();
        assert!(!folder.join("old").exists() && folder.join(MARK).exists());
        std::fs::remove_dir_all(&path).unwrap();
    }
}
