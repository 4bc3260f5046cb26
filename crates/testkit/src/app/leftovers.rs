//! What must not be left when a story is over.

use std::fs;
use std::path::{Path, PathBuf};

use super::TestApp;

impl TestApp {
    pub(super) fn assert_nothing_left(&self) {
        let surprises = self.log.surprises();
        assert!(surprises.is_empty(), "errors that the story does not tell of:\n{}", joined(&surprises));
        // A story that damages its database ends without an answer here.
        if let Ok(backlog) = self.run(skaas_app::jobs::backlog(&self.beside, self.now())) {
            assert_eq!(backlog.dead, 0, "jobs failed for good: see `jobs::list`");
        }
        let packs = self.metric("skaas_packs_in_flight");
        assert!(packs == 0.0, "{packs} places among the packs in flight were never given back");
        for node in self.nodes().iter() {
            let strays = strays(node.scratch());
            assert!(strays.is_empty(), "left in {}: {strays:?}", node.scratch().display());
        }
    }
}

fn joined(lines: &[impl ToString]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Whatever lies in a scratch folder besides the packs of sources and their indexes, in pairs.
fn strays(scratch: &Path) -> Vec<PathBuf> {
    let sources = scratch.join("sources");
    let mut strays: Vec<PathBuf> = children(scratch).into_iter().filter(|path| *path != sources).collect();
    for source in children(&sources) {
        for file in children(&source) {
            let twin = match file.extension().and_then(|ext| ext.to_str()) {
                Some("pack") => file.with_extension("idx"),
                Some("idx") => file.with_extension("pack"),
                _ => source.join("no such file"),
            };
            if !twin.is_file() {
                strays.push(file);
            }
        }
    }
    strays
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("a folder can be listed to its end").path()).collect()
}
