//! Which folder belongs to which skill or plugin. Owns the order of claims; refuses to name or mend
//! what it finds.

use super::{Shape, has_components};
use crate::client_name::kebab;
use crate::finding::{Finding, escape_path};
use crate::links;
use crate::manifest::json;
use crate::manifest::marketplace_json::{self, PluginEntry};
use crate::manifest::plugin_json::{self, PluginManifest};
use crate::source_tree::{EntryKind, SourceTree, below, find, relative};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Folders of other people's code, and of data for tests.
const FOREIGN: [&str; 12] = [
    "node_modules",
    "vendor",
    "bower_components",
    ".venv",
    "venv",
    "site-packages",
    "__pycache__",
    ".git",
    "fixtures",
    "__fixtures__",
    "testdata",
    "test-fixtures",
];

/// A folder that is, or may become, a skill.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) folder: String,
    pub(super) shape: Shape,
    /// The name that the source's marketplace gives it.
    pub(super) name: Option<String>,
    pub(super) manifest: PluginManifest,
    /// Index of the SKILL.md at its root.
    pub(super) skill_md: Option<usize>,
    pub(super) category: Option<String>,
    pub(super) tags: Vec<String>,
    /// If not all of the folder: the paths (inside the source) that belong to it.
    selection: Option<Vec<String>>,
    /// Whether the folder has a plugin.json and the marketplace lists it.
    is_listed_plugin: bool,
    pub(super) findings: Vec<Finding>,
}

/// Whether a path ends in SKILL.md, in any case.
pub(crate) fn is_skill_md(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.eq_ignore_ascii_case(b"SKILL.md")
}

/// The folder of a path, if it is UTF-8.
fn folder_of(path: &[u8]) -> Option<&str> {
    let path = std::str::from_utf8(path).ok()?;
    Some(path.rsplit_once('/').map_or("", |(folder, _)| folder))
}

fn is_foreign(folder: &str) -> bool {
    folder.split('/').any(|part| FOREIGN.contains(&part.to_ascii_lowercase().as_str()))
}

/// Every claim of the source, outer folders before inner ones.
pub(super) fn find_claims(tree: &dyn SourceTree, findings: &mut Vec<Finding>) -> Vec<Claim> {
    let marks = Marks::find(tree, findings);
    let mut claims = Claims { tree, marks: &marks, all: Vec::new(), owners: HashMap::new() };
    claims.add_listed(findings);
    claims.add_plugins();
    claims.add_skills();
    claims.all
}

/// Where the files lie that make a folder a skill.
struct Marks {
    /// Folder to index of its SKILL.md.
    skills: BTreeMap<String, usize>,
    /// Folders with a `.claude-plugin/plugin.json`.
    plugins: BTreeSet<String>,
}

impl Marks {
    fn find(tree: &dyn SourceTree, findings: &mut Vec<Finding>) -> Self {
        let mut marks = Self { skills: BTreeMap::new(), plugins: BTreeSet::new() };
        let mut passed_over = 0usize;
        let mut example = String::new();
        for (at, entry) in tree.entries().iter().enumerate() {
            if entry.kind == EntryKind::Submodule {
                continue;
            }
            let is_skill = is_skill_md(&entry.path);
            let is_plugin = !is_skill && entry.path.ends_with(plugin_json::PATH.as_bytes());
            if !is_skill && !is_plugin {
                continue;
            }
            // A path that is not UTF-8 is refused by whichever skill it lies in.
            let Some(folder) = folder_of(&entry.path) else { continue };
            if is_foreign(folder) {
                passed_over += 1;
                example = escape_path(&entry.path);
            } else if is_skill {
                let exact = entry.path.ends_with(b"SKILL.md");
                if exact || !marks.skills.contains_key(folder) {
                    marks.skills.insert(folder.to_owned(), at);
                }
            } else if let Some(root) = folder.strip_suffix(".claude-plugin")
                && (root.is_empty() || root.ends_with('/'))
            {
                marks.plugins.insert(root.trim_end_matches('/').to_owned());
            }
        }
        if passed_over > 0 {
            let message = format!(
                "{passed_over} manifests in folders of foreign code or test data were passed over, such as {example}"
            );
            findings.push(Finding::warning("", "foreign-folder", message));
        }
        marks
    }
}

