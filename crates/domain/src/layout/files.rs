//! Which files of a source make a release: links become copies, litter is left out. Owns the bounds
//! on what links may bring in; refuses links that leave the source, and submodules.

use crate::discovery::{FoundSkill, Shape, is_skill_md};
use crate::finding::Finding;
use crate::links::{self, Target};
use crate::safe_path::Limits;
use crate::source_tree::{EntryKind, SourceTree, below, relative};

/// Deepest nesting of links to folders inside linked folders.
const MAX_NESTED_LINKS: usize = 8;
/// Most findings of one kind that are listed.
const MAX_TOLD: usize = 10;

/// One file of a skill.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Path relative to the skill's folder.
    pub(super) inside: Vec<u8>,
    /// Index of the entry with its content.
    pub(super) source: usize,
    /// Path in the source, for messages.
    pub(super) origin: Vec<u8>,
}

/// Every file of the skill, links followed.
pub(super) fn place(
    found: &FoundSkill,
    tree: &dyn SourceTree,
    limits: &Limits,
    findings: &mut Vec<Finding>,
) -> Vec<Placed> {
    let mut placing =
        Placing { found, tree, limits, placed: Vec::new(), told: Vec::new(), followed: 0, is_full: false };
    for &at in &found.entries {
        let path = &tree.entries()[at].path;
        if let Some(inside) = relative(path, &found.folder) {
            placing.place(at, inside.to_vec(), &mut Vec::new());
        }
    }
    let Placing { placed, told, .. } = placing;
    tell(told, findings);
    warn_of_pointers(tree, &placed, findings);
    placed
}

/// Adds the findings, the first of each rule only; errors first.
fn tell(mut told: Vec<Finding>, findings: &mut Vec<Finding>) {
    told.sort_by_key(|finding| !finding.is_error());
    let mut counts: std::collections::BTreeMap<&'static str, usize> = std::collections::BTreeMap::new();
    for finding in told {
        let count = counts.entry(finding.rule).or_default();
        *count += 1;
        if *count <= MAX_TOLD {
            findings.push(finding);
        }
    }
    for (rule, count) in counts {
        if count > MAX_TOLD {
            findings.push(Finding::warning("", rule, format!("and {} more like this", count - MAX_TOLD)));
        }
    }
}

struct Placing<'a> {
    found: &'a FoundSkill,
    tree: &'a dyn SourceTree,
    limits: &'a Limits,
    placed: Vec<Placed>,
    told: Vec<Finding>,
    /// Entries reached through links to folders: a bomb of links may hold few files.
    followed: usize,
    is_full: bool,
}

impl Placing<'_> {
    fn place(&mut self, at: usize, inside: Vec<u8>, within: &mut Vec<String>) {
        if self.is_full {
            return;
        }
        let entry = &self.tree.entries()[at];
        if is_litter(&inside) {
            if inside.ends_with(b".gitattributes") || inside.ends_with(b".gitmodules") {
                self.warn(
                    at,
                    "git-file",
                    "it would change what git does for whoever clones the release; it was left out",
                );
            }
            return;
        }
        match entry.kind {
            EntryKind::Regular | EntryKind::Executable => self.push(at, at, inside),
            EntryKind::Submodule => {
                let message = "it is a submodule, whose content is not here; commit the files themselves";
                self.told.push(Finding::error(&self.path(at), "submodule", message));
            }
            EntryKind::Symlink => self.follow(at, inside, within),
        }
    }

    fn push(&mut self, origin: usize, source: usize, inside: Vec<u8>) {
        if self.placed.len() >= self.limits.max_files {
            self.fill(origin);
            return;
        }
        let origin = self.tree.entries()[origin].path.clone();
        self.placed.push(Placed { inside, source, origin });
    }

    fn fill(&mut self, at: usize) {
        if !self.is_full {
            self.is_full = true;
            let message = format!("a release may have {} files", self.limits.max_files);
            self.told.push(Finding::error(&self.path(at), "release-files", message));
        }
    }

    fn path(&self, at: usize) -> String {
        String::from_utf8_lossy(&self.tree.entries()[at].path).into_owned()
    }

    fn warn(&mut self, at: usize, rule: &'static str, message: impl Into<String>) {
        self.told.push(Finding::warning(&self.path(at), rule, message));
    }

    fn follow(&mut self, at: usize, inside: Vec<u8>, within: &mut Vec<String>) {
        match links::resolve(self.tree, at) {
            Target::File(source) => self.push(at, source, inside),
            Target::Folder(folder) => self.copy_folder(at, &folder, &inside, within),
            Target::Outside => {
                let message = "it is a link out of the source; commit the file itself";
                self.told.push(Finding::error(&self.path(at), "link-outside", message));
            }
            other => self.warn(at, "link", format!("it is a link {}; it was left out", other.describe())),
        }
    }

    fn copy_folder(&mut self, at: usize, folder: &str, inside: &[u8], within: &mut Vec<String>) {
        let is_above = folder.is_empty() || relative(&self.tree.entries()[at].path, folder).is_some();
        if is_above || within.iter().any(|known| known == folder) || within.len() >= MAX_NESTED_LINKS {
            self.warn(at, "link", format!("it is a link {}; it was left out", Target::Loop.describe()));
            return;
        }
        let is_own = relative(folder.as_bytes(), &self.found.folder).is_some();
        let range = below(self.tree, folder);
        // Another skill may be sold apart from this one.
        if !is_own && range.clone().any(|other| is_skill_md(&self.tree.entries()[other].path)) {
            self.warn(at, "link", "it is a link to a folder that holds other skills; it was left out");
            return;
        }
        within.push(folder.to_owned());
        for other in range {
            self.followed += 1;
            if self.followed > self.limits.max_files {
                self.fill(at);
                break;
            }
            let rest = relative(&self.tree.entries()[other].path, folder).unwrap_or(b"");
            self.place(other, [inside, b"/", rest].concat(), within);
        }
        within.pop();
    }
}

