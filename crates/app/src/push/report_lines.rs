//! What a pusher reads as `remote:` lines: progress, releases, findings, what to do next. Nothing is decided
//! here.

use std::collections::HashSet;

use skaas_domain::finding::Finding;
use skaas_git::{
    receive_pack::RefCommand,
    source_repo::{Phase, Progress},
};

use super::{
    cutting::{Change, Cutting, Verdict},
    line::Line,
};
use crate::render::Voice;

/// Findings shown in full; the rest is counted.
const SHOWN: usize = 60;
/// Skills named one by one; more are counted.
const NAMED: usize = 40;

/// One line of progress while a pack is taken in.
pub(super) fn ingest(progress: Progress) -> String {
    let phase = match progress.phase {
        Phase::Receiving => "Receiving",
        Phase::Resolving => "Resolving",
        Phase::Checking => "Checking",
    };
    counted(&format!("{phase} objects"), progress.done, progress.total)
}

/// What is said of a history whose files have the mode that git wrote before 2005.
pub(super) fn old_modes(count: u64) -> String {
    format!("warning: {count} files have the old mode 100664; releases contain them as 100644\n")
}

fn counted(what: &str, done: u64, total: u64) -> String {
    let percent = (done * 100).checked_div(total).unwrap_or(100);
    let end = if done >= total { ", done.\n" } else { "\r" };
    format!("{what}: {percent:3}% ({done}/{total}){end}")
}

/// Progress while skills are read: once per percent.
pub(super) struct Reading<'a> {
    line: &'a Line,
    last: Option<usize>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(line: &'a Line) -> Self {
        Self { line, last: None }
    }

    pub(super) fn tell(&mut self, done: usize, total: usize) {
        let percent = (done * 100).checked_div(total);
        if total > 1 && (percent != self.last || done == total) {
            self.last = percent;
            self.line.progress(&counted("Reading skills", done as u64, total as u64));
        }
    }
}

/// What there is to say about a push once it is true.
pub(super) struct Told {
    sources: Vec<Finding>,
    skills: Vec<(String, Verdict, Vec<Finding>)>,
}

impl Told {
    /// What kept skills from being released, for the source's row.
    pub(super) fn problems(&self) -> Vec<String> {
        let of_skills = self.skills.iter().flat_map(|(_, _, findings)| findings);
        let all = self.sources.iter().chain(of_skills);
        all.filter(|finding| finding.is_error()).map(ToString::to_string).take(200).collect()
    }
}

/// Parts what is to be written from what is to be told.
pub(super) fn take_changes(cuttings: Vec<Cutting>) -> (Told, Vec<Change>) {
    let mut told = Told { sources: Vec::new(), skills: Vec::new() };
    let mut changes = Vec::new();
    for cutting in cuttings {
        told.sources.extend(cutting.findings);
        for outcome in cutting.outcomes {
            changes.extend(outcome.change);
            told.skills.push((outcome.name, outcome.verdict, outcome.findings));
        }
    }
    (told, changes)
}

/// Tells the pusher what became of everything.
pub(super) fn tell(line: &Line, voice: &Voice, told: &Told, accepted: &[RefCommand]) {
    tell_deleted(line, accepted);
    let findings = told.sources.iter().chain(told.skills.iter().flat_map(|(_, _, findings)| findings));
    // Several pushed commits may give rise to the same remark.
    let mut seen = HashSet::new();
    let (errors, warnings): (Vec<&Finding>, Vec<&Finding>) =
        findings.filter(|finding| seen.insert(*finding)).partition(|finding| finding.is_error());
    for finding in errors.iter().chain(&warnings).take(SHOWN) {
        line.message(&format!("{finding}\n"));
    }
    let left = (errors.len() + warnings.len()).saturating_sub(SHOWN);
    if left > 0 {
        line.message(&format!("… and {left} more like these\n"));
    }
    let mut counts = [0_usize; 3];
    for (index, (name, verdict, _)) in told.skills.iter().enumerate() {
        let text = match verdict {
            Verdict::Released { version, files, bytes, new } => {
                counts[0] += 1;
                let first = if *new { " (new: a draft until it is published)" } else { "" };
                format!("released {name} {version}: {files} files, {}{first}\n", size(*bytes))
            }
            Verdict::Unchanged { version } => {
                counts[1] += 1;
                format!("unchanged {name} {version}\n")
            }
            Verdict::Kept => {
                counts[2] += 1;
                format!("kept {name} as a draft: fix the errors above and push again\n")
            }
        };
        if index < NAMED {
            line.message(&text);
        }
    }
    if told.skills.len() > NAMED {
        line.message(&format!("… and {} more skills\n", told.skills.len() - NAMED));
    }
    if told.skills.len() > 1 {
        let [released, unchanged, kept] = counts;
        line.message(&format!("{released} released, {unchanged} unchanged, {kept} kept as drafts\n"));
    }
    let only_deletes = accepted.iter().all(RefCommand::is_delete);
    if told.skills.is_empty() && told.sources.is_empty() && !only_deletes {
        line.message("nothing to release: push main, or a tag such as v1.2.3, with a SKILL.md in it\n");
    }
    next_step(line, voice, told, counts[0]);
}

/// A deleted tag is not a deleted release, which whoever has it would miss.
fn tell_deleted(line: &Line, accepted: &[RefCommand]) {
    let mut deleted: Vec<String> = Vec::new();
    let mut tags = 0;
    for command in accepted.iter().filter(|command| command.is_delete()) {
        if let Some(tag) = command.name.strip_prefix("refs/tags/") {
            tags += 1;
            deleted.push(format!("deleted tag {tag}\n"));
        } else {
            let branch = command.name.strip_prefix("refs/heads/").unwrap_or(&command.name);
            deleted.push(format!("deleted branch {branch}\n"));
        }
    }
    for text in deleted.iter().take(NAMED) {
        line.message(text);
    }
    if deleted.len() > NAMED {
        line.message(&format!("… and {} more\n", deleted.len() - NAMED));
    }
    if tags > 0 {
        line.message("releases made from deleted tags stay available\n");
    }
}

fn next_step(line: &Line, voice: &Voice, told: &Told, released: usize) {
    let first = told.skills.iter().find(|(_, verdict, _)| matches!(verdict, Verdict::Released { .. }));
    if let (1, Some((name, ..))) = (released, first) {
        line.message(&format!("{}\n", voice.page_url(name)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
