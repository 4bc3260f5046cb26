//! Gives each skill of a source a unique name. If two want the same one, the order in which they were found makes no
//! difference.

use super::FoundSkill;
use crate::client_name::{MAX_LEN, kebab};
use crate::finding::Finding;
use std::collections::{HashMap, HashSet};

/// Folder names that say nothing about what lies in them.
const GENERIC: [&str; 20] = [
    "",
    "skill",
    "skills",
    "src",
    "lib",
    "plugin",
    "plugins",
    "packages",
    "dist",
    "claude",
    ".claude",
    ".agents",
    ".codex",
    ".cursor",
    ".github",
    ".gemini",
    ".opencode",
    "claude-plugin",
    "components",
    "examples",
];

/// Whether a folder's name is no name for a skill.
pub(super) fn is_generic(folder: &str) -> bool {
    GENERIC.contains(&folder.to_ascii_lowercase().as_str())
}

/// Renames every skill whose name another one has too, after the nearest telling folder above it;
/// where that is not enough, by number in the order of folders.
pub(super) fn make_unique(skills: &mut [FoundSkill]) {
    let mut wishes: HashMap<String, usize> = HashMap::new();
    for skill in skills.iter() {
        *wishes.entry(skill.name.clone()).or_default() += 1;
    }
    let single = |name: &str| wishes.get(name) == Some(&1);
    let mut taken: HashSet<String> =
        skills.iter().map(|skill| skill.name.clone()).filter(|name| single(name)).collect();
    let mut order: Vec<usize> = (0..skills.len()).filter(|&at| !single(&skills[at].name)).collect();
    order.sort_by(|&a, &b| {
        let key = |at: usize| {
            (hidden(&skills[at].folder), skills[at].folder.clone(), skills[at].manifest.file.clone())
        };
        key(a).cmp(&key(b))
    });
    // Those without a telling folder above them keep the bare name, so they choose first.
    order.sort_by_key(|&at| prefix_of(&skills[at].folder).is_some());
    for at in order {
        let skill = &mut skills[at];
        let wish = match prefix_of(&skill.folder) {
            Some(prefix) => kebab(&format!("{prefix}-{}", skill.name)).unwrap_or_else(|| skill.name.clone()),
            None => skill.name.clone(),
        };
        let name = first_free(&wish, &taken);
        taken.insert(name.clone());
        if name != skill.name {
            let message = format!(
                "another skill of this source is called `{}` too; this one became `{name}`",
                skill.name
            );
            skill.findings.push(Finding::warning(&skill.folder, "name-taken", message));
            skill.name = name;
        }
    }
}

fn hidden(folder: &str) -> bool {
    folder.split('/').any(|part| part.starts_with('.'))
}

/// The nearest folder above the skill's own that says something.
fn prefix_of(folder: &str) -> Option<String> {
    let (above, _) = folder.rsplit_once('/')?;
    above.rsplit('/').filter(|part| !is_generic(part)).find_map(kebab)
}

fn first_free(wish: &str, taken: &HashSet<String>) -> String {
    if !taken.contains(wish) {
        return wish.to_owned();
    }
    let mut number = 2usize;
    loop {
        let end = format!("-{number}");
        let stem: String = wish.chars().take(MAX_LEN - end.len()).collect();
        let name = format!("{}{end}", stem.trim_end_matches('-'));
        if !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}