/// What machines leave behind, and what tells git what to do.
fn is_litter(inside: &[u8]) -> bool {
    let name = inside.rsplit(|&byte| byte == b'/').next().unwrap_or(inside);
    matches!(name, b".DS_Store" | b"Thumbs.db" | b"desktop.ini" | b".gitattributes" | b".gitmodules")
        || inside.split(|&byte| byte == b'/').any(|part| part == b"__MACOSX")
}

/// Warns of files that are only pointers of Git LFS (they begin with its specification's address).
fn warn_of_pointers(tree: &dyn SourceTree, placed: &[Placed], findings: &mut Vec<Finding>) {
    let mut pointers = placed.iter().filter(|file| {
        // A pointer has an address, a SHA-256 and a size.
        (100..=300).contains(&tree.entries()[file.source].size)
            && tree
                .read(file.source)
                .is_ok_and(|bytes| bytes.starts_with(b"version https://git-lfs.github.com/spec/"))
    });
    if let Some(first) = pointers.next() {
        let more = pointers.count();
        let path = String::from_utf8_lossy(&first.origin);
        let message = format!(
            "it is a pointer of Git LFS, not the file itself, and so are {more} more; commit them without LFS"
        );
        findings.push(Finding::warning(&path, "lfs-pointer", message));
    }
}

/// The path of a file in the release, for a plugin whose folders lie elsewhere in it.
pub(super) fn moved(inside: &[u8], moves: &[(String, String)]) -> Vec<u8> {
    for (from, to) in moves {
        if let Some(rest) = relative(inside, from) {
            return [to.as_bytes(), b"/", rest].concat();
        }
    }
    inside.to_vec()
}

/// What can be said of a skill from its files alone.
pub(super) fn features(found: &FoundSkill, placed: &[Placed]) -> Vec<String> {
    let inside: Vec<String> = placed
        .iter()
        .map(|file| String::from_utf8_lossy(&moved(&file.inside, &found.moves)).into_owned())
        .collect();
    let starting = |start: &str| inside.iter().filter(|path| path.starts_with(start)).count();
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let mut lines = Vec::new();
    if found.shape == Shape::Plugin {
        for (title, folder, sign) in [("Commands", "commands/", "/"), ("Agents", "agents/", "")] {
            lines.extend(listed(title, names(&inside, folder, ".md", sign)));
        }
        lines.extend(listed("Skills", names(&inside, "skills/", "/SKILL.md", "")));
        lines.extend((starting("hooks/") > 0).then(|| "Hooks".to_owned()));
        lines.extend(inside.iter().any(|path| path == ".mcp.json").then(|| "MCP servers".to_owned()));
    } else {
        let documents = starting("references/") + starting("reference/") + starting("docs/");
        lines.extend(counted(starting("scripts/"), "script", "scripts"));
        lines.extend(counted(documents, "reference document", "reference documents"));
        lines.extend(counted(
            starting("assets/") + starting("templates/"),
            "template or asset",
            "templates and assets",
        ));
    }
    lines
}

fn names(paths: &[String], start: &str, end: &str, sign: &str) -> Vec<String> {
    let middle = |path: &'_ String| Some(path.strip_prefix(start)?.strip_suffix(end)?.to_owned());
    let names = paths.iter().filter_map(middle).filter(|name| !name.contains('/'));
    names.map(|name| format!("{sign}{}", crate::plain_text::one_line(&name))).collect()
}

fn listed(title: &str, mut names: Vec<String>) -> Option<String> {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return None;
    }
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("{title}: {}{end}", names.join(", ")))
}
