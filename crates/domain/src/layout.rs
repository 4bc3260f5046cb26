//! Laying a found skill out into the one form that every client loads (docs/agents.md, section 1). Owns which
//! path holds which bytes; refuses unsafe trees.
//!
//! ```text
//! .claude-plugin/plugin.json      name, version, description, author{name}, and the author's own keys
//! gemini-extension.json           name, version
//! skills/<name>/SKILL.md          name == folder == plugin; a plugin keeps its tree
//! README.md
//! ```

mod files;
mod manifests;

use crate::discovery::{FoundSkill, Shape, is_skill_md};
use crate::finding::{Finding, escape_path};
use crate::safe_path::{self, Limits};
use crate::source_tree::SourceTree;
use crate::version::Version;
use files::Placed;
use std::collections::HashMap;
use thiserror::Error;

/// The content of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaidOut {
    /// Every file, sorted by path as bytes; paths are unique and safe on every platform.
    pub files: Vec<LaidFile>,
    /// What was mended on the way (those of the found skill included).
    pub findings: Vec<Finding>,
    /// What the skill offers, one short plain line each: for its stub and its page.
    pub features: Vec<String>,
}

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaidFile {
    /// Path inside the release, `/`-separated.
    pub path: String,
    /// Mode 100755 instead of 100644.
    pub executable: bool,
    /// Its bytes, or where they are.
    pub content: LaidContent,
}

/// Where the bytes of a laid file come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaidContent {
    /// Exactly the blob of this index in the source's entries.
    Source(usize),
    /// These bytes.
    Made(Vec<u8>),
}

/// The skill cannot become a release. The findings hold at least one error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", first_error(.findings))]
pub struct Refused {
    /// Everything there is to say, warnings included.
    pub findings: Vec<Finding>,
}

fn first_error(findings: &[Finding]) -> String {
    findings
        .iter()
        .find(|finding| finding.is_error())
        .map_or_else(|| "refused".to_owned(), ToString::to_string)
}

/// Lays `found` out under `version`, within the usual [`Limits`]. `creator_display` becomes the
/// author where none is named.
///
/// # Errors
/// [`Refused`] when the tree is unsafe or too large, or the skill was refused when it was found.
pub fn lay_out(
    found: &FoundSkill,
    tree: &dyn SourceTree,
    version: &Version,
    creator_display: &str,
) -> Result<LaidOut, Refused> {
    lay_out_within(found, tree, version, creator_display, &Limits::default())
}

/// [`lay_out`] within limits of the operator's.
///
/// # Errors
/// As [`lay_out`].
pub fn lay_out_within(
    found: &FoundSkill,
    tree: &dyn SourceTree,
    version: &Version,
    creator_display: &str,
    limits: &Limits,
) -> Result<LaidOut, Refused> {
    let mut findings = found.findings.clone();
    if found.is_refused() {
        return Err(Refused { findings });
    }
    let placed = files::place(found, tree, limits, &mut findings);
    let mut release = Release { found, tree, version, creator: creator_display, files: Vec::new() };
    match found.shape {
        Shape::Skill => release.lay_skill(&placed, &mut findings),
        Shape::Plugin => release.lay_plugin(&placed, &mut findings),
    }
    release.add_manifests(&placed, &mut findings);
    release.check(limits, &mut findings);
    if findings.iter().any(Finding::is_error) {
        return Err(Refused { findings });
    }
    let features =
        if found.features.is_empty() { files::features(found, &placed) } else { found.features.clone() };
    let mut files: Vec<LaidFile> = release.files.into_iter().map(|laid| laid.file).collect();
    files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(LaidOut { files, findings, features })
}

/// A release being put together.
struct Release<'a> {
    found: &'a FoundSkill,
    tree: &'a dyn SourceTree,
    version: &'a Version,
    creator: &'a str,
    files: Vec<Laid>,
}

/// A file with the path that its author knows it by.
struct Laid {
    file: LaidFile,
    /// The path as bytes: one that is not UTF-8 is refused by its check.
    path: Vec<u8>,
    origin: Vec<u8>,
}

