//! Owns what a pushed commit becomes: which skills it holds, which of them changed, under which version each
//! is released. Refuses to store anything: it makes what is then written in one transaction.

use std::collections::HashMap;

use jiff::Timestamp;
use skaas_domain::{
    discovery::{Discovery, FoundSkill, discover},
    finding::Finding,
    id::{ReleaseId, SkillId, SourceId, UserId},
    layout::{LaidContent, LaidOut, lay_out},
    listing::{Listing, ListingState, check_label, check_tags},
    name::check_skill_name,
    prices::Prices,
    source_tree::{EntryKind, ReadError, SourceEntry, SourceTree},
    user::User,
    version::{Decided, Version, VersionOrigin, decide_version, from_tag},
};
use skaas_git::{
    ObjectId,
    bundle::Bundle,
    source_repo::{EntryMode, Snapshot},
};

use super::room::Room;
use crate::{
    app::App,
    error::{Error, Result},
    oid::stored,
    publication::Cut,
    render::{bundle_of, release_commit},
};

/// The longest release notes that are taken from a commit message, in bytes.
const MAX_NOTES: usize = 4096;

/// A commit of a source as the domain reads it.
struct Tree<'a> {
    snapshot: &'a Snapshot,
    entries: Vec<SourceEntry>,
}

impl<'a> Tree<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let kind = |mode| match mode {
            EntryMode::Regular => EntryKind::Regular,
            EntryMode::Executable => EntryKind::Executable,
            EntryMode::Symlink => EntryKind::Symlink,
            EntryMode::Submodule => EntryKind::Submodule,
        };
        let entries = snapshot
            .entries()
            .iter()
            .map(|e| SourceEntry { path: e.path.clone(), kind: kind(e.mode), size: e.size })
            .collect();
        Self { snapshot, entries }
    }
}

impl SourceTree for Tree<'_> {
    fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    fn read(&self, index: usize) -> std::result::Result<Vec<u8>, ReadError> {
        let entry = &self.snapshot.entries()[index];
        self.snapshot.read(&entry.id).map_err(|error| ReadError {
            path: String::from_utf8_lossy(&entry.path).into_owned(),
            reason: error.to_string(),
        })
    }
}

/// What is known of the creator's skills: as the database has them, and then as this push makes them.
#[derive(Default)]
pub(super) struct Known {
    /// Every listing of the creator's, by name.
    pub(super) listings: HashMap<String, Listing>,
    /// Their releases, oldest first.
    pub(super) releases: HashMap<SkillId, Vec<KnownRelease>>,
    /// Names that this creator cannot have, and why.
    pub(super) refused: HashMap<String, String>,
}

/// What matters of a release to the ones after it.
pub(super) struct KnownRelease {
    pub(super) version: String,
    pub(super) tree: ObjectId,
}

impl Known {
    /// Takes in what a commit became, for the commits after it.
    pub(super) fn learn(&mut self, outcomes: &[Outcome]) {
        for change in outcomes.iter().filter_map(|outcome| outcome.change.as_ref()) {
            let releases = self.releases.entry(change.after.skill).or_default();
            releases.extend(
                change
                    .cut
                    .iter()
                    .map(|cut| KnownRelease { version: cut.version.to_string(), tree: cut.bundle.tree() }),
            );
            self.listings.insert(change.after.name.clone(), change.after.clone());
        }
    }
}

/// What a commit changes of one skill.
pub(super) struct Change {
    pub(super) after: Listing,
    /// Where it now lies in its source; `None` leaves it where it was.
    pub(super) folder: Option<String>,
    pub(super) cut: Option<Cut>,
}

/// A commit to cut releases from.
pub(super) struct Pushed<'a> {
    pub(super) creator: &'a User,
    pub(super) source: SourceId,
    pub(super) source_name: &'a str,
    pub(super) snapshot: &'a Snapshot,
    /// Short names of the tags that point at the commit.
    pub(super) tags: &'a [String],
    /// Whether it is what main is now.
    pub(super) is_main: bool,
    pub(super) now: Timestamp,
}

