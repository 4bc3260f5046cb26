//! Which of the pushed commits releases are cut from: main where it moved, and every tag that was pushed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use skaas_git::{
    ObjectId,
    receive_pack::RefCommand,
    source_repo::{Snapshot, SnapshotLimits, SourceRepo},
};

use super::{MAIN, line::Line, room::Room};

/// A commit from which releases may be cut.
#[derive(Clone)]
pub(super) struct PushedCommit {
    pub(super) snapshot: Arc<Snapshot>,
    /// Short names of the tags that point at it.
    pub(super) tags: Vec<String>,
    /// Whether main does.
    pub(super) is_main: bool,
}

/// Lists the commits, the oldest first and main last: its releases are to be the newest. `before` are the refs
/// before the push. Reads packs, so it is meant for a blocking thread.
pub(super) fn list(
    repo: &SourceRepo,
    before: &[(String, ObjectId)],
    accepted: &[RefCommand],
    room: &mut Room,
    line: &Line,
) -> Vec<PushedCommit> {
    let mut after: HashMap<&str, ObjectId> = before.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    for command in accepted {
        if command.is_delete() {
            after.remove(command.name.as_str());
        } else {
            after.insert(&command.name, command.new);
        }
    }
    let main = after.get(MAIN).copied();
    let mut snapshots = snapshots(repo, accepted, room, line);
    snapshots.sort_by_key(|snapshot| (Some(snapshot.commit) == main, snapshot.author_date));
    let mut tags = tags_by_commit(repo, &after);
    let commit = |snapshot: Snapshot| PushedCommit {
        tags: tags.remove(&snapshot.commit).unwrap_or_default(),
        is_main: Some(snapshot.commit) == main,
        snapshot: Arc::new(snapshot),
    };
    snapshots.into_iter().map(commit).collect()
}

/// One snapshot of each commit that main or a tag was moved to, main's first, while there is room.
fn snapshots(repo: &SourceRepo, accepted: &[RefCommand], room: &mut Room, line: &Line) -> Vec<Snapshot> {
    let moved = |command: &&RefCommand| {
        !command.is_delete() && (command.name == MAIN || command.name.starts_with("refs/tags/"))
    };
    let mut moved: Vec<&RefCommand> = accepted.iter().filter(moved).collect();
    moved.sort_by_key(|command| command.name != MAIN);
    let commits = repo.peel_all(moved.iter().map(|command| command.new));
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for (command, commit) in moved.into_iter().zip(commits) {
        if commit.is_some_and(|commit| !seen.insert(commit)) {
            continue;
        }
        match repo.snapshot(command.new, &SnapshotLimits::default()) {
            Ok(snapshot) if room.take_entries(snapshot.entries().len()) => found.push(snapshot),
            Ok(_) => line.message(&format!(
                "warning: {}: this push has too many files to look at all of them, so nothing was released from \
                 this ref; delete it on the server and push it again with fewer others\n",
                command.name
            )),
            // A tag of a file, or a tree too large to list: the ref is kept, nothing is released.
            Err(error) => line.message(&format!("warning: {}: {error}\n", command.name)),
        }
    }
    found
}

fn tags_by_commit(repo: &SourceRepo, refs: &HashMap<&str, ObjectId>) -> HashMap<ObjectId, Vec<String>> {
    let mut tags: Vec<(&str, ObjectId)> =
        refs.iter().filter_map(|(name, id)| Some((name.strip_prefix("refs/tags/")?, *id))).collect();
    tags.sort_unstable();
    let commits = repo.peel_all(tags.iter().map(|(_, id)| *id));
    let mut found: HashMap<ObjectId, Vec<String>> = HashMap::new();
    for ((name, _), commit) in tags.iter().zip(commits) {
        if let Some(commit) = commit {
            found.entry(commit).or_default().push((*name).to_owned());
        }
    }
    found
}