impl Release<'_> {
    fn add(&mut self, path: Vec<u8>, executable: bool, content: LaidContent, origin: &[u8]) {
        let text = String::from_utf8_lossy(&path).into_owned();
        let file = LaidFile { path: text, executable, content };
        self.files.push(Laid { file, path, origin: origin.to_owned() });
    }

    fn add_source(&mut self, path: Vec<u8>, placed: &Placed) {
        let executable = self.tree.entries()[placed.source].kind == crate::source_tree::EntryKind::Executable;
        self.add(path, executable, LaidContent::Source(placed.source), &placed.origin);
    }

    fn add_made(&mut self, path: &str, text: String, origin: &[u8]) {
        self.add(path.as_bytes().to_vec(), false, LaidContent::Made(text.into_bytes()), origin);
    }

    fn has(&self, path: &str) -> bool {
        self.files.iter().any(|laid| laid.path == path.as_bytes())
    }

    /// A plain skill: all of it goes below `skills/<name>/`.
    fn lay_skill(&mut self, placed: &[Placed], findings: &mut Vec<Finding>) {
        let name = self.found.name.clone();
        let exact = placed.iter().any(|file| file.inside == b"SKILL.md");
        for file in placed {
            let inside = file.inside.as_slice();
            if is_skill_md(inside) && !inside.contains(&b'/') {
                if inside == b"SKILL.md" || !exact {
                    self.add_skill_md(&format!("skills/{name}/SKILL.md"), &name, file, findings);
                }
                continue;
            }
            if inside.starts_with(b".claude-plugin/") || inside == manifests::GEMINI.as_bytes() {
                continue;
            }
            if inside.eq_ignore_ascii_case(b"README.md") {
                self.add_source(b"README.md".to_vec(), file);
            }
            self.add_source([format!("skills/{name}/").as_bytes(), inside].concat(), file);
        }
    }

    /// A plugin: its tree is kept, its skills' manifests are mended.
    fn lay_plugin(&mut self, placed: &[Placed], findings: &mut Vec<Finding>) {
        let name = self.found.name.clone();
        let mut outer: Vec<Vec<u8>> = Vec::new();
        for file in placed {
            let inside = files::moved(&file.inside, &self.found.moves);
            if inside == crate::manifest::plugin_json::PATH.as_bytes()
                || inside == manifests::GEMINI.as_bytes()
            {
                continue;
            }
            let folder = inside.iter().rposition(|&byte| byte == b'/').map(|at| inside[..at].to_vec());
            let is_nested =
                outer.iter().any(|outer| inside.starts_with(outer) && inside.get(outer.len()) == Some(&b'/'));
            match folder {
                Some(folder) if is_skill_md(&inside) && (!is_nested || outer.contains(&folder)) => {
                    self.add_skill_in_plugin(&folder, file, findings);
                    outer.push(folder);
                }
                None if is_skill_md(&inside) => {
                    let path = format!("skills/{name}/SKILL.md");
                    if !placed
                        .iter()
                        .any(|other| files::moved(&other.inside, &self.found.moves) == path.as_bytes())
                    {
                        self.add_skill_md(&path, &name, file, findings);
                        self.add_beside(&name, placed);
                    }
                }
                None if inside.eq_ignore_ascii_case(b"README.md") => {
                    self.add_source(b"README.md".to_vec(), file);
                }
                _ => self.add_source(inside, file),
            }
        }
    }

    /// What a SKILL.md at a plugin's root speaks of, beside its copy below `skills/`.
    fn add_beside(&mut self, name: &str, placed: &[Placed]) {
        for file in placed {
            let starts = [&b"scripts/"[..], b"references/", b"assets/", b"templates/", b"reference/"];
            if starts.iter().any(|start| file.inside.starts_with(start)) {
                self.add_source([format!("skills/{name}/").as_bytes(), &file.inside].concat(), file);
            }
        }
    }

    fn add_skill_in_plugin(&mut self, folder: &[u8], file: &Placed, findings: &mut Vec<Finding>) {
        let path = [folder, b"/SKILL.md"].concat();
        let last = folder.rsplit(|&byte| byte == b'/').next().unwrap_or(folder);
        let name = std::str::from_utf8(last).ok().and_then(crate::client_name::kebab);
        // A folder that is no name, in any script, or a path that the check will refuse.
        let (Some(name), Ok(path)) = (name, String::from_utf8(path)) else {
            self.add_source(files::moved(&file.inside, &self.found.moves), file);
            return;
        };
        let mut told = Vec::new();
        if self.skill_text(&name, file, &mut told).is_some() {
            self.add_skill_md(&path, &name, file, findings);
        } else {
            // The plugin has other parts; one that says nothing does not stop it.
            findings.extend(
                told.into_iter()
                    .map(|finding| Finding { severity: crate::finding::Severity::Warning, ..finding }),
            );
            self.add_source(path.into_bytes(), file);
        }
    }

    fn add_skill_md(&mut self, path: &str, name: &str, file: &Placed, findings: &mut Vec<Finding>) {
        // For a plain skill these were told when it was found.
        let mut told = Vec::new();
        if let Some(text) = self.skill_text(name, file, &mut told) {
            self.add_made(path, text, &file.origin);
        }
        let is_known = self.found.shape == Shape::Skill;
        findings.extend(told.into_iter().filter(|finding| finding.is_error() || !is_known));
    }

    fn skill_text(&self, name: &str, file: &Placed, told: &mut Vec<Finding>) -> Option<String> {
        let skill = crate::discovery::read_skill(self.tree, file.source, told)?;
        match skill.mend(name) {
            Ok(mended) => {
                told.extend(mended.findings.iter().cloned());
                Some(mended.write())
            }
            Err(finding) => {
                told.push(finding);
                None
            }
        }
    }

    /// Holds every path and size against the rules, and names the offender as its author knows it.
    fn check(&self, limits: &Limits, findings: &mut Vec<Finding>) {
        let size = |laid: &Laid| match &laid.file.content {
            LaidContent::Source(at) => self.tree.entries()[*at].size,
            LaidContent::Made(bytes) => bytes.len() as u64,
        };
        let all = self.files.iter().map(|laid| (laid.path.as_slice(), size(laid)));
        let Err(refusals) = safe_path::check_release_paths(all, limits) else { return };
        let origins: HashMap<String, &Laid> =
            self.files.iter().map(|laid| (escape_path(&laid.path), laid)).collect();
        for mut refusal in refusals {
            if let Some(laid) = origins.get(&refusal.path).filter(|laid| !laid.origin.is_empty()) {
                refusal.path = escape_path(&laid.origin);
            }
            findings.push(refusal.into_finding());
        }
    }
}

#[cfg(test)]
mod tests;