/// What became of one skill.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) change: Option<Change>,
}

/// In one word.
pub(super) enum Verdict {
    Released { version: Version, files: usize, bytes: u64, new: bool },
    Unchanged { version: String },
    Kept,
}

/// What became of a commit.
pub(super) struct Cutting {
    pub(super) findings: Vec<Finding>,
    pub(super) outcomes: Vec<Outcome>,
}

/// Finds the skills of a commit and cuts a release of each that changed, as far as there is `room`. `progress` is
/// told how many of how many are done.
pub(super) fn cut(
    app: &App,
    pushed: &Pushed<'_>,
    known: &Known,
    room: &mut Room,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Cutting> {
    let tree = Tree::of(pushed.snapshot);
    let Discovery { skills, findings } = discover(&tree, pushed.source_name);
    let total = skills.len();
    let mut outcomes = Vec::with_capacity(total);
    for (done, found) in skills.iter().enumerate() {
        progress(done, total);
        outcomes.push(cut_one(app, pushed, known, room, &tree, found)?);
    }
    progress(total, total);
    Ok(Cutting { findings, outcomes })
}

/// One skill on its way to a release.
struct Candidate<'a> {
    app: &'a App,
    pushed: &'a Pushed<'a>,
    tree: &'a Tree<'a>,
    found: &'a FoundSkill,
    listing: Option<&'a Listing>,
    releases: &'a [KnownRelease],
}

fn cut_one(
    app: &App,
    pushed: &Pushed<'_>,
    known: &Known,
    room: &mut Room,
    tree: &Tree<'_>,
    found: &FoundSkill,
) -> Result<Outcome> {
    let listing = known.listings.get(&found.name);
    let releases = listing.and_then(|l| known.releases.get(&l.skill)).map_or(&[][..], Vec::as_slice);
    let candidate = Candidate { app, pushed, tree, found, listing, releases };
    let mut findings = found.findings.clone();
    if let Some(reason) = known.refused.get(&found.name) {
        let message = format!("{reason}; choose another `name` and push again");
        findings.push(Finding::error(&found.folder, "skill-name", message));
        return Ok(Outcome { name: found.name.clone(), verdict: Verdict::Kept, findings, change: None });
    }
    match candidate.laid(&mut findings)? {
        Laid::Unchanged(version) => {
            let verdict = Verdict::Unchanged { version };
            Ok(Outcome { name: found.name.clone(), verdict, findings, change: candidate.mended() })
        }
        Laid::Refused => Ok(candidate.kept(findings)),
        Laid::Changed { bundle, .. } if !room.take_bytes(bundle.entries().len() as u64) => {
            findings.push(candidate.push_too_large());
            Ok(candidate.kept(findings))
        }
        Laid::Changed { version, laid, bundle } => candidate.released(version, &laid, bundle, findings),
    }
}

/// What laying a skill out came to.
enum Laid {
    Unchanged(String),
    Refused,
    Changed { version: Version, laid: LaidOut, bundle: Bundle },
}