struct Claims<'a> {
    tree: &'a dyn SourceTree,
    marks: &'a Marks,
    all: Vec<Claim>,
    /// Claimed folder to the claim that has it.
    owners: HashMap<String, usize>,
}

impl Claims<'_> {
    fn add(&mut self, claim: Claim) {
        let at = self.all.len();
        match &claim.selection {
            Some(paths) => {
                for path in paths {
                    self.owners.entry(path.clone()).or_insert(at);
                }
            }
            None => {
                self.owners.entry(claim.folder.clone()).or_insert(at);
            }
        }
        self.all.push(claim);
    }

    /// The claim that has this folder or one above it.
    fn owner_of(&self, folder: &str) -> Option<usize> {
        let mut here = folder;
        loop {
            if let Some(&owner) = self.owners.get(here) {
                return Some(owner);
            }
            if here.is_empty() {
                return None;
            }
            here = here.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    fn add_listed(&mut self, findings: &mut Vec<Finding>) {
        let Some(at) = find(self.tree, marketplace_json::PATH) else { return };
        let read = read_small(self.tree, at).and_then(|bytes| marketplace_json::read(&bytes));
        let market = match read {
            Ok(market) => market,
            Err(finding) => {
                findings.push(finding);
                return;
            }
        };
        findings.extend(market.findings);
        let mut entries: Vec<(String, PluginEntry)> = Vec::new();
        for entry in market.entries {
            let Some(folder) = entry.folders.iter().find(|folder| !below(self.tree, folder).is_empty())
            else {
                let message = format!(
                    "there is no folder `{}` in this source; the entry was passed over",
                    entry.folders[0]
                );
                findings.push(Finding::warning(marketplace_json::PATH, "marketplace-entry", message));
                continue;
            };
            entries.push((folder.clone(), entry));
        }
        let mut sharing: HashMap<String, usize> = HashMap::new();
        for (folder, _) in &entries {
            *sharing.entry(folder.clone()).or_default() += 1;
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (folder, entry) in entries {
            let is_shared = folder.is_empty() || sharing[&folder] > 1;
            let claim = self.listed(folder, entry, is_shared);
            self.add(claim);
        }
    }

    fn listed(&self, folder: String, entry: PluginEntry, is_shared: bool) -> Claim {
        let mut claim = self.plugin(folder);
        let has_own = self.marks.plugins.contains(&claim.folder);
        if entry.strict || !has_own {
            for (key, value) in entry.manifest.members {
                claim.manifest.members.entry(key).or_insert(value);
            }
        } else {
            claim.manifest.members.extend(entry.manifest.members);
        }
        if claim.manifest.file.is_empty() {
            marketplace_json::PATH.clone_into(&mut claim.manifest.file);
        }
        claim.name = entry.name;
        claim.category = entry.category;
        claim.tags = entry.tags;
        claim.is_listed_plugin = has_own;
        if is_shared && !(entry.strict && has_own) {
            claim.select();
        }
        self.decide_shape(&mut claim);
        claim
    }

    /// A claim on a folder as a plugin, with its plugin.json if there is one.
    fn plugin(&self, folder: String) -> Claim {
        let path = if folder.is_empty() {
            plugin_json::PATH.to_owned()
        } else {
            format!("{folder}/{}", plugin_json::PATH)
        };
        let mut findings = Vec::new();
        let mut manifest = PluginManifest::default();
        if let Some(at) = find(self.tree, &path) {
            match read_small(self.tree, at).and_then(|bytes| plugin_json::read(&bytes, &path)) {
                Ok((read, told)) => {
                    manifest = read;
                    findings = told;
                }
                Err(finding) => findings.push(finding),
            }
        }
        Claim {
            skill_md: self.marks.skills.get(&folder).copied(),
            folder,
            shape: Shape::Plugin,
            name: None,
            manifest,
            category: None,
            tags: Vec::new(),
            selection: None,
            is_listed_plugin: false,
            findings,
        }
    }

    /// A plugin that is nothing but one SKILL.md at its root is a skill: only then do clients that
    /// look below `skills/` find it.
    fn decide_shape(&self, claim: &mut Claim) {
        if claim.skill_md.is_none() || claim.selection.is_some() {
            return;
        }
        if claim.manifest.component_paths("skills").iter().all(String::is_empty) {
            claim.manifest.members.shift_remove("skills");
        }
        if !has_components(self.tree, &claim.folder, &claim.manifest) {
            claim.shape = Shape::Skill;
        }
    }

    fn add_plugins(&mut self) {
        for folder in &self.marks.plugins {
            if self.all.iter().any(|claim| claim.folder == *folder) {
                continue;
            }
            if let Some(owner) = self.owner_of(folder) {
                let message = format!(
                    "the plugin in `{folder}` lies inside this one and belongs to it; list both in .claude-plugin/marketplace.json to release them apart"
                );
                let owner = &mut self.all[owner];
                owner.findings.push(Finding::warning(&owner.folder, "nested-plugin", message));
                continue;
            }
            let mut claim = self.plugin(folder.clone());
            self.decide_shape(&mut claim);
            self.add(claim);
        }
    }

    fn add_skills(&mut self) {
        let mut nested: BTreeMap<usize, usize> = BTreeMap::new();
        let mut seen: HashMap<(String, Vec<u8>), usize> = HashMap::new();
        let mut folders: Vec<(&String, usize)> =
            self.marks.skills.iter().map(|(folder, &at)| (folder, at)).collect();
        // A copy for one agent (`.claude/skills/x`) yields to the original (`skills/x`).
        folders.sort_by_key(|(folder, _)| folder.split('/').any(|part| part.starts_with('.')));
        for (folder, at) in folders {
            if let Some(owner) = self.owner_of(folder) {
                let is_inside = relative(folder.as_bytes(), &self.all[owner].folder).is_some();
                if self.all[owner].shape == Shape::Skill && self.all[owner].folder != *folder && is_inside {
                    *nested.entry(owner).or_default() += 1;
                }
                continue;
            }
            let mut claim = self.plugin(folder.clone());
            claim.shape = Shape::Skill;
            claim.skill_md = Some(at);
            let last = folder.rsplit('/').next().unwrap_or("").to_owned();
            let digest = content_mark(self.tree, folder);
            if let Some(&original) = seen.get(&(last.clone(), digest.clone())) {
                // Claimed all the same, so that what lies in it is not looked at again.
                self.owners.insert(folder.clone(), original);
                let original = &mut self.all[original];
                let message = format!("it is a copy of `{}` and is not released again", original.folder);
                original.findings.push(Finding::warning(folder, "copy", message));
                continue;
            }
            seen.insert((last, digest), self.all.len());
            self.add(claim);
        }
        for (owner, count) in nested {
            let claim = &mut self.all[owner];
            let message = format!(
                "{count} more SKILL.md inside this skill's folder belong to it; move SKILL.md out of `{}` to release them apart",
                if claim.folder.is_empty() { "the root" } else { &claim.folder }
            );
            claim.findings.push(Finding::warning(&claim.folder, "nested-skill", message));
        }
    }
}

impl Claim {
    /// Takes only what the marketplace entry lists, if it lists anything.
    fn select(&mut self) {
        let paths: Vec<String> = plugin_json::COMPONENT_KEYS
            .iter()
            .flat_map(|key| self.manifest.component_paths(key))
            .filter(|path| !path.is_empty())
            .map(|path| join(&self.folder, &path))
            .collect();
        if !paths.is_empty() {
            self.selection = Some(paths);
            self.skill_md = None;
        }
    }
}

/// What tells two folders with the same content: the relative paths and sizes, and the SKILL.md.
fn content_mark(tree: &dyn SourceTree, folder: &str) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    for at in below(tree, folder) {
        let entry = &tree.entries()[at];
        let path = relative(&entry.path, folder).unwrap_or(b"");
        digest.update((path.len() as u64).to_be_bytes());
        digest.update(path);
        digest.update(entry.size.to_be_bytes());
        if is_skill_md(path) && entry.size <= crate::manifest::skill_md::MAX_BYTES {
            digest.update(tree.read(at).unwrap_or_default());
        }
    }
    digest.finalize().to_vec()
}

/// The indices of everything that belongs to a claim, ascending.
pub(super) fn entries_of(tree: &dyn SourceTree, claim: &Claim, all: &[Claim]) -> Vec<usize> {
    let range = below(tree, &claim.folder);
    if let Some(paths) = &claim.selection {
        let mut entries = BTreeSet::new();
        for path in paths {
            entries.extend(find(tree, path));
            entries.extend(below(tree, path));
        }
        entries.extend(range.filter(|&at| is_about(&tree.entries()[at].path, &claim.folder)));
        return entries.into_iter().collect();
    }
    let inner: Vec<_> = all
        .iter()
        .filter(|other| other.is_listed_plugin || claim.shape == Shape::Skill)
        .filter(|other| other.selection.is_none() && other.folder != claim.folder)
        .filter(|other| relative(other.folder.as_bytes(), &claim.folder).is_some())
        .map(|other| below(tree, &other.folder))
        .collect();
    range
        .filter(|at| !inner.iter().any(|range| range.contains(at)))
        .filter(|&at| tree.entries()[at].path != marketplace_json::PATH.as_bytes())
        .collect()
}

/// Readme and licence of a folder: they go with every part of it.
fn is_about(path: &[u8], folder: &str) -> bool {
    let name = relative(path, folder).unwrap_or(b"").to_ascii_uppercase();
    [&b"README"[..], b"LICENSE", b"LICENCE", b"NOTICE"].iter().any(|start| name.starts_with(start))
        && !name.contains(&b'/')
}

/// The folders of a plugin's skills that must lie elsewhere for clients to find them: those that a
/// marketplace entry picks from anywhere, and those whose folder is no name. Relative paths.
pub(super) fn moves_of(
    tree: &dyn SourceTree,
    claim: &Claim,
    entries: &[usize],
    findings: &mut Vec<Finding>,
) -> Vec<(String, String)> {
    let mut folders: Vec<String> = Vec::new();
    for &at in entries {
        let path = &tree.entries()[at].path;
        let inside = relative(path, &claim.folder).filter(|path| is_skill_md(path)).and_then(folder_of);
        let Some(inside) = inside.filter(|inside| !inside.is_empty() && !is_foreign(inside)) else {
            continue;
        };
        if !folders.iter().any(|outer| relative(inside.as_bytes(), outer).is_some()) {
            folders.push(inside.to_owned());
        }
    }
    let mut taken: HashSet<String> = folders.iter().cloned().collect();
    let mut moves = Vec::new();
    for from in folders {
        let (above, last) = from.rsplit_once('/').unwrap_or(("", &from));
        if above != "skills" && claim.selection.is_none() {
            continue;
        }
        let Some(name) = kebab(last) else { continue };
        let to = format!("skills/{name}");
        if to == from || !taken.insert(to.clone()) {
            continue;
        }
        let message = format!("`{from}` is released as `{to}`, where every client finds it");
        findings.push(Finding::warning(&join(&claim.folder, &from), "skill-folder", message));
        moves.push((from, to));
    }
    moves
}

pub(super) fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

fn read_small(tree: &dyn SourceTree, at: usize) -> Result<Vec<u8>, Finding> {
    let entry = &tree.entries()[at];
    let path = String::from_utf8_lossy(&entry.path).into_owned();
    let links::Target::File(at) = links::resolve(tree, at) else {
        return Err(Finding::error(
            &path,
            "manifest-link",
            "it is a link that leads to no file of this source",
        ));
    };
    let entry = &tree.entries()[at];
    if entry.size > json::MAX_BYTES as u64 {
        return Err(Finding::error(
            &path,
            "manifest-size",
            format!("it is larger than {} bytes", json::MAX_BYTES),
        ));
    }
    tree.read(at).map_err(|error| Finding::error(&path, "unreadable", error.reason))
}
