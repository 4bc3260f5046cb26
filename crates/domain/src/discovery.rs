//! Finding the skills of a source: one at the root, many in folders, whole plugins, monorepos with
//! their own marketplace.json. Owns what belongs to which skill; refuses to change any content.
//!
//! The rules, in the order in which they claim folders:
//! 1. A plugin is what the source's `.claude-plugin/marketplace.json` says, else any folder with
//!    `.claude-plugin/plugin.json`. All below it is its own, except plugins that the marketplace lists
//!    besides it.
//! 2. Any other folder with SKILL.md is a skill, and all below it is its own.
//! 3. Nothing is looked for in folders that hold other people's code or test data.

mod claims;
mod naming;

use crate::client_name::{is_client_name, kebab};
use crate::finding::Finding;
use crate::links;
use crate::manifest::plugin_json::{self, PluginManifest};
use crate::manifest::skill_md::{self, SkillMd};
use crate::plain_text;
use crate::source_tree::{SourceTree, below, find, relative};
use crate::version::Declared;
use claims::Claim;
pub(crate) use claims::is_skill_md;

/// What a source holds.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Every skill found, sorted by name; names are unique.
    pub skills: Vec<FoundSkill>,
    /// What is said about the source as a whole; what concerns one skill is in its own list.
    pub findings: Vec<Finding>,
}

/// How a skill is laid out by its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A folder with SKILL.md.
    Skill,
    /// A whole plugin: its tree is kept as it is.
    Plugin,
}

/// One skill of a source.
#[derive(Clone, Debug)]
pub struct FoundSkill {
    /// A name every client accepts, unique within the source.
    pub name: String,
    /// Its folder inside the source, no slash at the end; `""` is the root.
    pub folder: String,
    /// Skill or plugin.
    pub shape: Shape,
    /// Versions its files name.
    pub declared: Declared,
    /// Its description in full, on one line; never empty unless it is refused.
    pub description: String,
    /// Its author's plugin.json, merged with the entry in the source's marketplace.json; empty for
    /// a plain skill.
    pub manifest: PluginManifest,
    /// Category named by the source's marketplace.json or the frontmatter.
    pub category: Option<String>,
    /// Tags or keywords named by the author.
    pub tags: Vec<String>,
    /// Indices into the tree's entries of everything that belongs to it, ascending.
    pub entries: Vec<usize>,
    /// What was mended, and what must be changed. Any error means [`crate::layout::lay_out`] refuses.
    pub findings: Vec<Finding>,
    /// Features its SKILL.md names.
    pub(crate) features: Vec<String>,
    /// Folders (relative to `folder`) that lie elsewhere in the release: from, to.
    pub(crate) moves: Vec<(String, String)>,
}