impl Candidate<'_> {
    fn laid(&self, findings: &mut Vec<Finding>) -> Result<Laid> {
        if let Err(error) = check_skill_name(&self.found.name) {
            findings.push(Finding::error(&self.found.folder, "skill-name", error.to_string()));
        }
        if findings.iter().any(Finding::is_error) {
            return Ok(Laid::Refused);
        }
        let Decided { version, origin, findings: said } = match self.decide() {
            Ok(decided) => decided,
            Err(finding) => {
                findings.push(finding);
                return Ok(Laid::Refused);
            }
        };
        findings.extend(said);
        if origin == VersionOrigin::Counted
            && let Some(last) = self.releases.last()
            && let Ok(same) = last.version.parse()
            && let Some((_, bundle)) = self.lay(&same, &mut Vec::new())?
            && bundle.tree() == last.tree
        {
            return Ok(Laid::Unchanged(last.version.clone()));
        }
        let Some((laid, bundle)) = self.lay(&version, findings)? else { return Ok(Laid::Refused) };
        let taken = self.releases.iter().find(|release| release.version == version.to_string());
        match taken {
            Some(release) if release.tree == bundle.tree() => Ok(Laid::Unchanged(release.version.clone())),
            Some(_) => {
                findings.push(self.version_taken(&version));
                Ok(Laid::Refused)
            }
            None => match self.highest().filter(|highest| !self.pushed.is_main && version < *highest) {
                Some(highest) => {
                    findings.push(self.lower_than_released(&version, &highest));
                    Ok(Laid::Unchanged(highest.to_string()))
                }
                None => Ok(Laid::Changed { version, laid, bundle }),
            },
        }
    }

    fn highest(&self) -> Option<Version> {
        self.releases.iter().filter_map(|release| release.version.parse().ok()).max()
    }

    /// Everybody has the latest release. Tagging an older commit is not meant to downgrade them.
    fn lower_than_released(&self, version: &Version, highest: &Version) -> Finding {
        let message = format!(
            "version {version} was not released: it is lower than {highest}, and everybody would be downgraded to it; \
             if you want that, push it to main"
        );
        Finding::warning(&self.found.folder, "version-lower", message)
    }

    fn decide(&self) -> std::result::Result<Decided, Finding> {
        let tagged = self.pushed.tags.iter().filter_map(|tag| from_tag(tag, &self.found.name)).max();
        decide_version(&self.found.declared, tagged.as_ref(), self.highest().as_ref())
    }

    fn version_taken(&self, version: &Version) -> Finding {
        let declared = &self.found.declared;
        let written = declared.plugin_json.as_ref().or(declared.frontmatter.as_ref());
        let message = format!(
            "version {version} is released already and never changes; raise it to {} or higher and push again",
            version.next_patch()
        );
        let file = written.map_or(self.found.folder.as_str(), |written| written.file.as_str());
        Finding::error(file, "version-taken", message).at(written.and_then(|written| written.line))
    }

    fn push_too_large(&self) -> Finding {
        let message = format!(
            "this skill was not released: the releases of one push may have {} MiB in all; push fewer skills or tags \
             at a time, then push this one again",
            self.app.limits().push_bytes >> 20
        );
        Finding::error(&self.found.folder, "push-releases", message)
    }

    /// Lays the skill out; `None` when it was refused, with the reasons in `findings`.
    fn lay(&self, version: &Version, findings: &mut Vec<Finding>) -> Result<Option<(LaidOut, Bundle)>> {
        let laid = match lay_out(self.found, self.tree, version, &self.pushed.creator.username) {
            Ok(laid) => laid,
            Err(refused) => {
                findings.clear();
                findings.extend(refused.findings);
                return Ok(None);
            }
        };
        let mut sources: HashMap<usize, Vec<u8>> = HashMap::new();
        for file in &laid.files {
            if let LaidContent::Source(index) = file.content
                && !sources.contains_key(&index)
            {
                sources.insert(index, self.tree.read(index).map_err(|e| Error::internal(e.reason))?);
            }
        }
        let bundle = bundle_of(&laid.files, |index| sources.get(&index).map_or(&[][..], Vec::as_slice))
            .map_err(Error::internal)?;
        findings.clear();
        findings.extend(laid.findings.iter().cloned());
        Ok(Some((laid, bundle)))
    }

    /// The push is kept, but nothing is released: the listing says why.
    fn kept(&self, findings: Vec<Finding>) -> Outcome {
        let problems: Vec<String> =
            findings.iter().filter(|f| f.is_error()).map(ToString::to_string).take(20).collect();
        let nameable = check_skill_name(&self.found.name).is_ok();
        let told_already = self.listing.is_some_and(|listing| listing.problems == problems);
        let change = (nameable && !told_already).then(|| {
            let (after, folder) = match self.listing {
                // What is offered stays as it is until something can be released.
                Some(listing) => (listing.clone(), None),
                None => (self.listing_after(&[]), Some(self.found.folder.clone())),
            };
            Change { after: Listing { problems, ..after }, folder, cut: None }
        });
        Outcome { name: self.found.name.clone(), verdict: Verdict::Kept, findings, change }
    }

    /// Main holds again what is released: nothing keeps it from being so any more.
    fn mended(&self) -> Option<Change> {
        let listing = self.listing.filter(|listing| self.pushed.is_main && !listing.problems.is_empty())?;
        Some(Change { after: Listing { problems: Vec::new(), ..listing.clone() }, folder: None, cut: None })
    }

    fn released(
        &self,
        version: Version,
        laid: &LaidOut,
        bundle: Bundle,
        findings: Vec<Finding>,
    ) -> Result<Outcome> {
        let now = self.pushed.now;
        let bytes = bundle.files().map_err(Error::internal)?.iter().map(|file| file.size).sum();
        let notes = notes(&self.found.name, &version, &self.pushed.snapshot.message);
        let creator = &self.pushed.creator.username;
        let cut = Cut {
            id: self.app.with_rng(|rng| ReleaseId::new(now, rng)),
            commit: release_commit(bundle.tree(), creator, now.as_second(), &notes),
            version: version.clone(),
            bundle,
            notes,
            published_at: now,
            source_commit: Some(stored(self.pushed.snapshot.commit)),
            files: laid.files.len(),
            bytes,
        };
        let after = self.listing_after(&laid.features);
        let change = Some(Change { after, folder: Some(self.found.folder.clone()), cut: Some(cut) });
        let verdict =
            Verdict::Released { version, files: laid.files.len(), bytes, new: self.listing.is_none() };
        Ok(Outcome { name: self.found.name.clone(), verdict, findings, change })
    }

    /// The listing after this push: the manifest's words, and what the operator has set kept.
    fn listing_after(&self, features: &[String]) -> Listing {
        let now = self.pushed.now;
        let mut after = match self.listing {
            Some(listing) => listing.clone(),
            None => self.new_listing(self.app.with_rng(|rng| SkillId::new(now, rng)), self.pushed.creator.id),
        };
        after.source = self.pushed.source;
        if !self.found.description.is_empty() {
            after.description.clone_from(&self.found.description);
        }
        if !features.is_empty() {
            after.features = features.to_vec();
        }
        after.problems = Vec::new();
        after.updated_at = now;
        if after.category.is_none() {
            after.category = self.found.category.clone().filter(|word| check_label(word).is_ok());
        }
        if after.tags.is_empty() {
            let fit: Vec<String> =
                self.found.tags.iter().filter(|tag| check_label(tag).is_ok()).cloned().collect();
            after.tags = check_tags(&fit).unwrap_or_default();
        }
        after
    }

    fn new_listing(&self, skill: SkillId, creator: UserId) -> Listing {
        Listing {
            skill,
            name: self.found.name.clone(),
            creator,
            creator_name: self.pushed.creator.username.clone(),
            // Nobody pushes with a suspended account.
            creator_suspended: false,
            source: self.pushed.source,
            position: -1,
            state: ListingState::Draft,
            quarantine: None,
            description: self.found.description.clone(),
            features: Vec::new(),
            category: None,
            tags: Vec::new(),
            prices: Prices::default(),
            trial_days: 0,
            problems: Vec::new(),
            created_at: self.pushed.now,
            published_at: None,
            updated_at: self.pushed.now,
        }
    }
}

/// A release's notes: which it is, and what the commit says of it.
fn notes(name: &str, version: &Version, message: &str) -> String {
    let mut end = message.len().min(MAX_NOTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let said = message[..end].trim();
    if said.is_empty() { format!("{name} {version}\n") } else { format!("{name} {version}\n\n{said}\n") }
}