impl FoundSkill {
    /// Whether something stops it from becoming a release.
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Finds every skill of `tree`. `source_name` names a skill at the root that does not name itself.
pub fn discover(tree: &dyn SourceTree, source_name: &str) -> Discovery {
    let mut findings = Vec::new();
    let claims = claims::find_claims(tree, &mut findings);
    let mut skills: Vec<FoundSkill> =
        claims.iter().map(|claim| found(tree, claim, &claims, source_name)).collect();
    naming::make_unique(&mut skills);
    skills.sort_by(|a, b| a.name.cmp(&b.name));
    if skills.is_empty() {
        let message = "no skill was found: put a SKILL.md at the root, or one into each folder under skills/";
        findings.push(Finding::error("", "source-empty", message));
    }
    Discovery { skills, findings }
}

fn found(tree: &dyn SourceTree, claim: &Claim, all: &[Claim], source_name: &str) -> FoundSkill {
    let mut findings = claim.findings.clone();
    let entries = claims::entries_of(tree, claim, all);
    let skill_md = claim.skill_md.and_then(|at| read_skill(tree, at, &mut findings));
    let name = name_of(claim, skill_md.as_ref(), source_name, &mut findings);
    let (description, moves) = match claim.shape {
        Shape::Skill => (skill_description(skill_md.as_ref(), &name, &mut findings), Vec::new()),
        Shape::Plugin => {
            let moves = claims::moves_of(tree, claim, &entries, &mut findings);
            (plugin_description(tree, claim, &entries, &name, &mut findings), moves)
        }
    };
    let declared = Declared {
        plugin_json: claim.manifest.version(),
        frontmatter: skill_md.as_ref().and_then(SkillMd::version),
    };
    let mut tags = claim.tags.clone();
    tags.extend(claim.manifest.keywords());
    let mut category = claim.category.clone();
    if let Some(skill) = &skill_md {
        tags.extend(skill.words("tags"));
        category = category.or_else(|| skill.words("category").into_iter().next());
    }
    let mut seen = std::collections::HashSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    FoundSkill {
        name,
        folder: claim.folder.clone(),
        shape: claim.shape,
        declared,
        description,
        manifest: claim.manifest.clone(),
        category,
        tags,
        entries,
        findings,
        features: skill_md.map(|skill| skill.words("features")).unwrap_or_default(),
        moves,
    }
}

/// Reads the SKILL.md at an entry, through links. What stops that is an error of the skill.
pub(crate) fn read_skill(tree: &dyn SourceTree, at: usize, findings: &mut Vec<Finding>) -> Option<SkillMd> {
    let path = String::from_utf8_lossy(&tree.entries()[at].path).into_owned();
    let target = match links::resolve(tree, at) {
        links::Target::File(target) => target,
        other => {
            let message = format!("SKILL.md is a link {}", other.describe());
            findings.push(Finding::error(&path, "skill-link", message));
            return None;
        }
    };
    if tree.entries()[target].size > skill_md::MAX_BYTES {
        let message = format!("it is larger than {} bytes", skill_md::MAX_BYTES);
        findings.push(Finding::error(&path, "skill-size", message));
        return None;
    }
    match tree.read(target) {
        Ok(bytes) => Some(skill_md::read(&bytes, &path)),
        Err(error) => {
            findings.push(Finding::error(&path, "unreadable", error.reason));
            None
        }
    }
}

/// What the author calls it, then where it lies, in a form that clients accept.
fn name_of(claim: &Claim, skill: Option<&SkillMd>, source_name: &str, findings: &mut Vec<Finding>) -> String {
    let folder = claim.folder.rsplit('/').next().unwrap_or("");
    let inside = skill.and_then(SkillMd::name);
    let is_telling = !naming::is_generic(folder);
    let wishes = [
        claim.name.clone(),
        claim.manifest.text("name"),
        is_telling.then(|| folder.to_owned()),
        inside,
        (!folder.is_empty()).then(|| folder.to_owned()),
        Some(source_name.to_owned()),
    ];
    let written = wishes.iter().flatten().next().cloned().unwrap_or_default();
    let name = wishes.iter().flatten().find_map(|wish| kebab(wish)).unwrap_or_else(|| made_name(&written));
    // A plain skill's own name is checked against this one when its SKILL.md is mended.
    if written != name && !(claim.shape == Shape::Skill && is_client_name(&written)) {
        let written = plain_text::shorten(&plain_text::one_line(&written), 80);
        let message = format!("`{written}` is not a name that clients take; `{name}` is used");
        findings.push(Finding::warning(&claim.folder, "name", message));
    }
    name
}

/// A name for what has no Latin letter in it: stable, and the same for the same words.
fn made_name(written: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(written);
    format!("skill-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

fn skill_description(skill: Option<&SkillMd>, name: &str, findings: &mut Vec<Finding>) -> String {
    // Without a SKILL.md that can be read there is an error already.
    let Some(skill) = skill else { return String::new() };
    match skill.mend(name) {
        Ok(mended) => {
            findings.extend(mended.findings);
            plain_text::one_line(&mended.description)
        }
        Err(finding) => {
            findings.extend(skill.findings.iter().cloned());
            findings.push(finding);
            String::new()
        }
    }
}

/// From plugin.json, else its first skill, else README.md, else its name.
fn plugin_description(
    tree: &dyn SourceTree,
    claim: &Claim,
    entries: &[usize],
    name: &str,
    findings: &mut Vec<Finding>,
) -> String {
    if let Some(text) = claim.manifest.text("description") {
        return plain_text::one_line(&text);
    }
    let skill = entries.iter().copied().find(|&at| is_skill_md(&tree.entries()[at].path));
    let readme = || {
        let path = if claim.folder.is_empty() {
            "README.md".to_owned()
        } else {
            format!("{}/README.md", claim.folder)
        };
        find(tree, &path)
    };
    let text = skill
        .and_then(|at| read_skill(tree, at, &mut Vec::new())?.description())
        .or_else(|| read_skill(tree, readme()?, &mut Vec::new())?.description());
    let message = "the plugin has no description; one was taken from what it holds";
    findings.push(Finding::warning(&claim.manifest.file, "plugin-description", message));
    text.map_or_else(|| format!("The plugin {name}"), |text| plain_text::one_line(&text))
}

/// Whether a plugin holds anything besides a SKILL.md at its root.
fn has_components(tree: &dyn SourceTree, folder: &str, manifest: &PluginManifest) -> bool {
    let named = plugin_json::COMPONENT_KEYS.iter().any(|key| manifest.members.contains_key(*key));
    named
        || below(tree, folder).any(|at| {
            let path = relative(&tree.entries()[at].path, folder).unwrap_or(b"");
            [&b"commands/"[..], b"agents/", b"skills/", b"hooks/", b"output-styles/"]
                .iter()
                .any(|start| path.starts_with(start))
                || path == b".mcp.json"
                || path == b".lsp.json"
        })
}

#[cfg(test)]
mod tests;
